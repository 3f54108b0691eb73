"""Every daily indicator once more, in plain Python over one stock's rows: lists, loops, `math` and `statistics`."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean, stdev

OPENING = range(570, 600)
NAN = math.nan


def minute_of(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:5])


def continuous(bars: list[dict], length: int, closing_call: int) -> list[dict]:
    """Bars of continuous trading, each with its log return."""
    kept = [bar for bar in bars if bar["end"] > 570 and bar["end"] - length < closing_call]
    before = None
    for bar in kept:
        bar["r"] = math.log(bar["close"] / (bar["open"] if before is None else before))
        before = bar["close"]
    return kept


def bar_indicators(bars: list[dict], length: int, closing_call: int, demean: bool = True) -> dict[str, float]:
    """Of bars {end, open, close, volume, amount, trades} in order."""
    inside = continuous(bars, length, closing_call)
    r = [bar["r"] for bar in inside]
    out: dict[str, float] = {}
    if r:
        centre = fmean(r) if demean else 0.0
        squares, cubes = sum((v - centre) ** 2 for v in r), sum((v - centre) ** 3 for v in r)
        out["realised_skewness"] = math.sqrt(len(r)) * cubes / squares**1.5 if squares else NAN
        whole = sum(v * v for v in r)
        out["downside_variance_share"] = sum(v * v for v in r if v < 0) / whole if whole else NAN
    early = [bar for bar in inside if bar["end"] <= 600]
    late = [bar for bar in bars if bar["end"] > 600]
    out["close_over_opening"] = late[-1]["close"] / early[-1]["close"] if early and late else NAN
    volume = sum(bar["volume"] for bar in bars)
    out["closing_volume_part"] = sum(bar["volume"] for bar in bars if bar["end"] > 870) / volume if volume else NAN
    falling = [bar for bar in inside if bar["r"] < 0]
    trades, falling_trades = (sum(bar["trades"] for bar in some) for some in (inside, falling))
    if trades and falling_trades:
        size = sum(bar["amount"] for bar in inside) / trades
        out["outflow_trade_size_ratio"] = sum(bar["amount"] for bar in falling) / falling_trades / size
    traded = [bar for bar in inside if bar["trades"] > 0]
    ordered = sorted(traded, key=lambda bar: -bar["amount"] / bar["trades"])  # stable: the earlier of equals first
    chosen = ordered[: math.floor(0.3 * len(traded) + 0.5)]
    if chosen:
        out["large_trade_return"] = math.prod(math.exp(bar["r"]) for bar in chosen) - 1
    return out


def aggressors(trades: list[dict], closing_call: int) -> list[int]:
    """By flag, else by order number, else by the tick rule; 0 in auctions."""
    signs, tick, last = [], 0, None
    for trade in trades:
        if last is not None and trade["price"] != last:
            tick = 1 if trade["price"] > last else -1
        last = trade["price"]
        sign = {"buy": 1, "sell": -1}.get(trade.get("side"), 0)
        if not sign and trade["buy_order"] > 0 and trade["sell_order"] > 0:
            sign = (trade["buy_order"] > trade["sell_order"]) - (trade["buy_order"] < trade["sell_order"])
        signs.append((sign or tick) if 570 <= trade["minute"] < closing_call else 0)
    return signs


def orders(trades: list[dict]) -> dict[tuple[str, int], float]:
    """Amount of each order of the day."""
    totals: dict[tuple[str, int], float] = defaultdict(float)
    for trade in trades:
        for side in ("buy", "sell"):
            if trade[f"{side}_order"] > 0:
                totals[side, trade[f"{side}_order"]] += trade["price"] * trade["volume"]
    return dict(totals)


def order_sizes(trades: list[dict]) -> dict[str, float]:
    logs = [math.log(amount) for amount in orders(trades).values()]
    mean = fmean(logs)
    return {
        "order_count": len(logs),
        "order_log_mean": mean,
        "order_log_variance": fmean((value - mean) ** 2 for value in logs),
    }


def large_flow(trades: list[dict], threshold: float) -> dict[str, float]:
    """Net buying of orders whose log amount exceeds `threshold`."""
    totals, minutes, whole = orders(trades), dict.fromkeys(OPENING, 0.0), 0.0
    for trade in trades:
        if trade["minute"] not in minutes:
            continue
        amount = trade["price"] * trade["volume"]
        whole += amount
        for side, sign in (("buy", 1), ("sell", -1)):
            if math.log(totals.get((side, trade[f"{side}_order"]), 1e-300)) > threshold:
                minutes[trade["minute"]] += sign * amount
    values = list(minutes.values())
    spread = stdev(values)
    return {
        "opening_large_net_buy": sum(values) / whole,
        "opening_large_buy_steadiness": fmean(values) / spread if spread else NAN,
        "opening_large_net_amount": sum(values),
        "opening_amount": whole,
    }


def intention(trades: list[dict], book: list[dict], closing_call: int) -> dict[str, float]:
    """Buying intention of the opening: active buying and the change of what the best prices offer."""
    signs = aggressors(trades, closing_call)
    active, amount = dict.fromkeys(OPENING, 0.0), dict.fromkeys(OPENING, 0.0)
    for trade, sign in zip(trades, signs, strict=True):
        if trade["minute"] in active:
            active[trade["minute"]] += sign * trade["price"] * trade["volume"]
            amount[trade["minute"]] += trade["price"] * trade["volume"]
    ends: dict[int, dict] = {}
    last = None
    rows = iter([*book, {"minute": 10_000}])
    row = next(rows)
    for minute in range(569, 600):
        while row["minute"] <= minute:
            last, row = row, next(rows)
        ends[minute] = last
    found: dict[int, float] = {}
    for minute in OPENING:
        before, now = ends[minute - 1], ends[minute]
        if before is None or now is None:
            continue
        if not all(each[f"{side}_volume_1"] > 0 for each in (before, now) for side in ("bid", "ask")):
            continue
        balance = [
            each["bid_price_1"] * each["bid_volume_1"] - each["ask_price_1"] * each["ask_volume_1"]
            for each in (before, now)
        ]
        found[minute] = active[minute] + balance[1] - balance[0]
    values = list(found.values())
    traded = sum(amount[minute] for minute in found)
    return {
        "opening_buy_intention": sum(values) / traded if values and traded else NAN,
        "opening_buy_steadiness": fmean(values) / stdev(values) if len(values) > 1 and stdev(values) > 0 else NAN,
    }
