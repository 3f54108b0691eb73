"""Trades of a stock's session that give its daily bar to the share and the cent. The model is ours.

The first trades are those of the opening auction, at 09:25, and the last those of the closing auction, at 15:00, where
the exchange has one on that day. Between them the price is a bridge in whole fen from open to close that touches high
and low. A trade above the price before it is a buyer's, one below it a seller's; at the upper limit only sellers find
an order to trade with, at the lower one only buyers. An order that takes others' prices fills in one trade or several
at one time, and a waiting order may fill in several trades at its price. Few orders are large, and these are several
times as large as the others.

Volumes follow the sizes of the orders, times exp(λ · price) with the λ that brings their average price to that of the
day. Rounded down to whole lots they leave some shares over, whose average price still lies between low and high: these
go to two trades a fen apart, q and q + 1, of which there is exactly one split that makes the day's amount whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_platform.jit import njit
from attn_platform.market.intraday import AFTERNOON, AUCTION, MIDDAY, MS_A_MINUTE, OPEN, bar_ends
from attn_platform.market.simulation.bars import VWAP_PER_FEN

BUY, SELL, NEITHER = 1, -1, 0
"""Who took the other's price; neither in an auction."""

FEWEST, COUNT_SPREAD = 4, 0.35
"""Open, high, low and close need a trade each; spread of the log number of trades over days and stocks."""

LOT, SHARE_OF_LOTS = 100, 0.04
"""Trades are of whole lots of 100 shares where one for each is at most that part of the day's volume, else of shares;
of these a day has enough for each trade in the same sense. The average price keeps more of the range from high and low
(`bars.VWAP_MARGIN`), so that there is always an exact solution."""

REST_OF_TRADE = 0.25
"""Least volume of the last two trades together, in average trades."""

AUCTION_SHARE = 0.02
"""Mean part of a day's trades in each auction, beside the one that each has at least."""

EARLY_LOAD, EARLY_MINUTES, LATE_LOAD, LATE_MINUTES = 3.0, 20.0, 1.5, 15.0
"""Trades a minute: 1 + 3 exp(−minutes since the open / 20) + 1.5 exp(−minutes to the close / 15), scaled."""

ROUGHNESS = 0.6
"""Volatility of the bridge over the whole day, in ranges: a Brownian path's range is 1.6 times its volatility."""

TOWARDS_CLOSE = 0.75
"""Probability that the day's low comes first where it closes above its open, and the high where it closes below."""

TURNS = 0.25
"""Probability that the aggressor changes where the price does not."""

LARGE_ODDS, LARGE_SIZE, SIZE_SPREAD = 0.14, 2.2, 0.8
"""Odds of a large order; log of its size in others; spread of the log sizes among either."""

GOES_ON, LARGE_GOES_ON, MOST_FILLS = 0.3, 0.75, 20
"""Probability that an order has one more fill, also for large ones, and their largest number."""

WAITS_ON, WAITING_ORDERS = 0.4, 5.0
"""Probability that what is left of a waiting order fills next; mean number of orders since a waiting one came."""

SMALLEST_FILL = 1e-3
"""Of an order's fills the least, against their mean of 1 before they are scaled to its size."""

INFORMED_MINUTES = 30
"""How long after the open the informed trade."""

NUMBERS = 64
"""Order numbers from one aggressive order to the next: orders that came between the two have those between."""

HALVINGS = 60


@dataclass(frozen=True)
class Hours:
    """Minutes since midnight in which a session's trading ends, and in which its continuous trading does."""

    end: int
    continuous_end: int

    @property
    def has_closing_auction(self) -> bool:
        """Whether the close is an auction."""
        return self.continuous_end < self.end


@dataclass(frozen=True)
class Day:
    """A stock's session: its bar in fen, 0.0001 CNY (vwap) and shares, its limits (0: none), its informed buying."""

    open: int
    high: int
    low: int
    close: int
    vwap: int
    volume: int
    down_limit: int
    up_limit: int
    informed: float


@dataclass(frozen=True)
class Trades:
    """Trades in their order [R]: milliseconds since midnight, fen, shares, order numbers, `BUY`, `SELL`, `NEITHER`."""

    time: np.ndarray
    price: np.ndarray
    volume: np.ndarray
    buy_order: np.ndarray
    sell_order: np.ndarray
    side: np.ndarray


def draw_trades(random: np.random.Generator, day: Day, hours: Hours, trades_a_day: float) -> Trades:
    """Trades of a stock's session, about `trades_a_day` of them."""
    few = random.random(7)
    noise = random.standard_normal()
    count = round(trades_a_day * np.exp(COUNT_SPREAD * noise - COUNT_SPREAD**2 / 2))
    count = max(min(count, int(SHARE_OF_LOTS * day.volume)), FEWEST)
    lot = LOT if LOT * count <= SHARE_OF_LOTS * day.volume else 1
    opening = 1 + int(2 * AUCTION_SHARE * count * few[0])
    closing = 1 + int(2 * AUCTION_SHARE * count * few[1]) if hours.has_closing_auction else 0
    between = count - opening - max(closing, 1)
    low_first = few[2] < _low_first(day)
    # Two different trades between the auctions have the two extremes.
    one, other = int(between * few[3]), int((between - 1) * few[4])
    earlier, later = min(one, other + (other >= one)), max(one, other + (other >= one))

    uniform = random.random((5, count))
    normal = random.standard_normal((2, count))
    minutes = np.sort(uniform[0, : count - opening - closing])
    time = np.empty(count, dtype=np.int64)
    time[:opening] = AUCTION * MS_A_MINUTE
    time[opening : count - closing] = continuous_times(minutes, hours)
    time[count - closing :] = hours.end * MS_A_MINUTE
    prices = day.open, day.high, day.low, day.close
    path = _price_path(prices, opening, max(closing, 1), earlier, later, low_first, normal[0])
    auctions, limits = (opening, closing), (day.up_limit, day.down_limit)
    side, begins, weight = _orders(path, time, auctions, limits, day.informed, few[5] < 0.5, uniform[1:], normal[1])
    amount = (day.vwap * day.volume + VWAP_PER_FEN // 2) // VWAP_PER_FEN
    volume, rest, rest_amount = _volumes(path, weight, day.low, day.high, day.volume, amount, lot)
    path, time, volume, side, begins = _with_rest(
        path, time, volume, side, begins, auctions, limits, rest, rest_amount, few[6]
    )
    waits = random.random((2, len(path)))
    buy_order, sell_order = _order_numbers(path, side, begins, waits)
    return Trades(time, path, volume, buy_order, sell_order, side)


def continuous_times(quantiles: np.ndarray, hours: Hours) -> np.ndarray:
    """Milliseconds since midnight of these quantiles of the day's trades in continuous trading, more at both ends."""
    ends = bar_ends(1)
    ends = ends[ends <= hours.continuous_end]
    elapsed = np.arange(len(ends))
    load = 1 + EARLY_LOAD * np.exp(-elapsed / EARLY_MINUTES) + LATE_LOAD * np.exp(-elapsed[::-1] / LATE_MINUTES)
    passed = np.append(0.0, np.cumsum(load) / load.sum())
    traded = (np.interp(quantiles, passed, np.arange(len(passed))) * MS_A_MINUTE).astype(np.int64)
    traded = np.minimum(traded, len(ends) * MS_A_MINUTE - 1)
    morning = (MIDDAY - OPEN) * MS_A_MINUTE
    return traded + OPEN * MS_A_MINUTE + np.where(traded >= morning, (AFTERNOON - MIDDAY) * MS_A_MINUTE, 0)


def _low_first(day: Day) -> float:
    if day.close == day.open:
        return 0.5
    return TOWARDS_CLOSE if day.close > day.open else 1 - TOWARDS_CLOSE


@njit(nogil=True, cache=True)
def _bridge(path, begin, end, low, high, step, noise):  # type: ignore[no-untyped-def]
    """Fill the prices between two known ones: a Gaussian bridge, reflected once at low and high, then cut there."""
    length = end - begin
    whole = 0.0
    for i in range(begin + 1, end + 1):
        whole += noise[i]
    walked = 0.0
    for i in range(begin + 1, end):
        walked += noise[i]
        part = (i - begin) / length
        level = path[begin] + (path[end] - path[begin]) * part + step * (walked - part * whole)
        if level > high:
            level = 2 * high - level
        elif level < low:
            level = 2 * low - level
        path[i] = min(max(int(np.rint(level)), low), high)


@njit(nogil=True, cache=True)
def _price_path(prices, opening, closing, earlier, later, low_first, noise):  # type: ignore[no-untyped-def]
    """[R] fen: `opening` trades at the open, a bridge through both extremes, `closing` trades at the close."""
    open_, high, low, close = prices
    count = len(noise)
    path = np.empty(count, dtype=np.int64)
    path[:opening] = open_
    path[count - closing :] = close
    path[opening + earlier] = low if low_first else high
    path[opening + later] = high if low_first else low
    step = ROUGHNESS * (high - low) / np.sqrt(count)
    stops = (opening - 1, opening + earlier, opening + later, count - closing)
    for leg in range(3):
        _bridge(path, stops[leg], stops[leg + 1], low, high, step, noise)
    return path


@njit(nogil=True, cache=True)
def _side(price, before, side_before, turns, limits):  # type: ignore[no-untyped-def]
    """Who takes the other's price in a trade at `price` after one at `before`."""
    up_limit, down_limit = limits
    if price == up_limit:
        return BUY if before < up_limit else SELL
    if price == down_limit:
        return SELL if before > down_limit else BUY
    if price != before:
        return BUY if price > before else SELL
    return -side_before if turns else side_before


@njit(nogil=True, cache=True)
def _orders(path, time, auctions, limits, informed, buys_first, uniform, size):  # type: ignore[no-untyped-def]
    """By trade: its aggressor, whether a new aggressive order begins, and its weight in the day's volume [R] each.

    `time` is changed: an order's fills have the time of its first one.
    """
    count = len(path)
    opening, closing = auctions
    side = np.zeros(count, dtype=np.int8)
    begins = np.ones(count, dtype=np.bool_)
    weight = np.empty(count)
    first, shares, order_size, is_large = 0, 0.0, 0.0, False
    side_before = BUY if buys_first else SELL
    for i in range(count + 1):
        if i < count:
            continuous = opening <= i < count - closing
            if continuous:
                turns = uniform[0, i] < TURNS
                side_before = _side(path[i], path[i - 1], side_before, turns, limits)
                side[i] = side_before
            if continuous and i > opening and side[i] == side[i - 1] and i - first < MOST_FILLS:
                against = (path[i] - path[i - 1]) * side[i] < 0
                begins[i] = against or uniform[1, i] >= (LARGE_GOES_ON if is_large else GOES_ON)
        if i == count or begins[i]:
            for j in range(first, i):
                weight[j] *= order_size / shares
            if i == count:
                break
            odds = LARGE_ODDS
            if continuous and time[i] < (OPEN + INFORMED_MINUTES) * MS_A_MINUTE:
                odds *= np.exp(side[i] * informed)
            is_large = uniform[2, i] < odds / (1 + odds)
            order_size = np.exp(SIZE_SPREAD * size[i] + (LARGE_SIZE if is_large else 0.0))
            first, shares = i, 0.0
        else:
            time[i] = time[first]
        weight[i] = SMALLEST_FILL - np.log1p(-uniform[3, i])
        shares += weight[i]
    return side, begins, weight


@njit(nogil=True, cache=True)
def _tilted(path, weight, low, high, target):  # type: ignore[no-untyped-def]
    """Weights · exp(λ · price), scaled to a sum of 1, whose average price is `target`; between low and high."""
    width = high - low
    wanted = (target - low) / width
    below, above = -1.0, 1.0
    while _average(path, weight, low, width, below) > wanted:
        below *= 2
    while _average(path, weight, low, width, above) < wanted:
        above *= 2
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        if _average(path, weight, low, width, middle) < wanted:
            below = middle
        else:
            above = middle
    out = np.empty(len(path))
    highest = 1.0 if above > 0 else 0.0
    for i in range(len(path)):
        out[i] = weight[i] * np.exp(above * ((path[i] - low) / width - highest))
    return out / out.sum()


@njit(nogil=True, cache=True)
def _average(path, weight, low, width, slope):  # type: ignore[no-untyped-def]
    """Average place of the price between low (0) and high (1) under weights · exp(slope · place)."""
    whole, sum_ = 0.0, 0.0
    highest = 1.0 if slope > 0 else 0.0  # no exponent is above 0
    for i in range(len(path)):
        place = (path[i] - low) / width
        tilted = weight[i] * np.exp(slope * (place - highest))
        whole += tilted
        sum_ += tilted * place
    return sum_ / whole


@njit(nogil=True, cache=True)
def _volumes(path, weight, low, high, volume, amount, lot):  # type: ignore[no-untyped-def]
    """Shares of each trade [R] in whole lots, and what is left over: shares and their amount in fen.

    The average price of what is left lies between low and high: it does before the trades are rounded down, where it is
    the day's; each lot that rounding takes away adds shares at prices of the day; and one is given back only where the
    average stays there.
    """
    count = len(path)
    least = max(int(REST_OF_TRADE * volume / count), 1)
    free = volume - least - lot * count
    if high == low:
        tilted = weight / weight.sum()
    else:
        rest_amount = amount * (least / volume)
        tilted = _tilted(path, weight, low, high, (amount - rest_amount - lot * path.sum()) / free)
    out = np.empty(count, dtype=np.int64)
    rest, left = volume, amount
    for i in range(count):
        out[i] = lot * (1 + int(free * tilted[i] / lot))
        rest -= out[i]
        left -= out[i] * path[i]
    for i in range(count):
        wanted = free * tilted[i] / lot
        price, after = path[i], rest - lot
        if wanted - int(wanted) > 0.5 and after >= least and low * after <= left - lot * price <= high * after:
            out[i] += lot
            rest = after
            left -= lot * price
    return out, rest, left


@njit(nogil=True, cache=True)
def _with_rest(path, time, volume, side, begins, auctions, limits, rest, left, place):  # type: ignore[no-untyped-def]
    """The trades with an order more for the shares that are left over: at q, and at q + 1 where they do not divide.

    It comes where the price passes q, so that it makes no jump.
    """
    count = len(path)
    opening, closing = auctions
    q = left // rest
    upper = left - q * rest
    extra = 1 if upper == 0 else 2
    gaps = count - opening - max(closing, 1) + 1
    at = -1
    for k in range(gaps):
        at = opening - 1 + (int(place * gaps) + k) % gaps
        if min(path[at], path[at + 1]) <= q <= max(path[at], path[at + 1]):
            break
    rises = path[at + 1] >= path[at]
    new_path, new_time = np.empty(count + extra, dtype=np.int64), np.empty(count + extra, dtype=np.int64)
    new_volume = np.empty(count + extra, dtype=np.int64)
    new_side, new_begins = np.empty(count + extra, dtype=np.int8), np.ones(count + extra, dtype=np.bool_)
    for i in range(count):
        to = i if i <= at else i + extra
        new_path[to], new_time[to], new_volume[to] = path[i], time[i], volume[i]
        new_side[to], new_begins[to] = side[i], begins[i]
    new_begins[at + 1 + extra] = True
    for k in range(extra):
        i = at + 1 + k
        is_upper = extra == 2 and (k == 1) == rises
        new_path[i] = q + 1 if is_upper else q
        new_volume[i] = upper if is_upper else rest - upper
        new_time[i] = time[at + 1] if at < opening else time[at]
        before = new_side[i - 1] if i > opening else (BUY if rises else SELL)
        new_side[i] = _side(new_path[i], new_path[i - 1], before, False, limits)
        new_begins[i] = k == 0 or new_side[i] != new_side[i - 1]
    return new_path, new_time, new_volume, new_side, new_begins


@njit(nogil=True, cache=True)
def _order_numbers(path, side, begins, waits):  # type: ignore[no-untyped-def]
    """Order numbers of buyers and of sellers [R]: the aggressor's is later than that of the order that waited.

    Numbers rise with the time at which an order came; no two orders share one. In an auction either may be later.
    """
    count = len(path)
    buy, sell = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    used = np.zeros(count + 1, dtype=np.int64)
    waiting, waiting_price = np.zeros(2, dtype=np.int64), np.full(2, -1, dtype=np.int64)
    order = -1
    for i in range(count):
        if begins[i]:
            order += 1
        late = NUMBERS * (order + 1)
        buys = side[i] == BUY or (side[i] == NEITHER and waits[0, i] < 0.5)
        of = 1 if buys else 0
        goes_on = begins[i] and side[i] != NEITHER and waiting_price[of] == path[i]
        if not (goes_on and waits[0, i] < WAITS_ON):
            since = max(order - int(-np.log1p(-waits[1, i]) * WAITING_ORDERS), 0)
            while used[since] == NUMBERS - 1:  # an order has fewer fills, so that the last place has room
                since += 1
            used[since] += 1
            waiting[of] = NUMBERS * since + used[since]
            waiting_price[of] = path[i] if side[i] != NEITHER else -1
        buy[i], sell[i] = (late, waiting[of]) if buys else (waiting[of], late)
    return buy, sell
