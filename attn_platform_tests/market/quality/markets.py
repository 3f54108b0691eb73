"""A small honest market in the tables of the data contract, for tests to spoil.

Sixty stocks of four boards over five months and a year's end. Of them `HALTED` is suspended across the year's end,
`EX_RIGHT` goes ex-right (ten for ten) on the first session of 2021, `SPECIAL` are under special treatment for a while,
`LEAVING` has its delisting period and goes, `NEW` lists in between. Everything follows from a few random numbers, by
formulas of the data contract that are written down here once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Day, as_day, exchange_calendar
from attn_platform.market.contract import TABLES
from attn_platform.market.lake import Lake, days

Frames = dict[str, pd.DataFrame]

CALENDAR = exchange_calendar()
SESSIONS = CALENDAR.between("2020-10-09", "2021-02-26")
FIRST_OF_YEAR = int(np.searchsorted(SESSIONS, np.datetime64("2021-01-01")))
SYMBOLS = tuple(
    sorted(
        [f"{600001 + n}.SH" for n in range(22)]
        + [f"{1 + n:06d}.SZ" for n in range(20)]
        + [f"{300001 + n}.SZ" for n in range(10)]
        + [f"{688001 + n}.SH" for n in range(8)]
    )
)
HALTED, EX_RIGHT, LEAVING, NEW = "000003.SZ", "600005.SH", "600009.SH", "300004.SZ"
SPECIAL = ("000005.SZ", "000006.SZ", "600011.SH")
LISTED_AT, DELISTED_AT, PERIOD = 40, 70, 12
SECTORS = ("consumption", "cyclical", "financial", "growth", "stable")
INDICES = {"csi500": SYMBOLS[:30], "csi1000": SYMBOLS[30:]}
PERIODS = pd.date_range("2018-12-31", "2020-09-30", freq="QE")
DEADLINES = {3: "04-30", 6: "08-31", 9: "10-31", 12: "04-30"}


def board(symbol: str) -> str:
    return "star" if symbol.startswith("688") else "chinext" if symbol.startswith("3") else "main"


def at(symbol: str) -> int:
    return SYMBOLS.index(symbol)


def honest_market(seed: int = 11) -> Frames:
    """The tables, by name."""
    random = np.random.default_rng(seed)
    count, stocks = len(SESSIONS), len(SYMBOLS)
    status = np.full((count, stocks), "normal", dtype=object)
    for number, symbol in enumerate(SPECIAL):
        status[10 + number : 60 + 10 * number, at(symbol)] = "st"
    status[DELISTED_AT - PERIOD :, at(LEAVING)] = "delisting"
    ratio = np.array([0.1 if board(symbol) == "main" else 0.2 for symbol in SYMBOLS])
    ratio = np.where(status == "st", np.where(ratio == 0.1, 0.05, 0.2), ratio)
    alive = np.ones((count, stocks), dtype=bool)
    alive[:LISTED_AT, at(NEW)] = alive[DELISTED_AT:, at(LEAVING)] = False
    halted = np.zeros((count, stocks), dtype=bool)
    halted[FIRST_OF_YEAR - 4 : FIRST_OF_YEAR + 3, at(HALTED)] = True
    halted[20:23, 7] = halted[50, 33] = True

    moves = random.normal(0, 0.012, (count, 1)) + random.normal(0, 0.01, (count, stocks))
    close, pre_close, factor = (np.zeros((count, stocks)) for _ in range(3))
    shares = random.integers(200_000_000, 900_000_000, stocks).astype(float) * np.ones((count, stocks))
    last, last_factor = random.integers(600, 4000, stocks).astype(float), random.uniform(1, 6, stocks).round(4)
    for t in range(count):
        reference, grown = last.copy(), np.ones(stocks)
        if t == FIRST_OF_YEAR:
            reference[at(EX_RIGHT)], grown[at(EX_RIGHT)] = np.floor(last[at(EX_RIGHT)] / 2 + 0.5), 2.0
        bound = np.abs(np.floor(reference * ratio[t]) - 1)
        price = np.clip(np.rint(reference * (1 + moves[t])), reference - bound, reference + bound)
        close[t] = np.where(halted[t], last, price)
        pre_close[t], factor[t] = reference, last_factor * last / reference
        shares[t:] *= grown
        last, last_factor = close[t], factor[t]
    reach = np.minimum(np.rint(pre_close * 0.008) + 1, np.abs(np.floor(pre_close * ratio) - 1))
    top = np.floor(pre_close * (1 + ratio) + 0.5)
    bottom = np.floor(pre_close * (1 - ratio) + 0.5)
    open_ = np.clip(np.rint(pre_close * (1 + random.normal(0, 0.003, close.shape))), bottom, top)
    high = np.minimum(np.maximum(open_, close) + np.rint(reach * random.uniform(0, 1, close.shape)), top)
    low = np.maximum(np.minimum(open_, close) - np.rint(reach * random.uniform(0, 1, close.shape)), bottom)

    tradable = np.floor(shares * 0.6)
    volume = np.where(halted, 0.0, np.floor(tradable * random.uniform(0.002, 0.03, close.shape)))
    vwap = (high + low + close) / 300
    free = np.zeros_like(alive)
    free[LISTED_AT : LISTED_AT + 5, at(NEW)] = True
    row, column = np.nonzero(alive)

    def cells(values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        return (values if known is None else np.where(known, values, np.nan))[row, column]

    key = {"date": SESSIONS[row], "symbol": np.array(SYMBOLS)[column]}
    bars = pd.DataFrame(
        {
            **key,
            **{name: cells(values / 100, ~halted) for name, values in
               (("open", open_), ("high", high), ("low", low))},
            "close": cells(close / 100),
            "pre_close": cells(pre_close / 100),
            "vwap": cells(vwap, ~halted),
            "volume": cells(volume),
            "amount": cells(np.round(volume * vwap, 2)),
            "turnover_rate": cells(volume / tradable),
            "adj_factor": cells(factor),
            "up_limit": cells(top / 100, ~halted & ~free),
            "down_limit": cells(bottom / 100, ~halted & ~free),
            "is_suspended": halted[row, column],
            "trading_status": status[row, column],
        }
    )  # fmt: skip
    total = shares * close / 100
    book = total[0] / random.uniform(1.2, 6, stocks)
    earnings = total[0] / random.uniform(12, 60, stocks)
    profit = earnings * 1.1
    values = pd.DataFrame(
        {
            **key,
            "total_mv": cells(total),
            "float_mv": cells(tradable * close / 100),
            "pb_lf": cells(total / book),
            "pe_ttm": cells(total / earnings, np.broadcast_to(np.arange(stocks) % 9 > 0, total.shape)),
            "pcf_ocf_ttm": cells(total / earnings / 1.3),
            "dividend_12m": cells(np.broadcast_to(np.round(earnings * 0.3), total.shape)),
        }
    )
    forecasts = pd.DataFrame(
        {
            **key,
            "eps_fy1": cells(profit / shares),
            "roe_fy1": cells(np.broadcast_to(profit / book, total.shape)),
            "net_profit_fy1": cells(np.broadcast_to(profit, total.shape)),
        }
    )
    return {
        "security": _security(),
        "industry": _industry(),
        "fundamental": _statements(random),
        "daily_bar": bars,
        "valuation": values,
        "consensus": forecasts,
        **_indices(close, pre_close, tradable, alive, halted),
    }


def _indices(
    close: np.ndarray, pre_close: np.ndarray, tradable: np.ndarray, alive: np.ndarray, halted: np.ndarray
) -> Frames:
    """Bars that the members make by their float values of the session before, and the weights after each close."""
    moves = np.where(alive & ~halted, close / pre_close, 1.0)
    worth = np.where(alive, tradable * close, 0.0)
    bars, weights = [], []
    for index, members in INDICES.items():
        inside = np.array([symbol in members for symbol in SYMBOLS])
        level = 5000.0
        for t, session in enumerate(SESSIONS):
            before = worth[max(t - 1, 0)] * inside
            level *= float((before * moves[t]).sum() / before.sum())
            bars.append((session, index, level * 0.999, level * 1.004, level * 0.996, level, 1e9, 2e10))
            share = worth[t] * inside / (worth[t] * inside).sum()
            weights += [(session, index, symbol, w) for symbol, w in zip(SYMBOLS, share, strict=True) if w > 0]
    return {
        "index_bar": pd.DataFrame(bars, columns=["date", "index", "open", "high", "low", "close", "volume", "amount"]),
        "index_weight": pd.DataFrame(weights, columns=["date", "index", "symbol", "weight"]),
    }


def _security() -> pd.DataFrame:
    frame = pd.DataFrame({"symbol": SYMBOLS, "name": [f"stock {symbol[:6]}" for symbol in SYMBOLS]})
    frame["board"] = frame["symbol"].map(board)
    frame["list_date"] = np.datetime64("2015-03-02")
    frame.loc[frame["symbol"] == NEW, "list_date"] = SESSIONS[LISTED_AT]
    frame["delist_date"] = np.datetime64("NaT")
    frame.loc[frame["symbol"] == LEAVING, "delist_date"] = SESSIONS[DELISTED_AT]
    return frame


def _industry() -> pd.DataFrame:
    rows = [
        (symbol, "citic_l1", f"I{n % 10}", f"industry {n % 10}", SECTORS[n % 5], "2015-03-02", None)
        for n, symbol in enumerate(SYMBOLS)
    ]
    rows[4] = (*rows[4][:6], "2019-12-02")
    rows.append((SYMBOLS[4], "citic_l1", "I7", "industry 7", SECTORS[2], "2019-12-02", None))
    frame = pd.DataFrame(rows, columns=["symbol", "scheme", "code", "name", "sector", "in_date", "out_date"])
    return frame.assign(in_date=pd.to_datetime(frame["in_date"]), out_date=pd.to_datetime(frame["out_date"]))


def _statements(random: np.random.Generator) -> pd.DataFrame:
    rows = []
    for symbol in SYMBOLS:
        assets = random.uniform(2e9, 9e9)
        for number, period in enumerate(PERIODS):
            year = period.year + (period.month == 12)
            deadline = pd.Timestamp(f"{year}-{DEADLINES[period.month]}")
            announced = deadline - pd.Timedelta(days=int(random.integers(0, 20)))
            size = assets * (1.02**number) * random.uniform(0.99, 1.01)
            quarters = (period.month - 1) // 3 + 1
            flow = size * 0.1 * quarters * random.uniform(0.97, 1.03)
            rows.append(
                (symbol, period, announced, flow, flow * 0.08, flow * 0.09, flow * 0.3, flow * 0.07, size, size * 0.45,
                 size * 0.7, size * 0.3, size * 0.5)
            )  # fmt: skip
    columns = [column.name for column in TABLES["fundamental"].columns]
    names = ["symbol", "report_period", "announced", "revenue", "net_profit_parent", "operating_cash_flow",
             "gross_profit", "ebit_after_tax", "total_assets", "equity_parent", "invested_capital",
             "current_liabilities", "total_liabilities"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)[columns]


def as_table(name: str, frame: pd.DataFrame) -> pa.Table:
    """A frame as the contract's table; columns that it lacks are null."""
    schema = TABLES[name].schema
    frame = frame.reindex(columns=schema.names)
    dates = {field.name for field in schema if field.type == pa.date32()}
    return pa.table(
        {
            field.name: pa.array(
                frame[field.name].to_numpy().astype("datetime64[D]") if field.name in dates else frame[field.name],
                type=field.type,
                from_pandas=True,
            )
            for field in schema
        }
    )


def in_order(name: str, frame: pd.DataFrame) -> pa.Table:
    """A frame as the contract's table, in the order of a lake."""
    keys = ["date", *([] if name == "index_bar" else ["symbol"])]
    return as_table(name, frame.sort_values(keys) if TABLES[name].by_session else frame)


def write(lake: Lake, frames: Frames) -> Lake:
    """The frames in a lake; sessions without a row have no file."""
    for name, frame in frames.items():
        table = in_order(name, frame)
        if TABLES[name].by_session:
            lake.write_sessions(name, table, np.unique(days(table["date"])))
        else:
            lake.write(name, table)
    return lake


class MemoryLake(Lake):
    """Reads as a lake into which `frames` were written, over the tables of another one, but has no files."""

    def __init__(self, frames: Frames, beneath: MemoryLake | None = None) -> None:
        super().__init__(Path("memory"))
        own = {name: in_order(name, frame) for name, frame in frames.items()}
        self.held: dict[str, pa.Table] = {**(beneath.held if beneath else {}), **own}
        self.dates = {name: days(table["date"]) for name, table in self.held.items() if TABLES[name].by_session}

    def snapshot(self) -> Lake:
        return self

    def has(self, table: str) -> bool:
        return table in self.held and (len(self.held[table]) > 0 or table not in self.dates)

    def sessions(self, table: str, first: Day | None = None, last: Day | None = None) -> np.ndarray:
        return np.unique(self.dates[table][self._span(table, first, last)]) if table in self.dates else np.array([])

    def read(
        self, table: str, first: Day | None = None, last: Day | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        rows = self._span(table, first, last)
        if rows.start == rows.stop:
            raise MissingDataError(f"no {table} from {first} to {last}")
        found = self.held[table].slice(rows.start, rows.stop - rows.start)
        return found.select(list(columns)) if columns else found

    def _span(self, table: str, first: Day | None, last: Day | None) -> slice:
        if table not in self.dates:
            return slice(0, len(self.held[table]))
        dates = self.dates[table]
        start = 0 if first is None else int(np.searchsorted(dates, as_day(first), side="left"))
        return slice(start, len(dates) if last is None else int(np.searchsorted(dates, as_day(last), side="right")))


def spoilt(honest: Lake, folder: Path, frames: Frames) -> Lake:
    """The honest lake with these tables in place of its own."""
    return write(Lake(folder, beneath=honest), frames)
