"""Interactive figures of the factor pages: functions from the frames of a `FactorProfile` to plotly figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.evaluation.factor_profile import Histogram
from attn_platform.evaluation.factor_series import FactorSeries
from attn_platform.reports.drawing import (
    FEW_DATES,
    LINE_WIDTH,
    MAIN_COLOUR,
    MARKER_SIZE,
    QUIET_COLOUR,
    SERIES_COLOURS,
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
    sign_colours,
    with_date_axis,
)
from attn_platform.reports.formatting import number

# The band of the decay curve: an interval of about 95 %.
_STANDARD_ERRORS = 2.0
_BAND_OPACITY = 0.18
_BAR_HEIGHT = 24  # pixels a bar of a list, and a row of the matrix
_MATRIX_CELL = 15


def yearly_rank_ic_figure(yearly: pd.DataFrame, palette: Palette) -> go.Figure:
    """Mean RankIC of each year as bars, its t-value at the end of the bar; `yearly` as in `FactorProfile`."""
    figure = panels([1.0], height=360)
    bars = go.Bar(
        x=[str(year) for year in yearly.index],
        y=numbers(yearly["rank_ic_mean"]),
        text=[number(value, 1) for value in yearly["newey_west_t"]],
        textposition="outside",
        textfont={"size": 11},
        constraintext="none",
        cliponaxis=False,
        name="RankIC",
        marker={"color": sign_colours(yearly["rank_ic_mean"], palette)},
        hovertemplate="%{x}: %{y:.2%}, t %{text}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text="Mean RankIC", tickformat=".3~p")
    return figure


def decay_figure(decay: pd.DataFrame, half_life: float, palette: Palette) -> go.Figure:
    """RankIC by lag with a band of two standard errors, and the half-life; `decay` as in `FactorProfile`."""
    figure = panels([1.0], height=470)  # beside the cumulative RankIC
    lags = [int(lag) for lag in decay.index]
    means = decay["rank_ic_mean"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        half_width = _STANDARD_ERRORS * np.abs(means / decay["newey_west_t"].to_numpy(dtype=np.float64))
    half_width = np.where(np.isfinite(half_width), half_width, 0.0)
    band = go.Scatter(
        x=[*lags, *reversed(lags)],
        y=np.concatenate([means + half_width, (means - half_width)[::-1]]).astype(np.float32),
        name="± 2 standard errors",
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=rgba(palette.gain, _BAND_OPACITY),
        hoverinfo="skip",
    )
    curve = go.Scatter(
        x=lags,
        y=means.astype(np.float32),
        name="RankIC",
        mode="lines+markers",
        line={"color": MAIN_COLOUR, "width": LINE_WIDTH},
        marker={"size": MARKER_SIZE + 1},
        hovertemplate="%{x} sessions later: %{y:.2%}<extra></extra>",
    )
    figure.add_trace(band, row=1, col=1)
    figure.add_trace(curve, row=1, col=1)
    if np.isfinite(half_life):
        figure.add_vline(
            x=half_life,
            line={"color": QUIET_COLOUR, "dash": "dash", "width": THIN_LINE_WIDTH},
            annotation={"text": f"half-life {number(half_life, 1)}", "yanchor": "top", "xanchor": "left", "xshift": 4},
            row=1,
            col=1,
        )
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title_text="Sessions later")
    figure.update_yaxes(title_text="Mean RankIC", tickformat=".3~p", zeroline=True)
    return figure


def layers_figure(layers: pd.Series, palette: Palette) -> go.Figure:
    """Mean return of each layer less the universe's as bars; layer 1 has the highest values."""
    figure = panels([1.0], height=360)
    bars = go.Bar(
        x=[str(layer) for layer in layers.index],
        y=numbers(layers),
        name="Layer",
        marker={"color": sign_colours(layers, palette)},
        hovertemplate="Layer %{x}: %{y:.3%}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="category", title_text="Layer (1: highest values)")
    figure.update_yaxes(title_text="Mean return less the universe's", tickformat=".3~p")
    return figure


def persistence_figure(persistence: pd.DataFrame) -> go.Figure:
    """Rank autocorrelation and turnover of the extreme layers by lag, as groups of bars."""
    figure = panels([1.0], height=360)
    columns = (
        ("autocorrelation", "Rank autocorrelation"),
        ("top_turnover", "Turnover, top layer"),
        ("bottom_turnover", "Turnover, bottom layer"),
    )
    for (column, name), colour in zip(columns, SERIES_COLOURS, strict=False):
        bars = go.Bar(
            x=[str(lag) for lag in persistence.index],
            y=numbers(persistence[column]),
            name=name,
            marker={"color": colour},
            hovertemplate=f"{name}, %{{x}} sessions: %{{y:.2f}}<extra></extra>",
        )
        figure.add_trace(bars, row=1, col=1)
    figure.update_layout(hovermode="closest", barmode="group")
    figure.update_xaxes(type="category", title_text="Sessions apart")
    figure.update_yaxes(title_text="Correlation, share of the layer", tickformat=".2~f")
    return figure


def coverage_figure(series: FactorSeries, palette: Palette) -> go.Figure:
    """Share of the cross-section that has a value, over the stocks in the cross-section, by session."""
    figure = panels([0.6, 0.4], height=360)
    index = pd.DatetimeIndex(series.sessions)
    figure.add_trace(area(pd.Series(series.coverage, index), "Coverage", palette.gain), row=1, col=1)
    stocks = line(pd.Series(series.stocks.astype(np.float64), index), "Stocks", QUIET_COLOUR)
    stocks.hovertemplate = "%{y:,.0f}"
    figure.add_trace(stocks, row=2, col=1)
    figure.update_yaxes(title_text="Coverage", tickformat=".0%", range=[0, 1.02], row=1, col=1)
    figure.update_yaxes(title_text="Stocks", tickformat=",~d", rangemode="tozero", nticks=4, row=2, col=1)
    if len(index) > FEW_DATES:
        figure.update_xaxes(range=[dates(index[:1])[0], dates(index[-1:])[0]])
    return with_date_axis(figure, index)


def histogram_figure(histogram: Histogram) -> go.Figure:
    """Distribution of the raw values as bars."""
    figure = panels([1.0], height=360)
    middles = (histogram.edges[1:] + histogram.edges[:-1]) / 2
    bars = go.Bar(
        x=middles,
        y=histogram.shares.astype(np.float32),
        width=np.diff(histogram.edges),
        name="Values",
        marker={"color": MAIN_COLOUR},
        hovertemplate="around %{x:.4~g}: %{y:.2%}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=1, col=1)
    figure.update_layout(hovermode="closest", bargap=0)
    figure.update_xaxes(title_text="Raw value", tickformat="~g", nticks=7)
    figure.update_yaxes(title_text="Share of values", tickformat=".3~p")
    return figure


def correlations_figure(correlations: pd.Series, palette: Palette) -> go.Figure:
    """Rank correlation with other factors as horizontal bars, in the order given from the top."""
    figure = panels([1.0], height=110 + _BAR_HEIGHT * len(correlations))
    bars = go.Bar(
        x=numbers(correlations),
        y=[escape(str(name)) for name in correlations.index],
        orientation="h",
        name="Rank correlation",
        marker={"color": sign_colours(correlations, palette)},
        hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=1, col=1)
    figure.update_layout(hovermode="closest", margin={"l": 130})
    figure.update_xaxes(title_text="Mean rank correlation", range=[-1, 1], tickformat=".1f")
    figure.update_yaxes(autorange="reversed", showgrid=False, dtick=1, automargin=True)
    return figure


def correlation_matrix_figure(names: Sequence[str], correlations: np.ndarray, palette: Palette) -> go.Figure:
    """Rank correlation [factor, factor] of all factors with each other."""
    labels = [escape(name) for name in names]
    figure = panels([1.0], height=190 + _MATRIX_CELL * len(labels))
    matrix = go.Heatmap(
        x=labels,
        y=labels,
        z=correlations.astype(np.float32),
        zmin=-1,
        zmax=1,
        colorscale=diverging_scale(palette),
        colorbar=colour_bar([-1, 0, 1], length=0.5),
        hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
    )
    figure.add_trace(matrix, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(tickangle=-90, tickfont={"size": 10}, dtick=1, automargin=True)
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", tickfont={"size": 10}, dtick=1, automargin=True)
    return figure
