"""Tables of the reports: cells ready for a page, and the same figures in full precision as CSV files beside it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.published import PublishedRow
from attn_platform.reports import formatting
from attn_platform.reports.contents import (
    BINDING_COLUMNS,
    FACTOR_FIGURES,
    HOLDINGS_COLUMNS,
    PERFORMANCE_FIGURES,
    RELAXATION_PREFIX,
    UNTRADED_FIGURES,
    WORST_WEEKS_COLUMNS,
    PlantedSignals,
    StrategyReportData,
    is_relaxed,
)
from attn_platform.reports.robustness_contents import attribution_tables, robustness_tables
from attn_platform.writing import write_atomically

# Excess return of a month that gets the full colour; AI-55's months rarely leave ±5 %.
_FULL_HEAT_MONTH = 0.05
_FULL_HEAT_YEAR = 0.25
# Excel on Chinese systems takes a CSV without a byte-order mark for GBK.
CSV_ENCODING = "utf-8-sig"


@dataclass(frozen=True)
class Cell:
    """One cell as shown; `heat` in [−1, 1] tints it with the colour of gains or losses, None leaves it plain.

    `link` is a page beside this one; `order` is what a sortable table sorts by in place of the text (NaN comes last).
    """

    text: str
    heat: float | None = None
    link: str | None = None
    order: float | None = None


@dataclass(frozen=True)
class Table:
    """A table as shown. `rows[i][0]` is the row's header; columns in `text_columns` are aligned left.

    The reader can sort a `sortable` table by any column.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_columns: frozenset[int] = frozenset({0})
    sortable: bool = False


def comparison_table(
    caption: str, values: Mapping[str, float], names: tuple[str, ...], published: PublishedRow | None, data_source: str
) -> Table:
    """Figures `names` of this run, beside the published ones where there are any.

    The column of this run carries its data source, so that the comparison cannot be read, or copied, without it.
    """
    own = f"This run: {data_source}"
    if published is None:
        rows = tuple(_cells(formatting.label(name), formatting.figure(name, values[name])) for name in names)
        return Table(caption, ("Figure", own), rows)
    theirs = {name: published.figures.get(name, np.nan) for name in names}
    rows = tuple(
        _cells(
            formatting.label(name),
            formatting.figure(name, values[name]),
            formatting.figure(name, theirs[name]),
            formatting.difference(name, values[name] - theirs[name]),
        )
        for name in names
    )
    return Table(caption, ("Figure", own, f"Published: {published.source}", "Difference"), rows)


def untraded_table(untraded: Mapping[str, float]) -> Table:
    """What stocks that could not be traded any more did to the backtest."""
    rows = tuple(_cells(formatting.label(name), formatting.figure(name, untraded[name])) for name in UNTRADED_FIGURES)
    return Table("Delisted and suspended holdings", ("Figure", "Value"), rows)


def mix_table(mix: str, performance: Mapping[str, float], parts: Mapping[str, Mapping[str, float]]) -> Table:
    """Performance of a mix beside that of the strategies that it is made of."""
    columns = {mix: performance, **parts}
    rows = tuple(
        _cells(formatting.label(name), *(formatting.figure(name, figures[name]) for figures in columns.values()))
        for name in PERFORMANCE_FIGURES
    )
    return Table("The mix and its parts", ("Figure", *(formatting.label(name) for name in columns)), rows)


def month_table(months: pd.DataFrame, source: str | None = None) -> Table:
    """Year × month excess returns, tinted by size, with the year's total; published ones name their source."""
    columns = [str(column) for column in months.columns if column != "year"]
    rows = tuple(
        (Cell(str(row["year"])), *(_tinted(column, float(row[column])) for column in columns))
        for row in months.to_dict("records")
    )
    caption = "Excess return by month" + ("" if source is None else f", {source}")
    return Table(caption, ("Year", *(formatting.label(column) for column in columns)), rows)


def yearly_table(yearly: pd.DataFrame) -> Table:
    """Figures of each calendar year."""
    columns = [str(column) for column in yearly.columns if column != "year"]
    rows = tuple(
        _cells(str(row["year"]), *(formatting.figure(column, float(row[column])) for column in columns))
        for row in yearly.to_dict("records")
    )
    return Table("Figures by year", ("Year", *(formatting.label(column) for column in columns)), rows)


def execution_table(execution: pd.DataFrame, shown: int) -> Table:
    """Plan against fill of the newest weeks, `shown` at most."""
    columns = [str(column) for column in execution.columns if column != "signal"]
    rows = tuple(
        _cells(formatting.date(row["signal"]), *(formatting.figure(name, float(row[name])) for name in columns))
        for row in execution.tail(shown)[::-1].to_dict("records")
    )
    return Table("Plan against fill", tuple(formatting.label(name) for name in ("signal", *columns)), rows)


def weeks_table(caption: str, weeks: pd.DataFrame) -> Table:
    """Weeks with their returns, in the order given."""
    rows = tuple(
        _cells(
            formatting.date(row["last_session"]),
            *(formatting.figure(column, float(row[column])) for column in WORST_WEEKS_COLUMNS[1:]),
        )
        for row in weeks.to_dict("records")
    )
    return Table(caption, tuple(formatting.label(column) for column in WORST_WEEKS_COLUMNS), rows)


def relaxation_table(rebalances: pd.DataFrame, shown: int) -> Table:
    """Return the newest `shown` rebalances on which a limit was relaxed: which, and by how much."""
    relaxed = rebalances[is_relaxed(rebalances)]
    amounts = [str(column) for column in rebalances.columns if str(column).startswith(RELAXATION_PREFIX)]
    columns = [*amounts, "one_way_turnover", "unfilled"]
    newest = relaxed.iloc[::-1].head(shown)
    rows = tuple(
        _cells(
            formatting.date(date),
            str(row["relaxed"]),
            *(formatting.figure(column, float(row[column])) for column in columns),
        )
        for date, (_, row) in zip(pd.DatetimeIndex(newest.index), newest.iterrows(), strict=True)
    )
    header = ("Rebalance", "Relaxed", *(formatting.label(column) for column in columns))
    return Table("Rebalances with relaxed limits", header, rows, frozenset({0, 1}))


def binding_limits_table(binding: pd.DataFrame, shown: int) -> Table:
    """Return the limits that bind, the most frequent first: shares of the rebalances, and mean price."""
    often = binding.assign(binds=binding["at_upper"] + binding["at_lower"])
    often = often[often["binds"] > 0].sort_values(["binds", "mean_price"], ascending=False, kind="stable").head(shown)
    unit = float(often["mean_price"].max()) / 10 if len(often) else 0.0
    rows = tuple(
        _cells(
            formatting.limit_name(row["kind"], row["name"]),
            *(formatting.figure(column, row[column]) for column in BINDING_COLUMNS[2:5]),
            formatting.in_unit_of(row["mean_price"], unit),
        )
        for row in often.to_dict("records")
    )
    return Table("Limits that bind", ("Limit", *(formatting.label(column) for column in BINDING_COLUMNS[2:])), rows)


def holdings_table(holdings: pd.DataFrame, shown: int) -> Table:
    """Return the `shown` largest holdings by weight, without the columns that no holding has a value of."""
    largest = _by_weight(holdings).head(shown)
    columns = [column for column in HOLDINGS_COLUMNS if holdings[column].notna().any()]
    texts = ("symbol", "name", "industry", "reason")
    rows = tuple(
        _cells(
            *(
                _text(row[column]) if column in texts else formatting.figure(column, float(row[column]))
                for column in columns
            )
        )
        for _, row in largest.iterrows()
    )
    text_columns = frozenset(at for at, column in enumerate(columns) if column in texts)
    return Table("Largest holdings", tuple(formatting.label(column) for column in columns), rows, text_columns)


def planted_table(planted: PlantedSignals, factor_figures: Mapping[str, float]) -> Table:
    """Signals of a simulated market with their strengths and correlations; the best forecast; the report's own."""
    names = ("rank_ic_mean", "weighted_rank_ic_mean")
    rows = [
        _cells(
            formatting.label(str(signal)),
            str(row["seen_by"]),
            formatting.number(float(row["strength"]), 1),
            *(formatting.figure(name, float(row[name])) for name in names),
        )
        for signal, row in planted.signals.iterrows()
    ]
    for label, figures in (("All of them, known", planted.known), ("This forecast", factor_figures)):
        if figures:
            rows.append(_cells(label, "", "", *(formatting.figure(name, float(figures[name])) for name in names)))
    header = ("Signal", "What it is, and what sees it", "Strength (bp)", *(formatting.label(name) for name in names))
    return Table("Planted signals", header, tuple(rows), frozenset({0, 1}))


def part_shares_table(shares: Mapping[str, float]) -> Table:
    """Share of each part of the forecasts in their variance."""
    rows = tuple(_cells(formatting.label(part), formatting.percent(share, 1)) for part, share in shares.items())
    return Table("Shares of the forecasts' variance", ("Part", "Share"), rows)


def plain_table(caption: str, frame: pd.DataFrame) -> Table:
    """Return any small frame as text, without its index."""
    rows = tuple(_cells(*(_plain_text(value) for value in row)) for row in frame.itertuples(index=False))
    header = tuple(formatting.label(str(column)) for column in frame.columns)
    return Table(caption, header, rows, frozenset(range(len(header))))


def report_tables(data: StrategyReportData) -> dict[str, pd.DataFrame]:
    """Every figure of the page in full precision, by file stem; parts that the report lacks are absent."""
    frames = {
        "performance": _figures_frame(data, data.performance, PERFORMANCE_FIGURES, data.published_performance),
        "daily": _indexed(data.daily, "date"),
        "monthly_excess": data.month_table,
        "yearly": data.yearly,
        "worst_weeks": data.worst_weeks,
        "best_weeks": data.best_weeks,
        "week_contributors": data.week_contributors,
        "conditions": data.conditions,
        "untraded": pd.DataFrame(data.untraded.items(), columns=["figure", "value"]),
        "rank_ic": _indexed(pd.DataFrame({"rank_ic": data.rank_ic, "weighted_rank_ic": data.weighted_rank_ic}), "date"),
        "layers": _indexed(data.layers, "date"),
        "layer_annual_returns": _indexed(data.layer_annual_returns.to_frame("annual_return"), "layer"),
        "industry_exposures": _indexed(data.industry_exposures, "date"),
        "style_exposures": _indexed(data.style_exposures, "date"),
        "rebalances": _indexed(data.rebalances, "date"),
        "mix_parts": _indexed(pd.DataFrame({data.strategy: data.performance, **data.mix_parts}), "figure")
        if data.mix_parts
        else pd.DataFrame(),
        "mix_correlations": _indexed(data.mix_correlations, "strategy"),
        "published_months": pd.DataFrame() if data.published_months is None else data.published_months.months,
        "limits": data.limit_states,
        "binding_limits": data.binding_limits,
        "stock_reasons": _indexed(data.stock_reasons, "date"),
        "execution": data.execution,
        "holdings": _by_weight(data.holdings) if len(data.holdings) else data.holdings,
        "checkpoint_windows": data.checkpoint_windows,
    }
    if data.explanation is not None:
        frames["explanation_stocks"] = data.explanation.stocks
        frames["explanation_factors"] = data.explanation.factors
        frames["explanation_attention"] = data.explanation.attention
    if data.planted is not None:
        known = pd.DataFrame(data.planted.known, index=["all known"] if data.planted.known else [])
        frames["planted_signals"] = _indexed(pd.concat([data.planted.signals, known]), "signal")
    if data.attribution is not None:
        frames |= attribution_tables(data.attribution)
    if data.robustness is not None:
        frames |= robustness_tables(data.robustness)
    if data.factor_figures:
        frames["factor_figures"] = _figures_frame(
            data, data.factor_figures, FACTOR_FIGURES, data.published_factor_figures
        )
    return {name: frame for name, frame in frames.items() if len(frame)}


def write_report_tables(data: StrategyReportData, directory: Path) -> list[Path]:
    """Write `report_tables` to `directory`, one CSV a table, each atomically; return the paths sorted."""
    paths = []
    for name, frame in sorted(report_tables(data).items()):
        path = directory / f"{name}.csv"
        write_atomically(path, frame.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n"), CSV_ENCODING)
        paths.append(path)
    return paths


def _figures_frame(
    data: StrategyReportData, values: Mapping[str, float], names: tuple[str, ...], published: PublishedRow | None
) -> pd.DataFrame:
    frame = pd.DataFrame({"figure": names, "value": [float(values[name]) for name in names]})
    frame["data_source"] = data.data_source.description
    if published is not None:
        frame["published"] = [published.figures.get(name, np.nan) for name in names]
        frame["published_source"] = published.source
    return frame


def _indexed(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.rename_axis(name).reset_index()


def _by_weight(holdings: pd.DataFrame) -> pd.DataFrame:
    return holdings.sort_values(["weight", "symbol"], ascending=[False, True], na_position="last")


def _tinted(column: str, value: float) -> Cell:
    if not np.isfinite(value):
        return Cell("")
    full_heat = _FULL_HEAT_YEAR if column == "year_total" else _FULL_HEAT_MONTH
    return Cell(formatting.percent(value, 1), float(np.clip(value / full_heat, -1, 1)))


def _cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text) for text in texts)


def _text(value: Hashable) -> str:
    return formatting.MISSING if value is None or value is pd.NA or value != value else str(value)


def _plain_text(value: Hashable) -> str:
    return formatting.date(value) if isinstance(value, pd.Timestamp) else _text(value)
