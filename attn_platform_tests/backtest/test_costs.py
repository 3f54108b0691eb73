import numpy as np
import pytest
from pydantic import ValidationError

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import CostRates, cost_rates
from attn_platform.errors import ConfigurationError


def test_the_studies_pay_a_flat_rate_a_side() -> None:
    assert cost_rates(BacktestConfig(), np.datetime64("2003-01-02")) == CostRates(0.002, 0.002)


@pytest.mark.parametrize(
    ("session", "buy", "sell"),
    [
        ("2007-05-30", 0.003, 0.003),
        ("2008-04-23", 0.003, 0.003),
        ("2008-04-24", 0.001, 0.001),
        ("2008-09-18", 0.001, 0.001),
        ("2008-09-19", 0.0, 0.001),
        ("2023-08-25", 0.0, 0.001),
        ("2023-08-28", 0.0, 0.0005),
    ],
)
def test_stamp_duty_of_the_day_comes_on_top(session: str, buy: float, sell: float) -> None:
    rates = cost_rates(BacktestConfig(cost_per_side=0.0005, stamp_duty=True), np.datetime64(session))
    assert (rates.buy, rates.sell) == pytest.approx((0.0005 + buy, 0.0005 + sell), abs=1e-15)


def test_stamp_duty_before_the_table_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="2007-05-30"):
        cost_rates(BacktestConfig(stamp_duty=True), np.datetime64("2007-05-29"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost_per_side": -0.1},
        {"delisting_recovery": 1.5},
        {"volume_cap": 0.0},
        {"unfilled": "keep"},
        {"bonus_threshold": 1.0},
        {"cost": 0.1},
        {"minimum_commission": -1.0},
        {"transfer_fee": "today's"},
        {"transfer_fee": -0.1},
        {"limit_board": "open"},
    ],
)
def test_impossible_configuration_is_refused(wrong: dict[str, float | str]) -> None:
    with pytest.raises(ValidationError):
        BacktestConfig(**wrong)


def test_the_broker_has_a_least_commission_and_the_state_none() -> None:
    """0.1 % commission of at least 5, 0.05 % charges on both sides and 0.1 % duty on sales."""
    rates = CostRates(buy=0.0015, sell=0.0025, buy_charges=0.0005, sell_charges=0.0015, minimum=5.0)
    costs = rates.order_costs(np.array([10_000.0, 1_000.0, -10_000.0, -1_000.0, 0.0]))
    assert costs.tolist() == pytest.approx([10 + 5, 5 + 0.5, 10 + 15, 5 + 1.5, 0.0])
    assert CostRates(0.002, 0.002).order_costs(np.array([100.0, -50.0])).tolist() == [0.2, 0.1]


@pytest.mark.parametrize(
    ("session", "rate"), [("2015-08-03", 0.00002), ("2022-04-28", 0.00002), ("2022-04-29", 0.00001)]
)
def test_transfer_fee_of_the_day_is_paid_on_both_sides(session: str, rate: float) -> None:
    config = BacktestConfig(cost_per_side=0.0003, transfer_fee="statutory", minimum_commission=5.0)
    rates = cost_rates(config, np.datetime64(session))
    assert (rates.buy, rates.sell) == pytest.approx((0.0003 + rate, 0.0003 + rate), abs=1e-15)
    assert rates.order_costs(np.array([1_000.0])).tolist() == pytest.approx([5 + 1_000 * rate])


def test_transfer_fee_as_a_number_and_before_the_table() -> None:
    rates = cost_rates(BacktestConfig(transfer_fee=0.0001), np.datetime64("2003-01-02"))
    assert (rates.buy, rates.sell) == pytest.approx((0.0021, 0.0021))
    with pytest.raises(ConfigurationError, match=r"transfer_fee.*2015-08-01"):
        cost_rates(BacktestConfig(transfer_fee="statutory"), np.datetime64("2015-07-31"))
