"""Sections of a strategy's page on its portfolios: exposures, trading, limits, holdings."""

from __future__ import annotations

from attn_platform.reports import drawing, figures, formatting, tables
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import (
    StrategyReportData,
    is_relaxed,
)
from attn_platform.reports.page import Part, Plot, Section, has_values


def exposure_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """Active industry weights and style exposures over time."""
    palette = drawing.PALETTES[config.colours]
    parts = []
    text = (
        "Of what is held after the close of each session. Limits bind the targets of rebalances; between them, and "
        "where a trade did not go through, exposures drift with prices."
    )
    if has_values(data.industry_exposures):
        extremes = figures.industry_extremes_figure(data.industry_exposures, data.limits.industry, palette)
        heatmap = figures.industry_heatmap_figure(data.industry_exposures, palette)
        parts.append(Part(plot=Plot("industry-extremes", "Largest active industry weights", text, extremes)))
        parts.append(
            Part(
                plot=Plot(
                    "industry-weights",
                    "Active weight of each industry",
                    f"Portfolio less {data.benchmark}, over time.",
                    heatmap,
                )
            )
        )
    if has_values(data.style_exposures):
        styles = figures.style_exposures_figure(data.style_exposures, data.limits)
        parts.append(Part(plot=Plot("styles", "Active style exposures", f"In standard deviations. {text}", styles)))
    return Section("exposures", "Exposures", tuple(parts))


def trading_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """Turnover, cost, and the limits that were relaxed."""
    rebalances = data.rebalances
    if rebalances.empty:
        return Section("trading", "Trading", (Part(paragraphs=("No rebalance falls into the test range.",)),))
    palette = drawing.PALETTES[config.colours]
    trading = figures.trading_figure(rebalances, data.daily["cost"], data.limits.one_way_turnover, palette)
    count = formatting.count(len(rebalances), "rebalance")
    mean_turnover = formatting.percent(float(rebalances["one_way_turnover"].mean()))
    total_cost = formatting.percent(float(data.daily["cost"].sum()))
    summary = (
        f"{count}; one-way turnover {mean_turnover} on average; cost over the test range {total_cost} of the net value."
    )
    relaxed = int(is_relaxed(rebalances).sum())
    text = f"Every limit held ({count})."
    table = None
    if relaxed:
        table = tables.relaxation_table(rebalances, config.relaxations_shown)
        text = f"A limit was relaxed on {relaxed:,} of {count}."
        if relaxed > config.relaxations_shown:
            text += f" The newest {config.relaxations_shown} are shown; rebalances.csv has all."
    return Section(
        "trading",
        "Trading",
        (
            Part(plot=Plot("turnover-cost", "Turnover and cost", summary, trading)),
            Part("What was relaxed", (text,), table=table),
        ),
    )


def execution_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """Orders that were sent beside what was filled of them."""
    weeks = data.execution
    if weeks.empty:
        return Section("execution", "Plan against fill")
    ordered = weeks["ordered_value"]
    mean = float((weeks["shortfall"] * ordered).sum() / ordered.sum())
    text = (
        f"{formatting.count(len(weeks), 'week')} with fills: the implementation shortfall is "
        f"{formatting.percent(mean, 3)} of the {formatting.number(float(ordered.sum()), 0)} CNY ordered, and "
        f"{formatting.number(float(weeks['unfilled_value'].sum()), 0)} CNY were not filled. Costs are positive. The "
        "backtest of this page trades on paper and knows nothing of it."
    )
    if len(weeks) > config.executed_weeks_shown:
        text += f" The newest {config.executed_weeks_shown} are shown; execution.csv has all."
    table = tables.execution_table(weeks, config.executed_weeks_shown)
    return Section("execution", "Plan against fill", (Part(paragraphs=(text,), table=table),))


def limits_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """Limits that bind, and what one unit more room would add."""
    if data.binding_limits.empty:
        return Section("limits", "Limits")
    palette, weeks = drawing.PALETTES[config.colours], data.limit_states["date"].nunique()
    limits = data.binding_limits
    binding = limits[(limits["at_upper"] > 0) | (limits["at_lower"] > 0)]
    counted = f"{len(binding):,} of {formatting.count(len(limits), 'limit')}"
    text = (
        f"{counted} bind on at least one of {formatting.count(weeks, 'rebalance')}. The price of a limit is what the "
        "portfolio's forecast would gain by one unit more room; its mean is over all rebalances, 0 where the limit "
        "does not bind."
    )
    if len(binding) > config.binding_limits_shown:
        text += f" The {config.binding_limits_shown} most frequent are shown; binding_limits.csv has all."
    parts = [Part("Which limits bind", (text,), table=tables.binding_limits_table(limits, config.binding_limits_shown))]
    if len(binding):
        summary = "Blue: at the upper limit; orange: at the lower one."
        summary = summary if config.colours == "neutral" else "Red: at the upper limit; green: at the lower one."
        heatmap = figures.binding_limits_figure(data.limit_states, palette)
        parts.append(Part(plot=Plot("binding-limits", "Limits over time", summary, heatmap)))
    if len(data.stock_reasons):
        summary = "Stocks of the target portfolio on each rebalance."
        lines = figures.stock_reasons_figure(data.stock_reasons)
        parts.append(Part(plot=Plot("stock-reasons", "Why stocks have their weights", summary, lines)))
    return Section("limits", "Limits", tuple(parts))


def holdings_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """The largest holdings of the newest portfolio."""
    if data.holdings.empty:
        return Section("holdings", "Holdings")
    shown = min(config.holdings_shown, len(data.holdings))
    largest = float(data.holdings["weight"].nlargest(shown).sum())
    text = (
        f"Portfolio of {formatting.date(data.holdings_date)}: {formatting.count(len(data.holdings), 'stock')}. "
        f"The {shown} largest hold {formatting.percent(largest, 1)} of the weight."
    )
    table = tables.holdings_table(data.holdings, config.holdings_shown)
    return Section("holdings", "Holdings", (Part(paragraphs=(text,), table=table),))


def conditions_section(data: StrategyReportData) -> Section:
    """Every limit, cost and rule that was set."""
    if data.conditions.empty:
        return Section("conditions", "What was set")
    text = "Limits hold at each rebalance; the next session trades towards the target at the execution price."
    table = tables.plain_table("What was set", data.conditions)
    return Section("conditions", "What was set", (Part(paragraphs=(text,), table=table),))
