import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.mix import MixConfig, mix_backtests
from attn_platform.errors import SimulationError


def part(returns: list[float], turnover: float, holding_count: int) -> pd.DataFrame:
    count = len(returns) + 1
    return pd.DataFrame(
        {
            "date": pd.bdate_range("2015-01-05", periods=count),
            "net_value": np.cumprod([1.0, *(1 + np.array(returns))]),
            "return": [np.nan, *returns],
            "benchmark_return": [np.nan, *[0.01] * (count - 1)],
            "turnover": [0.0] + [turnover] * (count - 1),
            "cost": [0.0] + [turnover * 0.002] * (count - 1),
            "cash_share": [1.0] + [0.0] * (count - 1),
            "holding_count": [0] + [holding_count] * (count - 1),
        }
    )


def test_half_the_money_each_drifts_between_resets() -> None:
    mixed = mix_backtests([part([0.1, 0.2], 0.3, 5), part([0.0, -0.1], 0.1, 7)], MixConfig(), BacktestConfig())
    assert mixed["net_value"].tolist() == pytest.approx([1.0, 1.05, 0.5 * 1.32 + 0.5 * 0.9], rel=1e-14)
    assert mixed["excess_return"].tolist()[1:] == pytest.approx([0.04, 1.11 / 1.05 - 1.01], rel=1e-12)
    assert mixed["turnover"].tolist() == pytest.approx([0.0, 0.2, (0.55 * 0.3 + 0.5 * 0.1) / 1.05], rel=1e-13)
    assert mixed["cost"].tolist() == pytest.approx((mixed["turnover"] * 0.002).tolist(), rel=1e-13)
    assert mixed["holding_count"].tolist() == [0, 12, 12]


def test_a_reset_moves_the_difference_and_pays_for_it() -> None:
    mixed = mix_backtests(
        [part([0.1, 0.2], 0.0, 5), part([0.0, 0.0], 0.0, 7)], MixConfig(reset_sessions=1), BacktestConfig()
    )
    # 0.55 and 0.50: x with 0.55 - s = 0.50 + b = x, s (1 - 0.002) = b (1 + 0.002).
    kept = (0.55 * 0.998 + 0.5 * 1.002) / 2
    assert mixed["net_value"].iloc[1] == pytest.approx(2 * kept, rel=1e-14)
    assert mixed["turnover"].iloc[1] == pytest.approx((0.55 - kept + kept - 0.5) / 1.05, rel=1e-12)
    assert mixed["cost"].iloc[1] == pytest.approx(1 - 2 * kept / 1.05, rel=1e-9)


def test_without_costs_the_mix_is_the_mean_when_reset_every_session() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.normal(0, 0.02, 50).tolist() for _ in range(2))
    mixed = mix_backtests(
        [part(a, 0.0, 1), part(b, 0.0, 1)], MixConfig(reset_sessions=1), BacktestConfig(cost_per_side=0.0)
    )
    np.testing.assert_allclose(mixed["return"][1:], (np.array(a) + np.array(b)) / 2, atol=1e-14)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SimulationError, match="different sessions"):
        mix_backtests([part([0.1], 0.1, 1), part([0.1, 0.2], 0.1, 1)], MixConfig(), BacktestConfig())
    with pytest.raises(SimulationError, match="at least one"):
        mix_backtests([], MixConfig(), BacktestConfig())
