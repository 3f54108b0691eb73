"""Orders through Qlib's Exchange: what is filled, at which cost, and what is left of the money.

    python -m portfolio_peers.qlib_exchange CASE OUT    (from benchmarks/, in Qlib's environment)

CASE holds daily bars [T, N], target weights by rebalance, and the settings. After each rebalance there is an order a
stock, for as many units as the target weights come to once the costs are paid, were all of them filled. Qlib's
exchange says session by session how much of each is; the rest goes back to it the next session, until the next
rebalance. Units are adjusted shares, as Qlib counts them.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import qlib
from qlib.backtest.decision import Order
from qlib.backtest.exchange import Exchange
from qlib.backtest.position import Position

Arrays = dict[str, np.ndarray]

# One price for the whole session, at the limit of the side.
BOARD = "And(And(Eq($open, $high), Eq($high, $low)), {})"
LIMITS = BOARD.format("Eq($close, $up_limit)"), BOARD.format("Eq($close, $down_limit)")
ADJUSTED = ("open", "high", "low", "close", "vwap", "up_limit", "down_limit")
DAY = pd.Timedelta(hours=23, minutes=59, seconds=59)
NO_ORDER = 1e-6  # of the equity: a rest below it is forgotten


def main() -> None:
    """Run the case and write net value, cash and costs [T], and units [T, N]."""
    case, out = Path(sys.argv[1]), Path(sys.argv[2])
    with np.load(case) as file:
        arrays = dict(file)
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), arrays)
        qlib.init(provider_uri=folder, kernels=1, expression_cache=None, dataset_cache=None, logging_level="ERROR")
        np.savez(out, **run(arrays, exchange(arrays)))


def exchange(arrays: Arrays) -> Exchange:
    """Qlib's exchange with the rules that both sides have."""
    cap, lot, cost = (float(arrays[name]) for name in ("volume_cap", "lot", "cost"))
    return Exchange(
        start_time=str(arrays["sessions"][0]),
        end_time=str(arrays["sessions"][-1]),
        codes=arrays["symbols"].tolist(),
        deal_price="$vwap",
        limit_threshold=LIMITS,
        volume_threshold=("current", f"{cap} * $volume") if np.isfinite(cap) else None,
        open_cost=cost,
        close_cost=cost,
        min_cost=0,
        trade_unit=lot if lot else None,
    )


def run(arrays: Arrays, market: Exchange) -> Arrays:
    """All sessions after the first rebalance."""
    symbols, sessions = arrays["symbols"].tolist(), pd.DatetimeIndex(arrays["sessions"])
    suspended, factor = arrays["is_suspended"] == 1, arrays["adj_factor"]
    close = arrays["close"] * factor
    price = np.where(suspended, close, arrays["vwap"] * factor)
    position = Position(cash=float(arrays["capital"]))
    targets = dict(zip(arrays["rebalances"].tolist(), arrays["targets"], strict=True))
    units, rest = np.zeros(len(symbols)), np.zeros(len(symbols))
    found: dict[str, list] = {"net_value": [], "cash": [], "cost": [], "units": []}
    for row in range(len(sessions)):
        cost = 0.0
        # Stocks without a trade in the session are valued at the last close.
        equity = position.get_cash() + float(units @ price[row])
        if row - 1 in targets:
            values = wanted_values(units * price[row], targets[row - 1], equity, float(arrays["cost"]))
            rest = values / price[row] - units
        rest = np.where(np.abs(rest * price[row]) > NO_ORDER * equity, rest, 0.0)
        for stock in np.argsort(rest, kind="stable"):  # sales first
            if rest[stock] == 0:
                continue
            order = Order(
                stock_id=symbols[stock],
                amount=abs(float(rest[stock])),
                direction=Order.BUY if rest[stock] > 0 else Order.SELL,
                start_time=sessions[row],
                end_time=sessions[row] + DAY,
            )
            _, paid, _ = market.deal_order(order, position=position)
            filled = float(order.deal_amount) * np.sign(rest[stock])
            units[stock] += filled
            rest[stock] -= filled
            cost += float(paid)
        found["net_value"].append((position.get_cash() + float(units @ close[row])) / float(arrays["capital"]))
        found["cash"].append(position.get_cash() / float(arrays["capital"]))
        found["cost"].append(cost / float(arrays["capital"]))
        found["units"].append(units.copy())
    return {name: np.array(values) for name, values in found.items()}


def wanted_values(held: np.ndarray, weights: np.ndarray, equity: float, cost: float) -> np.ndarray:
    """[N] values that are `weights` of what is left of `equity` after the cost of trading to them."""
    low, high = 0.0, equity
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if middle + cost * np.abs(middle * weights - held).sum() < equity else (low, middle)
    return low * weights


def write_files(folder: Path, arrays: Arrays) -> None:
    """Qlib's files: calendar, instruments, and a file a stock and field in float32; suspended sessions are missing."""
    sessions, traded = arrays["sessions"], arrays["is_suspended"] == 0
    for name in ("calendars", "instruments"):
        (folder / name).mkdir()
    (folder / "calendars" / "day.txt").write_text("\n".join(map(str, sessions)) + "\n", encoding="utf-8")
    span = f"{sessions[0]}\t{sessions[-1]}"
    listing = "".join(f"{symbol}\t{span}\n" for symbol in arrays["symbols"])
    (folder / "instruments" / "all.txt").write_text(listing, encoding="utf-8")
    fields = {name: arrays[name] * arrays["adj_factor"] for name in ADJUSTED}
    fields |= {"volume": arrays["volume"] / arrays["adj_factor"], "factor": arrays["adj_factor"]}
    fields["change"] = np.zeros_like(arrays["close"])
    for column, symbol in enumerate(arrays["symbols"]):
        place = folder / "features" / symbol.lower()
        place.mkdir(parents=True)
        for name, values in fields.items():
            kept = np.where(traded[:, column], values[:, column], np.nan)
            np.append(np.float32(0), kept.astype("<f4")).tofile(place / f"{name}.day.bin")


if __name__ == "__main__":
    main()
