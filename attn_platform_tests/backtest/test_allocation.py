import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.backtest.allocation import affordable, allocate
from attn_platform.backtest.costs import CostRates

INF = np.inf


def test_first_purchase_pays_the_cost_out_of_the_money() -> None:
    # 100 buys x + y with x = y and 1.002 (x + y) = 100.
    values, scale = allocate(np.zeros(2), np.array([0.5, 0.5]), *free(2), 100.0, CostRates(0.002, 0.002))
    assert values == pytest.approx([50 / 1.002, 50 / 1.002], rel=1e-15)
    assert scale == pytest.approx(100 / 1.002, rel=1e-15)


def test_switch_between_two_stocks() -> None:
    # Sell 100 of A at 1 %, leaving 99; B gets 99 / 1.02.
    values, _ = allocate(np.array([100.0, 0.0]), np.array([0.0, 1.0]), *free(2), 100.0, CostRates(0.02, 0.01))
    assert values == pytest.approx([0.0, 99 / 1.02], rel=1e-15)


def test_what_cannot_be_bought_is_spread_in_proportion_to_the_targets() -> None:
    weights = np.array([0.5, 0.3, 0.2])
    upper = np.array([0.0, INF, INF])
    values, _ = allocate(np.zeros(3), weights, np.zeros(3), upper, 100.0, CostRates(0.0, 0.0))
    assert values == pytest.approx([0.0, 60.0, 40.0], rel=1e-14)


def test_what_cannot_be_sold_shrinks_the_others_in_proportion() -> None:
    # 40 of the 100 cannot be sold, so 60 instead of 100 are there for targets of 0.75 and 0.25.
    weights = np.array([0.0, 0.75, 0.25])
    lower = np.array([40.0, 0.0, 0.0])
    values, _ = allocate(np.array([40.0, 60.0, 0.0]), weights, lower, np.full(3, INF), 100.0, CostRates(0.0, 0.0))
    assert values == pytest.approx([40.0, 45.0, 15.0], rel=1e-14)


def test_minimum_commissions_are_paid_before_the_purchases_are_cut() -> None:
    """2,000 buy 1,500 and 500 at 1 %, of each at least 10: 25 are missing. Cut, the second pays the least; 2,000 are
    1.01 × 1,500 x + 500 x + 10, so x is 1,990 / 2,015."""
    rates = CostRates(0.01, 0.01, minimum=10.0)
    values = affordable(np.zeros(2), np.array([1500.0, 500.0]), 2000.0, rates)
    share = 1990 / 2015
    assert values == pytest.approx([1500 * share, 500 * share], rel=1e-14)
    assert values.sum() + rates.order_costs(values).sum() == pytest.approx(2000.0, rel=1e-14)
    # 25 pay for two commissions and next to nothing; 19 do not pay for them.
    assert affordable(np.zeros(2), np.array([50.0, 50.0]), 25.0, rates) == pytest.approx([2.5, 2.5])
    assert affordable(np.zeros(2), np.array([50.0, 50.0]), 19.0, rates).tolist() == [0.0, 0.0]


def test_nothing_to_buy_leaves_cash() -> None:
    values, _ = allocate(np.zeros(2), np.array([0.5, 0.5]), *np.zeros((2, 2)), 100.0, CostRates(0.002, 0.002))
    assert values.tolist() == [0.0, 0.0]


def test_a_limit_up_holding_below_its_target_is_kept_when_nothing_else_can_be_bought() -> None:
    held, upper = np.array([30.0, 20.0]), np.array([30.0, INF])
    values, _ = allocate(held, np.array([1.0, 0.0]), np.zeros(2), upper, 100.0, CostRates(0.002, 0.002))
    assert values == pytest.approx([30.0, 0.0], rel=1e-15)


def test_what_the_cap_leaves_is_spread_in_proportion_to_the_targets() -> None:
    # A can be bought for 10 more only, so B and C get the other 60 of the 100 as 1 to 2.
    values, scale = allocate(
        np.array([30.0, 0.0, 0.0]),
        np.array([0.7, 0.1, 0.2]),
        np.zeros(3),
        np.array([40.0, INF, INF]),
        100.0,
        CostRates(0.0, 0.0),
    )
    assert values == pytest.approx([40.0, 20.0, 40.0], rel=1e-14)
    assert scale == pytest.approx(200.0, rel=1e-14)


def test_what_has_to_be_sold_is_sold_whatever_its_target() -> None:
    # All 50 of A go at 1 %, leaving 49.5 for B at 2 %.
    values, _ = allocate(
        np.array([50.0, 0.0]), np.array([0.5, 0.5]), *np.array([[0, 0], [0, INF]]), 50.0, CostRates(0.02, 0.01)
    )
    assert values == pytest.approx([0.0, 49.5 / 1.02], rel=1e-14)


def test_purchases_are_cut_to_the_money() -> None:
    # 10 in cash and 20 × 0.99 from the sale pay for 29.8 / 1.02 of the 60 wanted.
    held, wanted = np.array([20.0, 0.0, 5.0]), np.array([0.0, 40.0, 25.0])
    values = affordable(held, wanted, 10.0, CostRates(0.02, 0.01))
    bought = 29.8 / 1.02
    assert values == pytest.approx([0.0, bought * 2 / 3, 5 + bought / 3], rel=1e-14)
    assert affordable(held, wanted, 45.0, CostRates(0.02, 0.01)).tolist() == wanted.tolist()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12), cash=st.sampled_from([0.0, 0.3, 50.0]))
def test_money_is_conserved_and_restrictions_hold(seed: int, count: int, cash: float) -> None:
    rng = np.random.default_rng(seed)
    held = rng.exponential(10, count) * (rng.random(count) < 0.6)
    weights = rng.dirichlet(np.ones(count)) * (rng.random(count) < 0.7)
    # Each side is free, closed, or has room for some of it.
    lower = np.maximum(held - rng.choice([INF, 0.0, 3.0], count) * rng.random(count), 0.0)
    upper = held + rng.choice([INF, 0.0, 3.0], count) * rng.random(count)
    upper = np.where(rng.random(count) < 0.1, lower, upper)
    equity = cash + held.sum()
    rates = CostRates(0.003, 0.004)
    values, scale = allocate(held, weights, lower, upper, equity, rates)

    traded = values - held
    spent = values.sum() + np.where(traded > 0, 0.003, 0.004) @ abs(traded)
    assert (values >= lower).all()
    assert (values <= upper).all()
    assert spent <= equity * (1 + 1e-12)
    inside = (values > lower) & (values < upper)
    np.testing.assert_allclose(values[inside], scale * weights[inside], rtol=1e-12, atol=1e-12)
    at_lower, at_upper = ((values == end) & (lower < upper) for end in (lower, upper))
    assert (scale * weights[at_lower] <= lower[at_lower] + 1e-12).all()
    assert (scale * weights[at_upper] >= upper[at_upper] - 1e-12).all()
    if (np.isinf(upper) & (weights > 0)).any() and equity > 0:
        cash_target = scale * (1.0 - weights.sum())
        assert spent + cash_target == pytest.approx(equity, rel=1e-11)


def free(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(count), np.full(count, INF)
