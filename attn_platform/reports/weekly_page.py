"""The page of the weekly report, and its tables as CSV beside it (Haitong weekly 2024-09-02)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.evaluation.to_date import SPANS
from attn_platform.market.calendar import CalendarPeriod
from attn_platform.reports import drawing, formatting, weekly_figures
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.page import Part, Plot, Section, write_page
from attn_platform.reports.tables import CSV_ENCODING, Cell, Table
from attn_platform.reports.weekly_contents import (
    EXCESS,
    LONG,
    LONG_SHORT,
    Series,
    WeeklyFactor,
    WeeklyPortfolio,
    WeeklyReportData,
    factor_frame,
    portfolio_frame,
)
from attn_platform.writing import write_atomically

FACTORS_CSV, PORTFOLIOS_CSV = "_table1_factors.csv", "_table2_portfolios.csv"
INDEX = "index.html"
_TEMPLATE = "weekly_report.html.j2"
_SPAN_LABELS = {"week": "Week", "month": "Month to date", "year": "Year to date"}
_PRINTED = {"week": "week", "month": "month", "year": "ytd"}  # in the columns of the published tables
_FULL_HEAT = {"week": 0.01, "month": 0.02, "year": 0.10}  # the published week's largest
_NOTHING = Cell(formatting.MISSING)


def write_weekly_report(data: WeeklyReportData, folder: Path, config: ReportConfig | None = None) -> Path:
    """Write `<last session>.html` and both tables as CSV beside it, then the index of all weeks; returns the page."""
    config = config or ReportConfig()
    for suffix, frame in ((FACTORS_CSV, factor_frame(data)), (PORTFOLIOS_CSV, portfolio_frame(data))):
        write_atomically(folder / f"{data.last}{suffix}", frame.to_csv(index=False, lineterminator="\n"), CSV_ENCODING)
    page = folder / f"{data.last}.html"
    palette = drawing.PALETTES[config.colours]
    sections = (
        Section("factors", "Table 1: factors", tuple(_factor_tables(data))),
        Section("portfolios", "Table 2: enhanced portfolios", tuple(_portfolio_parts(data))),
        Section("curves", "Factor by factor", tuple(_factor_parts(data, palette))),
        Section("method", "How it is made", (Part(paragraphs=tuple(data.method)),)),
    )
    context = {
        "data": data,
        "week": f"{data.sessions[0]} to {data.last}",
        "sentences": [sentence(each) for each in data.factors if not each.absent],
        "notes": list(_notes(data)),
        "sections": [section for section in sections if section.parts],
    }
    write_page(page, _TEMPLATE, config, **context)
    _write_index(data, folder, config)
    return page


def sentence(factor: WeeklyFactor) -> str:
    """A factor in a sentence, made from its figures."""
    series = factor.sides[LONG_SHORT]
    week, month, year = (formatting.signed_percent(series.to_date[span]) for span in SPANS)
    won, of = series.won("month").split("/")
    return (
        f"{factor.title}: long-short {week} in the week, {month} in the month, {year} in the year, "
        f"{won} of {formatting.count(int(of), 'month')} won."
    )


def _notes(data: WeeklyReportData) -> Iterator[str]:
    rows: list[WeeklyFactor | WeeklyPortfolio] = [*data.factors, *data.portfolios]
    absent = sum(bool(each.absent) for each in rows)
    if absent:
        yield f"{absent} of {formatting.count(len(rows), 'row')} of the tables have no data, and say why."
    late: dict[str, list[str]] = {}
    for each in rows:
        if each.late:
            late.setdefault(each.late, []).append(each.title)
    for reason, names in late.items():
        yield f"{reason}: {', '.join(names)}."
    yield from data.notes
    if data.published is not None:
        yield (
            f"Published are the figures of this week in {data.published.source}, of {data.published.data}; "
            f"ours are of: {data.data_source.description}."
        )


def _factor_tables(data: WeeklyReportData) -> Iterator[Part]:
    published = None if data.published is None else data.published.factors
    for side, heading, text in (
        (LONG_SHORT, "Long-short", "Return of the long leg less that of the short leg."),
        (LONG, "Long excess", "Return of the long leg less the average of all stocks that have the factor."),
    ):
        rows = tuple(
            (
                Cell(each.title, link=None if each.absent else f"#factor-{each.name}"),
                *_cells(each.sides.get(side), side, "month", _printed(published, each.name)),
                Cell(each.rhythm),
                Cell(f"no data: {each.absent}" if each.absent else _begin(each.sides[side])),
            )
            for each in data.factors
        )
        header = ("Factor", *_header("Months won", published is not None), "Rebalanced", "From")
        text_columns = frozenset({0, len(header) - 2, len(header) - 1})
        yield Part(heading, (text,), table=Table(f"Table 1: {heading}", header, rows, text_columns))


def _portfolio_parts(data: WeeklyReportData) -> Iterator[Part]:
    if not data.portfolios:
        return
    published = None if data.published is None else data.published.portfolios
    rows = tuple(
        (
            Cell(each.title),
            *_cells(each.excess, EXCESS, "week", _printed(published, each.name)),
            Cell(each.benchmark),
            Cell(f"no data: {each.absent}" if each.excess is None else _begin(each.excess)),
        )
        for each in data.portfolios
    )
    header = ("Portfolio", *_header("Weeks won", published is not None), "Benchmark", "From")
    text = "Return less that of the benchmark, after costs, from the backtest of the strategy."
    table = Table("Table 2: enhanced portfolios", header, rows, frozenset({0, len(header) - 2, len(header) - 1}))
    yield Part(paragraphs=(text,), table=table)
    curves = {each.title: each.excess for each in data.portfolios if each.excess is not None}
    if curves:
        summary = "Daily differences to the benchmark, compounded."
        figure = weekly_figures.excess_figure(curves)
        yield Part(plot=Plot("portfolio-excess", "Cumulative excess", summary, figure))


def _factor_parts(data: WeeklyReportData, palette: drawing.Palette) -> Iterator[Part]:
    for each in data.factors:
        if each.absent:
            continue
        summary = f"{each.source}; rebalanced {each.rhythm}; from {_begin(each.sides[LONG_SHORT])} on."
        curve = weekly_figures.strength_figure(each.sides, palette)
        plot = Plot(f"strength-{each.name}", each.title, summary, curve)
        yield Part(plot=plot, width="main", identifier=f"factor-{each.name}")
        bars = weekly_figures.span_bars(each.sides, palette)
        summary = "Long and short: in excess of all stocks."
        yield Part(plot=Plot(f"bars-{each.name}", "Week, month, year to date", summary, bars), width="side")


def _begin(series: Series) -> str:
    return f"{series.daily.index[0]:%Y-%m-%d}"


def _header(won: str, has_published: bool) -> list[str]:
    names = [*_SPAN_LABELS.values(), won]
    return [text for name in names for text in ((name, f"{name}, published") if has_published else (name,))]


def _cells(
    series: Series | None, side: str, period: CalendarPeriod, printed: Mapping[str, object] | None
) -> Iterator[Cell]:
    """Cells of the figures of a row, each followed by the published one where the week has one."""
    for span in SPANS:
        value = float("nan") if series is None else series.to_date[span]
        yield _percent(value, _FULL_HEAT[span])
        if printed is not None:
            yield Cell(formatting.signed_percent(float(str(printed.get(f"{side}_{_PRINTED[span]}", "nan")))))
    yield _NOTHING if series is None else Cell(series.won(period))
    if printed is not None:
        yield Cell(str(printed.get(_won_column(side, period), formatting.MISSING)))


def _won_column(side: str, period: CalendarPeriod) -> str:
    return f"{period}s_won" if side == EXCESS else f"{side}_{period}s_won"


def _percent(value: float, full: float) -> Cell:
    heat = float(np.clip(value / full, -1, 1)) if np.isfinite(value) else None
    return Cell(formatting.signed_percent(value), heat)


def _printed(published: pd.DataFrame | None, name: str) -> dict[str, object] | None:
    """The published row of a name; empty where none was printed, None in other weeks."""
    if published is None:
        return None
    return {str(key): value for key, value in published.loc[name].items()} if name in published.index else {}


def _write_index(data: WeeklyReportData, folder: Path, config: ReportConfig) -> None:
    """The list of all weeks that lie in the folder, newest first."""
    weeks = sorted((path.name.removesuffix(FACTORS_CSV) for path in folder.glob(f"*{FACTORS_CSV}")), reverse=True)
    rows = tuple(_week_row(folder, week) for week in weeks)
    header = ("Week to", "Factors with figures", "Best long-short of the week", "")
    table = Table("Weeks", header, rows, frozenset({0, 3}))
    sections = [Section("weeks", "Weeks", (Part(table=table),))]
    write_page(folder / INDEX, "weekly_index.html.j2", config, data=data, sections=sections)


def _week_row(folder: Path, week: str) -> tuple[Cell, ...]:
    table = pd.read_csv(folder / f"{week}{FACTORS_CSV}", encoding=CSV_ENCODING)
    known = table.dropna(subset=[f"{LONG_SHORT}_week"])
    first = (Cell(week, link=f"{week}.html"), Cell(f"{len(known)} of {len(table)}"))
    if known.empty:
        return (*first, _NOTHING, _NOTHING)
    best = known.nlargest(1, f"{LONG_SHORT}_week").iloc[0]
    value = formatting.signed_percent(float(best[f"{LONG_SHORT}_week"]))
    return (*first, Cell(value), Cell(formatting.label(str(best["factor"]))))
