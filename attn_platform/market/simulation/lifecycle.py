"""Suspensions, special treatment and delisting.

A stock is judged once a year, when its annual report comes out: two reported loss years in a row bring `star_st`, a
deep loss brings `st`, and a profit leads back through `st` to `normal`. A third loss year, or a close below 1 CNY for
twenty sessions in a row, leads to the delisting-consolidation period, unless a restructuring saves the stock.
"""

from __future__ import annotations

import numpy as np

from attn_platform.market.contract import TRADING_STATUSES
from attn_platform.market.simulation.config import EventRates
from attn_platform.market.simulation.stocks import Stocks
from attn_platform.market.trading_rules import consolidation_rule

NORMAL, ST, STAR_ST, DELISTING = (TRADING_STATUSES.index(status) for status in ("normal", "st", "star_st", "delisting"))

SHORT_SUSPENSION_MEAN, LONG_SUSPENSION_MEAN = 3.0, 40.0
"""Lengths in sessions (geometric)."""

LOSS_YEARS_FOR_STAR_ST, LOSS_YEARS_FOR_DELISTING = 2, 3
DELISTING_PROBABILITY = 0.2
"""Of the stocks that meet a criterion for delisting; a restructuring saves the others."""

RESTRUCTURED_ROE, RESTRUCTURING_NEWS = 0.03, 0.7
"""Return on equity, and change of the log value, of a restructured stock."""

DEEP_LOSS_ROE = -0.12
PAR_FEN, SESSIONS_BELOW_PAR = 100, 20

NEWS_OF_STATUS = {NORMAL: 0.08, ST: -0.10, STAR_ST: -0.18, DELISTING: -0.80}
"""Change of the log value on the day a stock enters a status."""

SETTLED_AGE = 63
"""Sessions after listing before which no suspension is drawn."""


def suspend(random: np.random.Generator, stocks: Stocks, rates: EventRates, number: int) -> np.ndarray:
    """Draw new suspensions; returns the stocks that trade on this session."""
    count = len(stocks)
    draw, length = random.random(count), 1 - random.random(count)
    short, long = draw < rates.short_suspension, draw >= 1 - rates.long_suspension
    mean = np.where(long, LONG_SUSPENSION_MEAN, SHORT_SUSPENSION_MEAN)
    sessions = 1 + np.floor(np.log(length) / np.log1p(-1 / mean)).astype(np.int64)
    may_start = stocks.listed & (stocks.suspended_for == 0) & (stocks.age(number) >= SETTLED_AGE)
    starts = (short | long) & may_start & (stocks.status != DELISTING)
    stocks.suspended_for = np.where(starts, sessions, stocks.suspended_for)
    traded = stocks.listed & (stocks.suspended_for == 0)
    stocks.suspended_for = np.maximum(stocks.suspended_for - 1, 0)
    return traded


def end_listings(stocks: Stocks, number: int, day: np.datetime64) -> None:
    """Take stocks off the market whose delisting-consolidation period was over by the session before."""
    over = stocks.listed & (stocks.status == DELISTING) & (stocks.delisting_at <= number)
    stocks.listed = stocks.listed & ~over
    stocks.delisted_day = np.where(over, day, stocks.delisted_day)


def review_status(
    random: np.random.Generator, stocks: Stocks, number: int, day: np.datetime64, previous: np.datetime64
) -> None:
    """Statuses in force on this session: annual reports since the session before, and closes below par."""
    report_before, report_now = _day_of_year(previous), _day_of_year(day)
    reports = stocks.listed & (stocks.report_day > report_before) & (stocks.report_day <= report_now)
    loss_years = np.where(stocks.roe < 0, stocks.loss_years + 1, 0)
    stocks.loss_years = np.where(reports, loss_years, stocks.loss_years).astype(np.int8)

    doomed = reports & (stocks.loss_years >= LOSS_YEARS_FOR_DELISTING)
    if consolidation_rule(day) is not None:  # the exchanges took up the price criterion with the same rules
        doomed |= stocks.listed & (stocks.below_par >= SESSIONS_BELOW_PAR)
    doomed &= stocks.status != DELISTING
    saved = doomed & (random.random(len(stocks)) >= DELISTING_PROBABILITY)
    _restructure(stocks, saved)

    status = stocks.status.copy()
    ordinary = stocks.status == NORMAL
    recovered = reports & (stocks.loss_years == 0)
    status[recovered & (stocks.status == ST)] = NORMAL
    status[recovered & (stocks.status == STAR_ST)] = ST
    status[reports & (stocks.loss_years == 1) & (stocks.roe < DEEP_LOSS_ROE) & ordinary] = ST
    status[reports & (stocks.loss_years >= LOSS_YEARS_FOR_STAR_ST)] = STAR_ST
    status[doomed & ~saved] = DELISTING
    status[stocks.status == DELISTING] = DELISTING
    _enter(stocks, status, number, day)


def count_closes_below_par(stocks: Stocks, traded: np.ndarray) -> None:
    """Keep the run of closes below 1 CNY; a suspended session neither adds nor ends it."""
    run = np.where(stocks.close < PAR_FEN, stocks.below_par + 1, 0)
    stocks.below_par = np.where(traded, run, stocks.below_par)


def _restructure(stocks: Stocks, saved: np.ndarray) -> None:
    """New business for stocks that would be delisted: the loss years are over and the value jumps."""
    stocks.roe = np.where(saved, RESTRUCTURED_ROE, stocks.roe)
    stocks.loss_years = np.where(saved, 0, stocks.loss_years).astype(np.int8)
    stocks.below_par = np.where(saved, 0, stocks.below_par)
    stocks.log_value = stocks.log_value + np.where(saved, RESTRUCTURING_NEWS, 0.0)


def _enter(stocks: Stocks, status: np.ndarray, number: int, day: np.datetime64) -> None:
    changed = status != stocks.status
    news = np.array([NEWS_OF_STATUS[code] for code in range(len(TRADING_STATUSES))])
    stocks.log_value = stocks.log_value + np.where(changed, news[status], 0.0)
    starts = changed & (status == DELISTING)
    rule = consolidation_rule(day)
    stocks.consolidation_at = np.where(starts, number, stocks.consolidation_at)
    stocks.delisting_at = np.where(starts, number + (rule.sessions if rule else 0), stocks.delisting_at)
    stocks.suspended_for = np.where(starts, 0, stocks.suspended_for)
    stocks.status = status


def _day_of_year(day: np.datetime64) -> int:
    return int((day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)) + 1
