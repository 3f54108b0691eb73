"""Stocks that come to the market: board, code, size, price and character."""

from __future__ import annotations

from collections import Counter

import numpy as np

from attn_platform.market.contract import BOARDS, TRADING_STATUSES
from attn_platform.market.simulation.config import SimulationConfig
from attn_platform.market.simulation.industries import draw_industries
from attn_platform.market.simulation.stocks import MONTH, REVISION_WINDOW, SESSIONS_PER_YEAR, Stocks
from attn_platform.market.simulation.streams import Purpose, generator

MAIN_SHANGHAI, MAIN_SHENZHEN = "main.SH", "main.SZ"

BOARD_SHARES = (
    ("1990-12-19", {MAIN_SHANGHAI: 0.5, MAIN_SHENZHEN: 0.5}),
    ("2009-10-30", {MAIN_SHANGHAI: 0.3, MAIN_SHENZHEN: 0.35, "chinext": 0.35}),
    ("2019-07-22", {MAIN_SHANGHAI: 0.25, MAIN_SHENZHEN: 0.15, "chinext": 0.3, "star": 0.3}),
    ("2021-11-15", {MAIN_SHANGHAI: 0.2, MAIN_SHENZHEN: 0.1, "chinext": 0.35, "star": 0.25, "bse": 0.1}),
)
"""Where stocks list, from each date on."""

FIRST_CODES = {
    MAIN_SHANGHAI: (600_000, "SH"),
    MAIN_SHENZHEN: (1, "SZ"),
    "chinext": (300_001, "SZ"),
    "star": (688_001, "SH"),
    "bse": (830_001, "BJ"),
}

FIRST_LISTING_YEAR = 1991
MONTHS_WITHOUT_HOLIDAYS = (3, 7, 8, 11)
"""In these months every weekday is a session, so past list dates need no calendar."""

# Medians over stocks in CNY (turnover: a session's), spreads of the log, slopes on the standardised log market value.
MEDIAN_VALUE, VALUE_SPREAD = 5e9, 1.0
MEDIAN_PRICE, PRICE_SPREAD = 12.0, 0.6
SHARE_ROUNDING = 10_000
BETA_SPREAD, BETA_RANGE = 0.25, (0.3, 1.8)
VOLATILITY_SPREAD = 0.25
MEDIAN_TURNOVER, TURNOVER_SPREAD, TURNOVER_SIZE_SLOPE = 0.013, 0.4, -0.25
MEDIAN_BOOK_TO_PRICE, BOOK_TO_PRICE_SPREAD = 0.35, 0.55
MEAN_ROE, ROE_SPREAD, ROE_DEVIATION = 0.085, 0.045, 0.07
"""Usual return on equity over stocks, and the present one around the usual."""

COVERED_SHARE, COVERED_SIZE_SLOPE = 0.65, 0.15
PAYOUT_RANGE, PAYING_SHARE = (0.15, 0.6), 0.85
REPORT_DAYS = (75, 118)
"""Annual reports come out from mid-March to the end of April (days of the year)."""

LOSS_HISTORY = (0.5, 0.35, 0.15)
"""Of the initial loss makers: shares with no, one and two reported loss years."""

# How far the log issue price of a new listing lies below the log value.
UNDERPRICING_MEAN, UNDERPRICING_SPREAD, UNDERPRICING_FLOOR = 0.6, 0.4, -0.15
FLOAT_AT_LISTING, FLOAT_RANGE_OF_SEASONED = 0.25, (0.3, 1.0)


def list_stocks(
    config: SimulationConfig, number: int, day: np.datetime64, listed: np.ndarray, initial: int | None = None
) -> Stocks:
    """Stocks that list on session `number` (possibly none); `listed` are the symbols of all earlier ones.

    `initial` is given for the stocks with which the market starts: they have been listed for years.
    """
    random = generator(config.seed, Purpose.LISTING, day)
    if initial is None:
        count = int(random.poisson(config.events.listings_per_year / SESSIONS_PER_YEAR))
        listed_day = np.full(count, day)
    else:
        listed_day = _past_list_dates(random, initial, day)
    places = [_place(random.random(), first) for first in listed_day]
    symbols = _symbols(places, listed)
    board = np.array([BOARDS.index(place.split(".")[0]) for place in places], dtype=np.int8)
    return _cohort(config, number, day, symbols, board, listed_day)


def _past_list_dates(random: np.random.Generator, count: int, day: np.datetime64) -> np.ndarray:
    last = day.astype("datetime64[M]")
    weekdays = np.arange(np.datetime64(f"{FIRST_LISTING_YEAR}-01-01"), last, dtype="datetime64[D]")
    month = weekdays.astype("datetime64[M]").astype(np.int64) % 12 + 1
    sessions = weekdays[np.is_busday(weekdays) & np.isin(month, MONTHS_WITHOUT_HOLIDAYS)]
    return np.sort(random.choice(sessions, size=count))


def _place(draw: float, day: np.datetime64) -> str:
    shares = next(shares for since, shares in reversed(BOARD_SHARES) if np.datetime64(since) <= day)
    return list(shares)[int(np.searchsorted(np.cumsum(list(shares.values()))[:-1], draw, side="right"))]


def _symbols(places: list[str], listed: np.ndarray) -> np.ndarray:
    """The next free codes; `listed` tells how many of each place are taken."""
    taken: Counter[tuple[str, str]] = Counter((symbol[:2], symbol[-2:]) for symbol in listed.tolist())
    symbols = []
    for place in places:
        first, exchange = FIRST_CODES[place]
        key = (f"{first:06d}"[:2], exchange)
        symbols.append(f"{first + taken[key]:06d}.{exchange}")
        taken[key] += 1
    return np.array(symbols, dtype="<U9")


def _cohort(
    config: SimulationConfig,
    number: int,
    day: np.datetime64,
    symbols: np.ndarray,
    board: np.ndarray,
    listed_day: np.ndarray,
) -> Stocks:
    random = generator(config.seed, Purpose.TRAITS, day)
    count = len(symbols)

    def normal() -> np.ndarray:
        return random.standard_normal(count)

    age = np.busday_count(listed_day, day)
    new = age == 0
    size = normal()
    value = MEDIAN_VALUE * np.exp(VALUE_SPREAD * size)
    price = MEDIAN_PRICE * np.exp(PRICE_SPREAD * normal())
    total_shares = np.maximum(np.rint(value / price / SHARE_ROUNDING), 1).astype(np.int64) * SHARE_ROUNDING
    seasoned_float = random.uniform(*FLOAT_RANGE_OF_SEASONED, count)
    float_shares = np.rint(total_shares * np.where(new, FLOAT_AT_LISTING, seasoned_float)).astype(np.int64)
    underpricing = UNDERPRICING_MEAN + UNDERPRICING_SPREAD * normal()
    underpricing = np.where(new, np.maximum(underpricing, UNDERPRICING_FLOOR), 0.0)
    close = np.rint(100 * price * np.exp(-underpricing)).astype(np.int64)

    book_to_price = np.log(MEDIAN_BOOK_TO_PRICE) + BOOK_TO_PRICE_SPREAD * normal()
    book = value * np.exp(book_to_price)
    roe_level = MEAN_ROE + ROE_SPREAD * normal()
    roe = roe_level + ROE_DEVIATION * normal()
    loss_years = np.searchsorted(np.cumsum(LOSS_HISTORY)[:-1], random.random(count), side="right")
    loss_years = np.where((roe < 0) & ~new, loss_years, 0).astype(np.int8)
    earnings = roe * book
    uncovered = 1 - (COVERED_SHARE + COVERED_SIZE_SLOPE * size)
    return Stocks(
        symbol=symbols,
        board=board,
        listed_day=listed_day,
        listed_at=(number - age).astype(np.int64),
        delisted_day=np.full(count, np.datetime64("NaT"), dtype="datetime64[D]"),
        beta=np.clip(1 + BETA_SPREAD * normal(), *BETA_RANGE),
        volatility=config.returns.specific_volatility * np.exp(VOLATILITY_SPREAD * normal()),
        turnover_level=np.log(MEDIAN_TURNOVER) + TURNOVER_SIZE_SLOPE * size + TURNOVER_SPREAD * normal(),
        book_to_price_level=book_to_price,
        roe_level=roe_level,
        payout=np.where(random.random(count) < PAYING_SHARE, random.uniform(*PAYOUT_RANGE, count), 0.0),
        covered=random.random(count) >= uncovered,
        report_day=random.integers(*REPORT_DAYS, count),
        quarter_phase=random.integers(0, REVISION_WINDOW, count),
        industry=draw_industries(random, count, day),
        listed=np.ones(count, dtype=bool),
        status=np.where(loss_years == 2, TRADING_STATUSES.index("star_st"), 0).astype(np.int8),
        loss_years=loss_years,
        consolidation_at=np.full(count, -1),
        delisting_at=np.full(count, -1),
        suspended_for=np.zeros(count, dtype=np.int64),
        below_par=np.zeros(count, dtype=np.int64),
        log_value=np.log(price),
        close=np.maximum(close, 1),
        adj_factor=np.ones(count),
        total_shares=total_shares,
        float_shares=float_shares,
        book=book,
        roe=roe,
        earnings=earnings,
        operating_cash_flow=earnings,
        dividend_12m=np.zeros(count, dtype=np.int64),
        dividend_year=np.zeros(count, dtype=np.int64),
        forecast_level=book * np.maximum(roe_level, 0.01),
        revision=np.zeros(count),
        turnover_deviation=np.zeros(count),
        returns=np.zeros((MONTH, count)),
        turnover=np.full((MONTH, count), MEDIAN_TURNOVER),
        imbalance=np.zeros((MONTH, count)),
        informed=np.full(count, np.nan),
        past_revision=np.zeros((REVISION_WINDOW + 1, count)),
        expected_return=np.zeros(count),
    )
