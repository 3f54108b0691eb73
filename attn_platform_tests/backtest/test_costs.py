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
    ],
)
def test_impossible_configuration_is_refused(wrong: dict[str, float | str]) -> None:
    with pytest.raises(ValidationError):
        BacktestConfig(**wrong)
