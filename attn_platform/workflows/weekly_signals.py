"""Signals of the weekly report and the market they trade in, read from a home's tables (Haitong weekly 2024-09-02).

Arrays are [R, N]: R rebalances, N stocks under the codes that they have in the last session. Nothing is read of a
session but what was known at its close.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from attn_platform.backtest.tradability import TRADABILITY_FIELDS, can_buy, can_sell, execution_prices, restrictions
from attn_platform.evaluation.factor_legs import TradedMarket
from attn_platform.evaluation.orthogonal import orthogonalise
from attn_platform.factors.preprocessing import PreprocessingConfig, winsorise
from attn_platform.factors.store import family_table
from attn_platform.market.dense import PIECE, DenseMarket, columns_of, load_dense, numeric
from attn_platform.market.lake import days
from attn_platform.portfolio.styles import BUILT_IN_STYLES, VALUATION_FIELDS
from attn_platform.studies.availability import lacking
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home
from attn_platform.studies.weekly import RegressorSet, WeeklyRow
from attn_platform.universe.adjacency import industries_over
from attn_platform.universe.config import UniverseConfig
from attn_platform.universe.membership import count_sessions_listed, eligible
from attn_platform.universe.store import list_dates

STATUS_FIELDS = ("trading_status", "is_suspended")


@dataclass(frozen=True)
class Values:
    """Raw values of a row [R, N], or why there are none."""

    raw: np.ndarray | None
    absent: str = ""


@dataclass
class WeeklySignals:
    """Reads a home's tables on `sessions` [R], the rebalances, for `stocks`, whose codes are those of the last one.

    `left_out` counts the rebalances on which a regressor took no part, by its name.
    """

    home: Home
    stocks: DenseMarket
    sessions: np.ndarray
    left_out: Counter[str] = field(default_factory=Counter)

    def of_row(self, row: WeeklyRow) -> Values:
        """Raw values of a row's factor or forecasts."""
        if row.factor is not None:
            table, absent = self._of_factor(row.factor)
            return Values(None, absent) if absent else Values(self._read(table, (row.factor,))[row.factor])
        table, horizon = prediction_table(str(row.model)), str(row.horizon)
        known = {each.name: each for each in self.home.study.forecasters}
        if row.model not in known:
            return Values(None, f"study {self.home.study.name} has no model or forecasts called {row.model}")
        if horizon not in known[row.model].horizons:
            return Values(None, f"{row.model} has horizons {', '.join(known[row.model].horizons)}, not {horizon}")
        if not self.home.lake.has(table):
            return Values(None, f"{table} has not been materialised")
        return Values(self._read(table, (horizon,))[horizon])

    def signals(self, values: Mapping[str, np.ndarray], rows: Mapping[str, WeeklyRow]) -> dict[str, np.ndarray]:
        """Signals [R, N] by row: orthogonal to its regressors, the long leg's end up; NaN outside of the universe."""
        weekly, config = self.home.study.weekly, self.home.study.preprocessing
        found = {name: np.full(raw.shape, np.nan) for name, raw in values.items()}
        by_set: dict[RegressorSet, list[str]] = {}
        for name in values:
            by_set.setdefault(weekly.regressors_of(rows[name]), []).append(name)
        codes, _ = self._industries
        for chosen, members in by_set.items():
            for at in range(len(self.sessions)):
                inside = np.flatnonzero(self._universe[at])
                raw = np.column_stack([values[name][at, inside] for name in members])
                if not np.isfinite(raw).any():
                    continue
                styles = self._styles(chosen, at, inside)
                if weekly.winsorise:
                    raw = _winsorised(raw, config)
                    styles = {name: _winsorised(each[:, None], config)[:, 0] for name, each in styles.items()}
                industry = codes[at, inside] if chosen.industry else np.zeros(len(inside), dtype=np.int16)
                orthogonal = orthogonalise(raw, industry, styles, weekly.min_style_coverage)
                self.left_out.update(orthogonal.left_out)
                for column, name in enumerate(members):
                    found[name][at, inside] = rows[name].sign * orthogonal.residual[:, column]
        return found

    def missing_styles(self, sets: Iterable[RegressorSet]) -> dict[str, str]:
        """Regressors that the home cannot have at all, with the reason."""
        wanted = dict.fromkeys(each for chosen in sets for each in chosen.styles if each.style not in BUILT_IN_STYLES)
        reasons = {each.name: self._of_factor(each.style)[1] for each in wanted}
        if not len(self._industries[1]):
            reasons["industry"] = f"table industry has no row of scheme {self.home.study.adjacency.scheme}"
        return {name: reason for name, reason in reasons.items() if reason}

    def _styles(self, chosen: RegressorSet, at: int, inside: np.ndarray) -> dict[str, np.ndarray]:
        valuation = {name: values[at, inside] for name, values in self._valuation.items()}
        styles: dict[str, np.ndarray] = {}
        with np.errstate(invalid="ignore", divide="ignore"):
            for each in chosen.styles:
                if each.style in BUILT_IN_STYLES:
                    raw = BUILT_IN_STYLES[each.style](valuation)
                elif each.style in self._factor_styles:
                    raw = self._factor_styles[each.style][at, inside]
                else:
                    continue  # named once for all sessions: `missing_styles`
                styles[each.name] = np.log(raw) if each.log else raw
        return styles

    @cached_property
    def _universe(self) -> np.ndarray:
        """[R, N] all A shares less ST, suspended and newly listed ones (Haitong)."""
        status = self._read("daily_bar", STATUS_FIELDS)
        config = UniverseConfig(min_listed_sessions=self.home.study.weekly.min_listed_sessions)
        listed = list_dates(self.home.lake, self.stocks.symbols)
        np.minimum.at(listed, self._own_column, listed.copy())  # a company is as old as under its first code
        inside = np.zeros(status["trading_status"].shape, dtype=bool)
        for at, session in enumerate(self.sessions):
            age = count_sessions_listed(self.home.calendar, listed, listed, session)
            inside[at] = eligible(status["trading_status"][at], age, config) & (status["is_suspended"][at] == 0)
        return inside

    @cached_property
    def _industries(self) -> tuple[np.ndarray, tuple[str, ...]]:
        table = self.home.lake.read("industry").to_pandas()
        return industries_over(table, self.stocks.symbols, self.sessions, self.home.study.adjacency.scheme)

    @cached_property
    def _valuation(self) -> dict[str, np.ndarray]:
        return self._read("valuation", VALUATION_FIELDS)

    @cached_property
    def _factor_styles(self) -> dict[str, np.ndarray]:
        """[R, N] of each factor of the catalogue that is a regressor, where the home has it."""
        weekly = self.home.study.weekly
        sets = (weekly.regressors_of(row) for row in weekly.rows)
        names = {each.style for chosen in sets for each in chosen.styles} - set(BUILT_IN_STYLES)
        by_table: dict[str, list[str]] = {}
        for name in sorted(names):
            table, absent = self._of_factor(name)
            if not absent:
                by_table.setdefault(table, []).append(name)
        return {name: values for table, own in by_table.items() for name, values in self._read(table, own).items()}

    def _of_factor(self, name: str) -> tuple[str, str]:
        """The table of a factor, and why it has no value, or ""."""
        definition, lake = self.home.study.catalogue.definition(name), self.home.lake
        table = family_table(definition.family)
        held = lake.sessions(table)
        if not len(held):
            return table, lacking(self.home, definition) or f"{table} has not been materialised"
        stored = lake.read_sessions(table, held[-1:])
        if stored is None or name not in stored.column_names:
            return table, f"{table} was materialised without it"
        return table, ""

    def _read(self, table: str, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns [R, N] of a table with a row a stock and session."""
        shape = len(self.sessions), len(self.stocks.symbols)
        values = {name: np.full(shape, np.nan) for name in names}
        rows = self.home.lake.read_sessions(table, self.sessions, ["date", "symbol", *names])
        if rows is None:
            return values
        at = np.searchsorted(self.sessions, days(rows["date"]))
        column = columns_of(rows["symbol"], self.stocks.symbols)
        known = column >= 0
        place = at[known], self._own_column[column[known]]
        for name in names:
            values[name][place] = numeric(rows[name])[known]
        return values

    @cached_property
    def _own_column(self) -> np.ndarray:
        """Column under which each stock stands in the last session: that of the code it went on under, or its own."""
        symbols = pd.Index(self.stocks.symbols)
        own = np.arange(len(symbols))
        for former, code in self.stocks.new_codes(self.stocks.sessions[-1]).items():
            if former in symbols and code in symbols:
                own[symbols.get_loc(former)] = symbols.get_loc(code)
        return own


def _winsorised(values: np.ndarray, config: PreprocessingConfig) -> np.ndarray:
    """`winsorise` [n, F], but for columns of which it would leave one value: most of their stocks share that one."""
    clipped = winsorise(values, config)
    is_flat = np.nanmin(clipped, axis=0, initial=np.inf) == np.nanmax(clipped, axis=0, initial=-np.inf)
    return np.where(is_flat, values, clipped)


def traded_market(home: Home, first: np.datetime64, last: np.datetime64) -> tuple[TradedMarket, DenseMarket]:
    """Adjusted prices and tradability from session `first` to `last`, and their stocks.

    Trades go through at the average price of the session, boards at the limit as `backtest` of the study says. A stock
    that is delisted pays its last price. Rows are read piece by piece: what a piece needs beside prices is let go.
    """
    config = home.study.backtest
    fields = (*TRADABILITY_FIELDS, "adj_factor")
    whole = load_dense(home.lake, home.calendar, first, last, ("close",))
    stocks = replace(whole, fields={})
    shape = whole.shape
    close, price = np.full(shape, np.nan), np.full(shape, np.nan)
    buys, sells = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for begin in range(0, shape[0], PIECE):
        part = slice(begin, begin + PIECE)
        own = whole.sessions[part]
        piece = load_dense(home.lake, home.calendar, own[0], own[-1], fields, whole.symbols)
        piece = replace(piece, delist_dates=whole.delist_dates, successors=whole.successors).under_codes_of(last)
        restriction = restrictions(piece.fields, "vwap", config.limit_board)
        close[part] = piece["close"] * piece["adj_factor"]
        price[part] = execution_prices(piece.fields, "vwap")[0] * piece["adj_factor"]
        buys[part], sells[part] = can_buy(restriction), can_sell(restriction)
    for symbol, date in whole.delist_dates.items():
        column = np.flatnonzero(whole.symbols == symbol)
        sells[np.searchsorted(whole.sessions, date) :, column] = True
    return TradedMarket(whole.sessions, pd.DataFrame(close).ffill().to_numpy(), price, buys, sells), stocks
