"""An import into the lake is all or nothing: killed at any step, beside readers, and over what lay there before."""

import itertools
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from attn_platform.errors import BusyError, MissingDataError
from attn_platform.market.lake import Lake
from attn_platform.market.lake.leftovers import GRACE
from attn_platform.market.lake.manifest import MANIFEST
from attn_platform_tests.killing import killed_at_every_step
from attn_platform_tests.market.vendor_files import tree

DAYS = np.array(["2020-12-30", "2020-12-31", "2021-01-04", "2021-01-05"], dtype="datetime64[D]")
Content = dict[str, dict[str, list[float]]]
# Three sessions of two tables and one without sessions; the import brings a session anew, another one, and the latter.
BEFORE: Content = {
    "bar": {"2020-12-30": [1.0], "2020-12-31": [2.0, 2.5], "2021-01-04": [3.0]},
    "value": {"2020-12-31": [20.0], "2021-01-04": [30.0]},
    "names": {"": [100.0]},
}
IMPORT: Content = {
    "bar": {"2020-12-31": [-2.0], "2021-01-05": [4.0]},
    "value": {"2021-01-04": [30.0], "2021-01-05": [40.0]},
    "names": {"": [100.0, 101.0]},
}
AFTER: Content = {table: BEFORE[table] | IMPORT[table] for table in BEFORE}
FILES_OF_IMPORT = 4  # but for value of 2021-01-04, whose rows are there already


def rows(day: str, values: list[float]) -> pa.Table:
    numbers = {"x": pa.array(values, pa.float64())}
    if not day:
        return pa.table(numbers)
    return pa.table({"date": pa.array([np.datetime64(day).item()] * len(values), pa.date32()), **numbers})


def write(lake: Lake, content: Content) -> None:
    for table, sessions in content.items():
        for day, values in sessions.items():
            lake.write(table, rows(day, values), day or None)


def bring(lake: Lake, content: Content = IMPORT) -> None:
    with lake.staging() as stage:
        write(stage, content)


def content_of(lake: Lake) -> Content:
    """All that the lake holds, asked for in each of the ways in which it may be asked; they must agree."""
    found: Content = {}
    with lake.connect() as connection:
        for table in lake.tables():
            assert lake.has(table)
            days = [str(day) for day in lake.sessions(table)] or [""]
            found[table] = {}
            for day in days:
                one = lake.read(table, day, day) if day else lake.read(table)
                assert lake.rows(table, day or None) == one.num_rows
                assert lake.path(table, day or None).exists()
                found[table][day] = one["x"].to_pylist()
            values = list(itertools.chain(*found[table].values()))
            assert lake.read(table)["x"].to_pylist() == values
            if days != [""]:
                several = lake.read_sessions(table, lake.sessions(table))
                assert several is not None
                assert several["x"].to_pylist() == values
            assert sorted(row[0] for row in connection.sql(f'SELECT x FROM "{table}"').fetchall()) == sorted(values)
    return found


def long_ago(lake: Lake) -> None:
    """Let the last change of the manifest be so long ago that nobody reads what it has superseded."""
    moment = time.time() - 2 * GRACE.total_seconds()
    os.utime(lake.root / MANIFEST, (moment, moment))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def nothing(lake: Lake) -> None:
    """The start of a new lake."""


STARTS: dict[str, tuple[Callable[[Lake], None], Content, Content]] = {
    "new": (nothing, {}, IMPORT),
    "imported": (lambda lake: bring(lake, BEFORE), BEFORE, AFTER),
    "written directly": (lambda lake: write(lake, BEFORE), BEFORE, AFTER),
}


def import_into(folder: Path) -> None:
    bring(Lake(folder / "lake"))


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
def test_an_import_that_is_killed_at_any_step_has_changed_all_or_nothing(tmp_path: Path, start: str) -> None:
    prepare, before, after = STARTS[start]
    (tmp_path / "start").mkdir()
    prepare(Lake(tmp_path / "start" / "lake"))
    killed = [Lake(folder / "lake") for folder in killed_at_every_step(import_into, tmp_path / "start", tmp_path / "k")]
    seen = [content_of(lake) for lake in killed]
    assert len(killed) > 3 * FILES_OF_IMPORT  # a file is made, written and put in its place
    turn = seen.index(after)
    assert seen == [before] * turn + [after] * (len(seen) - turn)
    assert turn > 3 * FILES_OF_IMPORT
    assert all(lake.importer() is None for lake in killed)
    for lake in [*killed[:: len(killed) // 4], *killed[turn - 1 : turn + 1]]:
        bring(lake)
        assert content_of(lake) == after
        long_ago(lake)
        bring(lake, {"names": after["names"]})
        assert lake.leftovers() == []
        assert content_of(lake) == after


def constant(value: float) -> Content:
    return {table: {str(day): [value] * 50 for day in DAYS} for table in ("bar", "value")}


def _import_until_killed(root: Path, barrier: Barrier) -> None:
    barrier.wait()
    for value in itertools.cycle((1.0, 2.0)):
        bring(Lake(root), constant(value))


@pytest.mark.slow
def test_readers_see_one_import_while_another_process_imports_and_after_it_was_killed(lake: Lake) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    bring(lake, constant(1.0))
    importer = context.Process(target=_import_until_killed, args=(lake.root, barrier), daemon=True)
    importer.start()
    seen: list[set[float]] = []
    try:
        barrier.wait(timeout=60)
        while len(seen) < 100 or len({*map(tuple, seen)}) < 2:
            seen.append({*lake.read("bar")["x"].to_pylist()})
            one = lake.snapshot()
            seen.append({value for table in ("bar", "value") for value in one.read(table)["x"].to_pylist()})
            with lake.connect() as connection:
                views = connection.sql("SELECT DISTINCT x FROM bar UNION SELECT DISTINCT x FROM value").fetchall()
            seen.append({value for (value,) in views})
    finally:
        importer.kill()
        importer.join()
    assert {*map(tuple, seen)} == {(1.0,), (2.0,)}
    assert content_of(lake) in (constant(1.0), constant(2.0))
    bring(lake)


def test_a_snapshot_stays_at_its_imports(lake: Lake) -> None:
    bring(lake, BEFORE)
    snapshot, stamp = lake.snapshot(), lake.stamp("bar")
    bring(lake)
    assert content_of(lake) == AFTER
    assert content_of(snapshot) == BEFORE
    assert snapshot.stamp("bar") == stamp != lake.stamp("bar")
    long_ago(lake)
    bring(lake, {"names": {"": [5.0]}})  # takes away what the snapshot reads, hours later
    with pytest.raises(MissingDataError, match=r"date=2020-12-31\.\w+\.parquet: no such file any more; import or mat"):
        snapshot.read("bar")


# --- what an import writes ---


def files_of(lake: Lake) -> dict[str, tuple[int, int]]:
    """Inode and time of every file."""
    files = (path for path in lake.root.rglob("*") if path.is_file())
    return {str(path.relative_to(lake.root)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("start", ["imported", "written directly"])
def test_an_import_of_one_day_writes_one_day(lake: Lake, start: str) -> None:
    STARTS[start][0](lake)
    before = files_of(lake)
    bring(lake, {"bar": {"2021-01-05": [4.0]}, "value": {"2021-01-05": [40.0]}, "names": {"": [100.0]}})
    after = files_of(lake)
    assert before.items() - after.items() <= {(MANIFEST, before.get(MANIFEST))}
    new = sorted(name.split(".")[0] for name in after.keys() - before.keys() - {MANIFEST})
    assert new == [f"{table}/imported/year=2021/date=2021-01-05" for table in ("bar", "value")]


@pytest.mark.parametrize("start", ["imported", "written directly"])
def test_the_same_import_again_leaves_the_lake_as_it_is(lake: Lake, start: str) -> None:
    STARTS[start][0](lake)
    before, stamps, name = files_of(lake), [lake.stamp(table) for table in BEFORE], lake.last_import()
    bring(lake, BEFORE)
    bring(lake, {"bar": {"2020-12-31": BEFORE["bar"]["2020-12-31"]}})
    assert files_of(lake) == before
    assert [lake.stamp(table) for table in BEFORE] == stamps
    assert lake.last_import() == name


def test_an_import_replaces_the_sessions_that_it_brings_and_no_other(lake: Lake) -> None:
    for content in (BEFORE, IMPORT, {"bar": {"2021-01-04": [7.0]}}):
        bring(lake, content)
    assert content_of(lake) == AFTER | {"bar": AFTER["bar"] | {"2021-01-04": [7.0]}}
    assert str(lake.sessions("bar", "2020-12-31", "2021-01-04")) == "['2020-12-31' '2021-01-04']"
    bring(lake, BEFORE)
    assert content_of(lake) == {table: AFTER[table] | BEFORE[table] for table in BEFORE}


def test_an_import_over_direct_writes_reads_both(lake: Lake) -> None:
    write(lake, BEFORE)
    bring(lake, IMPORT)
    assert content_of(lake) == AFTER
    assert lake.path("bar", "2020-12-30") == lake.root / "bar/year=2020/date=2020-12-30.parquet"
    assert lake.path("bar", "2020-12-31").parent == lake.root / "bar/imported/year=2020"


def test_whoever_writes_last_is_read(lake: Lake) -> None:
    bring(lake, BEFORE)
    lake.write("bar", rows("2020-12-31", [8.0]), "2020-12-31")
    lake.write("bar", rows("2021-01-05", [9.0]), "2021-01-05")
    lake.write("names", rows("", [7.0]))
    assert content_of(lake) == {
        "bar": {"2020-12-30": [1.0], "2020-12-31": [8.0], "2021-01-04": [3.0], "2021-01-05": [9.0]},
        "value": BEFORE["value"],
        "names": {"": [7.0]},
    }
    long_ago(lake)
    bring(lake)  # which takes leftovers away, but nothing that is read
    assert content_of(lake) == AFTER
    lake.write_sessions("bar", pa.concat_tables([rows("2020-12-30", [5.0]), rows("2020-12-31", [6.0])]), DAYS[:2])
    assert content_of(lake)["bar"] == AFTER["bar"] | {"2020-12-30": [5.0], "2020-12-31": [6.0]}


def test_a_direct_write_of_what_an_import_has_brought_leaves_it(lake: Lake) -> None:
    bring(lake, BEFORE)
    before = files_of(lake)
    write(lake, BEFORE)
    assert files_of(lake) == before


def test_a_direct_write_while_an_import_runs_is_kept_unless_the_import_brings_that_session(lake: Lake) -> None:
    bring(lake, BEFORE)
    with lake.staging() as stage:
        write(stage, IMPORT)
        lake.write("bar", rows("2020-12-30", [5.0]), "2020-12-30")
        lake.write("bar", rows("2020-12-31", [6.0]), "2020-12-31")
        assert lake.read("bar")["x"].to_pylist() == [5.0, 6.0, 3.0]
    assert content_of(lake) == AFTER | {"bar": AFTER["bar"] | {"2020-12-30": [5.0]}}


# --- the stage ---


def test_a_stage_is_the_lake_as_it_will_be(lake: Lake) -> None:
    bring(lake, BEFORE)
    write(lake, {"direct": {"2020-12-30": [1.0]}})
    with lake.staging() as stage:
        assert content_of(stage) == content_of(lake)
        write(stage, {"bar": {"2020-12-31": [0.0]}})
        write(stage, IMPORT)
        assert content_of(stage) == AFTER | {"direct": {"2020-12-30": [1.0]}}
        assert content_of(lake) == BEFORE | {"direct": {"2020-12-30": [1.0]}}
        with stage.staging() as within:
            write(within, {"direct": {"2020-12-31": [2.0]}})
        assert stage.sessions("direct").tolist() == DAYS[:2].tolist()
        assert lake.sessions("direct").tolist() == DAYS[:1].tolist()
    assert content_of(lake) == AFTER | {"direct": {"2020-12-30": [1.0], "2020-12-31": [2.0]}}
    assert lake.leftovers() == sorted(lake.leftovers())
    assert sorted(path.name.split(".")[0] for path in lake.leftovers()) == ["all", "date=2020-12-31"]


def test_what_is_staged_back_to_what_was_there_changes_nothing(lake: Lake) -> None:
    write(lake, BEFORE)
    before = files_of(lake)
    with lake.staging() as stage:
        write(stage, IMPORT)
        write(stage, {table: BEFORE[table] for table in ("bar", "names")})
        assert stage.read("bar")["x"].to_pylist() == [1.0, 2.0, 2.5, 3.0, 4.0]
    new = sorted(name.split(".")[0] for name in files_of(lake).keys() - before.keys() - {MANIFEST})
    assert new == [f"{table}/imported/year=2021/date=2021-01-05" for table in ("bar", "value")]


@pytest.mark.parametrize("start", STARTS)
def test_an_import_that_fails_leaves_no_trace(lake: Lake, start: str) -> None:
    STARTS[start][0](lake)
    before = tree(lake.root) if lake.root.exists() else None

    def spoilt() -> None:
        with lake.staging() as stage:
            write(stage, IMPORT)
            raise ValueError("the last file is bad")

    with pytest.raises(ValueError, match="the last file is bad"):
        spoilt()
    assert (tree(lake.root) if lake.root.exists() else None) == before


def test_what_happens_at_commit_is_told_the_import_and_may_stop_it(lake: Lake) -> None:
    told: list[str] = []
    with lake.staging() as stage:
        write(stage, BEFORE)
        stage.at_commit(lambda name: told.extend([name, lake.last_import()]))
    assert told == [lake.last_import(), ""]
    with lake.staging() as stage:
        stage.at_commit(told.append)
    assert told[2] == lake.last_import() != ""
    before = tree(lake.root)

    def refuse(_: str) -> None:
        raise OSError("no space left")

    def refused() -> None:
        with lake.staging() as stage:
            write(stage, IMPORT)
            stage.at_commit(refuse)

    with pytest.raises(OSError, match="no space"):
        refused()
    assert tree(lake.root) == before


# --- two at once ---


def _hold_an_import(root: Path, barrier: Barrier) -> None:
    with Lake(root).staging() as stage:
        write(stage, IMPORT)
        barrier.wait()
        time.sleep(600)


def test_a_second_import_is_refused_with_the_name_of_the_first_until_that_ends_or_dies(lake: Lake) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    bring(lake, BEFORE)
    assert lake.importer() is None
    other = context.Process(target=_hold_an_import, args=(lake.root, barrier), daemon=True)
    other.start()
    try:
        barrier.wait(timeout=60)
        assert f"process {other.pid} on " in str(lake.importer())
        with pytest.raises(BusyError, match=rf"another import into .* runs; wait for its end \(process {other.pid} on"):
            bring(lake, {"bar": {"2021-01-05": [0.0]}})
        lake.write("bar", rows("2021-01-05", [9.0]), "2021-01-05")  # who writes directly need not wait
        lake.write("bar", rows("2020-12-30", [9.5]), "2020-12-30")
    finally:
        other.kill()
        other.join()
    assert lake.importer() is None
    assert content_of(lake) == BEFORE | {"bar": BEFORE["bar"] | {"2020-12-30": [9.5], "2021-01-05": [9.0]}}
    assert len(lake.leftovers()) == FILES_OF_IMPORT + 1
    bring(lake)
    assert content_of(lake) == AFTER | {"bar": AFTER["bar"] | {"2020-12-30": [9.5]}}


def test_an_import_within_another_of_the_same_process_is_refused(lake: Lake) -> None:
    with lake.staging(), pytest.raises(BusyError, match=f"process {os.getpid()} on"):
        bring(lake)
    bring(lake)


# --- leftovers ---


def test_what_is_superseded_stays_for_its_readers_and_goes_with_a_later_import(lake: Lake) -> None:
    write(lake, BEFORE)
    bring(lake, IMPORT)
    superseded = {lake.root / "bar/year=2020/date=2020-12-31.parquet", lake.root / "names/all.parquet"}
    assert {*lake.leftovers()} == superseded
    bring(lake, {"names": {"": [0.0]}})
    assert {*lake.leftovers()} > superseded
    long_ago(lake)
    assert {*lake.leftovers()} > superseded  # nobody but an import takes anything away
    bring(lake, {"value": {"2020-12-30": [0.0]}})
    assert lake.leftovers() == []
    assert not any(path.exists() for path in superseded)
    assert content_of(lake) == AFTER | {"names": {"": [0.0]}, "value": {"2020-12-30": [0.0]} | AFTER["value"]}


def test_what_was_half_written_is_left_over(lake: Lake) -> None:
    bring(lake, BEFORE)
    place = lake.path("bar", "2020-12-31")
    half = [place.with_name(f".{place.name}.0123"), lake.root / f".{MANIFEST}.0123"]
    for path in half:
        path.write_bytes(b"PAR1")
    assert {*lake.leftovers()} == {*half}
    assert content_of(lake) == BEFORE
    long_ago(lake)
    bring(lake)
    assert not any(path.exists() for path in half)


def test_a_table_that_is_a_link_is_left_to_its_own_lake(lake: Lake, tmp_path: Path) -> None:
    bring(lake, BEFORE)
    other = Lake(tmp_path / "other")
    other.root.mkdir()
    (other.root / "bar").symlink_to(lake.root / "bar", target_is_directory=True)
    bring(other, {"value": BEFORE["value"]})
    long_ago(other)
    bring(other, {"value": IMPORT["value"]})
    assert content_of(lake) == BEFORE


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"PAR1")], ids=["deleted", "damaged"])
@pytest.mark.parametrize("again", [bring, lambda lake, content: write(lake, content)], ids=["imported", "written"])
def test_an_imported_file_that_is_lost_is_named_and_comes_back_once_it_is_written_again(
    lake: Lake, spoil: Callable[[Path], object], again: Callable[[Lake, Content], object]
) -> None:
    bring(lake, BEFORE)
    manifest = tree(lake.root)[MANIFEST]
    path = lake.path("bar", "2020-12-31")
    spoil(path)
    for read in (lambda: lake.read("bar"), lambda: lake.read_sessions("bar", DAYS), lambda: lake.rows("bar", DAYS[1])):
        with pytest.raises(MissingDataError, match=r"date=2020-12-31\.\w+\.parquet.*import or materialise it"):
            read()
    again(lake, BEFORE)
    assert content_of(lake) == BEFORE
    assert tree(lake.root)[MANIFEST] == manifest


def test_a_damaged_manifest_is_named_and_an_import_of_everything_is_the_remedy(lake: Lake) -> None:
    bring(lake, BEFORE)
    before, path = tree(lake.root), lake.root / MANIFEST
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        MissingDataError, match=r"manifest\.parquet: damaged, .* delete it, and import everything again"
    ):
        lake.read("bar")
    path.unlink()
    bring(lake, BEFORE)
    assert content_of(lake) == BEFORE
    assert tree(lake.root) == before


# --- where it lies ---

ODD_NAMES = ("数据 [v1] it's*", "a?", "[!a]", "**", 'say "x"', "year=2020", "{a,b}", "~", "#%41", "é\u0301 ")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_lake_may_lie_in_any_folder(tmp_path: Path, name: str) -> None:
    for neighbour in ("v", "ab", "xx", "数据 v it'sx"):  # what the names fit as patterns
        write(Lake(tmp_path / neighbour), {"bar": {"2020-12-30": [-1.0]}, "names": {"": [-1.0]}})
    lake = Lake(tmp_path / name / name)
    write(lake, BEFORE)
    bring(lake)
    assert content_of(lake) == AFTER
    assert content_of(Lake(tmp_path / "top", beneath=lake)) == AFTER
    assert len(lake.leftovers()) == 2
    long_ago(lake)
    bring(lake, {"names": {"": [0.0]}})
    assert content_of(lake) == AFTER | {"names": {"": [0.0]}}


def test_no_folder_is_renamed_and_no_link_is_needed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store has neither; it can replace one object."""
    replaced: list[str] = []
    replace = os.replace

    def replace_file(source: Path, target: Path) -> None:
        assert Path(source).is_file()
        assert Path(source).parent == Path(target).parent  # a copy under another name, which an upload is as well
        replaced.append(Path(target).name)
        replace(source, target)

    def refuse(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(os, "replace", replace_file)
    for name in ("rename", "renames", "link", "symlink"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(shutil, "move", refuse)
    bring(lake, BEFORE)
    long_ago(lake)
    bring(lake)
    assert content_of(lake) == AFTER
    assert replaced.count(MANIFEST) == 2
    assert len(replaced) == len(set(replaced) - {MANIFEST}) + 2  # every other file is written once, under its own name


def test_an_import_on_top_of_another_lake(lake: Lake, tmp_path: Path) -> None:
    bring(lake, BEFORE)
    before = tree(lake.root)
    top = Lake(tmp_path / "top", beneath=lake)
    with top.staging() as stage:
        assert content_of(stage) == BEFORE
        write(stage, {"bar": IMPORT["bar"]})
        assert content_of(stage) == BEFORE | {"bar": IMPORT["bar"]}
    assert content_of(top) == BEFORE | {"bar": IMPORT["bar"]}
    assert content_of(top.snapshot()) == BEFORE | {"bar": IMPORT["bar"]}
    assert tree(lake.root) == before
