"""Interactive figures of the strategy reports: functions from frames to plotly figures.

Vendor text (industries, styles) is escaped, since plotly reads a little markup in labels.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.evaluation.performance import drawdowns
from attn_platform.reports.contents import ExposureLimits, is_relaxed
from attn_platform.reports.drawing import (
    FEW_DATES,
    LINE_WIDTH,
    MAIN_COLOUR,
    MARKER_SIZE,
    QUIET_COLOUR,
    THIN_LINE_WIDTH,
    Palette,
    area,
    colour_bar,
    dates,
    diverging_scale,
    escape,
    line,
    numbers,
    panels,
    rgba,
    series_looks,
    sign_colours,
    with_date_axis,
)
from attn_platform.reports.formatting import label, limit_name

_LIMIT = "#a08060"
_MIDDLE_GREY = (150, 155, 162)
_RANGE_AIR = 1.15


def net_value_figure(daily: pd.DataFrame, benchmark: str, palette: Palette) -> go.Figure:
    """Net value of strategy and benchmark over the strategy's drawdown; `daily` as in `StrategyReportData`."""
    figure = panels([0.7, 0.3], height=430)
    figure.add_trace(line(daily["benchmark_net_value"], escape(benchmark), QUIET_COLOUR), row=1, col=1)
    figure.add_trace(line(daily["net_value"], "Strategy", MAIN_COLOUR), row=1, col=1)
    figure.add_trace(area(-drawdowns(daily["return"]), "Drawdown", palette.loss), row=2, col=1)
    _with_value_axes(figure, "Net value")
    return with_date_axis(figure, daily.index)


def excess_net_value_figure(daily: pd.DataFrame, palette: Palette) -> go.Figure:
    """Excess net value, Π(1 + r_p − r_b), over its drawdown; `daily` as in `StrategyReportData`."""
    figure = panels([0.7, 0.3], height=430)
    figure.add_trace(line(daily["excess_net_value"], "Excess net value", MAIN_COLOUR), row=1, col=1)
    figure.add_trace(area(-drawdowns(daily["excess_return"]), "Drawdown", palette.loss), row=2, col=1)
    _with_value_axes(figure, "Excess net value")
    return with_date_axis(figure, daily.index)


def layers_figure(layers: pd.DataFrame, palette: Palette) -> go.Figure:
    """Net value of each layer relative to the universe: `layers` [session] × layer, the top layer first."""
    figure = panels([1.0], height=430)
    last = len(layers.columns) - 1
    for position, layer in enumerate(layers.columns):
        name = label(str(layer)) + {0: " (top)", last: " (bottom)"}.get(position, "")
        colour = _rank_colour(position / max(last, 1), palette)
        figure.add_trace(line(layers[layer], name, colour), row=1, col=1)
    figure.update_layout(hovermode="closest", legend={"y": -0.1, "yanchor": "top"})
    figure.update_yaxes(title_text="Relative net value", tickformat=".4~f", zeroline=False)
    return with_date_axis(figure, layers.index)


def layer_returns_figure(annual_returns: pd.Series, universe_return: float, palette: Palette) -> go.Figure:
    """Annual return of each layer as bars, with the equally weighted universe as a dashed line."""
    names = [label(str(layer)).removeprefix("Layer ") for layer in annual_returns.index]
    figure = panels([1.0], height=430)
    bars = go.Bar(
        x=names,
        y=numbers(annual_returns),
        name="Layer",
        marker={"color": sign_colours(annual_returns, palette)},
        hovertemplate="Layer %{x}: %{y:.1%}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=1, col=1)
    if np.isfinite(universe_return):
        universe = go.Scatter(
            x=names,
            y=[universe_return] * len(names),
            name="Equally weighted universe",
            mode="lines",
            line={"color": QUIET_COLOUR, "dash": "dash", "width": LINE_WIDTH},
            hovertemplate="Universe: %{y:.1%}<extra></extra>",
        )
        figure.add_trace(universe, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="category", title_text="Layer")
    figure.update_yaxes(title_text="Annual return", tickformat=".0%")
    return figure


def cumulative_figure(series: Mapping[str, pd.Series], axis_title: str) -> go.Figure:
    """Cumulative sums of daily series (RankIC, weighted RankIC), by legend name; a missing session adds nothing."""
    figure = panels([1.0], height=470)
    for look, (name, values) in zip(series_looks(len(series)), series.items(), strict=True):
        trace = line(values.cumsum(), name, look.colour)
        trace.line.dash = look.dash
        figure.add_trace(trace, row=1, col=1)
    figure.update_yaxes(title_text=axis_title, tickformat="~g")
    return with_date_axis(figure, next(iter(series.values())).index)


def industry_extremes_figure(exposures: pd.DataFrame, limit: float | None, palette: Palette) -> go.Figure:
    """Largest active over- and underweight of any industry on each date, with the limit; hover names the industry."""
    exposures = exposures.dropna(how="all")
    figure = panels([1.0], height=330)
    sides = (
        ("Largest overweight", exposures.max(axis=1), exposures.idxmax(axis=1), palette.gain_colour),
        ("Largest underweight", exposures.min(axis=1), exposures.idxmin(axis=1), palette.loss_colour),
    )
    for name, values, industries, colour in sides:
        trace = line(values, name, colour)
        trace.text = [escape(str(industry)) for industry in industries]
        trace.hovertemplate = "%{y:.2%} %{text}"
        figure.add_trace(trace, row=1, col=1)
    _add_two_sided_limit(figure, limit, row=1, in_legend=True)
    figure.update_yaxes(
        title_text="Active weight", tickformat=".3~p", range=_symmetric_range(exposures.to_numpy(np.float64), limit)
    )
    return with_date_axis(figure, exposures.index)


def industry_heatmap_figure(exposures: pd.DataFrame, palette: Palette) -> go.Figure:
    """Active weight of every industry (rows) over time (columns)."""
    values = exposures.to_numpy(dtype=np.float64).T
    finite = np.abs(values[np.isfinite(values)])
    scale = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    figure = panels([1.0], height=130 + 21 * len(exposures.columns))
    heatmap = go.Heatmap(
        x=dates(exposures.index),
        y=[escape(str(industry)) for industry in exposures.columns],
        z=values.astype(np.float32),
        zmin=-scale,
        zmax=scale,
        colorscale=diverging_scale(palette),
        colorbar=colour_bar([-scale, 0.0, scale], ".1%"),
        hovertemplate="%{y}<br>%{x|%Y-%m-%d}: %{z:.2%}<extra></extra>",
    )
    figure.add_trace(heatmap, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", automargin=True, dtick=1)
    return with_date_axis(figure, exposures.index)


def style_exposures_figure(exposures: pd.DataFrame, limits: ExposureLimits) -> go.Figure:
    """Active style exposures over time, one panel a style, each with its own limit."""
    styles = [str(style) for style in exposures.columns]
    figure = panels([1.0] * len(styles), height=90 + 150 * len(styles), titles=[escape(label(s)) for s in styles])
    for row, style in enumerate(styles, start=1):
        trace = line(exposures[style].dropna(), escape(label(style)), MAIN_COLOUR)
        trace.showlegend = False
        figure.add_trace(trace, row=row, col=1)
        limit = limits.styles.get(style)
        _add_two_sided_limit(figure, limit, row=row, in_legend=row == 1)
        figure.update_yaxes(range=_symmetric_range(exposures[style].to_numpy(np.float64), limit), row=row, col=1)
    figure.update_layout(legend={"x": 1, "xanchor": "right"})
    figure.update_yaxes(tickformat="~g", nticks=5)
    return with_date_axis(figure, exposures.index)


def binding_limits_figure(states: pd.DataFrame, palette: Palette) -> go.Figure:
    """Which limits bind on each rebalance: `states` as in `StrategyReportData`, one row a limit that ever binds.

    The colour of gains marks a limit that binds from above, that of losses one that binds from below.
    """
    named = states.assign(
        limit=[limit_name(kind, name) for kind, name in zip(states["kind"], states["name"], strict=True)]
    )
    prices = named.pivot(index="limit", columns="date", values="price")
    prices = prices.loc[(prices.fillna(0.0) != 0).any(axis=1)]
    often = prices.fillna(0.0).ne(0).sum(axis=1).sort_values(ascending=False, kind="stable")
    prices = prices.loc[often.index]
    figure = panels([1.0], height=110 + 19 * len(prices))
    heatmap = go.Heatmap(
        x=dates(prices.columns),
        y=[escape(str(limit)) for limit in prices.index],
        z=np.sign(prices.to_numpy(dtype=np.float64)).astype(np.float32),
        customdata=prices.to_numpy(dtype=np.float64).astype(np.float32),
        zmin=-1,
        zmax=1,
        colorscale=[[0.0, palette.loss_colour], [0.5, rgba(palette.gain, 0.0)], [1.0, palette.gain_colour]],
        showscale=False,
        hovertemplate="%{y}<br>%{x|%Y-%m-%d}: price %{customdata:.4~g}<extra></extra>",
    )
    figure.add_trace(heatmap, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", automargin=True, dtick=1)
    return with_date_axis(figure, prices.columns)


def stock_reasons_figure(reasons: pd.DataFrame) -> go.Figure:
    """How many stocks of the target have their weight for which reason, over time; `reasons` [rebalance] × reason."""
    figure = panels([1.0], height=360)
    for look, reason in zip(series_looks(len(reasons.columns)), reasons.columns, strict=True):
        trace = line(reasons[reason], escape(str(reason)), look.colour)
        trace.line.dash = look.dash
        figure.add_trace(trace, row=1, col=1)
    figure.update_layout(legend={"y": -0.12, "yanchor": "top"})
    figure.update_yaxes(title_text="Stocks", rangemode="tozero", tickformat="~g")
    return with_date_axis(figure, reasons.index)


def trading_figure(rebalances: pd.DataFrame, daily_cost: pd.Series, limit: float | None, palette: Palette) -> go.Figure:
    """One-way turnover of each rebalance with its limit, over the cumulative cost of the test range.

    Rebalances on which a limit was relaxed stand out; `rebalances` as in `StrategyReportData`.
    """
    figure = panels([0.6, 0.4], height=430)
    relaxed = is_relaxed(rebalances)
    kinds = (
        ("One-way turnover", rebalances[~relaxed], MAIN_COLOUR),
        ("Relaxed", rebalances[relaxed], palette.loss_colour),
    )
    for name, group, colour in kinds:
        if group.empty:
            continue
        markers = go.Scatter(
            x=dates(group.index),
            y=numbers(group["one_way_turnover"]),
            name=name,
            mode="markers",
            marker={"color": colour, "size": MARKER_SIZE},
            hovertemplate="%{y:.2%}",
        )
        figure.add_trace(markers, row=1, col=1)
    _add_limit(figure, limit, row=1, in_legend=True)
    figure.add_trace(area(daily_cost.cumsum(), "Cumulative cost", palette.loss), row=2, col=1)
    figure.update_yaxes(title_text="One-way turnover", tickformat=".0%", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="Cumulative cost", tickformat=".3~p", nticks=4, row=2, col=1)
    if len(daily_cost) > FEW_DATES:
        # Markers make plotly pad the axis, and then it no longer lines up with those of the other figures.
        figure.update_xaxes(range=[dates(daily_cost.index[:1])[0], dates(daily_cost.index[-1:])[0]])
    return with_date_axis(figure, daily_cost.index)


def _with_value_axes(figure: go.Figure, title: str) -> None:
    figure.update_yaxes(title_text=title, tickformat=".4~f", zeroline=False, row=1, col=1)
    figure.update_yaxes(title_text="Drawdown", tickformat=".3~p", nticks=4, row=2, col=1)


def _add_limit(figure: go.Figure, limit: float | None, row: int, in_legend: bool) -> None:
    """Draw a limit across a panel; None is no limit."""
    if limit is None:
        return
    figure.add_hline(
        y=limit,
        line={"color": _LIMIT, "dash": "dash", "width": THIN_LINE_WIDTH},
        name="Limit",
        showlegend=in_legend,
        row=row,
        col=1,
    )


def _add_two_sided_limit(figure: go.Figure, limit: float | None, row: int, in_legend: bool) -> None:
    _add_limit(figure, limit, row, in_legend)
    if limit:
        _add_limit(figure, -limit, row, in_legend=False)


def _symmetric_range(values: np.ndarray, limit: float | None) -> list[float] | None:
    """Range of an axis around 0 that leaves air outside of values and limit; None where there is nothing to span."""
    largest = max(np.abs(values[np.isfinite(values)]).max(initial=0.0), limit or 0.0)
    return [-_RANGE_AIR * largest, _RANGE_AIR * largest] if largest > 0 else None


def _rank_colour(place: float, palette: Palette) -> str:
    """Colour of a layer at `place` from 0 (top, gain colour) through grey to 1 (bottom, loss colour)."""
    end, share = (palette.gain, 1 - 2 * place) if place < 0.5 else (palette.loss, 2 * place - 1)
    mixed = tuple(round(g + (e - g) * share) for g, e in zip(_MIDDLE_GREY, end, strict=True))
    return rgba((mixed[0], mixed[1], mixed[2]), 1.0)
