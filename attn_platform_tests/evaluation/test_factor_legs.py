"""Legs of a factor that trade: against a plain account of each stock, day by day, and by hand."""

import math

import numpy as np
import pytest

from attn_platform.evaluation.factor_legs import LegReturns, TradedMarket, leg_returns, portfolio_returns
from attn_platform.evaluation.to_date import compounded

DAYS = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")


def market(seed: int, stocks: int = 40, blocked: float = 0.08) -> TradedMarket:
    """Random prices with suspensions, boards at the limit, and listings within the range."""
    rng = np.random.default_rng(seed)
    shape = len(DAYS), stocks
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0))
    price = close * np.exp(rng.normal(0, 0.01, shape))
    listed = rng.integers(0, 40, stocks) * (rng.random(stocks) < 0.2)
    suspended = rng.random(shape) < blocked
    suspended |= np.arange(len(DAYS))[:, None] < listed
    price[suspended] = np.nan
    for t in range(len(DAYS)):
        for i in range(stocks):
            if suspended[t, i]:
                close[t, i] = close[t - 1, i] if t > listed[i] else np.nan
    can_buy = np.isfinite(price) & (rng.random(shape) > blocked)
    can_sell = np.isfinite(price) & (rng.random(shape) > blocked)
    return TradedMarket(DAYS, close, price, can_buy, can_sell)


def plain_account(targets: dict[int, dict[int, float]], of: TradedMarket) -> list[float]:
    """Daily returns of an account of shares and cash; `targets` are weights by stock, by session of the trade."""
    shares: dict[int, float] = {}
    cash, before, returns = 1.0, 1.0, []
    for t in range(len(of.sessions)):
        if t in targets:
            prices = [p if math.isfinite(p) else c for p, c in zip(of.price[t], of.close[t], strict=True)]
            held = {i: count * prices[i] for i, count in shares.items()}
            money = cash + sum(held.values())
            wanted = {i: targets[t].get(i, 0.0) * money for i in {*held, *targets[t]}}
            fixed = set()
            for i, value in wanted.items():
                now = held.get(i, 0.0)
                if (value > now and not of.can_buy[t, i]) or (value < now and not of.can_sell[t, i]):
                    fixed.add(i)
            while True:
                kept = sum(held.get(i, 0.0) for i in fixed)
                asked = sum(value for i, value in wanted.items() if i not in fixed)
                scale = min(1.0, (money - kept) / asked) if asked > 0 else 0.0
                late = {
                    i
                    for i, value in wanted.items()
                    if i not in fixed and scale * value < held.get(i, 0.0) and not of.can_sell[t, i]
                }
                if not late:
                    break
                fixed |= late
            values = {i: held.get(i, 0.0) if i in fixed else scale * value for i, value in wanted.items()}
            shares = {i: value / prices[i] for i, value in values.items() if value > 0}
            cash = money - sum(values.values())
        worth = cash + sum(count * of.close[t, i] for i, count in shares.items())
        returns.append(worth / before - 1 if t >= min(targets) else math.nan)
        before = worth
    return returns


@pytest.mark.parametrize("seed", range(6))
def test_returns_are_those_of_a_plain_account(seed: int) -> None:
    """Weights of any size, a stock wanted or not, with suspensions and boards at the limit in between."""
    of, rng = market(seed, blocked=0.2), np.random.default_rng(100 + seed)
    trades = np.sort(rng.choice(np.arange(3, len(DAYS)), 9, replace=False))
    weights = rng.random((9, of.close.shape[1])) * (rng.random((9, of.close.shape[1])) < 0.4)
    weights /= weights.sum(axis=1, keepdims=True)
    targets = {int(t): {i: w for i, w in enumerate(row) if w > 0} for t, row in zip(trades, weights, strict=True)}
    expected = plain_account(targets, of)
    np.testing.assert_allclose(portfolio_returns(weights, trades, of), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_legs_are_the_ends_of_the_signal(seed: int) -> None:
    """Sorted stock by stock: the five highest, the five lowest, and all of those with a signal."""
    of, rng = market(seed, stocks=55), np.random.default_rng(seed)
    trades = np.array([5, 30, 61])
    signal = rng.normal(size=(3, 55))
    signal[:, 50:] = np.nan
    expected = {"long": {}, "short": {}, "everything": {}}
    for t, row in zip(trades.tolist(), signal, strict=True):
        order = sorted(range(50), key=lambda i, row=row: row[i])
        expected["long"][t] = dict.fromkeys(order[-5:], 1 / 5)
        expected["short"][t] = dict.fromkeys(order[:5], 1 / 5)
        expected["everything"][t] = dict.fromkeys(order, 1 / 50)
    found = leg_returns(signal, trades, of, 10)
    for name, targets in expected.items():
        np.testing.assert_allclose(getattr(found, name), plain_account(targets, of), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.long_short, found.long_excess + found.short_excess, atol=1e-15)
    np.testing.assert_array_equal(found.long_short, found.long - found.short)


def by_hand(can_buy: list[bool], can_sell: list[bool]) -> np.ndarray:
    """Two stocks, three sessions: all money in the first in session 0, in the second from session 1 on."""
    close = np.array([[10.0, 10.0], [12.0, 10.0], [12.0, 11.0]])
    price = np.array([[10.0, 10.0], [11.0, 10.0], [12.0, 11.0]])
    buy, sell = (np.array([[True, True], each, [True, True]]) for each in (can_buy, can_sell))
    of = TradedMarket(DAYS[:3], close, price, buy, sell)
    return portfolio_returns(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), of)


@pytest.mark.parametrize(
    ("can_buy", "can_sell", "expected"),
    [
        ([True, True], [True, True], [0.0, 0.1, 0.1]),  # sold at 11; the second rises from 10 to 11 on the day after
        ([True, True], [False, True], [0.0, 0.2, 0.0]),  # it stays, and there is no money for the second
        ([True, False], [True, True], [0.0, 0.1, 0.0]),  # sold, and cash since
    ],
)
def test_what_cannot_be_traded_by_hand(can_buy: list[bool], can_sell: list[bool], expected: list[float]) -> None:
    np.testing.assert_allclose(by_hand(can_buy, can_sell), expected, atol=1e-15)


def test_a_suspended_stock_stands_at_its_last_price_and_moves_on_its_return() -> None:
    close = np.array([[10.0], [10.0], [10.0], [13.0]])
    price = np.array([[10.0], [np.nan], [np.nan], [12.0]])
    traded = np.isfinite(price)
    of = TradedMarket(DAYS[:4], close, price, traded, traded)
    found = portfolio_returns(np.ones((2, 1)), np.array([0, 2]), of)
    np.testing.assert_allclose(found, [0.0, 0.0, 0.0, 0.3])


def test_a_rebalance_without_enough_signals_changes_nothing() -> None:
    of, rng = market(9), np.random.default_rng(9)
    signal = rng.normal(size=(3, 40))
    trades = np.array([4, 20, 40])
    whole = leg_returns(signal[[0, 2]], trades[[0, 2]], of, 10)
    signal[1, 9:] = np.nan
    found = leg_returns(signal, trades, of, 10)
    for name in ("long", "short", "everything"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    nothing = leg_returns(np.full((3, 40), np.nan), trades, of, 10)
    assert np.isnan(nothing.long_short).all()


def test_the_leg_of_what_rises_earns_it() -> None:
    """A signal that knows the day's returns ahead has a long leg above, and a short leg below, all stocks."""
    of = market(11, blocked=0.0)
    trades = np.arange(50, 90, 5)
    ahead = of.close[trades + 5] / of.price[trades] - 1
    found: LegReturns = leg_returns(ahead, trades, of, 10)
    assert min(compounded(each) for each in (found.long_excess, found.short_excess)) > 0.05
