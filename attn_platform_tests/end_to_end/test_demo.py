"""A newcomer's first run shows that the platform finds what was planted in the demo's market.

The planted signals themselves, and a linear regression on six plain features, measured with pandas on the raw tables;
then the three reports at the end of the pipeline. That each kind of signal is planted as strong as it says is quickly
tested in `market/test_simulation_signals.py`, on a smaller market.
"""

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.simulation import SignalStrengths
from attn_platform.studies.pages import page_file
from attn_platform.studies.settings import Home, profile_settings
from attn_platform_tests.market.test_simulation_signals import Panel, spearman
from attn_platform_tests.pipelines import instance_of, run_pipeline

FIRST_TEST, LAST_TEST, LAST_TRAINED = "2022-06-02", "2023-06-13", "2022-05-01"
pytestmark = pytest.mark.slow
REPORTS = ("multi_task_baseline_10d", "multi_task_baseline_20d", "multi_task_baseline_10d_20d")


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel(profile_settings("demo").source.simulation)


def mean_rank_ic(panel: Panel, values: pd.DataFrame) -> float:
    """RankIC with the return over ten sessions, mean over the test range, on stocks in normal trading."""
    tested = pd.DatetimeIndex(values.index).slice_indexer(FIRST_TEST, LAST_TEST)
    usable = (panel.field("trading_status") == "normal") & (panel.field("volume") > 0)
    return spearman(values.where(usable).iloc[tested], panel.label[10].iloc[tested]).mean()


def test_every_signal_is_planted_and_the_best_forecast_of_them_is_strong(panel: Panel) -> None:
    """A forecast that knew them all would have a RankIC of about 12 %, twice what the reports show."""
    strengths = profile_settings("demo").source.simulation.signals.model_dump()
    seen_by_trades = {"informed"}  # of which the demo has none
    planted = {name for name, strength in strengths.items() if strength > 0}
    assert planted == set(SignalStrengths.model_fields) - seen_by_trades
    assert 0.10 < mean_rank_ic(panel, panel.signals["composite"]) < 0.14
    for name in planted:
        assert mean_rank_ic(panel, panel.signals[name]) > 0.03, name


def test_a_plain_regression_finds_its_share(panel: Panel) -> None:
    """Reversal, turnover, volatility, value and winners that trade much: ranks, least squares up to a month before."""
    month, week, turnover = panel.returns.rolling(21).sum(), panel.returns.rolling(5).sum(), panel.turnover
    features = [
        week,
        month,
        turnover.rolling(21).mean(),
        panel.returns.rolling(21).std(),
        1 / panel.field("pb_lf", "valuation"),
    ]
    ranks = [frame.rank(axis=1, pct=True) - 0.5 for frame in features]
    ranks.append(ranks[1] * ranks[2])
    label = panel.label[10].rank(axis=1, pct=True) - 0.5
    trained = pd.DatetimeIndex(label.index) <= LAST_TRAINED
    X = np.column_stack([frame[trained].to_numpy().ravel() for frame in ranks])
    y = label[trained].to_numpy().ravel()
    known = np.isfinite(X).all(axis=1) & np.isfinite(y)
    coefficients = np.linalg.lstsq(X[known], y[known], rcond=None)[0]
    forecast = sum(weight * frame for weight, frame in zip(coefficients, ranks, strict=True))
    assert 0.06 < mean_rank_ic(panel, forecast) < 0.11


def test_the_reports_of_the_demo_convince(tmp_path) -> None:
    home = Home(tmp_path / "demo", profile_settings("demo"))
    home.save()
    with instance_of(home) as instance:
        run_pipeline(home, instance)
    for report in REPORTS:
        tables = page_file(home, report).parent / "tables"
        figures = {
            name: pd.read_csv(tables / f"{name}.csv").set_index("figure")["value"]
            for name in ("factor_figures", "performance")
        }
        assert 0.05 < figures["factor_figures"]["rank_ic_mean"] < 0.08, report
        assert figures["performance"]["information_ratio"] > 1.5, report
        assert figures["performance"]["excess_annual_return"] > 0.10, report
        excess = pd.read_csv(tables / "daily.csv")["excess_net_value"]
        quarters = excess.iloc[np.linspace(0, len(excess) - 1, 5).astype(int)]
        assert (quarters.diff().dropna() > 0).all(), f"{report}: the curve does not rise in every quarter of the range"
        known = pd.read_csv(tables / "planted_signals.csv").set_index("signal").loc["all known", "rank_ic_mean"]
        assert figures["factor_figures"]["rank_ic_mean"] < known < 0.16
        page = page_file(home, report).read_text(encoding="utf-8")
        assert "signals planted in its returns (linear 10.0 bp" in page
