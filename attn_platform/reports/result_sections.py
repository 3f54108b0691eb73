"""Sections of a strategy's page on what came of it: net value, performance, the composite factor, planted signals.

The content follows AI-69 and AI-55.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.published import PublishedRow
from attn_platform.reports import drawing, figures, formatting, tables
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import (
    FACTOR_FIGURES,
    PERFORMANCE_FIGURES,
    DataKind,
    StrategyReportData,
)
from attn_platform.reports.page import Part, Plot, Section, has_values

_SOURCE_REMARKS = {
    DataKind.SIMULATED: "The market is simulated: set against a published figure it shows that the pipeline runs, not "
    "what the strategy earns.",
    DataKind.SAMPLE: "The data are a sample: neither its stocks nor its years are those of the published figure.",
    DataKind.VENDOR: "Universe, test range and vendor may differ from the publication's.",
}
_FACTOR_REMARK = (
    "Layers of this table are those of the published one: formed anew every session, held over the return's horizon. "
    "Those of the charts below are held from one formation to the next."
)


def net_value_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """The strategy and its benchmark, and the one over the other."""
    palette = drawing.PALETTES[config.colours]
    plots = (
        Plot(
            "excess-net-value",
            f"Excess net value over {data.benchmark}",
            f"Ends at {_last(data.daily['excess_net_value'])}; "
            "compounds the daily difference of strategy and benchmark.",
            figures.excess_net_value_figure(data.daily, palette),
        ),
        Plot(
            "net-value",
            f"Net value of the strategy and of {data.benchmark}",
            f"Strategy ends at {_last(data.daily['net_value'])}, {data.benchmark} at "
            f"{_last(data.daily['benchmark_net_value'])}.",
            figures.net_value_figure(data.daily, data.benchmark, palette),
        ),
    )
    return Section("net-value-section", "Net value", tuple(Part(plot=plot) for plot in plots))


def performance_section(data: StrategyReportData) -> Section:
    """Figures beside the published ones, worst weeks, months and years; what could not be traded."""
    comparison = tables.comparison_table(
        "Performance of the enhanced portfolio",
        data.performance,
        PERFORMANCE_FIGURES,
        data.published_performance,
        data.data_source.description,
    )
    text = _comparison_text(data, data.published_performance)
    parts = [Part("Performance figures", text, table=comparison, width="main")]
    if len(data.worst_weeks) and data.week_contributors.empty:
        weeks = tables.weeks_table("Worst weeks", data.worst_weeks)
        parts.append(Part("Worst weeks", ("By excess return.",), table=weeks, width="side"))
    if data.untraded:
        untraded = tables.untraded_table(data.untraded)
        parts.append(Part("What could not be traded", _untraded_text(data.untraded), table=untraded, width="main"))
    if data.mix_parts:
        correlations = f"Correlation of the daily excess returns: {_pairs(data.mix_correlations)}."
        of_mix = tables.mix_table(data.strategy, data.performance, data.mix_parts)
        parts.append(Part("The mix and its parts", (correlations,), table=of_mix))
    if len(data.month_table):
        parts.append(Part("Excess return by month", table=tables.month_table(data.month_table)))
    if data.published_months is not None:
        printed = data.published_months
        source = f"Published: {printed.source}, real A shares, {printed.test_range}."
        parts.append(Part("Published months", (source,), table=tables.month_table(printed.months, printed.source)))
    if len(data.yearly):
        parts.append(Part("By year", table=tables.yearly_table(data.yearly)))
    return Section("performance", "Performance", tuple(parts))


def _untraded_text(untraded: Mapping[str, float]) -> tuple[str, ...]:
    delisted = (
        "No holding was delisted."
        if not untraded["delistings"]
        else "A delisted holding is paid at its last price times the backtest's delisting_recovery, which is an "
        "assumption; the figures without recovery are those of the same targets had its holders got nothing."
    )
    frozen = (
        "No holding is suspended at the end."
        if not untraded["suspended_at_end"]
        else "Holdings that are suspended at the end, or have no row there and no delist date, are valued at their "
        "last price."
    )
    return delisted, frozen


def factor_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """The forecasts as a composite factor: figures, RankIC, layers."""
    palette = drawing.PALETTES[config.colours]
    return Section("factor", "Composite factor", tuple(_factor_parts(data, palette)))


def _factor_parts(data: StrategyReportData, palette: drawing.Palette) -> Iterator[Part]:
    if data.factor_figures:
        comparison = tables.comparison_table(
            "Figures of the composite factor",
            data.factor_figures,
            FACTOR_FIGURES,
            data.published_factor_figures,
            data.data_source.description,
        )
        text = (*_comparison_text(data, data.published_factor_figures), _FACTOR_REMARK)
        yield Part("Factor figures", text, table=comparison, width="main")
    correlations = {"RankIC": data.rank_ic, "Weighted RankIC": data.weighted_rank_ic}
    present = {name: series for name, series in correlations.items() if has_values(series)}
    if present:
        ends = ", ".join(f"{name} {formatting.number(float(series.sum()))}" for name, series in present.items())
        curves = figures.cumulative_figure(present, "Cumulative sum")
        yield Part(plot=Plot("rank-ic", "Cumulative RankIC", f"Ends at {ends}.", curves), width="side")
    convention = _layer_text(data.evaluation)
    if has_values(data.layers):
        curves = figures.layers_figure(data.layers, palette)
        summary = f"{convention} Over the universe: all stocks with a forecast, held in the same way."
        yield Part(plot=Plot("layers", "Layers relative to the universe", summary, curves), width="main")
    if has_values(data.layer_annual_returns):
        summary = "The layers of the chart beside: annual growth of their net values, not relative to the universe."
        bars = figures.layer_returns_figure(data.layer_annual_returns, data.universe_annual_return, palette)
        yield Part(plot=Plot("layer-returns", "Annual return by layer", summary, bars), width="side")


def _layer_text(evaluation: EvaluationConfig) -> str:
    """How the layers are made; the figures of the composite factor, as the studies print them, are made otherwise."""
    return (
        f"{evaluation.layers} layers of equal size by forecast, formed every "
        f"{formatting.count(evaluation.layer_rebalance_sessions, 'session')} and bought at the close "
        f"{formatting.count(evaluation.layer_execution_lag, 'session')} after the signal. The stocks of a layer are "
        "equally weighted, and set back to equal weights every session; no costs."
    )


def planted_section(data: StrategyReportData) -> Section:
    """On a simulated market, the signals in it, beside the forecast."""
    if data.planted is None:
        return Section("planted", "What was planted")
    text = (
        "Signals that move the simulated returns of the sessions after them. Strength: basis points of a session's "
        "expected return for one standard deviation of the signal. RankIC: of the signal itself, on this forecast's "
        "stocks and sessions; the last two lines set the forecast beside the best one, which knows all signals and "
        "strengths."
    )
    off = (
        "In a new home a strength of 0 switches a signal off: copy this home's settings.yaml into a new folder, set it "
        "there (source: simulation: signals), and run attn run --home on that folder."
    )
    table = tables.planted_table(data.planted, data.factor_figures)
    return Section("planted", "What was planted", (Part(paragraphs=(text, off), table=table),))


def _comparison_text(data: StrategyReportData, published: PublishedRow | None) -> tuple[str, ...]:
    """Say what is compared with what; stands right above every comparison with a published figure."""
    own = f"This run: {data.data_source.description}, {data.test_range}."
    if published is None:
        return own, "The studies print no figures for this model and horizon."
    row = published.model if published.horizon is None else f"{published.model}, {published.horizon}"
    theirs = f"Published: {published.source}, {row}, real A shares, {published.test_range}."
    return own, theirs, _SOURCE_REMARKS[data.data_source.kind]


def _pairs(correlations: pd.DataFrame) -> str:
    """Each pair once: "0.53 (gat residual and xgboost)"."""
    names = [str(name).replace("_", " ") for name in correlations.columns]
    values = correlations.to_numpy()
    return ", ".join(
        f"{formatting.number(float(values[one, other]))} ({names[one]} and {names[other]})"
        for one in range(len(names))
        for other in range(one + 1, len(names))
    )


def _last(series: pd.Series) -> str:
    return formatting.number(float(series.iloc[-1]), 3)
