"""The simulated market: session after session, forward in time."""

from __future__ import annotations

import logging
from collections import deque
from functools import cached_property
from typing import get_args

import numpy as np
import pyarrow as pa

from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.market.calendar import as_day
from attn_platform.market.contract import BOARDS, TABLES
from attn_platform.market.simulation import (
    bars,
    corporate,
    indices,
    industries,
    intraday,
    lifecycle,
    returns,
    signals,
    tables,
)
from attn_platform.market.simulation.config import IntradayTable, SimulationConfig
from attn_platform.market.simulation.listings import list_stocks
from attn_platform.market.simulation.statements import statements
from attn_platform.market.simulation.stocks import Stocks
from attn_platform.market.simulation.streams import Purpose, generator
from attn_platform.market.trading_rules import limit_prices_in_fen, limit_ratio
from attn_platform.progress import tqdm

logger = logging.getLogger(__name__)

DIVIDEND_WINDOW = 252
LONGEST_CLOSURE = np.timedelta64(14, "D")
"""No closure of the exchange is longer, so a first session later than this after the start is a mistake."""

STATIC_TABLES = ("security", "industry", "fundamental")


def simulated_tables(config: SimulationConfig) -> frozenset[str]:
    """Raw tables that a market has rows of; others of the contract are absent from it."""
    return frozenset((*STATIC_TABLES, *tables.SESSION_TABLES, *(config.intraday.tables if config.intraday else ())))


class SimulatedMarket:
    """A market that the configuration and the sessions determine; simulated once, when first asked for data.

    Extending `sessions` at the end changes nothing before: tables of the shared sessions are equal bit for bit.
    """

    def __init__(self, config: SimulationConfig, sessions: np.ndarray) -> None:
        """`sessions` is datetime64[D], ascending, and begins with the first session on or after `config.start`."""
        days = np.asarray(sessions, dtype="datetime64[D]")
        if len(days) == 0 or not (np.diff(days.astype(np.int64)) > 0).all():
            raise ConfigurationError("the simulated market needs ascending sessions; take them from the calendar")
        start = np.datetime64(config.start, "D")
        if not start <= days[0] < start + LONGEST_CLOSURE:
            raise ConfigurationError(
                f"the simulated market starts on {start}, but its first session is {days[0]}; begin the sessions with "
                "the first one on or after the start, or change the start"
            )
        self.config = config
        self.sessions = days

    @property
    def symbols(self) -> np.ndarray:
        """Symbols of all stocks that have been listed by the last session [N], sorted."""
        return np.sort(self._history.stocks.symbol)

    def table(
        self, name: str, start: np.datetime64 | str | None = None, end: np.datetime64 | str | None = None
    ) -> pa.Table:
        """A raw table of the data contract, from session `start` to `end` (both included; default: all).

        `security`, `industry` and `fundamental` always come whole, as known after the last simulated session. Raises
        `MissingDataError` for a table that is not simulated. Intraday tables are made when they are asked for, and hold
        what `config.intraday` names of those sessions, which may be nothing.
        """
        if name not in simulated_tables(self.config):
            known = [table for table in TABLES if table in simulated_tables(self.config)]
            remedy = "; `intraday` of the simulation adds it" if name in get_args(IntradayTable) else ""
            raise MissingDataError(f"table '{name}' is not simulated; there are {', '.join(known)}{remedy}")
        history = self._history
        symbols, records = history.stocks.symbol, history.records
        if name == "security":
            return tables.security(history.stocks)
        if name == "industry":
            return tables.industry(history.industry_entries, symbols)
        if name == "fundamental":
            of_stocks = [record.stocks for record in records]
            return tables.fundamental(statements(self.config.seed, self.sessions, of_stocks, history.stocks), symbols)
        first, last = 0, len(self.sessions)
        if start is not None:
            first = int(np.searchsorted(self.sessions, as_day(start), side="left"))
        if end is not None:
            last = int(np.searchsorted(self.sessions, as_day(end), side="right"))
        if name in tables.SESSION_TABLES:
            return tables.SESSION_TABLES[name](records[first:last], symbols)
        assert self.config.intraday is not None
        chosen = intraday.chosen_stocks(self.config.intraday, records[0])
        return intraday.intraday_table(name, self.config, records[first:last], symbols, chosen)

    def signals(self) -> dict[str, np.ndarray]:
        """The planted signals and their composite [T, N], columns as in `symbols`; NaN where a stock is not listed."""
        history = self._history
        column = np.empty(len(history.stocks), dtype=np.int64)
        column[np.argsort(history.stocks.symbol)] = np.arange(len(history.stocks))
        planted = {}
        for name in signals.SIGNALS:
            planted[name] = np.full((len(self.sessions), len(column)), np.nan)
            for row, record in zip(planted[name], history.records, strict=True):
                row[column[record.stocks["stock"]]] = record.stocks[name]
        return {**planted, signals.COMPOSITE: signals.composite(planted, self.config.signals)}

    @cached_property
    def _history(self) -> _History:
        history = _History(self.config, self.sessions[0])
        logger.info("simulating %d sessions from %s", len(self.sessions), self.sessions[0])
        for day in tqdm(self.sessions, desc="simulated market", unit="session", leave=False):
            history.advance(day)
        logger.info("simulated %d stocks, %d listed at the end", len(history.stocks), history.stocks.listed.sum())
        return history


class _History:
    """The market's state and all that its sessions so far have left behind."""

    def __init__(self, config: SimulationConfig, first_day: np.datetime64) -> None:
        self._config = config
        self._previous = first_day
        no_symbols = np.empty(0, dtype="<U9")
        initial = list_stocks(config, 0, first_day, no_symbols, config.initial_stocks)
        self.stocks: Stocks = initial
        self.records: list[tables.SessionRecords] = []
        self.industry_entries: list[tables.IndustryEntry] = []
        since = industries.member_since(initial.industry, initial.listed_day)
        self._note_industries(np.arange(len(initial)), since)
        self._order = np.argsort(initial.symbol)
        self._log_volatility = 0.0
        self._sector_drift = np.zeros(len(industries.SECTORS))
        self._dividends: deque[np.ndarray] = deque(maxlen=DIVIDEND_WINDOW)
        self._members: dict[str, np.ndarray] = {}
        self._levels = dict.fromkeys((*indices.WEIGHTED, indices.WHOLE_MARKET), indices.FIRST_LEVEL)

    def advance(self, day: np.datetime64) -> None:
        """Simulate session `day`, from what the sessions before have left."""
        config, number = self._config, len(self.records)

        def random(purpose: Purpose) -> np.random.Generator:
            return generator(config.seed, purpose, day)

        if number > 0:
            self._list_new_stocks(number, day)
        self._change_industries(random(Purpose.INDUSTRY), day)
        stocks = self.stocks
        lifecycle_random = random(Purpose.LIFECYCLE)
        lifecycle.review_status(lifecycle_random, stocks, number, day, self._previous)
        lifecycle.end_listings(stocks, number, day)
        traded = lifecycle.suspend(lifecycle_random, stocks, config.events, number)
        if not self._members or indices.is_review(day, self._previous):
            self._review_indices(number)

        close_before, corporate_random = stocks.close, random(Purpose.CORPORATE_ACTION)
        actions = corporate.go_ex(corporate_random, stocks, config.events, traded, day)
        self._count_dividends(actions.cash)
        limits = self._limits(actions.reference, number, day)
        common = returns.draw_common(random(Purpose.COMMON_RETURN), config.returns, self._log_volatility)
        value_return = returns.draw_returns(random(Purpose.SPECIFIC_RETURN), config.returns, stocks, common)
        volatility = returns.specific_volatility(stocks, common)
        traded_bars = bars.draw_bars(
            stocks, actions.reference, limits, value_return, volatility, common.log_volatility, traded, number,
            random(Purpose.BAR), random(Purpose.TURNOVER), bars.VWAP_MARGIN if config.intraday else 0.0,
        )  # fmt: skip
        index_bars = self._draw_index_bars(close_before, actions, traded_bars, number)
        self._settle(traded_bars, actions.reference, value_return, traded, number)
        self._log_volatility = common.log_volatility

        corporate.report_quarters(random(Purpose.ACCOUNTS), stocks, number)
        self._sector_drift = corporate.revise_forecasts(random(Purpose.CONSENSUS), stocks, self._sector_drift, number)
        stocks.informed = signals.next_informed(random(Purpose.INFORMED), stocks.informed)
        planted = signals.planted_signals(stocks, number)
        stocks.expected_return = signals.expected_return(stocks, planted, config.signals, number)
        self.records.append(
            tables.SessionRecords(
                day=day,
                stocks=tables.record_stocks(stocks, self._order, actions, limits, traded_bars, traded, planted),
                index_bars=index_bars,
                index_weights={name: indices.weights(stocks, self._members[name]) for name in indices.WEIGHTED},
            )
        )
        corporate.change_share_counts(corporate_random, stocks, config.events, traded, number)
        self._previous = day

    def _list_new_stocks(self, number: int, day: np.datetime64) -> None:
        cohort = list_stocks(self._config, number, day, self.stocks.symbol)
        if len(cohort) == 0:
            return
        before = len(self.stocks)
        self.stocks.append(cohort)
        self._note_industries(np.arange(before, len(self.stocks)), cohort.listed_day)
        self._order = np.argsort(self.stocks.symbol)

    def _change_industries(self, random: np.random.Generator, day: np.datetime64) -> None:
        stocks, rate = self.stocks, self._config.events.industry_change
        changed, target = industries.industry_changes(random, stocks.industry, rate, day, self._previous)
        settled = stocks.listed[changed] & (stocks.listed_day[changed] < day)
        changed, target = changed[settled], target[settled]
        stocks.industry[changed] = target
        self._note_industries(changed, np.full(len(changed), day))

    def _note_industries(self, stock: np.ndarray, since: np.ndarray) -> None:
        self.industry_entries += [
            tables.IndustryEntry(int(position), int(self.stocks.industry[position]), first)
            for position, first in zip(stock, since, strict=True)
        ]

    def _limits(self, reference: np.ndarray, number: int, day: np.datetime64) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper limit price of each stock in fen; NaN where free."""
        stocks = self.stocks
        up_ratio, down_ratio = limit_ratio(
            stocks.board, day, stocks.status, stocks.age(number), number - stocks.consolidation_at
        )
        up, down = limit_prices_in_fen(reference, up_ratio, down_ratio)
        return down, up

    def _count_dividends(self, cash: np.ndarray) -> None:
        """Keep the cash that went ex in the last 252 sessions."""
        stocks = self.stocks
        stocks.dividend_12m = stocks.dividend_12m + cash
        if len(self._dividends) == DIVIDEND_WINDOW:
            oldest = self._dividends[0]
            stocks.dividend_12m[: len(oldest)] -= oldest
        self._dividends.append(cash)

    def _settle(
        self,
        traded_bars: bars.Bars,
        reference: np.ndarray,
        value_return: np.ndarray,
        traded: np.ndarray,
        number: int,
    ) -> None:
        """Carry the session into the stocks' state."""
        stocks = self.stocks
        row = number % len(stocks.returns)
        stocks.close = traded_bars.close
        stocks.log_value = stocks.log_value + value_return
        stocks.returns[row] = np.log(traded_bars.close / reference)
        stocks.turnover[row] = traded_bars.volume / stocks.float_shares
        stocks.imbalance[row] = traded_bars.imbalance
        lifecycle.count_closes_below_par(stocks, traded)

    def _review_indices(self, number: int) -> None:
        stocks = self.stocks
        eligible = stocks.listed & (stocks.status == lifecycle.NORMAL) & (stocks.board != BOARDS.index("bse"))
        if number > 0:
            eligible &= stocks.age(number) >= indices.MINIMUM_AGE
        value, amount = self._mean_value_and_amount()
        self._members = indices.select_members(self._config.indices, np.flatnonzero(eligible), value, amount)

    def _mean_value_and_amount(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean total market value and mean amount of each stock over the sessions of the review window, CNY."""
        if not self.records:
            return self.stocks.total_value, np.zeros(len(self.stocks))
        window = tables.StockColumns(self.records[-indices.REVIEW_WINDOW :], self.stocks.symbol)
        stock, count = window.raw("stock"), len(self.stocks)
        sessions = np.maximum(np.bincount(stock, minlength=count), 1)
        value = np.bincount(stock, weights=window.value("total_shares"), minlength=count)
        amount = np.bincount(stock, weights=window.price("vwap") * window.raw("volume"), minlength=count)
        return value / sessions, amount / sessions

    def _draw_index_bars(
        self, close_before: np.ndarray, actions: corporate.Actions, traded_bars: bars.Bars, number: int
    ) -> dict[str, indices.IndexBar]:
        seasoned = np.flatnonzero(self.stocks.listed & (self.stocks.age(number) > 0))
        members = {**{name: self._members[name] for name in indices.WEIGHTED}, indices.WHOLE_MARKET: seasoned}
        drawn = {
            name: indices.draw_index_bar(self.stocks, positions, close_before, actions, traded_bars, self._levels[name])
            for name, positions in members.items()
        }
        self._levels.update({name: bar.close for name, bar in drawn.items()})
        return drawn
