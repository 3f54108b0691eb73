"""Corporate actions, accounts and analysts' forecasts.

Ex-right reference price, as the exchanges define it: (close − cash per share) / (1 + bonus shares per share), rounded
half up to 0.01 CNY. The adjustment factor grows by close / reference, so adjusted closes give the return that a holder
earns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_platform.market.contract import TRADING_STATUSES
from attn_platform.market.simulation.config import EventRates
from attn_platform.market.simulation.industries import SECTOR_OF_INDUSTRY, SECTORS
from attn_platform.market.simulation.stocks import REVISION_WINDOW, SESSIONS_PER_YEAR, Stocks
from attn_platform.market.trading_rules import FEN_PER_CNY

NORMAL = TRADING_STATUSES.index("normal")

EX_DATE_MONTHS = (5, 6, 7)
EX_DATE_RATE = 1 / 30
"""Probability of going ex on a session of these months, once a year."""

MILLI_PER_FEN = 10
"""Cash dividends are declared in thousandths of a CNY a share, that is 0.01 CNY for ten shares."""

SMALLEST_CASH, LARGEST_CASH_SHARE_OF_PRICE = 5, 0.08
BONUS_TENTHS = np.array([2, 3, 4, 5, 10])
"""Bonus shares for ten shares held."""

BONUS_PRICE = 1_000
"""Only stocks above this price (fen) issue bonus shares: that is what brings the price down to lots people can pay."""

UNLOCK_AGE = SESSIONS_PER_YEAR
UNLOCKED_SHARE_RANGE, ISSUE_SIZE_RANGE = (0.3, 1.0), (0.05, 0.2)

ROE_PERSISTENCE, ROE_NOISE = 0.85, 0.037
"""Of a quarter; the noise keeps the stationary spread of ROE near 7 %."""

BOOK_REVERSION = 0.05
"""Share of the gap between a stock's usual and present book-to-price that its book closes in a quarter."""

CASH_CONVERSION_MEAN, CASH_CONVERSION_SPREAD = 0.9, 0.04

OWN_REVISION_RATE, OWN_REVISION_SIZE = 0.05, 0.04
SECTOR_REVISION_PERSISTENCE, SECTOR_REVISION_NOISE = 0.966, 1.3e-4
"""Drift of a sector's forecasts in a session: half-life 20 sessions, 63-session sum of about 2.5 %."""


@dataclass(frozen=True)
class Actions:
    """Corporate actions of a session, one value a stock."""

    reference: np.ndarray
    """Ex-right reference price, fen; the close before where nothing happens."""
    cash: np.ndarray
    """Cash dividends that go ex, fen of the whole company."""
    share_growth: np.ndarray
    """Shares after bonus issue / shares before."""


def go_ex(
    random: np.random.Generator, stocks: Stocks, rates: EventRates, traded: np.ndarray, day: np.datetime64
) -> Actions:
    """Cash dividends and bonus shares that go ex on this session; changes prices, shares, factor and book."""
    count = len(stocks)
    due, has_bonus = random.random(count) < EX_DATE_RATE, random.random(count) < rates.bonus_share
    bonus = np.where(has_bonus & (stocks.close > BONUS_PRICE), random.choice(BONUS_TENTHS, count), 0)
    pays = due & traded & _may_pay(stocks, day)

    milli_per_share = stocks.payout * stocks.earnings / stocks.total_shares * FEN_PER_CNY * MILLI_PER_FEN
    largest = LARGEST_CASH_SHARE_OF_PRICE * stocks.close * MILLI_PER_FEN
    cash = np.where(pays, np.floor(np.minimum(milli_per_share, largest)), 0).astype(np.int64)
    goes_ex = cash >= SMALLEST_CASH
    cash, bonus = np.where(goes_ex, cash, 0), np.where(goes_ex, bonus, 0)

    # (close − cash) / (1 + bonus) in fen, half up, in whole numbers: numerator in milli, bonus in tenths.
    divisor = MILLI_PER_FEN + bonus
    reference = (2 * (stocks.close * MILLI_PER_FEN - cash) + divisor) // (2 * divisor)
    total_cash = cash * stocks.total_shares // MILLI_PER_FEN

    stocks.dividend_year = np.where(goes_ex, _year(day), stocks.dividend_year)
    stocks.adj_factor = np.where(goes_ex, stocks.adj_factor * (stocks.close / reference), stocks.adj_factor)
    stocks.log_value = np.where(goes_ex, stocks.log_value + np.log(reference / stocks.close), stocks.log_value)
    stocks.book = stocks.book - total_cash / FEN_PER_CNY
    stocks.total_shares = stocks.total_shares + stocks.total_shares * bonus // 10
    stocks.float_shares = stocks.float_shares + stocks.float_shares * bonus // 10
    return Actions(reference=reference, cash=total_cash, share_growth=1 + bonus / 10)


def _may_pay(stocks: Stocks, day: np.datetime64) -> np.ndarray:
    """Stocks with profits to distribute that were listed before this year and have not gone ex in it."""
    if day.astype("datetime64[M]").astype(np.int64) % 12 + 1 not in EX_DATE_MONTHS:
        return np.zeros(len(stocks), dtype=bool)
    due_this_year = (stocks.dividend_year < _year(day)) & (stocks.listed_day < day.astype("datetime64[Y]"))
    return due_this_year & (stocks.earnings > 0) & (stocks.payout > 0) & (stocks.status == NORMAL)


def _year(day: np.datetime64) -> int:
    return int(day.astype("datetime64[Y]").astype(np.int64)) + 1970


def change_share_counts(
    random: np.random.Generator, stocks: Stocks, rates: EventRates, traded: np.ndarray, number: int
) -> None:
    """Rare issues at the market price, and locked shares that become tradable."""
    count = len(stocks)
    issue_draw, unlock_draw = random.random(count), random.random(count)
    issued = random.uniform(*ISSUE_SIZE_RANGE, count) * stocks.total_shares
    unlocked = random.uniform(*UNLOCKED_SHARE_RANGE, count) * (stocks.total_shares - stocks.float_shares)
    seasoned = traded & (stocks.age(number) >= UNLOCK_AGE)
    issued = np.where(seasoned & (issue_draw < rates.share_issue), np.floor(issued), 0).astype(np.int64)
    unlocked = np.where(seasoned & (unlock_draw < rates.unlock), np.floor(unlocked), 0).astype(np.int64)
    stocks.book = stocks.book + issued * stocks.close / FEN_PER_CNY
    stocks.total_shares = stocks.total_shares + issued
    stocks.float_shares = stocks.float_shares + unlocked


def report_quarters(random: np.random.Generator, stocks: Stocks, number: int) -> None:
    """Quarterly accounts of the stocks whose turn it is: ROE reverts to its level, book grows and follows value."""
    count = len(stocks)
    noise, conversion = random.standard_normal(count), random.standard_normal(count)
    reports = stocks.listed & ((number + stocks.quarter_phase) % REVISION_WINDOW == 0)
    roe = stocks.roe_level + ROE_PERSISTENCE * (stocks.roe - stocks.roe_level) + ROE_NOISE * noise
    gap = stocks.book_to_price_level - np.log(stocks.book / stocks.total_value)
    book = stocks.book * np.exp(roe / 4 + BOOK_REVERSION * gap)
    earnings = roe * book
    cash_flow = CASH_CONVERSION_MEAN * earnings + CASH_CONVERSION_SPREAD * conversion * book
    stocks.roe = np.where(reports, roe, stocks.roe)
    stocks.book = np.where(reports, book, stocks.book)
    stocks.earnings = np.where(reports, earnings, stocks.earnings)
    stocks.operating_cash_flow = np.where(reports, cash_flow, stocks.operating_cash_flow)


def revise_forecasts(random: np.random.Generator, stocks: Stocks, sector_drift: np.ndarray, number: int) -> np.ndarray:
    """Analysts' revisions of the session; returns the sectors' drift for the next one.

    A revision is the sector's drift plus rare news of the stock's own.
    """
    drift = SECTOR_REVISION_PERSISTENCE * sector_drift + SECTOR_REVISION_NOISE * random.standard_normal(len(SECTORS))
    has_news = random.random(len(stocks)) < OWN_REVISION_RATE
    news = OWN_REVISION_SIZE * random.standard_normal(len(stocks))
    revision = drift[SECTOR_OF_INDUSTRY[stocks.industry]] + np.where(has_news, news, 0.0)
    stocks.revision = stocks.revision + np.where(stocks.listed, revision, 0.0)
    stocks.past_revision[number % len(stocks.past_revision)] = stocks.revision
    return drift
