"""The trading day in minutes: which bars, trades and snapshots it can have, and how their times are read.

Continuous trading runs from 09:30 to 11:30 and from 13:00 to 15:00, the opening auction from 09:15 to 09:25. Where the
close is an auction (`closing_auction_begins`), continuous trading ends at 14:57. A bar is named by its end. Some
vendors give the opening auction a bar of its own, at 09:25 or 09:30; others put it into the first one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market.calendar import Day, as_day

BAR_LENGTHS = (1, 5, 15, 30, 60)
MINUTES_A_DAY = 240
OPEN, MIDDAY, AFTERNOON, CLOSE = 9 * 60 + 30, 11 * 60 + 30, 13 * 60, 15 * 60
"""Bounds of continuous trading, in minutes since midnight."""
CALL, AUCTION = 9 * 60 + 15, 9 * 60 + 25
"""The opening auction takes orders from the one, and trades at the other."""
CLOSING_CALL = 14 * 60 + 57
AFTER_HOURS = 15 * 60 + 30
"""The STAR and ChiNext boards trade at the closing price until then."""
MS_A_MINUTE = 60_000
AHEAD_OF_UTC = 8 * 60  # minutes
MOST = 0.5  # of a file's rows, from which on a guess speaks of all of them

# Sessions that a circuit breaker ended, with the minute of their end (the exchanges' notices of those days).
SHORTENED = {np.datetime64("2016-01-04"): 13 * 60 + 34, np.datetime64("2016-01-07"): 9 * 60 + 59}

# Since when the close is an auction: Shenzhen's trading rules of 2006, Shanghai's of 2018, Beijing's from its opening.
CLOSING_AUCTION_SINCE = {
    "SZ": np.datetime64("2006-07-01"),
    "SH": np.datetime64("2018-08-20"),
    "BJ": np.datetime64("2021-11-15"),
}


def closing_auction_begins(symbols: np.ndarray, session: np.datetime64) -> np.ndarray:
    """The minute in which continuous trading of each symbol ends on a session [N]: 14:57 or 15:00."""
    exchange = np.char.rpartition(np.asarray(symbols, dtype=str), ".")[:, 2] if len(symbols) else np.array([], str)
    begins = np.full(len(symbols), CLOSE, dtype=np.int64)
    for code, since in CLOSING_AUCTION_SINCE.items():
        if session >= since:
            begins[exchange == code] = CLOSING_CALL
    return begins


def session_end(session: Day) -> int:
    """The minute in which a session ended: 15:00, but where a circuit breaker ended it."""
    return SHORTENED.get(as_day(session), CLOSE)


def minutes_of(labels: pa.ChunkedArray) -> np.ndarray:
    """Times HH:MM as minutes since midnight [R], −1 for what is none; each text is read once."""
    coded = labels.combine_chunks().dictionary_encode()
    known = np.array([_minute(text) for text in coded.dictionary.to_pylist()] or [-1], dtype=np.int16)
    return known[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)]


def milliseconds_of(times: pa.ChunkedArray) -> np.ndarray:
    """Times of the day as milliseconds since midnight [R], −1 where there is none."""
    whole = times.cast(pa.int32())
    return (pc.fill_null(whole, -1) if whole.null_count else whole).to_numpy()


def label_of(minute: int) -> str:
    """A minute since midnight as HH:MM."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def bar_ends(bar_minutes: int) -> np.ndarray:
    """The ends of a day's bars of that length, in minutes since midnight."""
    step = np.arange(bar_minutes, MINUTES_A_DAY + 1, bar_minutes)
    return np.where(step <= MIDDAY - OPEN, OPEN + step, AFTERNOON + step - (MIDDAY - OPEN))


def bar_minutes_of(bars: pa.Table) -> int:
    """Length of a session's bars in minutes."""
    return int(pc.max(bars["bar_minutes"]).as_py() or 1)


def has_one_length(bars: pa.Table) -> pa.Array:
    """Rule of table minute_bar: bars of one day have one length, which is one of `BAR_LENGTHS`."""
    length = _lengths(bars)
    first = bars["date"].combine_chunks().dictionary_encode()
    of_day = np.zeros(len(first.dictionary) or 1, dtype=np.int64)
    day = first.indices.fill_null(0).to_numpy(zero_copy_only=False)
    of_day[day[::-1]] = length[::-1]  # the last one that is written is the day's first
    return pa.array((length == of_day[day]) & np.isin(length, BAR_LENGTHS))


def is_stated_length(bars: pa.Table) -> pa.Array:
    """Rule of table minute_bar: bars whose ends are all those of a longer bar say how long they are."""
    return pa.array(pc.is_valid(bars["bar_minutes"]).to_numpy() | (_longer_bars(bars) is None))


def length_guess(bars: pa.Table) -> str:
    """What bars look like that do not say how long they are."""
    return f"bars look {_longer_bars(bars)} minutes long"


def _longer_bars(bars: pa.Table) -> int | None:
    """The longest bar on whose ends all bars end that do not say their length; None where that is one minute.

    Ends outside of the trading hours are another rule's.
    """
    ends = np.setdiff1d(minutes_of(bars["minute"].filter(pc.is_null(bars["bar_minutes"]))), (AUCTION, OPEN))
    fitting = [length for length in BAR_LENGTHS[1:] if len(ends) and np.isin(ends, bar_ends(length)).all()]
    return max(fitting, default=None)


def ends_a_bar(bars: pa.Table) -> pa.Array:
    """Rule of table minute_bar: a bar ends within the trading hours, on a multiple of its length."""
    minute, length = minutes_of(bars["minute"]).astype(np.int64), np.maximum(_lengths(bars), 1)
    morning = (minute > OPEN) & (minute <= MIDDAY) & ((minute - OPEN) % length == 0)
    afternoon = (minute > AFTERNOON) & (minute <= CLOSE) & ((minute - AFTERNOON) % length == 0)
    return pa.array(morning | afternoon | (minute == AUCTION) | (minute == OPEN))


def minute_guess(bars: pa.Table) -> str:
    """What most ends of bars look like where many break the rule."""
    minute = minutes_of(bars["minute"])
    in_utc = (minute > OPEN - AHEAD_OF_UTC) & (minute <= CLOSE - AHEAD_OF_UTC)
    if in_utc.mean() > MOST:
        return "most are trading hours in UTC: add eight hours"
    begins = np.isin(minute, bar_ends(int(_lengths(bars)[0]) or 1) - int(_lengths(bars)[0]))
    if begins.mean() > MOST and (minute == CLOSE).sum() == 0:
        return "bars look named by their begin: give their ends"
    return ""


def is_in_session(rows: pa.Table) -> pa.Array:
    """Rule of trades and snapshots: their time lies between the opening auction and the end of trading."""
    time = milliseconds_of(rows["time"])
    return pa.array((time >= CALL * MS_A_MINUTE) & (time <= AFTER_HOURS * MS_A_MINUTE))


def time_guess(rows: pa.Table) -> str:
    """What most times look like where many break the rule."""
    time = milliseconds_of(rows["time"])
    begin, end = ((bound - AHEAD_OF_UTC) * MS_A_MINUTE for bound in (CALL, AFTER_HOURS))
    in_utc = (time >= begin) & (time <= end)
    return "most are trading hours in UTC: add eight hours" if in_utc.mean() > MOST else ""


def is_not_crossed(book: pa.Table) -> pa.Array:
    """Rule of table book_snapshot: in continuous trading the best bid is below the best ask."""
    time = milliseconds_of(book["time"])
    bid, ask = (pc.fill_null(book[f"{side}_price_1"], 0.0).to_numpy() for side in ("bid", "ask"))
    continuous = (time >= OPEN * MS_A_MINUTE) & (time < CLOSING_CALL * MS_A_MINUTE)
    return pa.array(~continuous | (bid <= 0) | (ask <= 0) | (bid < ask))


def _lengths(bars: pa.Table) -> np.ndarray:
    return pc.fill_null(bars["bar_minutes"], 1).to_numpy()


def _minute(text: str | None) -> int:
    if text is None or len(text) != 5 or not (text[:2] + text[3:]).isdigit():
        return -1
    return int(text[:2]) * 60 + int(text[3:])
