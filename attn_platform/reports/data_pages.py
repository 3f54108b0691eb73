"""The page of data quality: what the checks found in the raw tables, and what is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from attn_platform.market.quality.coverage import FILLED, ROWS, SUSPENDED
from attn_platform.market.quality.examine import GRAVITY
from attn_platform.market.quality.findings import Finding
from attn_platform.reports import data_figures, drawing, formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.data_contents import (
    COVERAGE_CSV,
    EXAMPLES_CSV,
    FINDINGS_CSV,
    PAGE,
    TABLES,
    DataReportData,
    findings_frame,
)
from attn_platform.reports.page import Card, Part, Plot, Section, render_page, write_page
from attn_platform.reports.tables import CSV_ENCODING, Cell, Table, plain_table
from attn_platform.writing import write_atomically

_TEMPLATE = "data_report.html.j2"


def render_data_report(data: DataReportData, config: ReportConfig | None = None) -> str:
    """Return the page as one HTML file."""
    config = config or ReportConfig()
    return render_page(_TEMPLATE, config, **_context(data, config))


def write_data_report(data: DataReportData, folder: Path, config: ReportConfig | None = None) -> Path:
    """Write the page into `folder`, and its tables beside it; returns the page's path."""
    config = config or ReportConfig()
    for name, frame in _csv_tables(data).items():
        write_atomically(folder / TABLES / name, frame.to_csv(index=False, lineterminator="\n"), CSV_ENCODING)
    write_page(folder / PAGE, _TEMPLATE, config, **_context(data, config))
    return folder / PAGE


def _context(data: DataReportData, config: ReportConfig) -> dict[str, object]:
    sections = (
        Section("findings", "Findings", tuple(_finding_parts(data))),
        Section("coverage", "Coverage", tuple(_coverage_parts(data, drawing.PALETTES[config.colours]))),
        Section("checks", "Checks", (_checks_part(data),)),
    )
    found = Counter[str](finding.severity for finding in data.survey.findings)
    cards = [Card(f"{each.capitalize()}s", f"{found[each]:,}") for each in GRAVITY]
    rows = data.survey.coverage.get(f"{ROWS}daily_bar", pd.Series(dtype=float)).sum()
    return {
        "data": data,
        "cards": [*cards, Card("Daily bars", f"{int(rows):,}"), Card("Sessions", f"{len(data.sessions):,}")],
        "range": f"{formatting.date(data.sessions[0])} to {formatting.date(data.sessions[-1])}",
        "sections": sections,
    }


def _csv_tables(data: DataReportData) -> dict[str, pd.DataFrame]:
    findings = data.survey.findings
    examples = [
        {
            "check": finding.check,
            "table": finding.table,
            "example": json.dumps(example, ensure_ascii=False, default=str),
        }
        for finding in findings
        for example in finding.examples
    ]
    return {
        FINDINGS_CSV: findings_frame(findings),
        EXAMPLES_CSV: pd.DataFrame(examples, columns=["check", "table", "example"]),
        COVERAGE_CSV: data.survey.coverage.rename_axis("session").reset_index(),
    }


def _finding_parts(data: DataReportData) -> Iterator[Part]:
    findings = data.survey.findings
    if not findings:
        yield Part(paragraphs=(f"None of {len(data.checks)} checks found anything.",))
        return
    rows = tuple(
        (
            Cell(finding.severity, order=float(GRAVITY.index(finding.severity))),
            Cell(_words(finding.check)),
            Cell(finding.table),
            Cell(f"{finding.count:,}", order=float(finding.count)),
            Cell(f"{finding.examined:,}", order=float(finding.examined)),
            _share(finding.count / max(finding.examined, 1)),
        )
        for finding in findings
    )
    header = ("Severity", "Check", "Table", "Count", "Examined", "Share")
    yield Part(
        paragraphs=(
            "An error: what is computed from it is wrong. A warning: to be looked at. A note: known, left as it is.",
        ),
        table=Table("Findings", header, rows, frozenset({0, 1, 2}), sortable=True),
    )
    for finding in findings:
        yield _finding_part(finding)


def _finding_part(finding: Finding) -> Part:
    heading = f"{finding.severity.capitalize()}: {_words(finding.check)} ({finding.table})"
    is_column = "_" in finding.text.partition(" ")[0]
    text = finding.text if is_column else f"{finding.text[:1].upper()}{finding.text[1:]}"
    paragraphs = (f"{text}.", f"Remedy: {finding.remedy}.")
    if not finding.examples:
        return Part(heading, paragraphs)
    columns = list(dict.fromkeys(name for example in finding.examples for name in example))
    rows = tuple(tuple(Cell(_text(example.get(name))) for name in columns) for example in finding.examples)
    caption = f"Examples of {_words(finding.check)}, {finding.table}"
    return Part(heading, paragraphs, table=Table(caption, tuple(formatting.label(name) for name in columns), rows))


def _coverage_parts(data: DataReportData, palette: drawing.Palette) -> Iterator[Part]:
    covered = data.survey.coverage.set_index(pd.DatetimeIndex(data.sessions))
    tables = covered[[name for name in covered.columns if name.startswith(ROWS)]]
    rows = tables.rename(columns=lambda name: name.removeprefix(ROWS))
    yield Part(
        plot=Plot(
            "rows",
            "Rows",
            "By session and table; lines of tables with the same rows lie on each other.",
            data_figures.rows_figure(rows),
        )
    )
    suspended = covered[SUSPENDED]
    summary = f"Share of the bars that are suspended; at most {formatting.percent(float(suspended.max()), 1)}."
    yield Part(plot=Plot("suspended", "Suspended stocks", summary, data_figures.suspended_figure(suspended, palette)))
    filled = covered[[name for name in covered.columns if name.startswith(FILLED)]]
    missing = (1 - filled.rename(columns=lambda name: name.removeprefix(FILLED))).resample("MS").mean()
    summary = "Share of a table's rows without a value, by month and column; suspended rows have no prices of the day."
    yield Part(plot=Plot("missing", "Missing values", summary, data_figures.missing_figure(missing, palette)))


def _checks_part(data: DataReportData) -> Part:
    found = Counter(finding.check for finding in data.survey.findings)
    frame = pd.DataFrame(
        {
            "check": [_words(check.name) for check in data.checks],
            "table": [check.table for check in data.checks],
            "what must hold": [check.states for check in data.checks],
            "findings": [f"{found[check.name]}" for check in data.checks],
        }
    )
    return Part(table=plain_table("Checks made", frame))


def _share(value: float) -> Cell:
    """A share that may be one in millions: two significant digits."""
    percent = 100 * value
    return Cell(f"{percent:.0f}%" if percent >= 10 else f"{percent:.2g}%", order=value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: object) -> str:
    """A cell of an example: numbers with as many digits as tell them apart."""
    if isinstance(value, float):
        return formatting.MISSING if value != value else f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return formatting.MISSING if value is None else str(value)
