"""Section of a strategy's page on how far its figures can be trusted: periods, seeds, costs, capacity.

Definitions: `evaluation.robustness` and docs/attribution.md.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from attn_platform.reports import drawing, formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import StrategyReportData
from attn_platform.reports.page import Part, Plot, Section
from attn_platform.reports.robustness_contents import ALL_YEARS, Robustness
from attn_platform.reports.tables import Cell, Table

_MILLION = 1e6
_PERIOD_FORMATS = {
    "sessions": 0,
    "excess_return": None,
    "tracking_error": None,
    "information_ratio": 2,
    "excess_max_drawdown": None,
    "rank_ic_mean": None,
}


def robustness_section(data: StrategyReportData, config: ReportConfig) -> Section:
    """Key figures, periods, seeds, costs and capacity."""
    found = data.robustness
    if found is None:
        return Section("robustness", "Robustness")
    palette = drawing.PALETTES[config.colours]
    halves = found.periods[found.periods["period"].str.contains(" ")]
    positive = int((halves["excess_return"] > 0).sum())
    summary = f"{positive} of {formatting.count(len(halves), 'half-year')} with a positive excess return."
    parts = [
        Part("Chance", (_CHANCE,), table=_figures_table(found), width="main"),
        Part("At other costs", (_COSTS,), table=_costs_table(found), width="side"),
        Part(plot=Plot("half-years", "Excess return by half-year", summary, half_years_figure(halves, palette))),
        Part("By year and half-year", table=_periods_table(found)),
    ]
    if len(found.seeds):
        parts.append(Part("Each seed alone", (_SEEDS,), table=_seeds_table(found)))
    if len(found.capacity):
        parts.append(Part("Capacity", (_capacity_text(found),), table=_capacity_table(found)))
    return Section("robustness", "Robustness", tuple(parts))


_CHANCE = (
    "What the search among many strategies makes of these figures is for the overview to say, which knows all of them: "
    "its deflated Sharpe ratio."
)
_COSTS = "The same trades, from their turnover; charges beyond the flat rate stay as they are."
_SEEDS = (
    "RankIC on the rebalances, and the annual return of each seed's top layer over the universe, equally weighted, "
    "without costs or limits. The portfolio trades on the mean of the seeds."
)


def _has_forecast(found: Robustness) -> bool:
    """Whether there is a RankIC: a mix trades on no forecast of its own."""
    return bool(found.periods["rank_ic_mean"].notna().any())


def _figures_table(found: Robustness) -> Table:
    figures = found.figures
    end = "" if found.worst_year_end is None else f", to {formatting.date(found.worst_year_end)}"
    of_forecast = (
        ("RankIC, t-value", formatting.number(figures["rank_ic_t"])),
        ("RankIC, t-value of Newey and West", formatting.number(figures["rank_ic_newey_west_t"])),
    )
    rows = (
        *(of_forecast if _has_forecast(found) else ()),
        ("Daily excess return, t-value of Newey and West", formatting.number(figures["excess_newey_west_t"])),
        ("Months with a positive excess return", formatting.percent(figures["positive_months"], 1)),
        (f"Worst rolling year{end}", formatting.percent(figures["worst_year"])),
        ("Sharpe ratio of the excess return", formatting.number(figures["sharpe"])),
    )
    return Table("Chance", ("Figure", "Value"), tuple((Cell(a), Cell(b)) for a, b in rows))


def _costs_table(found: Robustness) -> Table:
    columns = [name for name in found.costs.columns if name != "cost_per_side"]
    rows = tuple(
        (
            Cell(formatting.percent(float(row["cost_per_side"]), 1)),
            *(Cell(formatting.figure(name, float(row[name]))) for name in columns),
        )
        for row in found.costs.to_dict("records")
    )
    return Table("Figures at other costs a side", ("Cost", *(formatting.label(name) for name in columns)), rows)


def half_years_figure(halves: pd.DataFrame, palette: drawing.Palette) -> go.Figure:
    """Bars of the excess return by half-year."""
    figure = drawing.panels([1.0], height=300)
    values = halves["excess_return"]
    bars = go.Bar(
        x=list(halves["period"]),
        y=drawing.numbers(values),
        marker={"color": drawing.sign_colours(values, palette)},
        hovertemplate="%{x}: %{y:.2%}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=1, col=1)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text="Excess return", tickformat=".3~p")
    return figure


def _periods_table(found: Robustness) -> Table:
    formats = dict(_PERIOD_FORMATS)
    if not _has_forecast(found):
        del formats["rank_ic_mean"]

    def cells(row: dict[str, object]) -> tuple[Cell, ...]:
        values = [float(str(row[name])) for name in formats]
        texts = [
            formatting.percent(value) if digits is None else formatting.number(value, digits)
            for value, digits in zip(values, formats.values(), strict=True)
        ]
        return Cell(str(row["period"])), *map(Cell, texts), Cell(f"{row['months_won']} of {row['months']}")

    rows = tuple(cells({str(name): value for name, value in row.items()}) for row in found.periods.to_dict("records"))
    header = ("Period", *(formatting.label(name) for name in formats), "Months won")
    return Table("Figures by year and half-year", header, rows)


def _seeds_table(found: Robustness) -> Table:
    seeds = found.seeds.set_index("seed")
    alone = seeds.drop(index="mean")
    spread = pd.concat([alone.std(), alone.min(), alone.max()], axis=1, keys=["S.d. of the seeds", "Lowest", "Highest"])
    shown = pd.concat([seeds.rename(lambda seed: "Mean of all" if seed == "mean" else f"Seed {seed}"), spread.T])
    rows = tuple(
        (
            Cell(str(name)),
            Cell(formatting.percent(float(row["rank_ic_mean"]))),
            Cell(formatting.number(float(row["rank_icir"]))),
            Cell(formatting.percent(float(row["top_excess_return"]))),
        )
        for name, row in shown.iterrows()
    )
    return Table("Seeds", ("", "RankIC, mean", "RankICIR", "Top layer, excess"), rows)


def _capacity_text(found: Robustness) -> str:
    share = formatting.percent(found.volume_share, 0)
    return (
        f"Account, in millions of CNY, at which trades that make up a share of all that is traded would each take more "
        f"than {share} of the amount that their stock traded on the day."
    )


def _capacity_table(found: Robustness) -> Table:
    capacity = found.capacity
    columns = [ALL_YEARS, *(name for name in capacity.columns[::-1] if name != ALL_YEARS)]
    rows = tuple(
        (Cell(formatting.percent(float(str(share)), 0)), *(Cell(_millions(float(row[name]))) for name in columns))
        for share, row in capacity.iterrows()
    )
    header = ("Share of what is traded", *("All years" if name == ALL_YEARS else name for name in columns))
    return Table("Capacity in millions of CNY", header, rows)


def _millions(money: float) -> str:
    if not np.isfinite(money):
        return formatting.MISSING
    return formatting.number(money / _MILLION, 0 if money >= 10 * _MILLION else 1)
