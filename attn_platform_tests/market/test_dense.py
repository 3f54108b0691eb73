"""Dense arrays against a pandas pivot of the same tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_platform.errors import CalendarError, MissingDataError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.contract import TRADING_STATUSES
from attn_platform.market.dense import STATUS_CODES, DenseMarket, load_dense, shared_dense
from attn_platform.market.lake import Lake, days
from attn_platform_tests.market.vendor_files import SESSIONS, contract_tables

CALENDAR = exchange_calendar()
FIELDS = ("close", "vwap", "is_suspended", "trading_status", "pb_lf", "total_mv", "eps_fy1")


def lake_of(root: Path, tables: dict[str, pa.Table]) -> Lake:
    lake = Lake(root / "lake")
    for name, data in tables.items():
        if "date" in data.column_names:
            lake.write_sessions(name, data, np.unique(days(data["date"])))
        else:
            lake.write(name, data)
    return lake


def pivot(data: pa.Table, field: str, market: DenseMarket) -> np.ndarray:
    frame = data.to_pandas()
    if field == "trading_status":
        frame[field] = frame[field].map(TRADING_STATUSES.index)
    wide = frame.assign(**{field: frame[field].astype(float)}).pivot(index="date", columns="symbol", values=field)
    return wide.reindex(index=market.sessions.tolist(), columns=market.symbols).to_numpy(dtype=float)


@pytest.mark.slow
@settings(max_examples=25)
@given(data=st.data())
def test_dense_fields_equal_a_pivot(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    tables = contract_tables()
    status = data.draw(st.lists(st.sampled_from(TRADING_STATUSES), min_size=18, max_size=18))
    tables["daily_bar"] = tables["daily_bar"].set_column(15, "trading_status", pa.array(status))
    for name in ("daily_bar", "valuation", "consensus"):
        kept = data.draw(st.lists(st.integers(0, 17), min_size=1, unique=True).map(sorted))
        tables[name] = tables[name].take(pa.array(kept))
    first, last = sorted(data.draw(st.lists(st.sampled_from(SESSIONS), min_size=2, max_size=2)))
    bars = tables["daily_bar"].to_pandas().astype({"date": str})
    inside = bars[bars["date"].between(first, last)]
    lake = lake_of(tmp_path_factory.mktemp("dense"), tables)
    if inside.empty:
        with pytest.raises(MissingDataError, match=f"no table 'daily_bar' from {first} to {last}"):
            load_dense(lake, CALENDAR, first, last, FIELDS)
        return
    market = load_dense(lake, CALENDAR, first, last, FIELDS)
    assert market.sessions.tolist() == CALENDAR.between(first, last).tolist()
    assert market.symbols.tolist() == sorted(inside["symbol"].unique())
    assert market.shape == (len(market.sessions), len(market.symbols))
    for field in FIELDS:
        table = next(data for data in tables.values() if field in data.column_names)
        assert market[field].dtype == np.float64
        np.testing.assert_array_equal(market[field], pivot(table, field, market), err_msg=field)


def test_chosen_symbols_are_the_columns_known_or_not(tmp_path: Path) -> None:
    tables = contract_tables()
    wanted = np.array(["000002.SZ", "600000.SH"])
    market = load_dense(lake_of(tmp_path, tables), CALENDAR, SESSIONS[0], SESSIONS[-1], ("close",), wanted)
    assert market.symbols.tolist() == wanted.tolist()
    assert np.isnan(market["close"][:, 0]).all()
    np.testing.assert_allclose(market["close"][:, 1], 12.0 + 0.1 * np.arange(6))


def test_sessions_without_a_file_are_missing(tmp_path: Path) -> None:
    tables = contract_tables()
    later = [day >= "2021" for day in tables["valuation"]["date"].cast(pa.string()).to_pylist()]
    lake = lake_of(tmp_path, tables | {"valuation": tables["valuation"].filter(pa.array(later))})
    # The table begins inside the range, and after it.
    market = load_dense(lake, CALENDAR, SESSIONS[0], SESSIONS[-1], ("close", "pb_lf"))
    assert np.isnan(market["pb_lf"]).all(axis=1).tolist() == [True] * 3 + [False] * 3
    assert np.isnan(load_dense(lake, CALENDAR, SESSIONS[0], SESSIONS[2], ("close", "pb_lf"))["pb_lf"]).all()


def test_a_field_of_an_absent_table_is_left_out(tmp_path: Path) -> None:
    tables = contract_tables()
    del tables["consensus"]
    market = load_dense(lake_of(tmp_path, tables), CALENDAR, SESSIONS[0], SESSIONS[-1], ("close", "eps_fy1"))
    assert set(market.fields) == {"close"}
    with pytest.raises(MissingDataError, match="field 'eps_fy1' was not loaded or its table is absent"):
        market["eps_fy1"]


def test_an_empty_lake_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no table 'daily_bar' .*materialise or import it first"):
        load_dense(Lake(tmp_path), CALENDAR, SESSIONS[0], SESSIONS[-1], ("close",))


def test_rows_on_a_day_that_is_no_session_are_not_put_on_another(tmp_path: Path) -> None:
    tables = contract_tables()
    lake = lake_of(tmp_path, tables)
    frame = tables["daily_bar"].slice(0, 3).to_pandas().assign(date=pd.Timestamp("2021-01-02").date())
    lake.write("daily_bar", pa.Table.from_pandas(frame, schema=tables["daily_bar"].schema), "2021-01-02")
    with pytest.raises(CalendarError, match="2021-01-02 is no session"):
        load_dense(lake, CALENDAR, SESSIONS[0], SESSIONS[-1], ("close",))


def test_rows_of_a_dense_market(tmp_path: Path) -> None:
    market = load_dense(lake_of(tmp_path, contract_tables()), CALENDAR, SESSIONS[0], SESSIONS[-1], FIELDS)
    part = market.rows(slice(2, 4))
    assert part.sessions.astype(str).tolist() == list(SESSIONS[2:4])
    np.testing.assert_array_equal(part["close"], market["close"][2:4])
    assert np.shares_memory(part["close"], market["close"])
    assert part.position("2021-01-04") == 1
    for absent in ("2020-12-30", "2021-01-05", "2021-01-02"):
        with pytest.raises(MissingDataError, match=f"session {absent} was not loaded"):
            part.position(absent)


def test_a_market_is_looked_back_on_under_the_codes_of_a_session() -> None:
    """A turns into C on the third session and C into B on the fifth; D has nothing to do with it."""
    nan = np.nan
    close = np.array([[1, nan, nan, 9], [2, nan, nan, 9], [nan, nan, 3, 9], [nan, nan, 4, 9], [nan, 5, nan, 9.0]])
    days = np.arange("2021-01-04", "2021-01-09", dtype="datetime64[D]")
    market = DenseMarket(
        days, np.array(list("ABCD")), {"close": close}, {"A": days[2], "C": days[4]}, {"A": "C", "C": "B"}
    )
    for session, wanted in enumerate([[0], [0], [2], [2], [1]]):
        seen = market.under_codes_of(days[session])
        rows = seen["close"][: session + 1]
        np.testing.assert_array_equal(rows[:, wanted[0]], np.arange(1.0, session + 2))
        assert np.isnan(np.delete(rows, [wanted[0], 3], axis=1)).all()
        assert (rows[:, 3] == 9).all()
    assert market.under_codes_of(days[1]) is market
    assert market.new_codes(days[4]) == {"A": "B", "C": "B"}
    np.testing.assert_array_equal(market["close"], close)


def test_the_codes_that_table_security_names(tmp_path: Path) -> None:
    tables = contract_tables()
    security = tables["security"].to_pylist()
    security[0] |= {"delist_date": days(tables["daily_bar"]["date"])[-1].item(), "successor": "600000.SH"}
    named = tables | {"security": pa.Table.from_pylist(security, schema=tables["security"].schema)}
    market = load_dense(lake_of(tmp_path / "named", named), CALENDAR, SESSIONS[0], SESSIONS[-1], ["close"])
    assert market.successors == {"000001.SZ": "600000.SH"}
    before = load_dense(lake_of(tmp_path / "before", named), CALENDAR, SESSIONS[0], SESSIONS[-2], ["close"])
    assert before.successors == {}
    older = tables | {"security": tables["security"].drop_columns(["successor"])}
    assert (
        load_dense(lake_of(tmp_path / "older", older), CALENDAR, SESSIONS[0], SESSIONS[-1], ["close"]).successors == {}
    )


def test_statuses_are_numbered_in_the_order_of_the_contract() -> None:
    assert STATUS_CODES == {"normal": 0.0, "st": 1.0, "star_st": 2.0, "delisting": 3.0}


@pytest.mark.parametrize("length", [1, 2, 4])
def test_reading_in_pieces_is_reading_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    lake = lake_of(tmp_path, contract_tables())
    whole = load_dense(lake, CALENDAR, SESSIONS[0], SESSIONS[-1], FIELDS)
    monkeypatch.setattr("attn_platform.market.dense.PIECE", length)
    pieces = load_dense(lake, CALENDAR, SESSIONS[0], SESSIONS[-1], FIELDS)
    np.testing.assert_array_equal(pieces.symbols, whole.symbols)
    assert list(pieces.fields) == list(whole.fields)
    for name, values in whole.fields.items():
        np.testing.assert_array_equal(pieces[name], values)


def test_a_shared_market_is_loaded_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, contract_tables())
    asked = (CALENDAR, SESSIONS[0], SESSIONS[-1], ("close", "pb_lf"))
    first = shared_dense(lake, *asked)
    assert shared_dense(Lake(lake.root), *asked) is first
    np.testing.assert_array_equal(first["pb_lf"], load_dense(lake, *asked)["pb_lf"])
    with pytest.raises(ValueError, match="read-only"):
        first["close"][0, 0] = 1.0
    assert shared_dense(lake, CALENDAR, SESSIONS[1], SESSIONS[1], ("close",)).shape[0] == 1

    bars = lake.read("daily_bar", SESSIONS[2], SESSIONS[2])
    lake.write(
        "daily_bar", bars.set_column(bars.column_names.index("close"), "close", pc.add(bars["close"], 1.0)), SESSIONS[2]
    )
    changed = shared_dense(lake, *asked)["close"] - first["close"]
    assert np.nanmax(np.abs(changed), axis=1).round(9).tolist() == [0, 0, 1, 0, 0, 0]
