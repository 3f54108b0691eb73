"""The memory-mapped panel: the lake's rows in another order, made anew when and only when the lake has changed."""

import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError, MissingDataError
from attn_platform.market.lake import Lake, from_columns
from attn_platform.training import panel_array as module
from attn_platform.training.panel_array import panel_array
from attn_platform.training.samples import Samples

TABLE, FEATURES = "factor_panel", ("ret_5d", "turn_1m")
SESSIONS = np.datetime64("2011-01-04", "D") + np.arange(30)


def rows_of(session: np.datetime64, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([int(session.astype(int)), seed])
    symbols = np.sort(rng.choice([f"60000{n}.SH" for n in range(8)], rng.integers(0, 6), replace=False)).astype(str)
    values = rng.standard_normal((2, len(symbols))).astype(np.float32)
    return {"date": np.full(len(symbols), session), "symbol": symbols, **dict(zip(FEATURES, values, strict=True))}


def write(lake: Lake, session: np.datetime64, seed: int = 0, **changes) -> None:
    lake.write(TABLE, from_columns(rows_of(session, seed) | changes), session)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    for session in SESSIONS:
        write(made, session)
    return made


@pytest.fixture
def makings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for every time that an array is made."""
    made: list[str] = []
    original = module._make

    def counted(folder, lake, table, features, lead):
        made.append(table)
        return original(folder, lake, table, features, lead)

    monkeypatch.setattr(module, "_make", counted)
    return made


def opened(lake: Lake, sessions: np.ndarray = SESSIONS, lead: int = 4, features: tuple[str, ...] = FEATURES):
    return panel_array(lake.root.parent / "arrays", lake, TABLE, sessions, features, lead)


@pytest.mark.parametrize("steps", [1, 3, 4])
@pytest.mark.parametrize("chunk", [7, 1000])
def test_samples_are_those_of_the_frame(lake: Lake, steps: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", chunk)
    array = opened(lake)
    frame = lake.read(TABLE).to_pandas()
    frame["date"] = pd.to_datetime(frame["date"])
    first, last = SESSIONS[5], SESSIONS[22]
    found = Samples.from_array(array, first, last, FEATURES, steps)
    expected = Samples.from_frame(frame, FEATURES, SESSIONS, steps).between(first, last)
    for name in ("sessions", "offsets", "symbols"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.features(), expected.features())
    assert isinstance(array.factors, np.memmap)
    assert found.panel is array.factors


def test_is_made_once_and_again_when_a_session_changes(lake: Lake, makings: list[str]) -> None:
    before = opened(lake)
    opened(lake, SESSIONS[3:9])
    opened(lake, lead=2)
    write(lake, SESSIONS[10])  # the same rows: the lake leaves the file alone
    opened(lake)
    assert len(makings) == 1
    write(lake, SESSIONS[10], seed=5)
    opened(lake, SESSIONS[:10])  # does not hold the session that changed
    assert len(makings) == 1
    after = opened(lake)
    assert len(makings) == 2
    assert len(list((lake.root.parent / "arrays").iterdir())) == 1, "the old array is still there"
    session = slice(after.offsets[10], after.offsets[11])
    np.testing.assert_array_equal(after.factors[after.rows[session], 0], rows_of(SESSIONS[10], 5)["ret_5d"])
    assert before.factors.sum() != after.factors.sum(), "the array that is open still has its own numbers"


def test_more_steps_or_a_session_in_between_make_it_anew(lake: Lake, makings: list[str]) -> None:
    gone = lake.path(TABLE, SESSIONS[12])
    content = gone.read_bytes()
    gone.unlink()
    held = np.delete(SESSIONS, 12)
    opened(lake, held)
    opened(lake, held, lead=6)
    assert len(makings) == 2
    gone.write_bytes(content)
    opened(lake, SESSIONS[:12], lead=6)
    assert len(makings) == 2
    assert 12 in np.searchsorted(opened(lake, SESSIONS, lead=6).sessions, SESSIONS)
    assert len(makings) == 3


@pytest.mark.parametrize("damage", ["manifest.json", "stamps.npy", "everything"])
def test_a_damaged_cache_is_made_anew(lake: Lake, makings: list[str], damage: str) -> None:
    expected = opened(lake).factors.copy()
    [folder] = (lake.root.parent / "arrays").iterdir()
    for file in folder.iterdir() if damage == "everything" else [folder / damage]:
        file.unlink()
    np.testing.assert_array_equal(opened(lake).factors, expected)
    assert len(makings) == 2


def test_a_stop_while_it_is_made_leaves_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(module.np, "save", full)
    with pytest.raises(OSError, match="no space"):
        opened(lake)
    assert list((lake.root.parent / "arrays").iterdir()) == []


def test_a_bad_panel_is_refused(lake: Lake) -> None:
    rows = rows_of(SESSIONS[3])
    nan = rows["ret_5d"].copy()
    nan[-1] = np.inf
    write(lake, SESSIONS[3], ret_5d=nan)
    with pytest.raises(ContractError, match=re.escape(f"ret_5d of {rows['symbol'][-1]} on {SESSIONS[3]}")):
        opened(lake)
    twice = {name: np.concatenate([column, column[:1]]) for name, column in rows.items()}
    write(lake, SESSIONS[3], **twice)
    with pytest.raises(ContractError, match=re.escape(f"{rows['symbol'][0]} on {SESSIONS[3]} twice")):
        opened(lake)
    write(lake, SESSIONS[3])
    with pytest.raises(MissingDataError, match="pb"):
        opened(lake, features=("ret_5d", "pb"))
    assert [path for path in (lake.root.parent / "arrays").iterdir() if not path.name.startswith(".")] == []


def test_nobody_writes_through_it(lake: Lake) -> None:
    array = opened(lake)
    [file] = (lake.root.parent / "arrays").glob("*/factors.npy")
    before = file.read_bytes()
    array.factors[:] = 7
    os.sync()
    assert file.read_bytes() == before


def test_a_copy_that_another_process_removes_is_made_anew(
    lake: Lake, makings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a copy and its opening, another process makes a newer one and removes it."""
    expected, fits = opened(lake).factors.copy(), module._fits

    def fits_and_is_removed(found: Path, *arguments) -> bool:
        answer = fits(found, *arguments)
        shutil.rmtree(found)
        return answer

    monkeypatch.setattr(module, "_fits", fits_and_is_removed)
    np.testing.assert_array_equal(opened(lake).factors, expected)
    assert len(makings) == 2


def test_processes_that_make_copies_at_once_all_get_theirs(lake: Lake) -> None:
    """Each removes the others' copies as soon as they are complete, and keeps what it has opened."""
    expected = opened(lake).factors.copy()

    def make(number: int) -> np.ndarray:
        features = FEATURES if number % 2 else FEATURES[::-1]  # two models take turns in making it anew
        for _ in range(5):
            found = opened(lake, features=features).factors
            np.testing.assert_array_equal(found, expected if number % 2 else expected[:, ::-1])
        return found

    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(make, range(8)))) == 8


def test_what_a_killed_process_left_goes_after_a_day(lake: Lake) -> None:
    folder = lake.root.parent / "arrays"
    fresh, abandoned, others = folder / f"{TABLE}-left", folder / f"{TABLE}-abandoned", folder / f"{TABLE}_mine-left"
    for left in (fresh, abandoned, others):
        left.mkdir(parents=True)
    day_before_yesterday = time.time() - 2 * 24 * 3600
    os.utime(abandoned, (day_before_yesterday, day_before_yesterday))
    os.utime(others, (day_before_yesterday, day_before_yesterday))
    opened(lake)
    assert fresh.exists(), "another process is at work there"
    assert others.exists(), "it is another table's"
    assert not abandoned.exists()


def test_names_that_would_be_patterns_are_names(tmp_path: Path, makings: list[str]) -> None:
    lake = Lake(tmp_path / "数据 [v1] it's" / "lake")
    for session in SESSIONS:
        write(lake, session)
    opened(lake)
    opened(lake)
    assert len(makings) == 1
