"""What an import changes is on record value by value, written only where something changed, and never twice."""

import datetime
import shutil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attn_platform.market import corrections
from attn_platform.market.contract import TABLES
from attn_platform.market.corrections import changed_sessions, read_corrections, record_corrections, summary
from attn_platform.market.lake import Lake
from attn_platform.market.lake.files import encoded
from attn_platform.studies.settings import Home
from attn_platform.workflows.imports import import_data
from attn_platform_tests.market.vendor_files import SESSIONS, contract_tables, tree, write_files

NOW = datetime.datetime(2021, 1, 7, 19, 30, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path / "files", contract_tables())
    return tmp_path / "files"


@pytest.fixture
def home(tmp_path: Path, folder: Path) -> Path:
    assert import_data(tmp_path / "home", "contract", folder).corrections.num_rows == 0, "nothing was there before"
    return tmp_path / "home"


def rows_of(folder: Path, table: str) -> pd.DataFrame:
    return pq.read_table(folder / f"{table}.parquet").to_pandas()


def put_rows(folder: Path, table: str, frame: pd.DataFrame) -> None:
    schema = pq.read_schema(folder / f"{table}.parquet")
    pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), folder / f"{table}.parquet")


def correct(folder: Path, session: str, symbol: str, **values: Any) -> None:
    frame = rows_of(folder, "daily_bar")
    at = (frame["date"].astype(str) == session) & (frame["symbol"] == symbol)
    assert at.sum() == 1
    for name, value in values.items():
        frame.loc[at, name] = value
    put_rows(folder, "daily_bar", frame)


def files_of(home: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(home / "lake").items() if not name.startswith("manifest")}


def test_the_same_import_twice_changes_nothing(home: Path, folder: Path) -> None:
    before = tree(home)
    again = import_data(home, "contract", folder)
    assert again.corrections.num_rows == 0
    assert tree(home) == before


def test_a_corrected_value_is_reported_and_nothing_else_is_written(home: Path, folder: Path) -> None:
    before = files_of(home)
    session = SESSIONS[2]
    old = (
        rows_of(folder, "daily_bar")
        .set_index(["date", "symbol"])
        .loc[(datetime.date.fromisoformat(session), "600000.SH")]
    )
    correct(folder, session, "600000.SH", amount=old["amount"] * 1.001)
    done = import_data(home, "contract", folder)
    found = done.corrections.to_pandas()
    of_bar = found[found["column"] == "amount"]
    assert of_bar[["table", "session", "symbol", "change"]].to_numpy().tolist() == [
        ["daily_bar", datetime.date.fromisoformat(session), "600000.SH", "changed"]
    ]
    assert float(of_bar["before"].item()) == old["amount"]
    assert float(of_bar["after"].item()) == old["amount"] * 1.001
    assert set(found["column"]) <= {"amount", "vwap"}, "what is worked out of it, besides"
    new = {name for name in set(files_of(home)) - set(before) if name.endswith(".parquet")}
    assert {name.split("/")[0] for name in new} == {"daily_bar", "correction"}
    assert len(new) == 2, "the session, and the record"
    assert all(files_of(home)[name] == content for name, content in before.items())
    lake = Home.open(home).lake
    pd.testing.assert_frame_equal(
        read_corrections(lake).drop(columns="imported"), found.drop(columns="imported"), check_dtype=False
    )
    state = tree(home)
    assert import_data(home, "contract", folder).corrections.num_rows == 0
    assert tree(home) == state
    # Back as it was: corrected again, behind the first correction.
    correct(folder, session, "600000.SH", amount=old["amount"])
    import_data(home, "contract", folder)
    history = read_corrections(lake, table="daily_bar", session=np.datetime64(session))
    amounts = history[history["column"] == "amount"]
    assert set(amounts["after"].astype(float)) == {old["amount"], old["amount"] * 1.001}


def test_a_session_that_comes_late_is_told(tmp_path: Path, folder: Path) -> None:
    gap = shutil.copytree(folder, tmp_path / "gap")
    for name in ("daily_bar", "valuation", "index_bar", "index_weight"):
        if (gap / f"{name}.parquet").exists():
            frame = rows_of(gap, name)
            put_rows(gap, name, frame[frame["date"].astype(str) != SESSIONS[4]])
    home = tmp_path / "home"
    import_data(home, "contract", gap, end=SESSIONS[3])
    import_data(home, "contract", gap, start=SESSIONS[5])
    late = import_data(home, "contract", folder, SESSIONS[4], SESSIONS[4]).corrections.to_pandas()
    late = late[late["change"] == "late"]
    assert set(late["session"].astype(str)) == {SESSIONS[4]}
    assert "daily_bar" in set(late["table"])
    rows = rows_of(folder, "daily_bar")
    expected = (rows["date"].astype(str) == SESSIONS[4]).sum()
    assert int(late.loc[late["table"] == "daily_bar", "after"].item()) >= expected


def bars(*rows: tuple[str, float | None, int]) -> pa.Table:
    """Rows of a raw table with some of its columns: symbol, close, volume."""
    return pa.table(
        {
            "date": pa.array([datetime.date(2021, 1, 4)] * len(rows), pa.date32()),
            "symbol": [row[0] for row in rows],
            "close": pa.array([row[1] for row in rows], pa.float64()),
            "volume": pa.array([row[2] for row in rows], pa.int64()),
        }
    )


OLD = bars(("600000.SH", 10.0, 5), ("600001.SH", None, 5), ("600002.SH", 0.0, 7))


def brought(lake: Lake, data: pa.Table, day: str | None = "2021-01-04", table: str = "daily_bar") -> pd.DataFrame:
    with lake.staging() as stage:
        stage.write(table, data, day)
        return record_corrections(stage, NOW).to_pandas()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    assert brought(made, OLD).empty
    return made


def test_values_rows_and_nulls(lake: Lake) -> None:
    new = bars(("600000.SH", 10.01, 5), ("600001.SH", 3.5, 5), ("600003.SH", 1 / 3, 9))
    found = brought(lake, new)
    assert found[["symbol", "column", "change", "before", "after"]].astype(object).where(found.notna(), None)[
        ["symbol", "column", "change", "before", "after"]
    ].to_numpy().tolist() == [
        ["600000.SH", "close", "changed", "10", "10.01"],
        ["600001.SH", "close", "changed", None, "3.5"],
        ["600002.SH", "close", "removed", "0", None],
        ["600002.SH", "volume", "removed", "7", None],
        ["600003.SH", "close", "added", None, "0.3333333333333333"],
        ["600003.SH", "volume", "added", None, "9"],
    ]
    assert (found["imported"] == pd.Timestamp(NOW)).all()
    told = summary(found).iloc[0]
    assert (told["rows"], told["values"], told["columns"]) == (4, 6, "close, volume")
    assert changed_sessions(found) == {"daily_bar": ["2021-01-04"]}


def test_a_session_that_had_no_row(lake: Lake) -> None:
    assert brought(lake, OLD.slice(0, 0), "2021-01-05").empty
    found = brought(lake, OLD, "2021-01-05")
    assert set(found["change"]) == {"added"}
    assert set(found["symbol"]) == {"600000.SH", "600001.SH", "600002.SH"}
    assert set(brought(lake, OLD.slice(0, 0), "2021-01-05")["change"]) == {"removed"}


def test_other_bytes_of_the_same_rows_change_nothing(lake: Lake) -> None:
    """Another order, −0 and NaN: no value differs, so that what is there stays in force."""
    before = lake.path("daily_bar", "2021-01-04")
    same = bars(("600002.SH", -0.0, 7), ("600001.SH", float("nan"), 5), ("600000.SH", 10.0, 5))
    assert encoded(same) != encoded(OLD)
    assert brought(lake, same).empty
    assert lake.path("daily_bar", "2021-01-04") == before
    assert lake.leftovers() == []


def test_a_damaged_file_is_replaced(lake: Lake) -> None:
    lake.path("daily_bar", "2021-01-04").write_bytes(b"PAR1 no more PAR1")
    new = bars(("600000.SH", 11.0, 5))
    assert brought(lake, new).empty, "nobody knows what was there"
    assert lake.read("daily_bar").num_rows == 1


def test_tables_without_sessions_are_told_by_their_keys(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    schema = TABLES["industry"].schema
    row = {"symbol": "600000.SH", "scheme": "citic_l1", "in_date": datetime.date(2020, 1, 2), "name": "Banks"}
    brought(lake, pa.Table.from_pylist([row], schema=schema), None, "industry")
    (change,) = brought(lake, pa.Table.from_pylist([{**row, "name": "Coal"}], schema=schema), None, "industry").to_dict(
        "records"
    )
    assert (change["symbol"], change["item"]) == ("600000.SH", "scheme=citic_l1, in_date=2020-01-02")
    assert (change["before"], change["after"]) == ("Banks", "Coal")
    assert pd.isna(change["session"])


def test_every_value_read_back_is_the_value(lake: Lake) -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal(500) * 10.0 ** rng.integers(-12, 12, 500)
    symbols = [f"600{number:03d}.SH" for number in range(500)]
    first = bars(*zip(symbols, values, range(500), strict=True))
    brought(lake, first)
    found = brought(lake, bars(*zip(symbols, np.nextafter(values, np.inf), range(500), strict=True)))
    assert len(found) == 500
    np.testing.assert_array_equal(found["before"].astype(float), values)
    np.testing.assert_array_equal(found["after"].astype(float), np.nextafter(values, np.inf))


def test_corrections_of_one_day_add_up(lake: Lake) -> None:
    brought(lake, bars(("600000.SH", 11.0, 5)))
    brought(lake, bars(("600000.SH", 12.0, 5)))
    held = read_corrections(lake)
    assert held.loc[held["symbol"] == "600000.SH", "after"].tolist() == ["11", "12"]
    assert read_corrections(lake, since="2021-01-08").empty
    assert read_corrections(lake, table="valuation").empty
    assert corrections.TABLE not in TABLES
