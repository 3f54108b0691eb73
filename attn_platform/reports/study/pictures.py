"""Exhibits that are figures: curves, bars, a scatter, the universe; under each stand the published figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.reports import formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.drawing import (
    MAIN_COLOUR,
    QUIET_COLOUR,
    SERIES_COLOURS,
    dates,
    escape,
    line,
    numbers,
    panels,
    with_date_axis,
)
from attn_platform.reports.page import Part, Plot
from attn_platform.reports.study.contents import StudyReportData
from attn_platform.reports.study.exhibit import Draw, Exhibit, own_figures, values_of
from attn_platform.reports.study.side_by_side import comparison

RANK_ICS = ("rank_ic", "weighted_rank_ic")
_HEIGHT, _PANEL_HEIGHT, _BAR_HEIGHT = 380, 270, 340
_YUAN_IN_BILLIONS = 1e9
_SCATTER_SIZE, _SCATTER_OPACITY = 4, 0.45


def excess_curves(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """Excess net values of the items, Π(1 + r_p − r_b)."""
    curves = {item.label: result.daily["excess_net_value"] for item, result in exhibit.strategies(data).items()}
    yield from _curves(data, exhibit, config, curves, "Excess net value")


def net_value_curves(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """Net value and excess net value of the items, with that of their benchmark."""
    own = exhibit.strategies(data)
    curves: dict[str, pd.Series] = {}
    for item, result in own.items():
        curves[item.label] = result.daily["net_value"]
        curves[f"{item.label}, excess"] = result.daily["excess_net_value"]
    for result in own.values():
        curves[result.benchmark] = result.daily["benchmark_net_value"]
    yield from _curves(data, exhibit, config, curves, "Net value")


def top_layer_curves(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """Net values of the items' top layers relative to the equally weighted universe."""
    own = exhibit.forecasts(data)
    curves = {item.label: result.top_layer for item, result in own.items() if len(result.top_layer)}
    if models := dict.fromkeys(item.model for item, result in own.items() if not len(result.top_layer)):
        text = f"No net values of layers yet of {', '.join(models)}: evaluate the forecasts again (attn run)."
        yield Part(paragraphs=(text,))
    yield from _curves(data, exhibit, config, curves, "Relative net value")


def rank_ic_curves(*names: str) -> Draw:
    """How cumulative RankICs are drawn: a panel for each of `names`, of `RANK_ICS`."""

    def draw(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
        own = exhibit.forecasts(data)
        by_panel = {
            f"Cumulative {formatting.label(name)}": {
                item.label: result.series[name].cumsum() for item, result in own.items()
            }
            for name in names
        }
        if own:
            figure = _panel_figure(by_panel, config)
            yield Part(plot=Plot(exhibit.plot(), " and ".join(by_panel), _ends(list(by_panel.values())[-1]), figure))
        yield from _figures_below(data, exhibit)

    return draw


def less_the_first(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """Cumulative RankIC of the items less that of the first one, on the sessions that they share."""
    own = exhibit.forecasts(data)
    base = own.get(exhibit.items[0])
    if base is not None and len(own) > 1:
        curves = {
            f"{item.label} − {exhibit.items[0].label}": (result.series["rank_ic"] - base.series["rank_ic"])
            .dropna()
            .cumsum()
            for item, result in own.items()
            if item != exhibit.items[0]
        }
        figure = _panel_figure({"Cumulative difference": curves}, config)
        yield Part(plot=Plot(exhibit.plot(), "Cumulative difference", _ends(curves), figure))
    yield from _figures_below(data, exhibit)


def bars(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """One figure of each item as a bar, beside the published one."""
    for name in exhibit.figures:
        labels = [item.label for item in exhibit.items]
        ours = pd.Series([values_of(own_figures(data, item), [name])[0] for item in exhibit.items], labels)
        theirs = pd.Series([values_of(exhibit.published_figures(item), [name])[0] for item in exhibit.items], labels)
        if np.isfinite(ours).any():
            summary = f"{formatting.label(name)} of this run beside the published one."
            figure = _bar_figure(name, {"This run": ours, "Published": theirs})
            yield Part(plot=Plot(exhibit.plot(name), formatting.label(name), summary, figure))
    yield from _figures_below(data, exhibit)


def scatter(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """Daily excess returns of the first item against those of the second."""
    own = exhibit.strategies(data)
    if len(own) > 1:
        (one, first), (other, second), *_ = own.items()
        excess = pd.DataFrame({"x": first.daily["excess_return"], "y": second.daily["excess_return"]}).dropna()
        figure = panels([1.0], height=_HEIGHT)
        points = go.Scattergl(
            x=numbers(excess["x"]),
            y=numbers(excess["y"]),
            mode="markers",
            marker={"color": MAIN_COLOUR, "size": _SCATTER_SIZE, "opacity": _SCATTER_OPACITY},
            customdata=dates(excess.index),
            hovertemplate="%{customdata}: %{x:.2%}, %{y:.2%}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(points, row=1, col=1)
        figure.update_layout(hovermode="closest")
        figure.update_xaxes(title_text=f"Daily excess return, {escape(one.label)}", tickformat=".1%")
        figure.update_yaxes(title_text=f"Daily excess return, {escape(other.label)}", tickformat=".1%")
        correlation = float(excess["x"].corr(excess["y"]))
        summary = f"{len(excess):,} sessions; correlation {formatting.number(correlation)}."
        yield Part(plot=Plot(exhibit.plot(), "Daily excess returns", summary, figure))
    yield from _figures_below(data, exhibit)


def universe(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """Members of each quarter's universe, and their median market value."""
    if data.members.empty:
        return
    value = data.members["median_total_mv"] / _YUAN_IN_BILLIONS
    panes = {"Members": {"Members": data.members["members"]}, "Billion CNY": {"Median market value": value}}
    figure = _panel_figure(panes, config, every=1)
    summary = (
        f"{len(data.members)} quarters: {int(data.members['members'].min()):,} to "
        f"{int(data.members['members'].max()):,} members, median of {formatting.number(float(value.min()), 1)} to "
        f"{formatting.number(float(value.max()), 1)} billion CNY; the study has 4 to 24 billion through 2011 to 2022."
    )
    yield Part(plot=Plot(exhibit.plot(), "Members and market value", summary, figure))


def _bar_figure(name: str, groups: Mapping[str, pd.Series]) -> go.Figure:
    """A figure's values by item as bars, the groups beside each other."""
    figure = panels([1.0], height=_BAR_HEIGHT)
    for (legend, values), colour in zip(groups.items(), (MAIN_COLOUR, QUIET_COLOUR), strict=True):
        trace = go.Bar(
            x=[escape(str(label)) for label in values.index],
            y=numbers(values),
            name=legend,
            marker={"color": colour},
            customdata=[formatting.figure(name, value) for value in values],
            hovertemplate="%{x}: %{customdata}",
        )
        figure.add_trace(trace, row=1, col=1)
    figure.update_layout(barmode="group", hovermode="closest")
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text=formatting.label(name), tickformat=formatting.tick_format(name))
    return figure


def _curves(
    data: StudyReportData, exhibit: Exhibit, config: ReportConfig, curves: Mapping[str, pd.Series], axis: str
) -> Iterator[Part]:
    shown = {name: values for name, values in curves.items() if len(values)}
    if shown:
        yield Part(plot=Plot(exhibit.plot(), axis, _ends(shown), _panel_figure({axis: shown}, config)))
    yield from _figures_below(data, exhibit)


def _figures_below(data: StudyReportData, exhibit: Exhibit) -> Iterator[Part]:
    if table := comparison(data, exhibit):
        yield Part(table=table)


def _panel_figure(
    by_panel: Mapping[str, Mapping[str, pd.Series]], config: ReportConfig, every: int | None = None
) -> go.Figure:
    """Curves under each other in panels by the title of their axis, a colour a name; thinned (`study_curve_every`)."""
    height = _HEIGHT if len(by_panel) == 1 else _PANEL_HEIGHT * len(by_panel)
    figure = panels([1.0] * len(by_panel), height=height)
    names = list(dict.fromkeys(name for curves in by_panel.values() for name in curves))
    colours = dict(zip(names, cycle(SERIES_COLOURS), strict=False))
    legends: set[str] = set()
    for row, (axis, curves) in enumerate(by_panel.items(), start=1):
        for name, values in curves.items():
            trace = line(_thinned(values, every or config.study_curve_every), escape(name), colours[name])
            trace.showlegend = name not in legends
            trace.legendgroup = name
            legends.add(name)
            figure.add_trace(trace, row=row, col=1)
        figure.update_yaxes(title_text=axis, tickformat="~g", zeroline=False, row=row, col=1)
    longest = max((values for curves in by_panel.values() for values in curves.values()), key=len)
    return with_date_axis(figure, longest.index)


def _thinned(values: pd.Series, every: int) -> pd.Series:
    """Every n-th value back from the last one, which is kept."""
    return values.iloc[(len(values) - 1) % every :: every]


def _ends(curves: Mapping[str, pd.Series]) -> str:
    ends = ", ".join(f"{name} {formatting.number(float(values.iloc[-1]))}" for name, values in curves.items())
    return f"Ends at: {ends}."
