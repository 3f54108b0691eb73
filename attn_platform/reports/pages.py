"""Report pages: one HTML file that opens without a network, and reads the same by mail, on paper and on a phone.

The content follows AI-69 and AI-55; plotly.js is inlined once, figures are JSON that it draws, and every table is
plain HTML. The same input gives the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from attn_platform.published import PublishedRow
from attn_platform.reports import drawing, explanation_figures, figures, formatting, tables
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import (
    FACTOR_FIGURES,
    PERFORMANCE_FIGURES,
    DataKind,
    Explanation,
    StrategyReportData,
    is_relaxed,
)
from attn_platform.writing import write_atomically

_HEADLINE_PERFORMANCE = (
    "excess_annual_return",
    "information_ratio",
    "tracking_error",
    "excess_max_drawdown",
    "annual_return",
    "max_drawdown",
    "monthly_win_rate",
    "annual_two_sided_turnover",
)
_HEADLINE_FACTOR = ("rank_ic_mean", "weighted_rank_ic_mean")
_SOURCE_REMARKS = {
    DataKind.SIMULATED: "The market is simulated: set against a published figure it shows that the pipeline runs, not "
    "what the strategy earns.",
    DataKind.SAMPLE: "The data are a sample: neither its stocks nor its years are those of the published figure.",
    DataKind.VENDOR: "Universe, test range and vendor may differ from the publication's.",
}


@dataclass(frozen=True)
class Plot:
    """A figure as a page shows it: `identifier` is its element's id, `summary` its text for who cannot see it."""

    identifier: str
    title: str
    summary: str
    figure: go.Figure

    @property
    def json(self) -> Markup:
        """The figure for a script element."""
        return Markup(drawing.figure_json(self.figure))

    @property
    def height(self) -> int:
        """Height in pixels, reserved before the script draws."""
        return int(self.figure.layout.height)


@dataclass(frozen=True)
class Part:
    """Something a section shows under its own heading: text, a plot or a table, in this order.

    Where the page is wide enough, a part with `width` "main" has the next one, "side", at its right.
    """

    heading: str | None = None
    paragraphs: tuple[str, ...] = ()
    plot: Plot | None = None
    table: tables.Table | None = None
    width: Literal["full", "main", "side"] = "full"


@dataclass(frozen=True)
class Section:
    """A chapter of a page; sections without parts are left out."""

    identifier: str
    title: str
    parts: tuple[Part, ...] = field(default=())


@dataclass(frozen=True)
class Card:
    """A headline figure."""

    label: str
    value: str


def render_strategy_report(data: StrategyReportData, config: ReportConfig | None = None) -> str:
    """Return the page of one strategy as HTML; parts without data are left out or say that there are none."""
    config = config or ReportConfig()
    sections = (
        _net_value_section(data, config),
        _performance_section(data),
        _factor_section(data, config),
        _planted_section(data),
        _explanation_section(data, config),
        _exposure_section(data, config),
        _trading_section(data, config),
        _limits_section(data, config),
        _holdings_section(data, config),
        _provenance_section(data),
    )
    return render_page(
        "strategy_report.html.j2",
        config,
        data=data,
        session_count=_count(len(data.sessions), "session"),
        cards=_cards(data),
        warnings=_warnings(data, config),
        sections=[section for section in sections if section.parts],
    )


def write_strategy_report(data: StrategyReportData, path: Path, config: ReportConfig | None = None) -> None:
    """Write the page of one strategy to `path` atomically."""
    write_atomically(path, render_strategy_report(data, config))


def render_page(template: str, config: ReportConfig, **context: object) -> str:
    """Render a template of this package; text in `context` is escaped, plotly.js and the style sheet are inlined."""
    return _environment().get_template(template).render(config=config, plotly_js=_plotly_js(), **context)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("attn_platform.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _plotly_js() -> Markup:
    return Markup(get_plotlyjs())


def _cards(data: StrategyReportData) -> list[Card]:
    cards = [_card(name, data.performance[name]) for name in _HEADLINE_PERFORMANCE]
    return cards + [_card(name, data.factor_figures[name]) for name in _HEADLINE_FACTOR if data.factor_figures]


def _card(name: str, value: float) -> Card:
    return Card(formatting.label(name), formatting.figure(name, value))


def _warnings(data: StrategyReportData, config: ReportConfig) -> list[str]:
    sessions = len(data.sessions)
    warnings = []
    if sessions < config.short_test_sessions:
        warnings.append(
            f"The test range holds only {_count(sessions, 'session')}: "
            "annualised figures, ratios and win rates say little."
        )
    return warnings + _planted_notes(data) + list(data.notes)


def _planted_notes(data: StrategyReportData) -> list[str]:
    """What the figures of a simulated market are worth: how much of what was planted the forecast has found."""
    if data.planted is None:
        return []
    strengths = data.planted.signals["strength"]
    planted = ", ".join(f"{name} {formatting.number(value, 1)} bp" for name, value in strengths.items() if value > 0)
    if not planted:
        return [
            "The market is simulated, and nothing was planted in its returns: no forecast can be right but by luck."
        ]
    text = (
        f"The market is simulated, with signals planted in its returns ({planted}): the figures say how much of them "
        "the forecast has found, nothing of A shares."
    )
    if data.planted.known and data.factor_figures:
        known, own = data.planted.known["rank_ic_mean"], data.factor_figures["rank_ic_mean"]
        text += (
            f" Its RankIC is {formatting.percent(own, 1)}; a forecast that knew them all would have "
            f"{formatting.percent(known, 1)}."
        )
    return [text]


def _net_value_section(data: StrategyReportData, config: ReportConfig) -> Section:
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


def _performance_section(data: StrategyReportData) -> Section:
    comparison = tables.comparison_table(
        "Performance of the enhanced portfolio",
        data.performance,
        PERFORMANCE_FIGURES,
        data.published_performance,
        data.data_source.description,
    )
    text = _comparison_text(data, data.published_performance)
    parts = [Part("Performance figures", text, table=comparison, width="main")]
    if len(data.worst_weeks):
        weeks = tables.worst_weeks_table(data.worst_weeks)
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


def _factor_section(data: StrategyReportData, config: ReportConfig) -> Section:
    palette = drawing.PALETTES[config.colours]
    return Section("factor", "Composite factor", tuple(_factor_parts(data, palette)))


def _factor_parts(data: StrategyReportData, palette: drawing.Palette) -> Iterator[Part]:
    universe_return = float("nan")
    if data.factor_figures:
        comparison = tables.comparison_table(
            "Figures of the composite factor",
            data.factor_figures,
            FACTOR_FIGURES,
            data.published_factor_figures,
            data.data_source.description,
        )
        text = _comparison_text(data, data.published_factor_figures)
        yield Part("Factor figures", text, table=comparison, width="main")
        universe_return = float(data.factor_figures["benchmark_annual_return"])
    correlations = {"RankIC": data.rank_ic, "Weighted RankIC": data.weighted_rank_ic}
    present = {name: series for name, series in correlations.items() if _has_values(series)}
    if present:
        ends = ", ".join(f"{name} {formatting.number(float(series.sum()))}" for name, series in present.items())
        curves = figures.cumulative_figure(present, "Cumulative sum")
        yield Part(plot=Plot("rank-ic", "Cumulative RankIC", f"Ends at {ends}.", curves), width="side")
    if _has_values(data.layers):
        summary = "Layers of equal size by prediction, each equally weighted, over the equally weighted universe."
        curves = figures.layers_figure(data.layers, palette)
        yield Part(plot=Plot("layers", "Layers relative to the universe", summary, curves), width="main")
    if _has_values(data.layer_annual_returns):
        summary = "Annualised return of each equally weighted layer."
        bars = figures.layer_returns_figure(data.layer_annual_returns, universe_return, palette)
        yield Part(plot=Plot("layer-returns", "Annual return by layer", summary, bars), width="side")


def _planted_section(data: StrategyReportData) -> Section:
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


def _explanation_section(data: StrategyReportData, config: ReportConfig) -> Section:
    explanation = data.explanation
    if explanation is None:
        return Section("explanation", "What the model reads")
    text = (
        f"Forecasts of {data.horizon} on {formatting.date(explanation.session)} for "
        f"{_count(len(explanation.stocks), 'stock')}; means over the seeds."
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


def _exposure_section(data: StrategyReportData, config: ReportConfig) -> Section:
    palette = drawing.PALETTES[config.colours]
    parts = []
    text = "Limits bind at rebalances; between them exposures drift with prices."
    if _has_values(data.industry_exposures):
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
    if _has_values(data.style_exposures):
        styles = figures.style_exposures_figure(data.style_exposures, data.limits)
        parts.append(Part(plot=Plot("styles", "Active style exposures", f"In standard deviations. {text}", styles)))
    return Section("exposures", "Exposures", tuple(parts))


def _trading_section(data: StrategyReportData, config: ReportConfig) -> Section:
    rebalances = data.rebalances
    if rebalances.empty:
        return Section("trading", "Trading", (Part(paragraphs=("No rebalance falls into the test range.",)),))
    palette = drawing.PALETTES[config.colours]
    trading = figures.trading_figure(rebalances, data.daily["cost"], data.limits.one_way_turnover, palette)
    count = _count(len(rebalances), "rebalance")
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


def _limits_section(data: StrategyReportData, config: ReportConfig) -> Section:
    if data.binding_limits.empty:
        return Section("limits", "Limits")
    palette, weeks = drawing.PALETTES[config.colours], data.limit_states["date"].nunique()
    limits = data.binding_limits
    binding = limits[(limits["at_upper"] > 0) | (limits["at_lower"] > 0)]
    text = (
        f"{len(binding):,} of {_count(len(limits), 'limit')} bind on at least one of {_count(weeks, 'rebalance')}. The "
        "price of a limit is what the portfolio's forecast would gain by one unit more room; its mean is over all "
        "rebalances, 0 where the limit does not bind."
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


def _holdings_section(data: StrategyReportData, config: ReportConfig) -> Section:
    if data.holdings.empty:
        return Section("holdings", "Holdings")
    shown = min(config.holdings_shown, len(data.holdings))
    largest = float(data.holdings["weight"].nlargest(shown).sum())
    text = (
        f"Portfolio of {formatting.date(data.holdings_date)}: {_count(len(data.holdings), 'stock')}. "
        f"The {shown} largest hold {formatting.percent(largest, 1)} of the weight."
    )
    table = tables.holdings_table(data.holdings, config.holdings_shown)
    return Section("holdings", "Holdings", (Part(paragraphs=(text,), table=table),))


def _provenance_section(data: StrategyReportData) -> Section:
    facts = {
        "Strategy": data.strategy,
        "Model": data.model,
        "Horizon": data.horizon,
        "Study": data.study,
        "Data source": data.data_source.description,
        "Universe": data.universe,
        "Benchmark": data.benchmark,
        "Test range": f"{data.test_range} ({_count(len(data.sessions), 'session')})",
        **{formatting.label(name): fingerprint for name, fingerprint in data.fingerprints.items()},
    }
    frame = pd.DataFrame({"item": list(facts), "value": list(facts.values())})
    parts = [Part(table=tables.plain_table("Provenance", frame))]
    if len(data.checkpoint_windows):
        parts.append(Part("Checkpoints", table=tables.plain_table("Checkpoint windows", data.checkpoint_windows)))
    return Section("provenance", "Provenance", tuple(parts))


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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _last(series: pd.Series) -> str:
    return formatting.number(float(series.iloc[-1]), 3)


def _has_values(values: pd.Series | pd.DataFrame) -> bool:
    return bool(np.isfinite(values.to_numpy(dtype=np.float64)).any())
