import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from attn_platform.portfolio.explanation.reasons import REASONS
from attn_platform.reports import drawing, figures
from attn_platform.reports.contents import ExposureLimits
from attn_platform.reports.scripts import data_script
from attn_platform_tests.reports.sample import ASSIGNS, numbers, strategy_report_data, with_dates

PALETTE = drawing.PALETTES["neutral"]


def test_drawdown_counts_the_start_as_a_maximum_and_skips_the_base() -> None:
    daily = strategy_report_data(sessions=4).daily
    daily["return"] = [np.nan, -0.1, 0.2, -0.5]
    figure = figures.net_value_figure(daily, "CSI 500", PALETTE)
    drawdown = next(trace for trace in figure.data if trace.name == "Drawdown")
    np.testing.assert_allclose(drawdown.y, [np.nan, -0.1, 0.0, -0.5], atol=1e-7)


def test_cumulative_sum_skips_missing_sessions() -> None:
    dates = pd.bdate_range("2021-01-04", periods=4)
    figure = figures.cumulative_figure({"RankIC": pd.Series([0.1, np.nan, 0.2, -0.05], dates)}, "Sum")
    np.testing.assert_allclose(figure.data[0].y, [0.1, np.nan, 0.3, 0.25], rtol=1e-6)
    assert list(figure.data[0].x) == ["2021-01-04", "2021-01-05", "2021-01-06", "2021-01-07"]


def test_industry_extremes_name_the_industry() -> None:
    dates = pd.bdate_range("2021-01-04", periods=3)
    exposures = pd.DataFrame({"A": [0.01, np.nan, -0.02], "<B>": [-0.005, np.nan, 0.0]}, index=dates)
    figure = figures.industry_extremes_figure(exposures, 0.01, PALETTE)
    over, under = figure.data
    np.testing.assert_allclose(over.y, [0.01, 0.0])
    np.testing.assert_allclose(under.y, [-0.005, -0.02], rtol=1e-6)
    assert list(over.text) == ["A", "&lt;B&gt;"]
    assert list(under.text) == ["&lt;B&gt;", "A"]


def test_limits_are_drawn_where_they_are() -> None:
    data = strategy_report_data()
    industry = figures.industry_extremes_figure(data.industry_exposures, 0.01, PALETTE)
    assert sorted(shape.y0 for shape in industry.layout.shapes) == [-0.01, 0.01]
    styles = figures.style_exposures_figure(data.style_exposures, data.limits)
    by_panel = {(shape.yref, shape.y0) for shape in styles.layout.shapes}
    assert by_panel == {("y", 0.01), ("y", -0.01), ("y2", 0.2), ("y2", -0.2)}
    turnover = figures.trading_figure(data.rebalances, data.daily["cost"], 0.15, PALETTE)
    assert [(shape.yref, shape.y0, shape.y1) for shape in turnover.layout.shapes] == [("y", 0.15, 0.15)]


def test_no_limit_draws_none_and_a_neutral_style_one_line() -> None:
    data = strategy_report_data()
    assert not figures.industry_extremes_figure(data.industry_exposures, None, PALETTE).layout.shapes
    limits = ExposureLimits(industry=None, styles={"bp": 0.0}, one_way_turnover=None)
    shapes = figures.style_exposures_figure(data.style_exposures, limits).layout.shapes
    assert [(shape.yref, shape.y0) for shape in shapes] == [("y2", 0.0)]


def test_binding_limits_show_which_side_binds_when() -> None:
    data = strategy_report_data()
    heatmap = figures.binding_limits_figure(data.limit_states, PALETTE).data[0]
    assert list(heatmap.y) == ["Turnover", "Style bp", "Industry 银行"], "the most frequent first; one never binds"
    assert list(heatmap.x) == [f"{date:%Y-%m-%d}" for date in data.rebalances.index]
    sides = np.array(heatmap.z)
    assert np.isnan(sides[0, 0])
    assert (sides[0, 1:] == 1).all()
    assert sides[1].tolist() == [-1 if at % 2 == 0 else 0 for at in range(len(data.rebalances))]
    assert sides[2].tolist() == [1 if at % 4 == 0 else 0 for at in range(len(data.rebalances))]
    assert heatmap.customdata[1][0] == pytest.approx(-0.0246)


def test_stocks_are_counted_by_reason() -> None:
    data = strategy_report_data()
    lines = {trace.name: trace for trace in figures.stock_reasons_figure(data.stock_reasons).data}
    assert lines["at its upper limit"].y.tolist() == data.stock_reasons["at its upper limit"].tolist()
    assert lines["between its limits"].y.tolist() == [20] * len(data.rebalances)


def test_limits_lie_inside_the_panels() -> None:
    exposures = pd.DataFrame({"size": [0.001, -0.03]}, index=pd.bdate_range("2021-01-04", periods=2))
    figure = figures.style_exposures_figure(exposures, ExposureLimits(None, {"size": 0.01}, None))
    low, high = figure.layout.yaxis.range
    assert low < -0.03
    assert high > 0.03


def test_relaxed_rebalances_stand_out() -> None:
    data = strategy_report_data()
    figure = figures.trading_figure(data.rebalances, data.daily["cost"], 0.15, PALETTE)
    traces = {trace.name: trace for trace in figure.data}
    relaxed = data.rebalances["relaxed"] != ""
    assert 0 < relaxed.sum() < len(relaxed)
    np.testing.assert_allclose(traces["Relaxed"].y, data.rebalances.loc[relaxed, "one_way_turnover"], rtol=1e-6)
    assert len(traces["One-way turnover"].y) == (~relaxed).sum()
    np.testing.assert_allclose(traces["Cumulative cost"].y[-1], sum(data.daily["cost"]), rtol=1e-6)


def test_layers_run_from_gain_to_loss_and_name_their_ends() -> None:
    figure = figures.layers_figure(strategy_report_data().layers, PALETTE)
    assert figure.data[0].name == "Layer 1 (top)"
    assert figure.data[-1].name == "Layer 10 (bottom)"
    assert figure.data[0].line.color == PALETTE.gain_colour
    assert figure.data[-1].line.color == PALETTE.loss_colour


def test_layer_returns_take_the_colour_of_their_sign() -> None:
    returns = pd.Series([0.2, -0.1], index=["layer_1", "layer_10"])
    bars, universe = figures.layer_returns_figure(returns, 0.06, drawing.PALETTES["a_share"]).data
    assert list(bars.x) == ["1", "10"]
    assert list(bars.marker.color) == ["rgba(211,77,77,1)", "rgba(46,155,107,1)"]
    assert list(universe.y) == [0.06, 0.06]
    assert len(figures.layer_returns_figure(returns, float("nan"), PALETTE).data) == 1


def test_heatmap_shows_industries_by_row_on_a_symmetric_scale() -> None:
    data = strategy_report_data()
    heatmap = figures.industry_heatmap_figure(data.industry_exposures, PALETTE).data[0]
    assert list(heatmap.y) == list(data.industry_exposures.columns)
    np.testing.assert_allclose(heatmap.z, data.industry_exposures.to_numpy().T, rtol=1e-6)
    assert heatmap.zmax == -heatmap.zmin == pytest.approx(np.abs(data.industry_exposures.to_numpy()).max())


@pytest.mark.parametrize("exposures", [np.zeros((2, 2)), np.full((2, 2), np.nan)])
def test_heatmap_of_nothing_has_a_scale(exposures: np.ndarray) -> None:
    frame = pd.DataFrame(exposures, index=pd.bdate_range("2021-01-04", periods=2), columns=["a", "b"])
    assert figures.industry_heatmap_figure(frame, PALETTE).data[0].zmax == 1.0


def test_a_few_sessions_get_one_tick_each() -> None:
    figure = figures.excess_net_value_figure(strategy_report_data(sessions=3).daily, PALETTE)
    assert list(figure.layout.xaxis.tickvals) == ["2021-11-15", "2021-11-16", "2021-11-17"]
    assert figure.data[0].mode == "lines+markers"


def figures_of(script: str) -> dict[str, Any]:
    return with_dates(json.loads(script.removeprefix(ASSIGNS).rstrip(";\n")))


@pytest.mark.parametrize("count", [len(REASONS), 30])
def test_no_two_reasons_look_alike(count: int) -> None:
    dates = pd.bdate_range("2021-01-04", periods=3)
    names = [*REASONS, *(f"reason {k}" for k in range(count - len(REASONS)))]
    figure = figures.stock_reasons_figure(pd.DataFrame(1, index=dates, columns=names))
    looks = [(trace.line.color, trace.line.dash) for trace in figure.data]
    assert len(set(looks)) == len(looks) == count


def test_more_series_than_looks_are_refused() -> None:
    with pytest.raises(ValueError, match="31 series in one figure; 30"):
        drawing.series_looks(31)


def test_json_cannot_end_a_script_element() -> None:
    exposures = pd.DataFrame({"</script><b>&": [0.1]}, index=pd.bdate_range("2021-01-04", periods=1))
    text = data_script({"a": drawing.plain_figure(figures.industry_heatmap_figure(exposures, PALETTE))}, {})
    assert not set("<>&") & set(text)
    assert figures_of(text)["a"]["data"][0]["y"] == ["&lt;/script&gt;&lt;b&gt;&amp;"]


def test_json_holds_missing_values_that_a_browser_can_read() -> None:
    daily = strategy_report_data(sessions=30).daily
    daily.loc[daily.index[3], "net_value"] = np.nan
    text = data_script({"a": drawing.plain_figure(figures.net_value_figure(daily, "CSI 500", PALETTE))}, {})
    assert "NaN" not in text
    strategy = next(trace for trace in figures_of(text)["a"]["data"] if trace["name"] == "Strategy")
    np.testing.assert_allclose(numbers(strategy["y"]), daily["net_value"], rtol=1e-6)
