"""Importers on small file sets: values worked out by hand, and every fault named with the lake left as it was."""

import datetime
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attn_platform.errors import BadInputError, ContractError, SourceError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.conform import conform
from attn_platform.market.contract import TABLES
from attn_platform.market.lake import Lake
from attn_platform.market.schema import FLOAT, INTEGER, Table
from attn_platform.market.vendors import ImportReport, ashare_codes, ashare_files, importer_of
from attn_platform.market.vendors.ashare import import_ashare
from attn_platform.market.vendors.ashare_files import IndexFacts
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform.market.vendors.files import read_source
from attn_platform_tests.market.vendor_files import (
    ASHARE_TABLES,
    SESSIONS,
    ashare_tables,
    contract_tables,
    source_bar,
    table_of,
    tree,
    with_cell,
    write_files,
)

CALENDAR = exchange_calendar()
FILES: dict[str, Callable[[], dict[str, pa.Table]]] = {"ashare": ashare_tables, "contract": contract_tables}
STATIC = {"ashare": "security.parquet", "contract": "security.parquet"}
BARS = {"ashare": "daily/2021.parquet", "contract": "daily_bar.parquet"}


def schemas(vendor: str) -> dict[str, Table]:
    return ASHARE_TABLES if vendor == "ashare" else {name: TABLES[name] for name in contract_tables()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def small_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of few stocks, so that the small set knows enough of its members."""
    monkeypatch.setitem(ashare_files.INDICES, "csi500", IndexFacts(2, "2007-01-15"))


@dataclass(frozen=True)
class Imported:
    """The small ashare set, where it lies and what became of it."""

    files: Path
    lake: Lake
    report: ImportReport


@pytest.fixture(scope="module")
def ashare(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    folder = tmp_path_factory.mktemp("ashare")
    files, lake = write_files(folder / "files", ashare_tables()), Lake(folder / "lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ashare_files.INDICES, "csi500", IndexFacts(2, "2007-01-15"))
        return Imported(files, lake, import_ashare(files, lake, CALENDAR))


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Valid file sets by vendor and format of the tables."""
    folder = tmp_path_factory.mktemp("valid")
    contract = contract_tables()
    return {
        ("ashare", ""): write_files(folder / "ashare", ashare_tables()),
        **{
            ("contract", suffix): write_files(folder / suffix, {f"{name}{suffix}": t for name, t in contract.items()})
            for suffix in (".parquet", ".csv")
        },
    }


def frame(lake: Lake, table: str) -> pd.DataFrame:
    data = lake.read(table).to_pandas()
    return data.assign(date=data["date"].astype(str)).set_index(["date", "symbol"])


# --- the ashare set: conversions ---


def test_ashare_prices_are_in_cny_and_shares_make_market_values(ashare: Imported) -> None:
    bar, value = (frame(ashare.lake, name).loc[("2020-12-30", "600000.SH")] for name in ("daily_bar", "valuation"))
    prices = bar[["open", "high", "low", "close", "pre_close", "vwap", "up_limit", "down_limit"]]
    assert prices.tolist() == [10.01, 10.02, 10.00, 10.01, 10.00, 10.01, 11.00, 9.00]
    assert bar[["volume", "amount", "turnover_rate", "adj_factor"]].tolist() == [1_000, 10_010, 0.001, 1]
    assert (bar["is_suspended"], bar["trading_status"]) == (False, "normal")
    assert value[["total_mv", "float_mv", "pb_lf", "pe_ttm"]].tolist() == [20_020_000, 10_010_000, 1.5, 10]
    # A yield of 2 % of the market value.
    assert value["dividend_12m"] == pytest.approx(400_400)
    assert np.isnan(value["pcf_ocf_ttm"])


def test_ashare_suspended_sessions_get_rows_that_carry_the_last_trade(ashare: Imported) -> None:
    bars, values = frame(ashare.lake, "daily_bar"), frame(ashare.lake, "valuation")
    assert list(bars.index[bars["is_suspended"]]) == [
        ("2020-12-31", "000001.SZ"),
        ("2021-01-04", "000001.SZ"),
    ]
    for date in ("2020-12-31", "2021-01-04"):
        bar = bars.loc[(date, "000001.SZ")]
        assert bar[["open", "high", "low", "vwap"]].isna().all()
        assert bar[["volume", "amount", "turnover_rate"]].tolist() == [0, 0, 0]
        assert bar[["close", "pre_close", "adj_factor", "trading_status"]].tolist() == [5.10, 5.10, 1.0, "st"]
        # Five per cent of 5.10 for special treatment, rounded to fen.
        assert bar[["up_limit", "down_limit"]].tolist() == [5.36, 4.85]
        # The last traded session had no P/E any more: the older one must not come back.
        assert np.isnan(values.loc[(date, "000001.SZ"), "pe_ttm"])
        assert values.loc[(date, "000001.SZ"), "total_mv"] == 10_200_000


def test_ashare_reference_price_is_the_files_own_or_the_last_traded_close(ashare: Imported) -> None:
    reference = frame(ashare.lake, "daily_bar")["pre_close"]
    assert reference["2021-01-05", "600001.SH"] == 10.0  # ex-right: the file says so
    assert reference["2021-01-06", "600001.SH"] == 10.0
    assert reference["2021-01-05", "000001.SZ"] == 5.10  # over the suspension and the year's end
    assert reference["2021-01-04", "600000.SH"] == 10.02  # the last close of the year before
    assert reference.xs("2020-12-29").isna().all()  # nothing is known before the first session
    assert np.isnan(reference["2021-01-05", "688001.SH"])  # nor before a listing


def test_ashare_vwap_is_missing_where_amount_and_volume_contradict_the_bar(ashare: Imported) -> None:
    bars = frame(ashare.lake, "daily_bar")
    off = bars.index.get_level_values("symbol") == "688001.SH"  # 66,000 / 2,000 = 33 is above the high of 30.01
    off &= ~bars["is_suspended"]
    assert bars.loc[off, "vwap"].isna().all()
    traded = bars[~bars["is_suspended"] & ~off]
    assert traded["vwap"].between(traded["low"], traded["high"]).all()
    said = {finding.check: finding for finding in ashare.report.findings}
    assert said["average_price_outside"].count == off.sum() == 2
    assert said["average_price_outside"].examples[0]["symbol"] == "688001.SH"
    assert said["missing_rows"].count == 2  # those of 000001.SZ


def test_ashare_stocks_that_are_gone_have_no_rows_after_their_last_trade(ashare: Imported) -> None:
    bars = frame(ashare.lake, "daily_bar")
    assert bars.xs("300001.SZ", level="symbol").index.tolist() == ["2020-12-29", "2020-12-30"]
    assert bars.xs("688001.SH", level="symbol").index.tolist() == ["2021-01-05", "2021-01-06"]
    security = ashare.lake.read("security").to_pandas().set_index("symbol")
    assert security.loc["300001.SZ", "delist_date"] == datetime.date(2020, 12, 31)
    assert security["delist_date"].notna().sum() == 1
    assert security["board"].to_dict() == {
        "600000.SH": "main", "600001.SH": "main", "000001.SZ": "main", "300001.SZ": "chinext", "688001.SH": "star",
    }  # fmt: skip
    assert security.loc["600001.SH", "list_date"] == datetime.date(2001, 3, 1)  # its first trade


def test_ashare_dividends_and_turnover_where_the_set_says_nothing(ashare: Imported) -> None:
    values = frame(ashare.lake, "valuation")
    assert values.loc[("2020-12-30", "000001.SZ"), "dividend_12m"] == 0  # a P/B, but no yield: it paid none
    assert np.isnan(values.loc[("2021-01-06", "000001.SZ"), "dividend_12m"])  # neither: unknown
    assert np.isnan(
        frame(ashare.lake, "daily_bar").loc[("2021-01-06", "000001.SZ"), "turnover_rate"]
    )  # no float shares


def test_ashare_weights_are_shares_of_the_members_float_value(ashare: Imported) -> None:
    weights = frame(ashare.lake, "index_weight")["weight"]
    assert weights.groupby("date").sum().tolist() == pytest.approx([1.0] * 6)
    # 1,000,000 shares at 10.02 and 20.00, and a suspended member at 5.10.
    last_day = weights.xs("2020-12-31")
    assert last_day["600000.SH"] == pytest.approx(10.02 / 35.12)
    assert last_day["600001.SH"] == pytest.approx(20.00 / 35.12)
    assert last_day["000001.SZ"] == pytest.approx(5.10 / 35.12)
    # Both ends of a spell belong to it.
    assert weights.xs("600001.SH", level="symbol").index.tolist() == list(SESSIONS[:3])
    assert weights.xs("000001.SZ", level="symbol").index.tolist() == list(SESSIONS[2:])


def test_ashare_index_with_a_remnant_of_members_has_no_weights(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three members are known on 2020-12-31 only; two of three are fewer than nine of ten.
    monkeypatch.setitem(ashare_files.INDICES, "csi500", IndexFacts(3, "2007-01-15"))
    report = import_ashare(write_files(tmp_path / "files", ashare_tables()), lake, CALENDAR)
    assert lake.sessions("index_weight").astype(str).tolist() == ["2020-12-31"]
    assert report.rows["index_weight"] == 3


def test_ashare_index_bars_begin_with_the_publication_of_the_index(ashare: Imported) -> None:
    bars = ashare.lake.read("index_bar").to_pandas()
    assert bars.groupby("index").size().to_dict() == {"csi500": 6, "sse_composite": 6}
    assert "csi1000" not in set(bars["index"])


def test_ashare_industries_are_spells_of_the_first_level_with_their_sectors(ashare: Imported) -> None:
    rows = ashare.lake.read("industry", columns=["symbol", "scheme", "code", "name", "sector", "in_date", "out_date"])
    changed = datetime.date(2021, 1, 5)
    assert [list(row.values()) for row in rows.to_pylist()] == [
        ["000001.SZ", "sw_l1", "48", "银行", "financial", datetime.date(1991, 4, 3), None],
        ["600000.SH", "sw_l1", "48", "银行", "financial", datetime.date(1999, 11, 10), None],
        ["600001.SH", "sw_l1", "27", "电子", "growth", datetime.date(2001, 3, 1), changed],
        ["600001.SH", "sw_l1", "73", "通信", "growth", changed, None],
    ]


def test_ashare_report_says_what_came_and_what_the_set_lacks(ashare: Imported) -> None:
    assert ashare.report.rows == {
        "security": 5, "industry": 4, "daily_bar": 22, "valuation": 22, "index_bar": 12, "index_weight": 13,
    }  # fmt: skip
    assert {name: ashare.lake.read(name).num_rows for name in ashare.report.rows} == dict(ashare.report.rows)
    assert (ashare.report.first_session, ashare.report.last_session, ashare.report.industry_scheme) == (
        SESSIONS[0],
        SESSIONS[-1],
        "sw_l1",
    )
    assert set(ashare.report.absent_tables) == set(TABLES) - set(ashare.report.rows)
    assert ashare.report.absent_columns == {
        "valuation.pcf_ocf_ttm": "the ashare files hold no operating cash flow",
        "index_weight.weight": "the ashare files hold members without weights; float market values stand in",
    }


# --- a company whose code was changed ---


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The small set with 600009.SH, into which 600001.SH turned on 2021-01-05: its whole history is under both."""
    tables = {name: table.to_pylist() for name, table in ashare_tables().items()}
    for name in ("daily/2020.parquet", "daily/2021.parquet"):
        ours = [row for row in tables[name] if row["symbol"] == "600001.SH"]
        # Another level of the factor, as the set has it; the former code ends before the change.
        tables[name] += [{**row, "symbol": "600009.SH", "adj_factor": 3 * row["adj_factor"]} for row in ours]
        tables[name] = [row for row in tables[name] if row["symbol"] != "600001.SH" or str(row["date"]) < "2021-01-04"]
    (former,) = [row for row in tables["security.parquet"] if row["symbol"] == "600001.SH"]
    tables["security.parquet"] += [{**former, "symbol": "600009.SH", "name": "丁"}]
    former["last_trade_if_gone"] = datetime.date(2020, 12, 31)
    # Members under either code, on some days under both; one industry under the former, the later one under the new.
    (member,) = [row for row in tables["index_member.parquet"] if row["symbol"] == "600001.SH"]
    member["end"] = datetime.date(2021, 1, 5)
    start = datetime.date(2020, 12, 30)
    tables["index_member.parquet"].append({**member, "symbol": "600009.SH", "start": start, "end": datetime.date.max})
    tables["sw_industry.parquet"][-2]["symbol"] = "600009.SH"
    tables["sw_industry.parquet"][-2]["in_date"] = datetime.date(2021, 1, 6)
    folder = tmp_path_factory.mktemp("renamed")
    files = write_files(
        folder / "files",
        {name: pa.Table.from_pylist(rows, schema=ASHARE_TABLES[name].schema) for name, rows in tables.items()},
    )
    lake = Lake(folder / "lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ashare_files.INDICES, "csi500", IndexFacts(2, "2007-01-15"))
        change = ashare_files.CodeChange("600001.SH", "600009.SH", "2021-01-05")
        patch.setattr(ashare_codes, "CODE_CHANGES", (change,))
        import_ashare(files, lake, CALENDAR)
    return lake


def test_ashare_a_company_has_one_row_a_day_under_the_code_of_the_day(renamed: Lake) -> None:
    for table in ("daily_bar", "valuation"):
        rows = frame(renamed, table).reset_index()
        ours = rows[rows["symbol"].isin(["600001.SH", "600009.SH"])].set_index("date")["symbol"]
        assert ours.to_dict() == dict.fromkeys(SESSIONS[:4], "600001.SH") | dict.fromkeys(SESSIONS[4:], "600009.SH")
    bars = frame(renamed, "daily_bar")
    assert bars.loc[(SESSIONS[0], "600001.SH"), "adj_factor"] == 3.0
    new = bars.loc[(SESSIONS[4], "600009.SH")]
    assert (new["adj_factor"], new["pre_close"], new["close"]) == (6.0, 10.0, 10.0)
    assert bars.loc[(SESSIONS[5], "600009.SH"), "pre_close"] == 10.0


def test_ashare_a_former_code_names_its_successor_and_the_new_one_is_no_new_listing(renamed: Lake) -> None:
    security = renamed.read("security").to_pandas().set_index("symbol")
    change, listed = datetime.date(2021, 1, 5), datetime.date(2001, 3, 1)
    assert security.loc["600001.SH", ["list_date", "delist_date", "successor"]].tolist() == [
        listed,
        change,
        "600009.SH",
    ]
    assert security.loc["600009.SH", "list_date"] == listed
    assert security.loc["600009.SH", ["delist_date", "successor"]].isna().all()
    assert security["successor"].notna().sum() == 1


def test_ashare_memberships_and_industries_follow_the_code(renamed: Lake) -> None:
    weights = frame(renamed, "index_weight").reset_index()
    ours = weights[weights["symbol"].isin(["600001.SH", "600009.SH"])].set_index("date")["symbol"]
    assert ours.to_dict() == dict.fromkeys(SESSIONS[:4], "600001.SH") | dict.fromkeys(SESSIONS[4:], "600009.SH")
    assert weights.groupby("date")["weight"].sum().tolist() == pytest.approx([1.0] * 6)
    industry = renamed.read("industry", columns=["symbol", "code", "in_date"]).to_pandas()
    spells = industry[industry["symbol"].isin(["600001.SH", "600009.SH"])].sort_values(["symbol", "in_date"])
    assert spells.astype(str).to_numpy().tolist() == [
        ["600001.SH", "27", "2001-03-01"],
        ["600009.SH", "27", "2021-01-05"],
        ["600009.SH", "73", "2021-01-06"],
    ]


def test_a_successor_needs_the_day_of_the_change_and_another_code(tmp_path: Path, lake: Lake) -> None:
    for number, (symbol, delist_date, wanted) in enumerate(
        [
            ("600000.SH", None, "a stock with a successor has delist_date"),
            ("000001.SZ", "2021-01-06", "successor != symbol"),
        ]
    ):
        tables = contract_tables()
        security = tables["security"].to_pylist()
        security[0] |= {"successor": symbol, "delist_date": delist_date and datetime.date.fromisoformat(delist_date)}
        tables["security"] = pa.Table.from_pylist(security, schema=tables["security"].schema)
        with pytest.raises(ContractError, match=rf"row 1( \(.*\))?, columns 'successor' and .*{wanted}"):
            import_contract_files(write_files(tmp_path / str(number), tables), lake, CALENDAR)


def test_ashare_a_range_is_the_same_rows_as_in_the_whole(ashare: Imported, lake: Lake, small_index: None) -> None:
    report = import_ashare(ashare.files, lake, CALENDAR, first="2021-01-01", last="2021-01-05")
    assert (report.first_session, report.last_session) == ("2021-01-04", "2021-01-05")
    for table in ("daily_bar", "valuation", "index_bar", "index_weight"):
        assert lake.read(table).equals(ashare.lake.read(table, "2021-01-04", "2021-01-05")), table


def test_ashare_years_after_the_range_are_not_read(tmp_path: Path, lake: Lake, small_index: None) -> None:
    folder = write_files(tmp_path / "files", ashare_tables())
    (folder / "daily" / "2021.parquet").write_bytes(b"not fetched yet")
    assert import_ashare(folder, lake, CALENDAR, last="2020-12-31").last_session == "2020-12-31"


def test_ashare_the_future_changes_nothing_that_was_known(
    ashare: Imported, tmp_path: Path, lake: Lake, small_index: None
) -> None:
    tables, name = ashare_tables(), "daily/2021.parquet"
    known = tables[name].filter(pc.equal(tables[name]["date"], datetime.date(2021, 1, 4)))
    noise = [
        source_bar(symbol, date, 77, trading_status="star_st", pe_ttm_e4=1)
        for symbol in ("000001.SZ", "600000.SH")
        for date in SESSIONS[4:]
    ]
    tables[name] = pa.concat_tables([known, table_of(noise, ashare_files.DAILY.schema)])
    import_ashare(write_files(tmp_path / "noise", tables), lake, CALENDAR)
    for table in ("daily_bar", "valuation", "index_weight"):
        assert lake.read(table, last=SESSIONS[3]).equals(ashare.lake.read(table, last=SESSIONS[3])), table


# --- files that follow the contract ---


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_contract_files_enter_as_they_are(tmp_path: Path, lake: Lake, suffix: str) -> None:
    tables = contract_tables()
    files = write_files(tmp_path / "files", {f"{name}{suffix}": data for name, data in tables.items()})
    report = import_contract_files(files, lake, CALENDAR)
    assert report.rows == {name: data.num_rows for name, data in tables.items()}
    assert report.industry_scheme == "citic_l1"
    assert report.absent_columns == {}
    assert set(report.absent_tables) == {"fundamental", "minute_bar", "transaction", "book_snapshot"}
    for name, data in tables.items():
        assert lake.read(name).equals(data), name


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_statements_enter_by_stock_period_and_announcement(tmp_path: Path, lake: Lake, suffix: str) -> None:
    statement = {"symbol": "600000.SH", "report_period": "2020-09-30", "announced": "2020-10-24", "revenue": 2e8}
    rows = [
        {**statement, "announced": "2021-03-01", "revenue": 1.9e8},  # a restatement
        statement,
        {**statement, "symbol": "300001.SZ", "revenue": None},
    ]
    data = table_of(rows, TABLES["fundamental"].schema)
    given = data.select(["announced", "symbol", "report_period", "revenue"])
    files = write_files(tmp_path / "files", contract_tables() | {f"fundamental{suffix}": given})
    report = import_contract_files(files, lake, CALENDAR)
    assert report.rows["fundamental"] == 3
    assert lake.read("fundamental").equals(data.take([2, 1, 0]))
    assert "fundamental" not in report.absent_tables
    assert report.absent_columns.keys() == {
        f"fundamental.{column.name}" for column in TABLES["fundamental"].columns[4:]
    }


def test_contract_tables_may_be_folders_of_files(tmp_path: Path, lake: Lake) -> None:
    tables = contract_tables()
    bars = tables.pop("daily_bar")
    shuffled = bars.slice(9).take(pa.array([5, 0, 8, 3, 1, 7, 2, 6, 4]))
    parts = {"daily_bar/a/2020.parquet": bars.slice(0, 9), "daily_bar/2021.csv": shuffled}
    files = write_files(tmp_path / "files", tables | parts)
    (files / "daily_bar" / ".DS_Store").write_bytes(b"no data")
    (files / ".hidden").write_bytes(b"no data")
    assert import_contract_files(files, lake, CALENDAR).rows["daily_bar"] == 18
    assert lake.read("daily_bar").equals(bars)


def test_contract_range_leaves_out_the_rest(tmp_path: Path, lake: Lake) -> None:
    files = write_files(tmp_path / "files", contract_tables())
    report = import_contract_files(files, lake, CALENDAR, first="2020-12-31", last="2021-01-04")
    assert (report.first_session, report.last_session) == ("2020-12-31", "2021-01-04")
    assert lake.sessions("daily_bar").astype(str).tolist() == ["2020-12-31", "2021-01-04"]
    with pytest.raises(SourceError, match="holds no session from 2022-01-01 to 2022-12-31; choose other dates"):
        import_contract_files(files, lake, CALENDAR, first="2022-01-01", last="2022-12-31")


def test_contract_vwap_and_limits_are_worked_out_where_the_files_have_none(tmp_path: Path, lake: Lake) -> None:
    tables = contract_tables()
    tables["daily_bar"] = tables["daily_bar"].drop_columns(["vwap", "up_limit", "down_limit"])
    tables["valuation"] = tables["valuation"].drop_columns(["pcf_ocf_ttm"])
    report = import_contract_files(write_files(tmp_path / "files", tables), lake, CALENDAR)
    assert set(report.absent_columns) == {
        "daily_bar.vwap", "daily_bar.up_limit", "daily_bar.down_limit", "valuation.pcf_ocf_ttm",
    }  # fmt: skip
    assert report.absent_columns["daily_bar.vwap"].endswith("holds no such column; amount / volume stands in")
    assert report.absent_columns["valuation.pcf_ocf_ttm"].endswith("holds no such column")
    bars = frame(lake, "daily_bar")
    assert bars.loc[("2020-12-29", "600000.SH"), "vwap"] == pytest.approx(12.05)
    # 10 % and 20 % of the reference prices 11.90 and 10.90.
    assert bars.loc[("2020-12-29", "600000.SH"), ["up_limit", "down_limit"]].tolist() == [13.09, 10.71]
    assert bars.loc[("2020-12-29", "300001.SZ"), ["up_limit", "down_limit"]].tolist() == [13.08, 8.72]
    halted = bars.loc[("2020-12-31", "300001.SZ")]
    assert np.isnan(halted["vwap"])
    assert halted["up_limit"] == pytest.approx(13.32)  # 1.2 × 11.10


def test_contract_another_industry_scheme_stands_in(tmp_path: Path, lake: Lake) -> None:
    tables = contract_tables()
    tables["industry"] = tables["industry"].set_column(1, "scheme", pa.array(["sw_l1"] * 3))
    assert import_contract_files(write_files(tmp_path / "f", tables), lake, CALENDAR).industry_scheme == "sw_l1"


# --- faults ---


def faulty_cells(table: Table) -> list[tuple[str, object]]:
    """Column and value that no row may have."""
    cells: list[tuple[str, object]] = []
    for column in table.columns:
        if not column.nullable:
            cells.append((column.name, None))
        if column.minimum is not None or column.above is not None:
            cells.append((column.name, -1 if column.type == INTEGER else -1.0))
        if column.type == FLOAT:
            cells.append((column.name, float("inf")))
        if column.pattern is not None:
            cells.append((column.name, "60000"))
        if column.values is not None:  # noqa: PD011 (a column of the contract, none of pandas)
            cells.append((column.name, "bogus"))
        if column.name in table.dates:
            cells.append((column.name, datetime.date(2021, 1, 2)))
    return cells


@pytest.mark.parametrize(("vendor", "suffix"), [("ashare", ""), ("contract", ".parquet"), ("contract", ".csv")])
@settings(max_examples=25)
@given(data=st.data())
def test_a_spoilt_cell_is_named_and_the_lake_left_alone(
    vendor: str,
    suffix: str,
    valid: dict[tuple[str, str], Path],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    tables = FILES[vendor]()
    name = data.draw(st.sampled_from(sorted(tables)))
    row = data.draw(st.integers(0, tables[name].num_rows - 1))
    column, value = data.draw(st.sampled_from(faulty_cells(schemas(vendor)[name])))
    # A suspended row's empty cells mean that nothing was traded
    halted = "is_suspended" in tables[name].column_names and tables[name]["is_suspended"][row].as_py()
    assume(not (halted and value is None and column in ("volume", "amount", "turnover_rate")))

    folder = tmp_path_factory.mktemp(vendor)
    files = folder / "files"
    shutil.copytree(valid[vendor, suffix], files)
    write_files(files, {f"{name}{suffix}": with_cell(tables[name], row, column, value)})
    lake = Lake(folder / "lake")
    lake.write("security", pa.table({"held": ["before"]}))
    before = tree(lake.root)
    with pytest.raises(ContractError) as raised:
        importer_of(vendor)(files, lake, CALENDAR)
    message = str(raised.value)
    assert message.startswith(f"{files / f'{name}{suffix}'}: row ")
    assert re.search(r"row (\d+)\b", message)[1] == str(row + 1), message
    assert f"'{column}'" in message
    assert ";" in message  # what to do
    assert "\n" not in message
    assert tree(lake.root) == before


def unreadable(path: Path, fault: str) -> None:
    content = path.read_bytes()
    path.unlink()
    if fault == "empty":
        path.write_bytes(b"")
    elif fault == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "text":
        path.write_text("date,symbol,close\n2021-01-04,600000.SH,10.0\n", encoding="utf-8")
    elif fault == "folder":
        path.mkdir()


UNREADABLE = {
    "missing": "no such file; check the path",
    "empty": "the file is empty; fetch it again",
    "truncated": "no readable Parquet file",
    "text": "no readable Parquet file",
    "folder": "is a folder, not a file",
}


@pytest.mark.parametrize("fault", UNREADABLE)
@pytest.mark.parametrize("vendor", FILES)
@pytest.mark.parametrize("which", [STATIC, BARS], ids=["static", "bars"])
def test_an_unreadable_file_is_named(
    tmp_path: Path, lake: Lake, vendor: str, fault: str, which: dict[str, str]
) -> None:
    lake.write("security", pa.table({"held": ["before"]}))
    before = tree(lake.root)
    files = write_files(tmp_path / "files", FILES[vendor]())
    path = files / which[vendor]
    unreadable(path, fault)
    if vendor == "ashare" and which is BARS and fault == "missing":
        assert import_ashare(files, lake, CALENDAR).last_session == "2020-12-31"
        return
    with pytest.raises(BadInputError) as raised:
        importer_of(vendor)(files, lake, CALENDAR)
    message = str(raised.value)
    if vendor == "contract" and fault == "missing":
        assert f"holds no {path.stem}.parquet, .csv or folder" in message
    elif vendor == "contract" and fault == "folder":
        assert f"{path}: '{path.name}' is no table of the contract" in message
    else:
        assert message.startswith(f"{path}: {UNREADABLE[fault]}")
    assert "\n" not in message
    assert tree(lake.root) == before


@pytest.mark.parametrize("vendor", FILES)
def test_a_missing_folder_and_a_file_in_its_place_are_named(tmp_path: Path, lake: Lake, vendor: str) -> None:
    with pytest.raises(SourceError, match=f"{tmp_path / 'none'}: no such folder; check the path"):
        importer_of(vendor)(tmp_path / "none", lake, CALENDAR)
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(SourceError, match=f"{file}: is a file, not a folder"):
        importer_of(vendor)(file, lake, CALENDAR)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no such folder|holds no security\.parquet"):
        importer_of(vendor)(tmp_path / "empty", lake, CALENDAR)
    assert not lake.root.exists()


@pytest.mark.parametrize("vendor", FILES)
def test_a_file_without_rows_unknown_and_missing_columns_and_wrong_types(
    tmp_path: Path, lake: Lake, vendor: str
) -> None:
    def message_of(number: int, data: pa.Table) -> str:
        files = write_files(tmp_path / str(number), FILES[vendor]())
        pq.write_table(data, files / BARS[vendor])
        with pytest.raises(ContractError) as raised:
            importer_of(vendor)(files, lake, CALENDAR)
        assert str(raised.value).startswith(f"{files / BARS[vendor]}: ")
        assert not lake.root.exists()
        return str(raised.value)

    bars = FILES[vendor]()[BARS[vendor] if vendor == "ashare" else "daily_bar"]
    close = "close_fen" if vendor == "ashare" else "close"
    at = bars.column_names.index(close)
    assert "has no rows" in message_of(0, bars.slice(0, 0))
    assert "column 'note' is not in table" in message_of(1, bars.append_column("note", pa.nulls(bars.num_rows)))
    assert f"column '{close}' of table" in message_of(2, bars.drop_columns(close))
    text = bars.set_column(at, close, bars[close].cast(pa.string()))
    assert f"row 1, column '{close}': the text" in message_of(3, text)
    flags = pa.array([True] * bars.num_rows)
    assert f"row 1, column '{close}': its type is bool" in message_of(4, bars.set_column(at, close, flags))
    twice = pa.concat_tables([bars, bars.slice(4, 1)])
    assert f"rows 5 and {bars.num_rows + 1} have the same key" in message_of(5, twice)


def test_ashare_rows_of_another_year_or_of_no_known_stock_are_named(tmp_path: Path, lake: Lake) -> None:
    tables = ashare_tables()
    name = "daily/2021.parquet"
    wrong = {
        "year": (
            with_cell(tables[name], 2, "date", datetime.date(2020, 12, 31)),
            "row 3 .*'date': 2020-12-31, .* of 2021",
        ),
        "stock": (
            with_cell(tables[name], 2, "symbol", "600009.SH"),
            r"row 3 .*'symbol': 600009\.SH, .*security\.parquet",
        ),
    }
    for number, (data, message) in wrong.items():
        files = write_files(tmp_path / number, tables | {name: data})
        with pytest.raises(ContractError, match=message):
            import_ashare(files, lake, CALENDAR)
    assert not lake.root.exists()


def test_ashare_faults_of_the_small_files_are_named(tmp_path: Path, lake: Lake) -> None:
    tables = ashare_tables()
    wrong = {
        "security.parquet": (("symbol", 0, "900901.SH"), r"row 1, column 'symbol': 900901\.SH, .*an A share"),
        "sw_industry.parquet": (("sw_l1", 2, "99"), r"row 3 .*'sw_l1': 99, .*sw_sector_map\.csv; add it there"),
        "index_member.parquet": (("index", 1, "csi2000"), r"row 2 .*'index': csi2000, .*csi300, csi500, csi1000"),
    }
    for name, ((column, row, value), message) in wrong.items():
        files = write_files(tmp_path / name, tables | {name: with_cell(tables[name], row, column, value)})
        with pytest.raises(ContractError, match=message):
            import_ashare(files, lake, CALENDAR)
    spell = with_cell(tables["index_member.parquet"], 0, "end", datetime.date(2015, 1, 4))
    with pytest.raises(ContractError, match=r"row 1 .*columns 'end' and 'start': 2015-01-04, 2015-01-05"):
        import_ashare(write_files(tmp_path / "spell", tables | {"index_member.parquet": spell}), lake, CALENDAR)
    empty = write_files(tmp_path / "years", {n: t for n, t in tables.items() if not n.startswith("daily")})
    (empty / "daily").mkdir()
    with pytest.raises(SourceError, match=r"daily: holds no YYYY\.parquet"):
        import_ashare(empty, lake, CALENDAR)


def test_contract_folders_that_do_not_fit_are_named(tmp_path: Path, lake: Lake) -> None:
    tables = contract_tables()
    bars = tables["daily_bar"]

    def message_of(number: int, changes: dict[str, pa.Table], *drop: str) -> str:
        kept = {name: data for name, data in tables.items() if name not in drop}
        files = write_files(tmp_path / str(number), kept | changes)
        with pytest.raises(BadInputError) as raised:
            import_contract_files(files, lake, CALENDAR)
        assert not lake.root.exists()
        return str(raised.value)

    assert "'prices' is no table of the contract; remove it or rename it" in message_of(0, {"prices": bars})
    assert "table security is one file, but there are 2" in message_of(1, {"security.csv": tables["security"]})
    twice = {"daily_bar/a.parquet": bars, "daily_bar/b.parquet": bars.slice(6, 3)}
    message = message_of(2, twice, "daily_bar")
    assert re.search(r"b\.parquet: session 2020-12-31 also stands in .*a\.parquet; keep it in one file", message)
    assert "row 1 (date 2020-12-29), column 'symbol': 000001.SZ" in message_of(
        3, {"security": tables["security"].slice(1)}
    )
    (tmp_path / "4" / "consensus").mkdir(parents=True)
    assert "consensus: the folder is empty" in message_of(4, {}, "consensus")
    (tmp_path / "5" / "consensus").mkdir(parents=True)
    (tmp_path / "5" / "consensus" / "a.xlsx").write_bytes(b"PK")
    assert "a.xlsx: neither Parquet nor CSV" in message_of(5, {}, "consensus")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "no readable CSV file"),
        (b"date,index,open,high,low,close,volume\n", "table index_bar has no rows"),
        (
            b"date,index,open,high,low,close,volume\n2021-01-04,csi500,1,1,1,1\n",
            "row 1: has 6 cells, the header 7 columns",
        ),
        (
            b"date,index,open,high,low,close,volume\n2021-01-04,csi500,1,1,1,1,1\n2021-01-05,csi500,1,1,1,x,1\n",
            "row 2, column 'close': 'x', where the contract wants a number",
        ),
        (
            b"date,index,open,high,low,close,volume\n20210140,csi500,1,1,1,1,1\n",
            "row 1, column 'date': '20210140', where",
        ),
        (b"date,index,index,high,low,close,volume\n2021-01-04,a,b,1,1,1,1\n", "column 'index' stands 2 times"),
        (bytes(range(256)) * 4, "no readable CSV file"),
    ],
)
def test_a_csv_file_that_is_none_is_named(tmp_path: Path, lake: Lake, content: bytes, message: str) -> None:
    tables = contract_tables()
    del tables["index_bar"]
    files = write_files(tmp_path / "files", tables)
    (files / "index_bar.csv").write_bytes(content)
    with pytest.raises(BadInputError) as raised:
        import_contract_files(files, lake, CALENDAR)
    assert str(raised.value).startswith(f"{files / 'index_bar.csv'}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not lake.root.exists()


@given(data=st.data())
def test_a_damaged_parquet_file_is_refused_or_read_but_never_a_crash(
    valid: dict[tuple[str, str], Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray((valid["ashare", ""] / "daily" / "2021.parquet").read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    length = data.draw(st.sampled_from([len(content), data.draw(st.integers(0, len(content)))]))
    path = tmp_path_factory.mktemp("damaged") / "2021.parquet"
    path.write_bytes(content[:length])
    try:
        found = conform(read_source(path, ashare_files.DAILY), ashare_files.DAILY, str(path), CALENDAR)
    except BadInputError as error:
        found = str(error)
    assert isinstance(found, pa.Table) or (found.startswith(f"{path}: ") and "\n" not in found)
