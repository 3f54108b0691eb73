import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.backtest.allocation import allocate
from attn_platform.backtest.costs import CostRates

FREE = np.array([True, True])


def test_first_purchase_pays_the_cost_out_of_the_money() -> None:
    # 100 buys x + y with x = y and 1.002 (x + y) = 100.
    values, scale = allocate(np.zeros(2), np.array([0.5, 0.5]), FREE, FREE, 100.0, CostRates(0.002, 0.002))
    assert values == pytest.approx([50 / 1.002, 50 / 1.002], rel=1e-15)
    assert scale == pytest.approx(100 / 1.002, rel=1e-15)


def test_switch_between_two_stocks() -> None:
    # Sell 100 of A at 1 %, leaving 99; B gets 99 / 1.02.
    values, _ = allocate(np.array([100.0, 0.0]), np.array([0.0, 1.0]), FREE, FREE, 100.0, CostRates(0.02, 0.01))
    assert values == pytest.approx([0.0, 99 / 1.02], rel=1e-15)


def test_what_cannot_be_bought_is_spread_in_proportion_to_the_targets() -> None:
    weights = np.array([0.5, 0.3, 0.2])
    buyable = np.array([False, True, True])
    values, _ = allocate(np.zeros(3), weights, buyable, np.ones(3, bool), 100.0, CostRates(0.0, 0.0))
    assert values == pytest.approx([0.0, 60.0, 40.0], rel=1e-14)


def test_what_cannot_be_sold_shrinks_the_others_in_proportion() -> None:
    # 40 of the 100 cannot be sold, so 60 instead of 100 are there for targets of 0.75 and 0.25.
    weights = np.array([0.0, 0.75, 0.25])
    sellable = np.array([False, True, True])
    values, _ = allocate(np.array([40.0, 60.0, 0.0]), weights, np.ones(3, bool), sellable, 100.0, CostRates(0.0, 0.0))
    assert values == pytest.approx([40.0, 45.0, 15.0], rel=1e-14)


def test_nothing_to_buy_leaves_cash() -> None:
    nothing = np.array([False, False])
    values, _ = allocate(np.zeros(2), np.array([0.5, 0.5]), nothing, nothing, 100.0, CostRates(0.002, 0.002))
    assert values.tolist() == [0.0, 0.0]


def test_a_limit_up_holding_below_its_target_is_kept_when_nothing_else_can_be_bought() -> None:
    values, _ = allocate(
        np.array([30.0, 20.0]), np.array([1.0, 0.0]), np.array([False, True]), FREE, 100.0, CostRates(0.002, 0.002)
    )
    assert values == pytest.approx([30.0, 0.0], rel=1e-15)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12), cash=st.sampled_from([0.0, 0.3, 50.0]))
def test_money_is_conserved_and_restrictions_hold(seed: int, count: int, cash: float) -> None:
    rng = np.random.default_rng(seed)
    held = rng.exponential(10, count) * (rng.random(count) < 0.6)
    weights = rng.dirichlet(np.ones(count)) * (rng.random(count) < 0.7)
    buyable, sellable = rng.random(count) < 0.7, rng.random(count) < 0.7
    equity = cash + held.sum()
    rates = CostRates(0.003, 0.004)
    values, scale = allocate(held, weights, buyable, sellable, equity, rates)

    traded = values - held
    spent = values.sum() + np.where(traded > 0, 0.003, 0.004) @ abs(traded)
    assert (values >= 0).all()
    assert (traded[~buyable] <= 1e-12).all()
    assert (traded[~sellable] >= -1e-12).all()
    assert spent <= equity * (1 + 1e-12)
    wanted = scale * weights
    moved = (buyable & sellable) | (buyable & (wanted > held)) | (sellable & (wanted < held))
    np.testing.assert_allclose(values[moved], wanted[moved], rtol=1e-12, atol=1e-12)
    if (buyable & (weights > 0)).any() and equity > 0:
        cash_target = scale * (1.0 - weights.sum())
        assert spent + cash_target == pytest.approx(equity, rel=1e-11)
