"""Completion of an import's daily bars and market values, stretch after stretch, with what the session before says.

The rules of `market.completion` and the checks of `market.quality` that need more than one row meet here with the
limits of `ImportConfig`: what is completed is noted, what contradicts itself is refused or put aside.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import ContractError
from attn_platform.market import trading_rules
from attn_platform.market.calendar import Calendar
from attn_platform.market.completion import (
    DELISTING,
    Grid,
    Stocks,
    average_prices,
    carried_values,
    filled_cells,
    reference_prices,
    session_limits,
    suspended_rows,
)
from attn_platform.market.contract import BOARDS, DAILY_BAR, TRADING_STATUSES, VALUATION
from attn_platform.market.inspection import Inspection, Journal, Quarantine
from attn_platform.market.lake import days
from attn_platform.market.quality import units
from attn_platform.market.settle import NO_LIMIT, boolean, day_scalar, numbers, with_column
from attn_platform.market.tolerance import average_price_slack
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.factor_base import FactorBase

KEY = [("date", "ascending"), ("symbol", "ascending")]
NEVER = np.datetime64("1900-01-01")
COMPLETED = ("pre_close", "vwap", "up_limit", "down_limit")


@dataclass(frozen=True)
class Held:
    """The complete rows of the last session that is held before a stretch."""

    session: np.datetime64 = NEVER
    bars: pa.Table = field(default_factory=DAILY_BAR.schema.empty_table)
    values: pa.Table = field(default_factory=VALUATION.schema.empty_table)


class Completer:
    """Completes stretches of sessions in their order; of what came before it knows the last session only."""

    def __init__(
        self,
        security: pa.Table,
        calendar: Calendar,
        config: ImportConfig,
        journal: Journal,
        quarantine: Quarantine | None = None,
        held: Held | None = None,
        base: FactorBase | None = None,
    ) -> None:
        self.stocks, self.calendar, self.config = Stocks.of(security), calendar, config
        self.journal, self.quarantine = journal, quarantine
        self.held, self.base = held or Held(), base or FactorBase()
        count = len(self.stocks.symbols)
        self._lived, self._filled = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)

    def bars(self, own: pa.Table, inspection: Inspection, sessions: np.ndarray) -> pa.Table:
        """All bars of ascending `sessions`: the vendor's `own`, checked against each other and completed, and filled.

        `ContractError` for the first row that cannot be true, or (with a quarantine) where there are too many.
        """
        own = self._checked(own, inspection)
        stretch = np.concatenate([[self.held.session], sessions])
        follows = self._follows(stretch)
        while True:
            rows = pa.concat_tables([self.held.bars, own])
            grid = Grid.of(rows, stretch, self.stocks)
            has_row = grid.at >= 0
            traded = np.append(numbers(rows["volume"]), 0.0)[grid.at] > 0
            unknown = self._unknown(DAILY_BAR.name, stretch, has_row, traded)
            filled, source = filled_cells(has_row, unknown, self._ended(stretch))
            # Where each cell's row of the session before is to be found, filled or not.
            before = np.full_like(grid.at, -1)
            before[1:] = np.where((has_row | filled)[:-1], np.take_along_axis(grid.at, source, axis=0)[:-1], -1)
            rows = self.base.continued(rows, grid, before, follows, self._limit(rows), self.config, inspection)
            own = rows.slice(self.held.bars.num_rows)
            if inspection.failed is None:
                break
            own = inspection.passed(own)  # what depends on the rows that were put aside is worked out again
        self._check_presence(stretch, follows, has_row, filled, traded, rows, grid, inspection)
        session, stock = np.nonzero(filled)
        new = suspended_rows(rows, grid.at[source[session, stock], stock], stretch[session])
        marked = np.zeros(rows.num_rows + new.num_rows, dtype=bool)
        marked[self.held.bars.num_rows : rows.num_rows] = inspection.marks.get(NO_LIMIT, False)
        self.journal.add("missing_rows", new, np.ones(new.num_rows, dtype=bool), DAILY_BAR.name)
        completed = self._completed(pa.concat_tables([rows, new]), marked, stretch, follows)
        self.held = Held(
            sessions[-1], completed.filter(pc.equal(completed["date"], day_scalar(sessions[-1]))), self.held.values
        )
        return completed

    def values(self, own: pa.Table, inspection: Inspection, bars: pa.Table, sessions: np.ndarray) -> pa.Table:
        """Market values of `sessions`: the vendor's `own`, and of suspended stocks without a row those held before.

        `bars` are the completed bars of the same sessions. `ContractError` where the units of a session contradict it.
        """
        known = pc.is_in(own["symbol"], value_set=self.stocks.symbols)
        inspection.require(known, own, ("symbol",), "a symbol of table security", "add it there", check="symbol")
        own = inspection.passed(own)
        held = self.held.values
        stretch = np.concatenate([days(held["date"])[:1] if held.num_rows else [NEVER], sessions])
        rows = pa.concat_tables([held, own])
        grid, bar = Grid.of(rows, stretch, self.stocks), Grid.of(bars, stretch, self.stocks)
        self._check_value_units(own, inspection, bars)
        has_row, has_bar = grid.at >= 0, bar.at >= 0
        halted = np.append(boolean(bars["is_suspended"]), False)[bar.at]
        # A stock that traded without a value has none that could be carried.
        unknown = ~has_row & ~halted
        unknown |= self._unknown(VALUATION.name, stretch, has_row, np.zeros_like(has_row))
        filled, source = filled_cells(has_row, unknown, np.full(has_row.shape[1], len(stretch)))
        session, stock = np.nonzero(filled)
        new = carried_values(rows, grid.at[source[session, stock], stock], stretch[session])
        self.journal.add("missing_values", new, np.ones(new.num_rows, dtype=bool), VALUATION.name)
        lacks = (has_bar & ~has_row & ~filled)[1:]
        self.journal.add("traded_without_value", *self._cells(lacks, stretch), VALUATION.name)
        completed = pa.concat_tables([own, new]).sort_by(KEY)
        last = completed.filter(pc.equal(completed["date"], day_scalar(sessions[-1])))
        self.held = Held(self.held.session, self.held.bars, last)
        return completed

    def finish(self) -> None:
        """`ContractError` for the first stock that is hardly more than filled rows."""
        share = self._filled / np.maximum(self._lived, 1)
        off = (self._lived >= self.config.filled_life_sessions) & (share > self.config.filled_life_share)
        if off.any():
            at = int(np.flatnonzero(off)[0])
            more = f" ({off.sum() - 1} more such stocks)" if off.sum() > 1 else ""
            raise ContractError(
                f"table daily_bar: {self.stocks.symbols[at]} has no row on {self._filled[at]} of {self._lived[at]} "
                f"sessions since its first row, more than {self.config.filled_life_share:.0%}; give its rows, or its "
                f"delist_date in table security{more}"
            )

    def _checked(self, own: pa.Table, inspection: Inspection) -> pa.Table:
        """The vendor's bars whose stock is known and listed, and whose columns agree with each other."""
        known = pc.is_in(own["symbol"], value_set=self.stocks.symbols)
        inspection.require(known, own, ("symbol",), "a symbol of table security", "add it there", check="symbol")
        own = inspection.passed(own)
        code, date = self.stocks.codes(own["symbol"]), days(own["date"])
        for holds, wanted in (
            (~(date < self.stocks.listed[code]), "a session from the stock's list_date on"),
            (~(date >= self.stocks.delisted[code]), "a session before the stock's delist_date"),
        ):
            remedy = "correct the date in table security, or drop the row"
            inspection.require(holds, own, ("date",), wanted, remedy, check="listing")
        self._check_trade_units(own, code, date, inspection)
        return inspection.passed(own)

    def _check_trade_units(self, own: pa.Table, code: np.ndarray, date: np.ndarray, inspection: Inspection) -> None:
        """amount / volume lies inside of the bar: of most rows of a session, and by no multiple in any row."""
        amount, volume, low, high = (numbers(own[name]) for name in ("amount", "volume", "low", "high"))
        off = units.outside_bar(amount, volume, low, high)
        columns, wanted = ("amount", "volume", "low", "high"), "amount / volume inside of low and high"
        remedy = "correct them at their source"
        _, session = np.unique(date, return_inverse=True)
        count = np.bincount(session, weights=off)
        many = (count > self.config.few_stocks) & (count > self.config.contradicting_share * np.bincount(session))

        def guess() -> str:
            return _trade_guess(own, off, self.stocks.board[code])

        if many.any():
            strict = Inspection(DAILY_BAR.name, inspection.sources, numbers=inspection.numbers)
            strict.require(~(off & many[session]), own, columns, wanted, remedy, guess)
        price, gross = units.average_price(amount, volume), self.config.gross_factor
        gross_rows = off & ((price > high * gross) | (price < low / gross))
        inspection.require(~gross_rows, own, columns, wanted, remedy, guess, check="average_price")
        vwap = numbers(own["vwap"])
        slack = average_price_slack(high, volume)
        inside = ~((vwap > high + slack) | (vwap < low - slack))
        inspection.require(
            inside, own, ("vwap", "low", "high"), "vwap inside of low and high", "correct it, or leave it out",
            check="average_price",
        )  # fmt: skip
        self.journal.add("average_price_outside", own, off & ~gross_rows, DAILY_BAR.name, ("amount", "volume", "close"))

    def _check_value_units(self, own: pa.Table, inspection: Inspection, bars: pa.Table) -> None:
        """Turnover and market values of each session are in the contract's units."""
        joined = own.select(["date", "symbol", "total_mv", "float_mv"]).append_column(
            "row", pa.array(range(own.num_rows))
        )
        traded = bars.filter(pc.greater(bars["volume"], 0.0)).select(
            ["date", "symbol", "volume", "turnover_rate", "close"]
        )
        joined = joined.join(traded, ["date", "symbol"], join_type="inner").sort_by([*KEY])
        date = days(joined["date"])
        names = ("volume", "turnover_rate", "float_mv", "total_mv", "close")
        cells = {name: numbers(joined[name]) for name in names}
        edges = np.flatnonzero(np.append(True, date[1:] != date[:-1])) if len(date) else np.array([], dtype=np.int64)
        for start, end in zip(edges, np.append(edges[1:], len(date)), strict=True):
            if end - start <= self.config.few_stocks:
                continue
            faults = units.value_units(*(cells[name][start:end] for name in names))
            if faults:
                says = " and ".join(looks for looks, _ in faults)
                remedies = ", and ".join(remedy for _, remedy in faults)
                row = joined["row"][int(start)].as_py()
                raise ContractError(
                    f"{inspection.source(row)} and daily_bar of session {date[start]}: {says}; {remedies}"
                )

    def _check_presence(
        self,
        stretch: np.ndarray,
        follows: np.ndarray,
        has_row: np.ndarray,
        filled: np.ndarray,
        traded: np.ndarray,
        rows: pa.Table,
        grid: Grid,
        inspection: Inspection,
    ) -> None:
        """No session lacks a large part of its stocks; and the count of each stock's filled sessions goes on."""
        few = self.config.few_stocks
        alive, halted = (has_row | filled).sum(axis=1), ((has_row & ~traded) | filled).sum(axis=1)
        stopped = np.zeros_like(alive)
        stopped[1:] = (filled[1:] & traded[:-1]).sum(axis=1) * follows[1:]
        were = np.append(0, traded.sum(axis=1)[:-1])
        for concerned, of, share, what in (
            (stopped, were, self.config.newly_missing_share, "that traded on the session before have no row"),
            (halted, alive, self.config.halted_share, "are suspended or have no row"),
        ):
            off = (concerned > few) & (concerned > share * of)
            off[0] = False
            if off.any():
                t = int(np.flatnonzero(off)[0])
                there = grid.at[t][grid.at[t] >= self.held.bars.num_rows] - self.held.bars.num_rows
                file = inspection.source(int(there[0])) if len(there) else "table daily_bar"
                raise ContractError(
                    f"{file}: on session {stretch[t]}, {concerned[t]} of {of[t]} stocks {what}, more than {share:.0%}; "
                    "the file looks truncated, fetch it again"
                )
        self._lived += (has_row | filled)[1:].sum(axis=0)
        self._filled += filled[1:].sum(axis=0)

    def _completed(self, rows: pa.Table, marked: np.ndarray, stretch: np.ndarray, follows: np.ndarray) -> pa.Table:
        """The rows of the stretch in order, with what the day and the row before say; those held before left out."""
        place = np.lexsort((self.stocks.codes(rows["symbol"]), days(rows["date"])))
        rows, marked = rows.take(pa.array(place)), marked[place]
        grid = Grid.of(rows, stretch, self.stocks)
        session, code = np.searchsorted(stretch, days(rows["date"])), self.stocks.codes(rows["symbol"])
        previous = np.where(session > 0, grid.at[np.maximum(session - 1, 0), code], -1)
        status = pc.index_in(rows["trading_status"], value_set=pa.array(TRADING_STATUSES)).to_numpy()
        cells = {name: numbers(rows[name]) for name in DAILY_BAR.schema.names if _is_number(name)}
        cells["trading_status"] = status.astype(np.float64)
        last = {
            name: np.where((previous >= 0) & follows[session], cells[name][previous], np.nan)
            for name in ("close", "adj_factor")
        }
        derived = dict(cells)
        derived["pre_close"] = reference_prices(
            cells["pre_close"], cells["adj_factor"], last["close"], last["adj_factor"]
        )
        derived["vwap"], worked_out = average_prices(cells)
        was_delisting = ~((previous >= 0) & (status[previous] != DELISTING))
        by_rule = session_limits(
            derived, self.stocks.board[code], days(rows["date"]), self.stocks.listed[code], was_delisting, self.calendar
        )
        held = int((session == 0).sum())  # these come first, and are left out

        def note(check: str, concerned: np.ndarray, columns: tuple[str, ...] = ()) -> None:
            self.journal.add(check, rows.slice(held), concerned[held:], DAILY_BAR.name, columns)

        for name, limit in zip(("up_limit", "down_limit"), by_rule, strict=True):
            lacks = np.isnan(cells[name])
            derived[name] = np.where(lacks, limit, cells[name])
            note(f"{name}_by_rules", lacks & ~np.isnan(limit) & ~marked)
        note("vwap_worked_out", worked_out)
        note("no_limit_refuted", marked & ~np.isnan(by_rule[0]), ("pre_close",))
        for name in COMPLETED:
            rows = with_column(rows, name, pa.array(derived[name], pa.float64(), from_pandas=True))
        return rows.slice(held).combine_chunks()

    def _unknown(self, table: str, stretch: np.ndarray, has_row: np.ndarray, traded: np.ndarray) -> np.ndarray:
        """Cells [T, N] whose row was put aside. Where it cannot be told whose row it was, or of which session: the
        cells without a row of all stocks that traded before, since it might be theirs.
        """
        unknown = np.zeros_like(has_row)
        if self.quarantine is None:
            return unknown
        aside = self.quarantine.rows()
        aside = aside.filter(pc.equal(aside["table"], table))
        if not aside.num_rows:
            return unknown
        date = aside["date"].to_numpy().astype("datetime64[D]")
        date[~np.isin(date, self.calendar.sessions)] = np.datetime64("NaT")
        at, code = np.searchsorted(stretch, date), self.stocks.codes(aside["symbol"])
        dated = np.isin(date, stretch)
        unknown[at[dated & (code >= 0)], code[dated & (code >= 0)]] = True
        suspect = np.zeros_like(has_row)
        suspect[at[dated & (code < 0)]] = True
        suspect[:, code[np.isnat(date) & (code >= 0)]] = True
        suspect |= bool(np.any(np.isnat(date) & (code < 0)))
        suspect[1:] &= traded[:-1]
        suspect[0] = False
        return (unknown | suspect) & ~has_row

    def _limit(self, rows: pa.Table) -> np.ndarray:
        """Price limit of each row as a fraction, without what is special about first sessions; 0 where it is free."""
        status = pc.index_in(rows["trading_status"], value_set=pa.array(TRADING_STATUSES)).to_numpy()
        board = self.stocks.board[self.stocks.codes(rows["symbol"])]
        up_ratio, _ = trading_rules.limit_ratio(board, days(rows["date"]), status, len(self.calendar.sessions))
        return np.nan_to_num(up_ratio)

    def _ended(self, stretch: np.ndarray) -> np.ndarray:
        """The first of `stretch` on which each stock is listed no more; its length while it lasts."""
        gone = self.stocks.delisted
        return np.where(np.isnat(gone), len(stretch), np.searchsorted(stretch, gone))

    def _follows(self, stretch: np.ndarray) -> np.ndarray:
        """Whether each session of `stretch` comes right after the one before it there."""
        position = np.searchsorted(self.calendar.sessions, stretch)
        return np.append(False, np.diff(position) == 1)

    def _cells(self, mask: np.ndarray, stretch: np.ndarray) -> tuple[pa.Table, np.ndarray]:
        """The cells [T − 1, N] of `mask` as rows of date and symbol, all of them concerned."""
        session, stock = np.nonzero(mask)
        keys = pa.table(
            {"date": pa.array(stretch[session + 1], pa.date32()), "symbol": self.stocks.symbols.take(pa.array(stock))}
        )
        return keys, np.ones(len(session), dtype=bool)


def _is_number(name: str) -> bool:
    return bool(pa.types.is_floating(DAILY_BAR.schema.field(name).type))


def _trade_guess(own: pa.Table, off: np.ndarray, board: np.ndarray) -> str:
    """What the units of rows whose amount / volume leaves the bar look like, by board where they differ."""
    amount, volume, close, factor = (numbers(own[name])[off] for name in ("amount", "volume", "close", "adj_factor"))
    found = units.trade_units_by_board(amount, volume, close, factor, np.array(BOARDS)[board[off]])
    concerned = {BOARDS[b] for b in np.unique(board[numbers(own["volume"]) > 0])}
    if len({looks for _, looks, _ in found.values()}) == 1:
        return _unit_text(concerned - set(found) and sorted(found), *units.trade_units(amount, volume, close, factor))
    return "; ".join(text for name, each in found.items() if (text := _unit_text([name], *each)))


def _unit_text(boards: Collection[str], ratio: float, looks: str, remedy: str) -> str:
    """A guess in words; "" where there is none. `boards` are named where they are not all there are."""
    where = f"on board {', '.join(boards)}, " if boards else ""
    return f"{where}amount / volume is {ratio:.3g} × close: {looks}; {remedy}" if looks else ""
