import numpy as np
import pandas as pd
import pytest
from scipy import stats

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.composite_factor import composite_factor_figures
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.cross_sections import align_cross_sections
from attn_platform.published.reader import published_table

FACTOR_TABLES = (
    "ai69_exhibit10_factor_metrics",
    "ai69_exhibit22_factor_metrics",
    "ai69_exhibit34_factor_metrics_ensemble",
    "ai55_exhibit20_factor_metrics",
)


def panel(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    predictions = rng.normal(size=(30, 80))
    returns = 0.01 * predictions + rng.normal(0, 0.05, size=(30, 80))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    return predictions, returns


@pytest.mark.parametrize("table", FACTOR_TABLES)
def test_the_keys_are_the_columns_of_the_published_tables(table: str) -> None:
    columns = [name for name in published_table(table).columns if name not in ("model", "horizon")]
    assert list(composite_factor_figures(*panel(0), horizon=10)) == columns


def test_figures_equal_a_loop_with_scipy() -> None:
    predictions, returns = panel(1)
    figures = composite_factor_figures(predictions, returns, horizon=20)
    ics, rank_ics, tops, bottoms, means, right_top, right_bottom = [], [], [], [], [], [], []
    for p, r in zip(predictions, returns, strict=True):
        known = ~np.isnan(r)
        ics.append(stats.pearsonr(p[known], r[known]).statistic)
        rank_ics.append(stats.spearmanr(p[known], r[known]).statistic)
        order = np.argsort(-p)
        top, bottom = r[order[:8]], r[order[-8:]]
        top, bottom, median = top[~np.isnan(top)], bottom[~np.isnan(bottom)], np.median(r[known])
        tops.append(np.log(1 + top.mean()))
        bottoms.append(np.log(1 + bottom.mean()))
        means.append(np.log(1 + r[known].mean()))
        right_top.append((top > median).mean())
        right_bottom.append((bottom < median).mean())
    top_annual, bottom_annual, benchmark = (np.exp(252 / 20 * np.mean(x)) - 1 for x in (tops, bottoms, means))
    expected = {
        "ic_mean": np.mean(ics),
        "rank_ic_mean": np.mean(rank_ics),
        "icir": np.mean(ics) / np.std(ics, ddof=1),
        "rank_icir": np.mean(rank_ics) / np.std(rank_ics, ddof=1),
        "top_precision": np.mean(right_top),
        "bottom_precision": np.mean(right_bottom),
        "top_annual_return": top_annual,
        "bottom_annual_return": bottom_annual,
        "long_short_annual_return": (top_annual - bottom_annual) / 2,
        "benchmark_annual_return": benchmark,
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-11)


def test_tidy_frames_give_the_figures_of_the_arrays() -> None:
    predictions, returns = panel(2)
    days = pd.bdate_range("2020-01-01", periods=30)
    symbols = [f"{i:06d}.SZ" for i in range(80)]
    tidy = {
        name: pd.DataFrame({"date": np.repeat(days, 80), "symbol": symbols * 30, name: values.ravel()}).sample(
            frac=1.0, random_state=0
        )
        for name, values in (("prediction", predictions), ("return", returns))
    }
    aligned = align_cross_sections(tidy["prediction"], tidy["return"])
    figures = composite_factor_figures(aligned.predictions, aligned.returns, horizon=10)
    assert figures == composite_factor_figures(predictions, returns, horizon=10)


def test_a_perfect_forecast() -> None:
    rng = np.random.default_rng(3)
    returns = rng.normal(0, 0.05, size=(10, 50))
    figures = composite_factor_figures(returns, returns, 10, EvaluationConfig(layers=5))
    for name in (
        "ic_mean",
        "rank_ic_mean",
        "weighted_ic_mean",
        "weighted_rank_ic_mean",
        "top_precision",
        "bottom_precision",
    ):
        assert figures[name] == pytest.approx(1.0, abs=1e-12)
    assert figures["top_annual_return"] > figures["benchmark_annual_return"] > figures["bottom_annual_return"]


def test_nothing_to_evaluate_is_said() -> None:
    with pytest.raises(MissingDataError, match="no session"):
        composite_factor_figures(np.full((3, 4), np.nan), np.ones((3, 4)), 10)
