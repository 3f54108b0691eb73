"""Mixes by hand, and against two accounts that are run side by side and set back to equal by buying and selling."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.mix import MixConfig, MixPart, MixResult, mix_backtests
from attn_platform.backtest.simulator import BacktestResult, run_backtest
from attn_platform.errors import ConfigurationError, SimulationError
from attn_platform.market.dense import DenseMarket
from attn_platform_tests.backtest.markets import random_market, random_targets, sessions_of

STUDY = BacktestConfig()
NAMES = ("left", "right")


def prices(closes: dict[str, list[float]]) -> DenseMarket:
    close = np.column_stack(list(closes.values()))
    return DenseMarket(
        sessions_of(len(close)), np.array(list(closes)), {"close": close, "adj_factor": np.ones_like(close)}
    )


def part(name: str, symbol: str, returns: list[float], turnover: float = 0.0, cash: float = 0.0) -> MixPart:
    """A strategy that holds one stock from the second session on, and cash."""
    count = len(returns) + 1
    dates = pd.Series(sessions_of(count)).astype("datetime64[s]")
    daily = pd.DataFrame(
        {
            "date": dates,
            "net_value": np.cumprod([1.0, *(1 + np.array(returns))]),
            "return": [np.nan, *returns],
            "benchmark_return": [np.nan, *[0.01] * (count - 1)],
            "turnover": [0.0] + [turnover] * (count - 1),
            "cost": [0.0] + [turnover * 0.002] * (count - 1),
            "cash_share": [1.0] + [cash] * (count - 1),
            "holding_count": [0] + [1] * (count - 1),
            "suspended_count": [0] * count,
            "suspended_share": [0.0] * count,
            "unrecovered_net_value": np.cumprod([1.0, *(1 + np.array(returns))]),
        }
    )
    trades = pd.DataFrame(
        {
            "date": dates[1:2],
            "symbol": [symbol],
            "held_weight": [0.0],
            "target_weight": [1.0 - cash],
            "weight": [1.0 - cash],
            "traded_weight": [1.0 - cash],
            "cost": [0.002],
            "restriction": ["none"],
            "is_blocked": [False],
            "unfilled_weight": [0.0],
            "units": [1e7],
            "price": [10.0],
            "amount": [1e8],
            "fee": [2e5],
        }
    )
    holdings = pd.DataFrame({"date": dates[1:2], "symbol": [symbol], "weight": [1.0 - cash]})
    delistings = pd.DataFrame({"date": dates[:0], "symbol": [], "weight": [], "price": [], "cost": [], "units": []})
    return MixPart(name, daily, trades, holdings, delistings.assign(amount=[], fee=[]))


def test_half_the_money_each_drifts_between_resets() -> None:
    market = prices({"A": [10, 10, 12], "B": [10, 10, 9]})
    mixed = mix_backtests(
        [part("x", "A", [0.1, 0.2], 0.3), part("y", "B", [0.0, -0.1], 0.1)], market, MixConfig(), STUDY
    )
    daily = mixed.daily
    assert daily["net_value"].tolist() == pytest.approx([1.0, 1.05, 0.5 * 1.32 + 0.5 * 0.9], rel=1e-14)
    assert daily["excess_return"].tolist()[1:] == pytest.approx([0.04, 1.11 / 1.05 - 1.01], rel=1e-12)
    assert daily["turnover"].tolist() == pytest.approx([0.0, 0.2, (0.55 * 0.3 + 0.5 * 0.1) / 1.05], rel=1e-13)
    assert daily["cost"].tolist() == pytest.approx((daily["turnover"] * 0.002).tolist(), rel=1e-13)
    assert daily["holding_count"].tolist() == [0, 2, 2]
    trades = mixed.trades.set_index("part")
    assert trades["traded_weight"].to_dict() == {"x": 0.5, "y": 0.5}
    assert trades["amount"].to_dict() == {"x": 5e7, "y": 5e7}
    weights = mixed.holdings.set_index("symbol")["weight"].to_dict()
    assert weights == pytest.approx({"A": 0.55 / 1.05, "B": 0.5 / 1.05}, rel=1e-14)


def test_a_reset_moves_the_difference_and_pays_for_it() -> None:
    market = prices({"A": [10, 10, 12], "B": [10, 10, 10]})
    parts = [part("x", "A", [0.1, 0.2]), part("y", "B", [0.0, 0.0])]
    mixed = mix_backtests(parts, market, MixConfig(reset_sessions=2), STUDY)
    # 0.66 and 0.50: x with 0.66 - s = 0.50 + b = x, s (1 - 0.002) = b (1 + 0.002).
    kept = (0.66 * 0.998 + 0.5 * 1.002) / 2
    assert mixed.daily["net_value"].iloc[2] == pytest.approx(2 * kept, rel=1e-14)
    assert mixed.daily["turnover"].iloc[2] == pytest.approx((0.66 - 0.5) / 1.16, rel=1e-12)
    assert mixed.daily["cost"].iloc[2] == pytest.approx(1 - 2 * kept / 1.16, rel=1e-9)
    reset = mixed.trades[mixed.trades["date"] == mixed.daily["date"].iloc[2]].set_index("symbol")
    assert reset["amount"].to_dict() == pytest.approx({"A": 1e8 * (0.66 - kept), "B": 1e8 * (kept - 0.5)}, rel=1e-12)
    assert reset["units"].to_dict() == pytest.approx(
        {"A": -1e8 * (0.66 - kept) / 12, "B": 1e8 * (kept - 0.5) / 10}, rel=1e-12
    )
    assert reset["fee"].to_dict() == pytest.approx((reset["amount"] * 0.002).to_dict(), rel=1e-12)
    assert reset["weight"].to_dict() == pytest.approx({"A": 0.5, "B": 0.5}, rel=1e-12)
    last = mixed.holdings[mixed.holdings["date"] == mixed.daily["date"].iloc[2]]
    assert last.set_index("symbol")["weight"].to_dict() == pytest.approx({"A": 0.5, "B": 0.5}, rel=1e-12)


def test_cash_is_moved_without_a_trade() -> None:
    market = prices({"A": [10, 10, 12], "B": [10, 10, 10]})
    parts = [part("x", "A", [0.1, 0.2], cash=0.25), part("y", "B", [0.0, 0.0], cash=1.0)]
    mixed = mix_backtests(parts, market, MixConfig(reset_sessions=2), STUDY)
    # Of s that x gives, three quarters are sold at 0.2 %; y keeps all that it gets in cash.
    given = 0.16 / (2 - 0.75 * 0.002)
    assert mixed.daily["net_value"].iloc[2] == pytest.approx(2 * (0.66 - given), rel=1e-13)
    assert mixed.daily["turnover"].iloc[2] == pytest.approx(0.75 * given / 1.16, rel=1e-12)
    reset = mixed.trades[mixed.trades["date"] == mixed.daily["date"].iloc[2]]
    assert reset["symbol"].tolist() == ["A"]


def test_without_costs_the_mix_is_the_mean_when_reset_every_session() -> None:
    rng = np.random.default_rng(3)
    a, b, c = (rng.normal(0, 0.02, 50).tolist() for _ in range(3))
    market = prices({name: np.cumprod([10, 1, *np.exp(rng.normal(0, 0.02, 49))]).tolist() for name in "ABC"})
    parts = [part("x", "A", a), part("y", "B", b), part("z", "C", c)]
    mixed = mix_backtests(parts, market, MixConfig(reset_sessions=1), BacktestConfig(cost_per_side=0.0))
    np.testing.assert_allclose(mixed.daily["return"][1:], (np.array(a) + np.array(b) + np.array(c)) / 3, atol=1e-14)


def as_part(name: str, result: BacktestResult) -> MixPart:
    return MixPart(name, result.daily, result.trades, result.holdings, result.delistings)


def run_two(seed: int, reset_sessions: int) -> tuple[MixResult, list[BacktestResult], DenseMarket]:
    rng = np.random.default_rng(seed)
    market = random_market(rng, sessions=60, stocks=10)
    results = [run_backtest(random_targets(rng, market), market, np.zeros(60), STUDY) for _ in NAMES]
    parts = [as_part(name, result) for name, result in zip(NAMES, results, strict=True)]
    return mix_backtests(parts, market, MixConfig(reset_sessions=reset_sessions), STUDY), results, market


@pytest.mark.parametrize("seed", range(12))
def test_the_ledger_of_a_mix_leads_to_its_value(seed: int) -> None:
    """Cash and units kept from the mix's trades and delistings alone are worth what the mix is worth, every session."""
    mixed, _, market = run_two(seed, reset_sessions=7)
    adjusted = pd.DataFrame(market["close"] * market["adj_factor"]).ffill().to_numpy()  # a missing row is a suspension
    column = {symbol: i for i, symbol in enumerate(market.symbols.tolist())}
    cash, units = STUDY.initial_capital, dict.fromkeys(column, 0.0)
    holdings = mixed.holdings.set_index("date")
    for date, net_value in mixed.daily[["date", "net_value"]].itertuples(index=False):
        for row in mixed.delistings[mixed.delistings["date"] == date].itertuples():
            cash += row.amount - row.fee
            units[row.symbol] -= row.units
        for row in mixed.trades[mixed.trades["date"] == date].itertuples():
            cash -= row.amount * np.sign(row.units) + row.fee
            units[row.symbol] += row.units
        closes = adjusted[market.position(date.to_numpy().astype("datetime64[D]"))]
        values = {s: count * closes[column[s]] for s, count in units.items() if abs(count) > 1e-3}
        assert cash + sum(values.values()) == pytest.approx(net_value * STUDY.initial_capital, rel=1e-9)
        if date in holdings.index:
            weights = holdings.loc[[date]].set_index("symbol")["weight"].to_dict()
            expected = {s: value / net_value / STUDY.initial_capital for s, value in values.items()}
            for symbol in column:
                assert weights.get(symbol, 0.0) == pytest.approx(expected.get(symbol, 0.0), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_mix_is_its_parts_with_less_money_until_the_first_reset(seed: int) -> None:
    mixed, results, _ = run_two(seed, reset_sessions=1000)
    values = np.mean([result.daily["net_value"] for result in results], axis=0)
    np.testing.assert_allclose(mixed.daily["net_value"], values, rtol=1e-12)
    for name, result in zip(NAMES, results, strict=True):
        own = mixed.trades[mixed.trades["part"] == name].reset_index(drop=True)
        np.testing.assert_allclose(own["amount"], result.trades["amount"] / 2, rtol=1e-12)
        assert own["restriction"].tolist() == result.trades["restriction"].tolist()


def test_costs_and_turnover_are_those_of_the_trades() -> None:
    mixed, _, _ = run_two(11, reset_sessions=9)
    fees = mixed.trades.groupby("date")["fee"].sum().add(mixed.delistings.groupby("date")["fee"].sum(), fill_value=0)
    values = mixed.daily.set_index("date")["net_value"] * STUDY.initial_capital
    daily = mixed.daily.set_index("date")["cost"]
    # Shares of slightly different equities: at the close before, at the execution prices and at the close.
    expected = (fees / values.shift()).reindex(daily.index, fill_value=0.0)
    np.testing.assert_allclose(daily, expected.fillna(0.0), rtol=0.1, atol=1e-12)


def test_parts_that_do_not_fit_are_refused() -> None:
    market = prices({"A": [10, 10, 12], "B": [10, 10, 10]})
    with pytest.raises(SimulationError, match="y and x have different sessions"):
        mix_backtests([part("x", "A", [0.1]), part("y", "B", [0.1, 0.2])], market, MixConfig(), STUDY)
    with pytest.raises(SimulationError, match="at least one"):
        mix_backtests([], market, MixConfig(), STUDY)
    with pytest.raises(ConfigurationError, match="whole_shares"):
        mix_backtests([part("x", "A", [0.1, 0.2])], market, MixConfig(), BacktestConfig(whole_shares=True))
