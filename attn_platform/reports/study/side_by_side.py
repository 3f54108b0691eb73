"""Exhibits that are tables: our figures, the published ones, and the difference, a line each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.evaluation.comparison import excess_correlations as correlated
from attn_platform.published import published_months, published_source, published_table
from attn_platform.reports import formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.page import Part
from attn_platform.reports.study.contents import StudyReportData
from attn_platform.reports.study.exhibit import Draw, Exhibit, Item, own_figures, values_of
from attn_platform.reports.tables import Cell, Table, month_table, plain_table

OURS, THEIRS, DIFFERENCE = "this run", "published", "difference"
_FEW_FIGURES = 3  # whose three values stand beside each other on a page


def figures(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """The figures of every item beside the published ones."""
    if table := comparison(data, exhibit):
        yield Part(table=table)


def comparison(data: StudyReportData, exhibit: Exhibit) -> Table | None:
    """This run, published, difference: beside each other where the figures are few, else under each other.

    An item that neither has is left out; None where there is no item.
    """
    is_few = len(exhibit.figures) <= _FEW_FIGURES
    lines = _line if is_few else _lines
    rows = tuple(row for item in exhibit.items for row in lines(data, exhibit, item))
    if not rows or not exhibit.figures:
        return None
    caption = f"{exhibit.heading} (this run: {data.data_source.description}, {data.test_range})"
    labels = [formatting.label(name) for name in exhibit.figures]
    if is_few:
        header = ("", *(f"{label}, {which}" for label in labels for which in (OURS, THEIRS, DIFFERENCE)))
        return Table(caption, header, rows)
    return Table(caption, ("", "", *labels), rows, frozenset({0, 1}))


def _line(data: StudyReportData, exhibit: Exhibit, item: Item) -> Iterator[tuple[Cell, ...]]:
    """One line of an item: this run, published and difference of each figure."""
    ours = values_of(own_figures(data, item), exhibit.figures)
    theirs = values_of(exhibit.published_figures(item), exhibit.figures)
    if np.isfinite([*ours, *theirs]).any():
        cells = [Cell(item.label, link=_page(data, item))]
        for name, own, printed in zip(exhibit.figures, ours, theirs, strict=True):
            texts = (formatting.figure(name, own), formatting.figure(name, printed))
            cells += [*map(Cell, texts), Cell(formatting.difference(name, own - printed))]
        yield tuple(cells)


def _lines(data: StudyReportData, exhibit: Exhibit, item: Item) -> Iterator[tuple[Cell, ...]]:
    own, printed = own_figures(data, item), exhibit.published_figures(item)
    ours, theirs = values_of(own, exhibit.figures), values_of(printed, exhibit.figures)
    names = exhibit.figures
    if np.isfinite(ours).any():
        link = _page(data, item)
        shown = [formatting.figure(name, value) for name, value in zip(names, ours, strict=True)]
        yield (Cell(item.label, link=link), Cell(OURS), *map(Cell, shown))
    if np.isfinite(theirs).any():
        shown = [formatting.figure(name, value) for name, value in zip(names, theirs, strict=True)]
        yield (Cell(item.label), Cell(THEIRS), *map(Cell, shown))
    differences = np.subtract(ours, theirs)
    if np.isfinite(differences).any():
        shown = [formatting.difference(name, value) for name, value in zip(names, differences, strict=True)]
        yield (Cell(item.label), Cell(DIFFERENCE), *map(Cell, shown))


def _page(data: StudyReportData, item: Item) -> str | None:
    result = data.strategies.get(item.strategy or "")
    return None if result is None else result.page


def months(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """Year × month excess returns of one strategy, those that were published, and the difference of common months."""
    [item] = exhibit.items
    printed = published_months(exhibit.study, item.strategy or "")
    own = exhibit.strategies(data)
    if own:
        ours = f"This run: {data.data_source.description}"
        yield Part(ours, table=month_table(own[item].months, ours))
    if printed is not None:
        theirs = f"Published: {printed.source}"
        yield Part(theirs, table=month_table(printed.months, theirs))
    if own and printed is not None:
        difference = months_apart(own[item].months, printed.months)
        if len(difference):
            yield Part("Difference", table=month_table(difference, "difference"))


def months_apart(own: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Our months less the published ones, of the years that both have; totals of years that have the same months."""
    ours, theirs = own.set_index("year"), printed.set_index("year")
    years = ours.index.intersection(theirs.index)
    ours, theirs = ours.loc[years], theirs.loc[years, ours.columns]
    is_alike = (ours.notna() == theirs.notna()).all(axis=1)
    difference = ours - theirs
    difference["year_total"] = difference["year_total"].where(is_alike)
    return difference.rename_axis("year").reset_index()


def prediction_correlations(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """How alike the forecasts are, beside what was printed."""
    yield from _correlations(data.prediction_correlations, data, exhibit)


def excess_correlations(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """How alike the daily excess returns are, beside what was printed."""
    own = exhibit.strategies(data)
    excess = pd.DataFrame({item.model: result.daily["excess_return"] for item, result in own.items()})
    yield from _correlations(correlated(excess) if len(own) > 1 else pd.DataFrame(), data, exhibit)


def _correlations(own: pd.DataFrame, data: StudyReportData, exhibit: Exhibit) -> Iterator[Part]:
    [name] = exhibit.published
    printed = published_table(name).set_index("model")
    models = [item.model for item in exhibit.items]
    if len(own):
        ours = f"This run: {data.data_source.description}"
        yield Part(ours, table=_matrix(ours, own, models))
    theirs = f"Published: {published_source(name)}"
    yield Part(theirs, table=_matrix(theirs, printed, models))
    if len(own):
        apart = own.reindex(index=models, columns=models) - printed.reindex(index=models, columns=models)
        yield Part("Difference", table=_matrix("Difference", apart, models, signed=True))


def _matrix(caption: str, frame: pd.DataFrame, models: list[str], signed: bool = False) -> Table:
    write = formatting.signed_number if signed else formatting.number
    values = frame.reindex(index=models, columns=models).to_numpy(dtype=np.float64)
    rows = tuple(
        (Cell(formatting.label(model)), *(Cell(write(float(value))) for value in row))
        for model, row in zip(models, values, strict=True)
    )
    return Table(caption, ("", *map(formatting.label, models)), rows)


def method(name: str) -> Draw:
    """How the table of method of that name is drawn: what was really run, beside what the study says."""

    def draw(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
        frame = data.method.get(name, pd.DataFrame())
        if len(frame):
            yield Part(table=plain_table(exhibit.title, frame))

    return draw
