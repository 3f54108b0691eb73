"""The section of a strategy's page on what its model reads."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from attn_platform.reports import explanation_figures, formatting, tables
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import (
    Explanation,
    StrategyReportData,
)
from attn_platform.reports.page import Part, Plot, Section


def explanation_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """Parts of the forecasts, factors and attention on one session; empty without an explanation."""
    explanation = data.explanation
    if explanation is None:
        return Section("explanation", "What the model reads")
    text = (
        f"Forecasts of {data.horizon} on {formatting.date(explanation.session)} for "
        f"{formatting.count(len(explanation.stocks), 'stock')}; means over the seeds."
    )
    parts = (
        Part(paragraphs=(text,)),
        *_forecast_parts(explanation, config.explained_stocks_shown),
        *_factor_attributions(explanation, config.explained_factors_shown),
        *_attention_maps(explanation),
    )
    return Section("explanation", "What the model reads", parts)


def _forecast_parts(explanation: Explanation, shown: int) -> Iterator[Part]:
    stocks = explanation.stocks
    # A constant tells no stock from another: the picture has all parts less their means
    varying = {
        part: column for part, column in explanation.parts.items() if stocks[column].min() < stocks[column].max()
    }
    if len(varying) < 2:
        return
    values = ["forecast", *varying.values()]
    relative = stocks.assign(**(stocks[values] - stocks[values].mean()))
    by_forecast = relative.sort_values(["forecast", "symbol"], ascending=[False, True])
    chosen = by_forecast if len(by_forecast) <= 2 * shown else pd.concat([by_forecast[:shown], by_forecast[-shown:]])
    summary = f"The {shown} highest and the {shown} lowest forecasts, less the mean over all stocks."
    bars = explanation_figures.forecast_parts_figure(chosen, varying)
    yield Part(plot=Plot("forecast-parts", "Parts of the forecasts", summary, bars), width="main")
    text = "Covariance of a part with the forecast over the stocks, by the forecast's variance."
    table = tables.part_shares_table({part: explanation.part_shares[part] for part in varying})
    yield Part("Which part tells stocks apart", (text,), table=table, width="side")


def _factor_attributions(explanation: Explanation, shown: int) -> Iterator[Part]:
    columns = ["share", "absolute_share"]
    by_factor = explanation.factors.groupby("factor", sort=False)[columns].sum()
    largest = by_factor.sort_values("absolute_share", ascending=False, kind="stable").head(shown).reset_index()
    several_steps = len(explanation.factors) > len(by_factor)
    summary = (
        "Integrated gradients of the forecasts' variance over the stocks, from all factors at their means. Shares sum "
        f"to 100% over all {len(by_factor)} factors; absolute shares count contributions of either sign."
    )
    bars = explanation_figures.factor_shares_figure(largest)
    yield Part(plot=Plot("factor-shares", "Factors", summary, bars), width="main" if several_steps else "full")
    if several_steps:
        by_step = explanation.factors.groupby("step")["absolute_share"].sum()
        contributions = by_step / by_step.sum()
        paid = explanation.attention[explanation.attention["kind"] == "steps"]
        attention = paid.set_index(paid["attended"].astype(int))["weight"].sort_index() if len(paid) else None
        summary = "Absolute shares of all factors together; 0 is the session of the forecast."
        bars = explanation_figures.steps_figure(contributions, attention)
        yield Part(plot=Plot("steps", "Sessions", summary, bars), width="side")


def _attention_maps(explanation: Explanation) -> Iterator[Part]:
    maps = {
        "tasks": ("Attention between tasks", "Mean over the stocks; a row sums to 1.", "Task", "Attends to"),
        "sectors": (
            "Attention between sectors",
            "Mean weight that a stock of one sector gives to a stock of another; 1 is what equal weights would give.",
            "Stocks of",
            "Attend to stocks of",
        ),
    }
    for kind, (title, summary, attending, attended) in maps.items():
        cells = explanation.attention[explanation.attention["kind"] == kind]
        weights = cells.pivot(index="attending", columns="attended", values="weight")
        if len(weights) > 1:
            heatmap = explanation_figures.attention_figure(weights, attending, attended)
            yield Part(plot=Plot(f"attention-{kind}", title, summary, heatmap))
