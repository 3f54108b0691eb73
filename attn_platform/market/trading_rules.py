"""Trading rules of the A-share boards: price limits, lots, the delisting-consolidation period.

Dated rules are the rows of the tables below; the functions only look them up. Sources: the exchanges' trading rules and
the CSRC notices that the platform's list of market rules names. A vendor's own limit prices and statuses are preferred;
these rules serve where a vendor gives none, and check those it gives.

What a day's row of the contract does not tell is not among the dated rules: which stocks are S shares (±5 % from
2007-01-08) or PT (+5 % on Fridays, until 2002), and on which sessions the exchanges waive the limit (the first after a
share reform, a suspended listing or, until 2010, an issue of shares). There the day's own bar is the witness
(`observed_limits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from attn_platform.errors import ContractError
from attn_platform.market.codes import BOARD_RULES
from attn_platform.market.contract import BOARDS, TRADING_STATUSES

FEN_PER_CNY = 100
"""Prices move in whole fen (0.01 CNY); limit arithmetic is done in fen, where it is exact."""

RATIO_UNITS = 10_000
"""Limit ratios are whole multiples of a basis point."""

NO_BOUND = float("nan")


@dataclass(frozen=True)
class PriceLimitRule:
    """From session `since` on, a stock of `board` and status moves at most ± `ratio` from the reference price."""

    board: str
    statuses: tuple[str, ...]
    since: str
    ratio: float


@dataclass(frozen=True)
class ListingRule:
    """First sessions of a stock listed on `since` or later, until the board's next rule.

    The first `free_sessions` sessions have no limit; otherwise the first session is bounded by `first_up` and
    `first_down`, fractions of the issue price.
    """

    board: str
    since: str
    free_sessions: int
    first_up: float = NO_BOUND
    first_down: float = NO_BOUND


@dataclass(frozen=True)
class ConsolidationRule:
    """A delisting-consolidation period that starts on `since` or later: its length, and whether it opens unlimited."""

    since: str
    sessions: int
    first_session_free: bool


@dataclass(frozen=True)
class LotRule:
    """Orders of a board in shares: buys start at `minimum` and go up by `increment`.

    A holding of less than `minimum`, or what remains below an increment, can only be sold whole.
    """

    board: str
    minimum: int
    increment: int


NORMAL_LIKE = ("normal", "delisting")
SPECIAL_TREATMENT = ("st", "star_st")

PRICE_LIMIT_RULES = (
    PriceLimitRule("main", NORMAL_LIKE, "1996-12-16", 0.10),
    PriceLimitRule("main", SPECIAL_TREATMENT, "1996-12-16", 0.10),
    PriceLimitRule("main", SPECIAL_TREATMENT, "1998-04-22", 0.05),
    PriceLimitRule("main", SPECIAL_TREATMENT, "2026-07-06", 0.10),
    PriceLimitRule("chinext", NORMAL_LIKE, "2009-10-30", 0.10),
    PriceLimitRule("chinext", SPECIAL_TREATMENT, "2009-10-30", 0.05),
    PriceLimitRule("chinext", TRADING_STATUSES, "2020-08-24", 0.20),
    PriceLimitRule("star", TRADING_STATUSES, "2019-07-22", 0.20),
    PriceLimitRule("bse", TRADING_STATUSES, "2021-11-15", 0.30),
)

LISTING_RULES = (
    ListingRule("main", "1990-12-19", free_sessions=1),
    ListingRule("main", "2014-01-01", free_sessions=0, first_up=0.44, first_down=0.36),
    ListingRule("main", "2023-04-10", free_sessions=5),
    ListingRule("chinext", "2009-10-30", free_sessions=1),
    ListingRule("chinext", "2014-01-01", free_sessions=0, first_up=0.44, first_down=0.36),
    ListingRule("chinext", "2020-08-24", free_sessions=5),
    ListingRule("star", "2019-07-22", free_sessions=5),
    ListingRule("bse", "2021-11-15", free_sessions=1),
)

CONSOLIDATION_RULES = (
    ConsolidationRule("2012-07-07", sessions=30, first_session_free=False),
    ConsolidationRule("2020-12-31", sessions=15, first_session_free=True),
)

LOT_RULES = {
    rule.board: rule
    for rule in (
        LotRule("main", minimum=100, increment=100),
        LotRule("chinext", minimum=100, increment=100),
        LotRule("star", minimum=200, increment=1),
        LotRule("bse", minimum=100, increment=1),
    )
}


def board_or_none(symbols: ArrayLike) -> np.ndarray:
    """Board of each symbol, as strings of the contract, in the shape of `symbols`; empty for what is no A share."""
    wanted = np.asarray(symbols, dtype=str)
    board = np.full(wanted.shape, "", dtype="<U7")
    for rule in BOARD_RULES:
        on_exchange = np.char.endswith(wanted, f".{rule.exchange}")
        for prefix in rule.prefixes:
            board[on_exchange & np.char.startswith(wanted, prefix)] = rule.board
    return board


def board_of(symbols: ArrayLike) -> np.ndarray:
    """`board_or_none` of A shares; `ContractError` for a symbol that is none (B shares, funds, bonds, indices)."""
    wanted = np.asarray(symbols, dtype=str)
    board = board_or_none(wanted)
    if (unknown := board == "").any():
        raise ContractError(
            f"symbol '{wanted[unknown].flat[0]}' belongs to no A-share board; keep six-digit A-share codes with .SH, "
            ".SZ or .BJ only"
        )
    return board


def limit_ratio(
    board: ArrayLike,
    session: ArrayLike,
    trading_status: ArrayLike,
    sessions_since_listing: ArrayLike,
    sessions_since_consolidation: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower price limit as positive fractions of the reference price; NaN where the price is free.

    All arguments broadcast against each other, so [N], [T, 1] and [T, N] or flat columns of rows serve alike. `board`
    and `trading_status` are strings of the contract or their positions in `BOARDS` and `TRADING_STATUSES` (integers,
    much faster on large arrays); `session` is datetime64; `sessions_since_listing` is 0 on the first session.
    `sessions_since_consolidation` is 0 on the first session of the delisting-consolidation period, negative where that
    is unknown, and is read only where the status is `delisting`. A period keeps the limit with which it began
    (300216.SZ: 10 % until 2020-09-15); without the argument each session counts as inside a period of its own day.
    """
    board_code, status_code = _codes(board, BOARDS, "board"), _codes(trading_status, TRADING_STATUSES, "trading status")
    day = np.asarray(session, dtype="datetime64[D]")
    age = np.asarray(sessions_since_listing)
    in_period = np.asarray(-1 if sessions_since_consolidation is None else sessions_since_consolidation)
    since, ratios = _limit_table()
    in_force_on = _first_day_of_period(day, status_code, in_period)
    up = ratios[np.searchsorted(since, in_force_on, side="right"), board_code, status_code]
    up = np.array(np.broadcast_to(up, np.broadcast_shapes(up.shape, age.shape, in_period.shape)))
    down = up.copy()
    _apply_listing_rules(up, down, board_code, day, age)
    free = np.broadcast_to(_free_by_consolidation(status_code, day, in_period), up.shape)
    up[free] = np.nan
    down[free] = np.nan
    return up, down


def limit_prices(pre_close: ArrayLike, up_ratio: ArrayLike, down_ratio: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower limit price in CNY: pre_close × (1 ± ratio), rounded half up to whole fen.

    `pre_close` is the ex-right reference price. Where rounding leaves no room the limit is one fen away, and no lower
    limit is less than one fen. NaN where the ratio or the reference is missing.
    """
    up, down = limit_prices_in_fen(in_fen(pre_close), up_ratio, down_ratio)
    return up / FEN_PER_CNY, down / FEN_PER_CNY


def limit_prices_in_fen(
    pre_close: ArrayLike, up_ratio: ArrayLike, down_ratio: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """`limit_prices` for whole numbers of fen (held in float64, so that NaN can say missing)."""
    reference = np.asarray(pre_close, dtype=np.float64)
    up = _rounded_product(reference, RATIO_UNITS + _ratio_units(up_ratio))
    down = _rounded_product(reference, RATIO_UNITS - _ratio_units(down_ratio))
    return np.maximum(up, reference + 1), np.maximum(np.minimum(down, reference - 1), 1)


def observed_limits(
    pre_close: ArrayLike,
    up_ratio: ArrayLike,
    down_ratio: ArrayLike,
    open_: ArrayLike,
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
) -> tuple[np.ndarray, np.ndarray]:
    """`limit_prices` of a session that is over: where its own bar contradicts the rules' ratios, the bar is right.

    All arguments broadcast; prices in CNY, NaN where the session did not trade. A session that traded beyond the limit
    had none: NaN on both sides. A session with one price, exactly at one of the exchanges' smaller ratios (or at any of
    them where the rules say that the price is free), had that limit: of the 48,850 such bars of 2000 … 2022, 934 lie at
    ±5 % of stocks that are not ST by their status, 16 at ±10 % of a ChiNext stock, and none by accident.
    """
    bar = tuple(in_fen(price) for price in (open_, high, low, close))
    reference, close_fen = in_fen(pre_close), bar[3]
    up, down = limit_prices_in_fen(reference, up_ratio, down_ratio)
    has_one_price = (bar[0] == close_fen) & (bar[1] == close_fen) & (bar[2] == close_fen)
    for ratio in sorted({rule.ratio for rule in PRICE_LIMIT_RULES}, reverse=True):
        smaller = limit_prices_in_fen(reference, ratio, ratio)
        # Written so that a missing limit (a free price) counts as a wider one.
        narrower = ~(up <= smaller[0])
        sealed = has_one_price & narrower & ((close_fen == smaller[0]) | (close_fen == smaller[1]))
        up, down = np.where(sealed, smaller[0], up), np.where(sealed, smaller[1], down)
    beyond = (bar[1] > up) | (bar[2] < down)
    return np.where(beyond, np.nan, up) / FEN_PER_CNY, np.where(beyond, np.nan, down) / FEN_PER_CNY


def is_one_price_limit(
    open_: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, limit: ArrayLike
) -> np.ndarray:
    """Whether the session traded at its limit price and at no other: open = high = low = close = `limit`.

    Prices in CNY, compared in whole fen. False where a price or the limit is missing.
    """
    bound = in_fen(limit)
    at_limit = in_fen(close) == bound
    for price in (open_, high, low):
        at_limit &= in_fen(price) == bound
    return at_limit


def consolidation_rule(start: np.datetime64) -> ConsolidationRule | None:
    """The rule for a delisting-consolidation period that starts on `start`; None before such periods existed."""
    in_force = [rule for rule in CONSOLIDATION_RULES if np.datetime64(rule.since) <= start]
    return in_force[-1] if in_force else None


def in_fen(price: ArrayLike) -> np.ndarray:
    """Prices in CNY as whole numbers of fen, held in float64; NaN stays NaN."""
    return np.rint(np.asarray(price, dtype=np.float64) * FEN_PER_CNY)


def _ratio_units(ratio: ArrayLike) -> np.ndarray:
    return np.rint(np.asarray(ratio, dtype=np.float64) * RATIO_UNITS)


def _rounded_product(fen: np.ndarray, units: np.ndarray) -> np.ndarray:
    """fen × units / RATIO_UNITS, half up.

    The numerator is a whole number far below 2^53, hence exact, and a quotient that is not whole is at least
    1 / RATIO_UNITS away from one, so the division cannot reach it.
    """
    return np.floor((fen * units + RATIO_UNITS // 2) / RATIO_UNITS)


def _codes(values: ArrayLike, vocabulary: tuple[str, ...], what: str) -> np.ndarray:
    given = np.asarray(values)
    if np.issubdtype(given.dtype, np.integer):
        return given
    code = pd.Index(vocabulary).get_indexer(pd.Index(given.ravel())).reshape(given.shape)
    if (code < 0).any():
        raise ContractError(f"unknown {what} '{given[code < 0].flat[0]}'; map it to one of " + ", ".join(vocabulary))
    return code


@lru_cache(maxsize=1)
def _limit_table() -> tuple[np.ndarray, np.ndarray]:
    """Dates on which a limit changes [K], and the ratio in force [K + 1, board, status]; row 0 lies before them all."""
    since = np.unique([np.datetime64(rule.since, "D") for rule in PRICE_LIMIT_RULES])
    ratios = np.full((len(since) + 1, len(BOARDS), len(TRADING_STATUSES)), np.nan)
    for rule in PRICE_LIMIT_RULES:
        first = int(np.searchsorted(since, np.datetime64(rule.since, "D"))) + 1
        for status in rule.statuses:
            ratios[first:, BOARDS.index(rule.board), TRADING_STATUSES.index(status)] = rule.ratio
    return since, ratios


def _first_day_of_period(day: np.ndarray, status: np.ndarray, since_consolidation: np.ndarray) -> np.ndarray:
    """The first day of a running consolidation period, the session's own day elsewhere.

    Counted back in weekdays, which is exact up to a holiday: the one period that ran while a board's limit changed
    (2020-08-24) ended before the next holiday.
    """
    elapsed = np.where(status == TRADING_STATUSES.index("delisting"), np.maximum(since_consolidation, 0), 0)
    return np.where(elapsed > 0, np.busday_offset(day, -elapsed, roll="backward"), day)


def _apply_listing_rules(up: np.ndarray, down: np.ndarray, board: np.ndarray, day: np.ndarray, age: np.ndarray) -> None:
    """Overwrite the limits of the first sessions after a listing, in place."""
    longest = max(max(rule.free_sessions for rule in LISTING_RULES), 1)
    young = np.broadcast_to((age >= 0) & (age < longest), up.shape)
    board, day, age = (np.broadcast_to(values, up.shape)[young] for values in (board, day, age))
    free = np.zeros(age.shape, dtype=bool)
    first = np.full((2, *age.shape), np.nan)
    for rule in LISTING_RULES:
        # Listed on or after the rule's date: at least `age` weekdays lie between that date and the session. Sessions
        # are weekdays, and none of the weeks in which a rule with free sessions began contains a holiday.
        applies = (board == BOARDS.index(rule.board)) & (np.busday_count(np.datetime64(rule.since, "D"), day) >= age)
        free[applies] = age[applies] < rule.free_sessions
        first[:, applies] = np.array([[rule.first_up], [rule.first_down]])
    for limit, first_limit in zip((up, down), first, strict=True):
        limit[young] = np.where(free, np.nan, np.where(age == 0, first_limit, limit[young]))


def _free_by_consolidation(status: np.ndarray, day: np.ndarray, since_consolidation: np.ndarray) -> np.ndarray:
    free_from = min(np.datetime64(rule.since, "D") for rule in CONSOLIDATION_RULES if rule.first_session_free)
    return (status == TRADING_STATUSES.index("delisting")) & (since_consolidation == 0) & (day >= free_from)
