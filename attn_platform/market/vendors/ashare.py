"""Importer of the `ashare` file set: the whole A-share market from 2000 on, prices in fen, a file a year.

The set has rows for traded sessions only, market values as shares, ratios as integers × 10,000, Shenwan industries with
a map to the five sectors of AI-55, and index memberships without weights. Conversions, each a choice of ours:

- a suspended session gets a row (see `market.completion`); a stock that is gone has none after its last trade;
- vwap is amount / volume; of the handful of rows of 2000 and 2001 whose amount / volume lies outside of the day's low
  and high by more than rounding it is missing, since nobody can tell which of the two is wrong;
- price limits come from the exchange's rules and the day's own bar, since the set has none;
- index weights are float market values over the members' sum (they reproduce the index's daily return with a
  correlation of 0.99 or better), on sessions on which the set knows the members;
- a company whose code was changed stands under the code of the day, once: the set has all its history under both;
- bars of an index begin on the day on which it was first published: earlier ones were computed backwards;
- dividend_12m is the trailing yield times market value; a stock with a known P/B and no yield paid none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import SourceError
from attn_platform.market import contract, trading_rules
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.conform import conform
from attn_platform.market.inspection import Inspection, Journal, Quarantine
from attn_platform.market.lake import Lake, days, from_columns
from attn_platform.market.schema import DATE, FLOAT, TEXT, Table
from attn_platform.market.settle import numbers
from attn_platform.market.vendors import ashare_codes, ashare_files
from attn_platform.market.vendors.ashare_files import CodeChange
from attn_platform.market.vendors.base import ImportReport, bounds, findings_of, stage_records
from attn_platform.market.vendors.completer import Completer
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.factor_base import FactorBase
from attn_platform.market.vendors.files import existing_folder, read_source
from attn_platform.market.vendors.registry import vendor
from attn_platform.progress import tqdm

FEN = 100.0
RATIO_SCALE = 1e4
PERCENT_SCALE = 1e6
SCHEME = "sw_l1"
ABSENT_TABLES = {
    "consensus": "the ashare files hold no analyst consensus",
    "fundamental": "the ashare files hold no statements",
    "minute_bar": "the ashare files hold no minute bars",
    "transaction": "the ashare files hold no trades",
    "book_snapshot": "the ashare files hold no order books",
}
ABSENT_COLUMNS = {
    "valuation.pcf_ocf_ttm": "the ashare files hold no operating cash flow",
    "index_weight.weight": "the ashare files hold members without weights; float market values stand in",
}


@vendor("ashare")
def import_ashare(
    folder: Path,
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    config: ImportConfig | None = None,
    quarantine: bool = False,
) -> ImportReport:
    """Import the file set in `folder`; errors name its own files, rows and columns, and leave the lake as it was.

    Years before `first` are read too, for what they carry into suspensions; years after `last` are not.
    """
    config = config or ImportConfig()
    start, end = bounds(calendar, first, last)
    years = sorted(existing_folder(existing_folder(folder) / "daily").glob("[0-9][0-9][0-9][0-9].parquet"))
    if not years:
        raise SourceError(f"{folder / 'daily'}: holds no YYYY.parquet; give the folder that holds daily/")
    journal, aside = Journal(), Quarantine(config.quarantine) if quarantine else None

    def source(name: str, table: Table) -> tuple[pa.Table, Inspection]:
        # What is put aside of the daily rows is missing from the table that they become.
        of_table = contract.DAILY_BAR.name if table is ashare_files.DAILY else table.name
        inspection = Inspection(of_table, str(folder / name), aside, journal)
        data = conform(
            read_source(folder / name, table, inspection=inspection), table, str(folder / name), calendar, inspection
        )
        if aside is not None:
            aside.saw(of_table, data["date"] if "date" in data.column_names else None, data.num_rows)
        return data, inspection

    security, _ = source("security.parquet", ashare_files.SECURITY)
    industry, of_industry = source("sw_industry.parquet", ashare_files.INDUSTRY)
    member, _ = source("index_member.parquet", ashare_files.MEMBER)
    index_bar = _published(source("index_bar.parquet", contract.INDEX_BAR)[0])
    sector, _ = source("sw_sector_map.csv", ashare_files.SECTOR)
    mapped = pc.is_in(industry["sw_l1"], value_set=sector["sw_l1"].combine_chunks())
    of_industry.require(mapped, industry, ("sw_l1",), "a code of sw_sector_map.csv", "add it there")
    changes = ashare_codes.known_changes(security)
    industry = ashare_codes.industries(of_industry.passed(industry), changes)
    member = ashare_codes.members(member, changes)

    rows = dict.fromkeys(("security", "industry", "daily_bar", "valuation", "index_bar", "index_weight"), 0)
    covered: list[np.datetime64] = []
    with lake.staging() as stage:
        for name, table in (("security", _security(security, changes)), ("industry", _industry(industry, sector))):
            rows[name] = stage.write(name, conform(table, contract.TABLES[name], f"{name} of {folder}", calendar))
        base = FactorBase()
        completer = Completer(stage.read("security"), calendar, config, journal, aside, base=base)
        last_close: dict[str, float] = {}
        wanted = [path for path in years if np.datetime64(path.stem) <= end]
        with tqdm(wanted, desc="importing years", unit="year") as bar:
            for path in bar:
                daily, inspection = source(f"daily/{path.name}", ashare_files.DAILY)
                daily = ashare_codes.once(_checked(daily, security, path, inspection), changes, inspection)
                own, values, last_close = _contract_tables(daily, last_close)
                own, values = (ashare_codes.under_code_of_the_day(each, changes) for each in (own, values))
                sessions = np.unique(days(own["date"]))
                of_bars, of_values = (
                    Inspection(name, str(path), aside, journal, _numbers(inspection, daily))
                    for name in ("daily_bar", "valuation")
                )
                bars = completer.bars(own, of_bars, sessions)
                tables = {"daily_bar": bars, "valuation": completer.values(values, of_values, bars, sessions)}
                tables["index_weight"] = _index_weight(tables["valuation"], sessions, member)
                held = sessions[(sessions >= start) & (sessions <= end)]
                if not len(held):
                    continue
                covered.extend(held)
                for name, data in (tables | {"index_bar": index_bar}).items():
                    rows[name] += _stage(stage, name, data, held)
        if not covered:
            raise SourceError(f"{folder}: holds no session from {start} to {end}; choose other dates")
        completer.finish()
        if aside is not None:
            aside.refuse_floods()
        names = [*rows, ashare_files.INDUSTRY.name, ashare_files.MEMBER.name]
        put_aside = stage_records(stage, lake, np.array(covered), names, aside, base)
    return ImportReport(
        vendor="ashare",
        description="real A-share data (ashare files)",
        rows=rows,
        first_session=str(covered[0]),
        last_session=str(covered[-1]),
        industry_scheme=SCHEME,
        absent_tables=ABSENT_TABLES,
        absent_columns=ABSENT_COLUMNS,
        findings=findings_of(journal),
        put_aside=put_aside,
        is_closed=True,  # it ends with 2022
    )


def _checked(daily: pa.Table, security: pa.Table, path: Path, inspection: Inspection) -> pa.Table:
    """The rows that pass what only this file's name and the list of stocks can tell."""
    in_year = pc.equal(pc.year(daily["date"]), int(path.stem))
    inspection.require(in_year, daily, ("date",), f"a date of {path.stem}", "move the row to the file of its year")
    known = pc.is_in(daily["symbol"], value_set=security["symbol"].combine_chunks())
    inspection.require(known, daily, ("symbol",), "a symbol of security.parquet", "add it there")
    return inspection.passed(daily)


def _stage(stage: Lake, name: str, data: pa.Table, sessions: np.ndarray) -> int:
    """Stage those of `sessions` for which `data` has rows."""
    present = sessions[np.isin(sessions, days(data["date"]))]
    return sum(stage.write_sessions(name, data, present).values())


def _security(source: pa.Table, changes: Sequence[CodeChange]) -> pa.Table:
    frame = source.to_pandas()
    gone = pd.to_datetime(frame["last_trade_if_gone"])
    table = pa.table(
        {
            "symbol": source["symbol"],
            "name": source["name"],
            "board": pa.array(trading_rules.board_of(frame["symbol"].to_numpy())),
            # Six stocks traded before the day that the set calls their listing, one of them for six years.
            "list_date": pc.min_element_wise(source["list_date"], source["first_trade"]),
            "delist_date": pa.array(gone + pd.Timedelta(days=1), type=pa.timestamp("ns")).cast(DATE),
        }
    )
    return ashare_codes.with_successors(table, changes)


def _industry(source: pa.Table, sector: pa.Table) -> pa.Table:
    """Spells of one level-1 industry; the source has a row for each change at any level."""
    frame = source.to_pandas().sort_values(["symbol", "in_date"])
    frame = frame[frame["sw_l1"] != frame.groupby("symbol")["sw_l1"].shift()]
    sector_of = dict(zip(sector["sw_l1"].to_pylist(), sector["sector"].to_pylist(), strict=True))
    return pa.table(
        {
            "symbol": pa.array(frame["symbol"], type=TEXT),
            "scheme": pa.array([SCHEME] * len(frame)),
            "code": pa.array(frame["sw_l1"], type=TEXT),
            "name": pa.array(frame["sw_l1_name"], type=TEXT),
            "sector": pa.array(frame["sw_l1"].map(sector_of), type=TEXT),
            "in_date": pa.array(frame["in_date"], type=DATE),
            "out_date": pa.array(frame.groupby("symbol")["in_date"].shift(-1), type=DATE, from_pandas=True),
        }
    )


def _published(bars: pa.Table) -> pa.Table:
    """Index bars from each index's publication on, in order."""
    for index, facts in ashare_files.INDICES.items():
        early = pc.and_(pc.equal(bars["index"], index), pc.less(pc.cast(bars["date"], TEXT), facts.published))
        bars = bars.filter(pc.invert(early))
    return bars.sort_by([("date", "ascending"), ("index", "ascending")])


def _by_key(daily: pa.Table) -> pa.Array:
    """Order of the rows by session and stock."""
    return pc.sort_indices(daily, sort_keys=[("date", "ascending"), ("symbol", "ascending")])


def _numbers(inspection: Inspection, daily: pa.Table) -> np.ndarray:
    """Numbers in the file of the rows of `_contract_tables`."""
    order = _by_key(daily).to_numpy()
    return order + 1 if inspection.numbers is None else inspection.numbers[order]


def _contract_tables(daily: pa.Table, last_close: dict[str, float]) -> tuple[pa.Table, pa.Table, dict[str, float]]:
    """Tables daily_bar and valuation of the traded sessions of a year, by session and stock, not yet completed.

    `last_close` has each stock's last close before the year in fen; the third result is that after it.
    """
    daily = daily.take(_by_key(daily))
    cells = {name: numbers(daily[name].cast(FLOAT)) for name in daily.column_names if _is_number(daily[name].type)}
    closes = pd.DataFrame({"symbol": daily["symbol"].to_pandas(), "close": cells["close_fen"]})
    by_stock = closes.groupby("symbol", sort=False)["close"]
    # The set leaves the reference price out where it is the stock's last close.
    previous = by_stock.shift().fillna(closes["symbol"].map(last_close)).to_numpy(dtype=float)
    pre_close = np.where(np.isnan(cells["pre_close_fen"]), previous, cells["pre_close_fen"])
    with np.errstate(invalid="ignore", divide="ignore"):
        turnover_rate = np.where(cells["float_shares"] > 0, cells["volume"] / cells["float_shares"], np.nan)
    total_mv = cells["total_shares"] * cells["close_fen"] / FEN
    paid = np.where(np.isnan(cells["dv_ttm_e4"]) & ~np.isnan(cells["pb_e4"]), 0.0, cells["dv_ttm_e4"])
    nothing = np.full(daily.num_rows, np.nan)
    bars: dict[str, np.ndarray] = {
        **{name: cells[f"{name}_fen"] / FEN for name in ("open", "high", "low", "close")},
        "pre_close": pre_close / FEN,
        "vwap": nothing,
        "volume": cells["volume"],
        "amount": cells["amount"],
        "turnover_rate": turnover_rate,
        "adj_factor": cells["adj_factor"],
        "up_limit": nothing,
        "down_limit": nothing,
        "is_suspended": np.zeros(daily.num_rows, dtype=bool),
    }
    values = {
        "total_mv": total_mv,
        "float_mv": cells["float_shares"] * cells["close_fen"] / FEN,
        "pb_lf": cells["pb_e4"] / RATIO_SCALE,
        "pe_ttm": cells["pe_ttm_e4"] / RATIO_SCALE,
        "pcf_ocf_ttm": nothing,
        "dividend_12m": paid / PERCENT_SCALE * total_mv,
    }
    return (
        _in_contract(daily, bars, contract.DAILY_BAR),
        _in_contract(daily, values, contract.VALUATION),
        last_close | {str(symbol): float(close) for symbol, close in by_stock.last().items()},
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _in_contract(daily: pa.Table, columns: dict[str, np.ndarray], table: Table) -> pa.Table:
    """`columns`, beside the text and the dates of the rows, in the contract's types; NaN as null."""
    typed = {name: pa.array(cells, from_pandas=True) for name, cells in columns.items()}
    return pa.table(
        {name: typed.get(name, daily[name] if name in daily.column_names else None) for name in table.schema.names},
        schema=table.schema,
    )


def _index_weight(values: pa.Table, sessions: np.ndarray, member: pa.Table) -> pa.Table:
    """Weights of each index's members on each session on which enough of them have a row."""
    symbols = np.array(sorted(pc.unique(values["symbol"]).to_pylist()), dtype=str)
    float_value = np.full((len(sessions), len(symbols)), np.nan)
    column = pc.index_in(values["symbol"], value_set=pa.array(symbols.tolist(), TEXT)).to_numpy()
    float_value[np.searchsorted(sessions, days(values["date"])), column] = numbers(values["float_mv"])
    parts = [contract.INDEX_WEIGHT.schema.empty_table()]
    for index, spells in member.to_pandas().groupby("index"):
        inside = _membership(spells, sessions, symbols) & ~np.isnan(float_value)
        inside &= (
            inside.sum(axis=1, keepdims=True) >= ashare_files.LEAST_MEMBERS_KNOWN * ashare_files.INDICES[index].members
        )
        held = np.where(inside, float_value, 0.0)
        row, column = np.nonzero(inside)
        parts.append(
            from_columns(
                {
                    "date": sessions[row],
                    "index": np.full(len(row), index),
                    "symbol": symbols[column],
                    "weight": held[row, column] / held.sum(axis=1)[row],
                }
            )
        )
    return pa.concat_tables(parts).sort_by([("date", "ascending"), ("index", "ascending"), ("symbol", "ascending")])


def _membership(spells: pd.DataFrame, sessions: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """[T, N]: whether one of the spells (both ends included) covers the session."""
    known = spells[spells["symbol"].isin(symbols)]
    column = np.searchsorted(symbols, known["symbol"].to_numpy(dtype=str))
    begin = np.searchsorted(sessions, known["start"].to_numpy().astype("datetime64[D]"), side="left")
    end = np.searchsorted(sessions, known["end"].to_numpy().astype("datetime64[D]"), side="right")
    change = np.zeros((len(sessions) + 1, len(symbols)), dtype=np.int32)
    np.add.at(change, (begin, column), 1)
    np.add.at(change, (end, column), -1)
    return change.cumsum(axis=0)[:-1] > 0
