"""The weekly report of a home, for any week: factors evaluated, enhanced portfolios, what was published (Haitong)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform import reports
from attn_platform.backtest.store import backtest_table
from attn_platform.errors import MissingDataError
from attn_platform.evaluation.factor_legs import TradedMarket, leg_returns
from attn_platform.market.calendar import DAYS_A_WEEK, DAYS_FROM_MONDAY_TO_1970, CalendarPeriod, Day, as_day
from attn_platform.market.dense import DenseMarket
from attn_platform.published import published_source, published_table
from attn_platform.reports import formatting
from attn_platform.reports.strategy import dated
from attn_platform.reports.weekly_contents import (
    SIDES,
    PublishedWeek,
    Series,
    WeeklyFactor,
    WeeklyPortfolio,
    WeeklyReportData,
)
from attn_platform.studies.settings import SESSIONS_TABLE, Home
from attn_platform.studies.weekly import WeeklyRow
from attn_platform.workflows.reports import data_source
from attn_platform.workflows.weekly_signals import WeeklySignals, traded_market

PUBLISHED_WEEK = np.datetime64("2024-08-30", "D")
PUBLISHED_TABLES = ("haitong20240830_table1_factors", "haitong20240830_table2_portfolios")
PUBLISHED_DATA = "real A shares, whole market"
RHYTHMS: Mapping[CalendarPeriod, str] = {"week": "weekly", "month": "monthly"}
NO_BACKTEST = "has no backtest yet; attn run makes it"


def write_weekly(home: Home, folder: Path, day: Day | None = None) -> tuple[Path, WeeklyReportData]:
    """Write the report of the week that holds `day` (of the newest whole week without one); its page, what it shows.

    `MissingDataError` where the home's data has no session of that week.
    """
    data = gather_weekly(home, day)
    return reports.write_weekly_report(data, folder), data


def gather_weekly(home: Home, day: Day | None = None) -> WeeklyReportData:
    """Everything that the report of a week shows. Nothing of a later session is read."""
    sessions = week_of(home, day)
    last, weekly = sessions[-1], home.study.weekly
    notes: list[str] = []
    rows = {every: [row for row in weekly.rows if row.rebalance_every == every] for every in RHYTHMS}
    rebalances = {every: _rebalances(home, every, own, last) for every, own in rows.items()}
    first = min((own[0] for own in rebalances.values() if len(own)), default=None)
    traded = None if first is None else traded_market(home, first, last)
    factors: dict[str, WeeklyFactor] = {}
    for every, own in rows.items():
        if traded is None or not len(rebalances[every]):
            reason = f"no {every} ends within the data and before {last}, so that nothing could be bought"
            factors |= {row.name: _absent(home, row, reason) for row in own}
        else:
            factors |= _factors(home, own, rebalances[every], *traded, notes)
    whole_week = home.calendar.between(sessions[0], _monday(sessions[0]) + (DAYS_A_WEEK - 1))
    if len(whole_week) and whole_week[-1] > last:
        notes.insert(0, f"The week goes on to {whole_week[-1]}; the data ends on {last}.")
    return WeeklyReportData(
        title=home.study.title,
        data_source=data_source(home),
        sessions=sessions,
        factors=[factors[row.name] for row in weekly.rows],
        portfolios=[_portfolio(home, name, last) for name in weekly.portfolios],
        method=list(_method(home)),
        notes=list(dict.fromkeys(notes)),
        published=_published() if last == PUBLISHED_WEEK else None,
    )


def week_of(home: Home, day: Day | None = None) -> np.ndarray:
    """Sessions of the home's data in the week that holds `day`; of the newest whole week without one.

    `MissingDataError` where there is none.
    """
    held = home.lake.sessions(SESSIONS_TABLE)
    if not len(held):
        raise MissingDataError(f"{home.root} holds no {SESSIONS_TABLE}; import it (attn import), or attn run")
    if day is None:
        over = home.calendar.last_of_each("week")
        over = over[(over >= held[0]) & (over <= held[-1])]
        day = over[-1] if len(over) else held[-1]
    monday = _monday(as_day(day))
    found = held[(held >= monday) & (held < monday + DAYS_A_WEEK)]
    if not len(found):
        raise MissingDataError(
            f"the home's data, {held[0]} to {held[-1]}, has no session of the week of {day}; choose another --date, or "
            "import that week"
        )
    return found


def _monday(day: np.datetime64) -> np.datetime64:
    return as_day(day - (int(day.astype(np.int64)) + DAYS_FROM_MONDAY_TO_1970) % DAYS_A_WEEK)


def _factors(
    home: Home,
    rows: Sequence[WeeklyRow],
    rebalances: np.ndarray,
    market: TradedMarket,
    stocks: DenseMarket,
    notes: list[str],
) -> dict[str, WeeklyFactor]:
    """Rows that are rebalanced together; what lacks of their regressors goes into `notes`."""
    signals = WeeklySignals(home, stocks, rebalances)
    values = {row.name: signals.of_row(row) for row in rows}
    by_name = {row.name: row for row in rows}
    raw = {name: each.raw for name, each in values.items() if each.raw is not None}
    if raw:
        sets = [home.study.weekly.regressors_of(by_name[name]) for name in raw]
        for name, reason in signals.missing_styles(sets).items():
            notes.append(f"Not orthogonal to {name}: {reason}.")
    found = signals.signals(raw, by_name)
    for name, count in sorted(signals.left_out.items()):
        times = formatting.count(count, f"{RHYTHMS[rows[0].rebalance_every]} rebalance")
        notes.append(f"{name} took no part on {times}: too few stocks have it.")
    made = {}
    for row in rows:
        absent = values[row.name].absent
        made[row.name] = (
            _absent(home, row, absent) if absent else _made(home, row, found[row.name], rebalances, market, stocks)
        )
    return made


def _made(
    home: Home,
    row: WeeklyRow,
    signal: np.ndarray,
    rebalances: np.ndarray,
    market: TradedMarket,
    stocks: DenseMarket,
) -> WeeklyFactor:
    trades = np.searchsorted(market.sessions, rebalances) + 1
    begun = market.sessions[trades] >= as_day(row.start)
    legs = leg_returns(signal[begun], trades[begun], market, home.study.weekly.layers)
    known = np.flatnonzero(np.isfinite(legs.long_short))
    if not len(known):
        least = home.study.weekly.layers
        return _absent(home, row, f"on no rebalance have {least} stocks of the universe a value")
    index = pd.DatetimeIndex(market.sessions[known[0] :].astype("datetime64[s]"))
    sides = {side: Series(pd.Series(getattr(legs, side)[known[0] :], index)) for side in SIDES}
    first = home.calendar.between(row.start, market.sessions[-1])[0]
    late = _late(market.sessions[known[0]], first)
    return WeeklyFactor(row.name, _title(row), _source(home, row), RHYTHMS[row.rebalance_every], sides, late=late)


def _absent(home: Home, row: WeeklyRow, reason: str) -> WeeklyFactor:
    return WeeklyFactor(row.name, _title(row), _source(home, row), RHYTHMS[row.rebalance_every], absent=reason)


def _title(row: WeeklyRow) -> str:
    return row.title or formatting.label(row.name)


def _source(home: Home, row: WeeklyRow) -> str:
    end = "lowest" if row.sign < 0 else "highest"
    if row.factor is None:
        return f"{row.model} {row.horizon}, long the {end} forecasts"
    return f"{home.study.catalogue.definition(row.factor).formula}, long the {end} values"


def _rebalances(home: Home, every: CalendarPeriod, rows: Sequence[WeeklyRow], last: np.datetime64) -> np.ndarray:
    """Rebalances whose trades fall between the first start of `rows` and `last`, on sessions that the data has."""
    start = min((row.start for row in rows), default=str(last + 1))
    ends = home.calendar.last_of_each(every)
    after = np.searchsorted(home.calendar.sessions, ends) + 1
    ends, after = ends[after < len(home.calendar.sessions)], after[after < len(home.calendar.sessions)]
    traded = home.calendar.sessions[after]
    held = home.lake.sessions(SESSIONS_TABLE)
    return ends[(traded >= as_day(start)) & (traded <= last) & np.isin(ends, held)]


def _portfolio(home: Home, name: str, last: np.datetime64) -> WeeklyPortfolio:
    strategies = {each.name: each for each in home.study.strategies}
    if name not in strategies:
        return WeeklyPortfolio(name, "", None, f"study {home.study.name} has no strategy called {name}")
    benchmark = strategies[name].benchmark or home.study.benchmark
    if not home.lake.has(backtest_table(name)):
        return WeeklyPortfolio(name, benchmark, None, f"{name} {NO_BACKTEST}")
    daily = dated(home.lake, backtest_table(name)).set_index("date")["excess_return"].dropna()
    start = pd.Timestamp(home.study.weekly.portfolio_start)
    daily = daily.loc[start : pd.Timestamp(last)]
    if daily.empty:
        return WeeklyPortfolio(name, benchmark, None, f"its backtest has no session from {start:%Y-%m-%d} to {last}")
    end = daily.index[-1]
    if end < pd.Timestamp(last):
        return WeeklyPortfolio(name, benchmark, None, f"its backtest ends on {end:%Y-%m-%d}, before {last}")
    first = home.calendar.between(home.study.weekly.portfolio_start, last)[0]
    return WeeklyPortfolio(name, benchmark, Series(daily), late=_late(daily.index[0].to_datetime64(), first))


def _late(begin: np.datetime64, asked: np.datetime64) -> str:
    day = begin.astype("datetime64[D]")
    return f"Begin on {day}, where their data does, not on {asked}" if day > asked else ""


def _published() -> PublishedWeek:
    factors, portfolios = (published_table(name) for name in PUBLISHED_TABLES)
    return PublishedWeek(
        source=" and ".join(published_source(name) for name in PUBLISHED_TABLES),
        data=PUBLISHED_DATA,
        factors=factors.set_index("factor"),
        portfolios=portfolios.set_index("portfolio"),
    )


def _method(home: Home) -> Iterator[str]:
    weekly = home.study.weekly
    share = f"{1 / weekly.layers:.0%}"
    yield (
        f"Universe: all A shares without ST, suspended, and listed for less than {weekly.min_listed_sessions} sessions."
    )
    for name in dict.fromkeys(row.regressors or weekly.regressors for row in weekly.rows):
        chosen = weekly.regressor_sets[name]
        regressors = [*(["industry"] if chosen.industry else []), *(each.name for each in chosen.styles)]
        yield (
            f"On each rebalance the residual of least squares on {', '.join(regressors)} ({name}) counts"
            + (", factor and styles winsorised before." if weekly.winsorise else ".")
        )
    yield (
        f"Long leg: the {share} of the stocks at the end that the factor's sign names; short leg: the other {share}; "
        "equally weighted on the last session of each month or week, bought and sold at the next session's average "
        "price, without costs, and left alone until the next. Long-short is the plain difference of the daily returns, "
        "long is the long leg less all stocks, short all stocks less the short leg; they compound."
    )
    yield (
        "A stock that should grow and cannot be bought (suspended, or at its upper limit), or should shrink and cannot "
        "be sold (suspended, or at its lower limit), stays as it is; what it leaves of the money is cash."
    )
