"""Section of a strategy's page on where its excess return came from, and on the benchmark's own error.

Definitions: `evaluation.return_attribution` and docs/attribution.md.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.evaluation.return_attribution import (
    BENCHMARK,
    BLOCKED,
    BOOKINGS,
    CASH,
    COST,
    DELISTING,
    DIVIDENDS,
    EFFECTS,
    INDUSTRY,
    SELECTION,
    STYLE,
    TRADING,
    carino_coefficients,
)
from attn_platform.reports import drawing, formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import StrategyReportData
from attn_platform.reports.page import Part, Plot, Section
from attn_platform.reports.robustness_contents import Attribution, BenchmarkError, benchmark_error
from attn_platform.reports.tables import Cell, Table

EFFECT_LABELS = {
    INDUSTRY: "Industries",
    STYLE: "Styles",
    SELECTION: "Selection",
    BLOCKED: "Blocked trades",
    TRADING: "Day of trade",
    COST: "Costs",
    CASH: "Cash",
    DELISTING: "Delistings",
    BOOKINGS: "Whole shares",
    DIVIDENDS: "Index dividends",
    BENCHMARK: "Index weights",
}
_MEANINGS = {
    INDUSTRY: "more or less of an industry than the benchmark",
    STYLE: "leaning towards a style within the industries",
    SELECTION: "stocks within the industries, styles aside",
    BLOCKED: "what was held otherwise since trades were blocked",
    TRADING: "from the price of the trades to the close",
    COST: "commission, duty and fees",
    CASH: "cash, while the benchmark moved",
    DELISTING: "what delisted holdings paid beyond their last price",
    BOOKINGS: "dividends in cash and shares rounded to lots",
    DIVIDENDS: "dividends of the members, which the price index lacks",
    BENCHMARK: "members at the lake's weights less the index",
}
# Lines of the figure: names, and the effects in each.
_LINES = {
    "Selection": (SELECTION,),
    "Industries": (INDUSTRY,),
    "Styles": (STYLE,),
    "Costs and trading": (BLOCKED, TRADING, COST, CASH, DELISTING, BOOKINGS),
    "Index itself": (DIVIDENDS, BENCHMARK),
}
_FULL_HEAT = 0.02
_LONGEST_NAME = 24
# An effect that never reaches this in a session is rounding, and has no line.
_NOTHING = 1e-9


def attribution_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """Effects over time, in sum, by year and month, by industry and style; the benchmark's own error."""
    found = data.attribution
    if found is None:
        return Section("return-attribution", "Where the excess return came from")
    shown = [effect for effect in EFFECTS if abs(found.effects[effect]).max() > _NOTHING]
    curves = attribution_figure(found)
    summary = "Cumulative; the lines sum to the excess return at every point."
    months = found.months.iloc[::-1]
    newest = months.head(config.attribution_months_shown)
    text = "Each row sums to its excess return, which compounds the daily difference."
    by_month = text
    if len(months) > len(newest):
        by_month += f" The newest {len(newest)} months are shown; attribution_months.csv has all."
    parts = (
        Part(plot=Plot("excess-sources", "Excess return by source", summary, curves)),
        Part("In sum", (_introduction(data),), table=_total_table(found, shown)),
        Part("Industries and styles", table=_names_table(found)),
        Part("The benchmark's own error", (error_text(benchmark_error(found), data.benchmark),)),
        Part(
            "By year", (text,), table=_period_table(found.years.iloc[::-1], shown, "Excess return by source and year")
        ),
        Part("By month", (by_month,), table=_period_table(newest, shown, "Excess return by source and month")),
    )
    return Section("return-attribution", "Where the excess return came from", parts)


def _introduction(data: StrategyReportData) -> str:
    return (
        f"Against {data.benchmark}, session by session: industries as Brinson and Fachler, styles by the exposures "
        "known before and their returns in a regression over the universe, the rest is selection. Effects are linked "
        "over time as Cariño does. Definitions: docs/attribution.md."
    )


def error_text(error: BenchmarkError, benchmark: str) -> str:
    """What of the excess return is the benchmark's: dividends that it lacks, and weights that are not quite its own."""
    text = (
        f"The members of {benchmark} at the lake's weights differ from the index by "
        f"{formatting.percent(error.weights)} a year, with a tracking error of "
        f"{formatting.percent(error.tracking_error)}: the excess return is not known better than that."
    )
    if error.dividends:
        text += (
            f" The index is one of prices, and the dividends of its members, {formatting.percent(error.dividends)} a "
            "year, are part of the excess return (backtest: benchmark_return: total_return takes them out)."
        )
    return text


def benchmark_warnings(data: StrategyReportData) -> list[str]:
    """How well the excess return is known, where the weights of the benchmark are approximations."""
    if not data.is_benchmark_approximate or data.attribution is None:
        return []
    error = benchmark_error(data.attribution)
    return [
        f"The weights of {data.benchmark} are approximations: its members at these weights earn "
        f"{formatting.percentage_points(error.weights)} a year beside the index, with a tracking error of "
        f"{formatting.percent(error.tracking_error)}. The excess return is not known better than that."
    ]


def attribution_figure(attribution: Attribution) -> go.Figure:
    """Cumulative effects in five groups, linked over the whole test range so that they end at the sums of the table."""
    effects = attribution.effects
    excess = effects.sum(axis=1)
    growth = pd.Series(np.log1p(excess), effects.index).cumsum()
    # Linked from the start to each session: the logarithms so far over the coefficient of the return so far.
    scale = 1.0 / carino_coefficients(np.expm1(growth.to_numpy()))
    weighted = effects.mul(carino_coefficients(excess.to_numpy()), axis=0).cumsum().mul(scale, axis=0)
    figure = drawing.panels([1.0], height=400)
    for colour, (name, members) in zip(drawing.SERIES_COLOURS, _LINES.items(), strict=True):
        trace = drawing.line(weighted[list(members)].sum(axis=1), name, colour)
        trace.hovertemplate = "%{y:.2%}"
        figure.add_trace(trace, row=1, col=1)
    figure.update_layout(legend={"y": -0.12, "yanchor": "top"})
    figure.update_yaxes(title_text="Excess return", tickformat=".3~p")
    return drawing.with_date_axis(figure, effects.index)


def _total_table(attribution: Attribution, shown: list[str]) -> Table:
    deviations = attribution.effects.std() * np.sqrt(attribution.sessions_per_year)
    rows = [
        (
            Cell(EFFECT_LABELS[effect]),
            Cell(formatting.percent(float(attribution.total[effect]))),
            Cell(formatting.percent(float(deviations[effect]))),
            Cell(_MEANINGS[effect]),
        )
        for effect in shown
    ]
    excess = attribution.effects.sum(axis=1)
    total = (
        Cell("Excess return"),
        Cell(formatting.percent(float(attribution.total["excess_return"]))),
        Cell(formatting.percent(float(excess.std() * np.sqrt(attribution.sessions_per_year)))),
        Cell("the sum"),
    )
    header = ("Source", "Return", "S.d. a year", "What it is")
    return Table("Excess return by source", header, (*rows, total), frozenset({0, 3}))


def _names_table(attribution: Attribution) -> Table:
    names = attribution.names
    wide = names[names["effect"] != STYLE].pivot(index="name", columns="effect", values="value").fillna(0.0)
    wide = wide.reindex(columns=[INDUSTRY, SELECTION], fill_value=0.0)
    order = wide.sum(axis=1).sort_values(ascending=False).index
    rows = [
        (
            Cell(_short(formatting.label(str(name)))),
            *(_tinted(float(wide.loc[name, column])) for column in wide.columns),
        )
        for name in order
    ]
    styles = names[names["effect"] == STYLE].sort_values("value", ascending=False)
    rows += [
        (Cell(f"Style {formatting.label(name)}"), _tinted(value), Cell(""))
        for name, value in zip(styles["name"], styles["value"], strict=True)
    ]
    return Table("By industry and style", ("", "Weight", "Selection"), tuple(rows))


def _short(name: str) -> str:
    """A name that leaves a phone room for two figures."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1].rstrip(' ,&')}…"


def _period_table(periods: pd.DataFrame, shown: list[str], caption: str) -> Table:
    columns = [*shown, "excess_return"]
    rows = tuple(
        (Cell(str(period)), *(_tinted(float(row[column])) for column in columns))
        for period, (_, row) in zip(periods.index, periods.iterrows(), strict=True)
    )
    header = ("", *(EFFECT_LABELS[effect] for effect in shown), "Excess return")
    return Table(caption, header, rows)


def _tinted(value: float) -> Cell:
    return Cell(formatting.percent(value), float(np.clip(value / _FULL_HEAT, -1, 1)))
