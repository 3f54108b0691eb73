"""The page of a study: every exhibit by its number, with what it was drawn from, and what differs from the study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from attn_platform.published import published_test_range, study_citation
from attn_platform.reports import formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import DataKind
from attn_platform.reports.page import Part, Section, write_page
from attn_platform.reports.study.contents import StudyReportData
from attn_platform.reports.study.exhibit import Exhibit, Kind, Reads, own_figures, values_of
from attn_platform.reports.study.registers import REGISTERS
from attn_platform.reports.tables import CSV_ENCODING, Cell, Table
from attn_platform.writing import write_atomically

PAGE, CSV = "index.html", "exhibits.csv"
_REMARKS = {
    DataKind.SIMULATED: "The market is simulated: beside a published figure this shows that the pipeline runs, not "
    "what a strategy earns.",
    DataKind.SAMPLE: "The data are a sample: neither its stocks nor its years are those of the study.",
    DataKind.VENDOR: "The data are A shares of another vendor than the study's.",
}


def write_study_report(data: StudyReportData, folder: Path, config: ReportConfig | None = None) -> Path:
    """Write the page of a study into `folder`, and the figures of its exhibits beside it; returns the page's path."""
    config = config or ReportConfig()
    exhibits = REGISTERS[data.study]
    write_atomically(folder / CSV, figures_frame(data).to_csv(index=False, lineterminator="\n"), CSV_ENCODING)
    sections = [_summary(data, exhibits), _differences(data), *_chapters(data, exhibits, config)]
    write_page(
        folder / PAGE,
        "study_report.html.j2",
        config,
        data=data,
        citation=study_citation(data.study),
        published_range=published_test_range(data.study),
        count=len(exhibits),
        notes=[_REMARKS[data.data_source.kind], *_missing_note(data, exhibits)],
        sections=[section for section in sections if section.parts],
    )
    return folder / PAGE


def figures_frame(data: StudyReportData) -> pd.DataFrame:
    """Every figure of every exhibit in full precision, with the published one and the difference, a row a figure."""
    rows = []
    for exhibit in REGISTERS[data.study]:
        for item in exhibit.items:
            own, printed = own_figures(data, item), exhibit.published_figures(item)
            ours, theirs = values_of(own, exhibit.figures), values_of(printed, exhibit.figures)
            for name, value, published in zip(exhibit.figures, ours, theirs, strict=True):
                rows.append(
                    {
                        "exhibit": exhibit.number,
                        "title": exhibit.title,
                        "result": item.label,
                        "figure": name,
                        "this_run": value,
                        "published": published,
                        "difference": value - published,
                        "data_source": data.data_source.description,
                    }
                )
    return pd.DataFrame(rows)


def exhibit_parts(data: StudyReportData, exhibit: Exhibit, config: ReportConfig) -> Iterator[Part]:
    """An exhibit: its number and name, what is compared with what, and what could be drawn of it."""
    drawn = tuple(exhibit.draw(data, exhibit, config))
    yield Part(exhibit.heading, tuple(_texts(data, exhibit, bool(drawn))), identifier=exhibit.identifier)
    yield from drawn


def _texts(data: StudyReportData, exhibit: Exhibit, is_drawn: bool) -> Iterator[str]:
    if exhibit.kind is Kind.METHOD:
        yield f"This run: what was configured and trained in this home ({data.data_source.description})."
    else:
        sessions = exhibit.sessions(data)
        drawn = f", {_range(sessions)}" if len(sessions) else ""
        printed = f"{study_citation(data.study)}, exhibit {exhibit.number}, real A shares"
        yield (
            f"This run: {data.data_source.description}{drawn}. Published: {printed}, "
            f"{published_test_range(data.study)}{_where_printed(exhibit)}."
        )
        if known := _known_differences(data, exhibit):
            yield f"Known to differ: {'; '.join(known)}."
    if exhibit.note:
        yield exhibit.note
    missing = exhibit.missing(data)
    if exhibit.reads is Reads.NEITHER and not is_drawn:
        yield "Cannot be drawn: the home does not have what it is made from."
    if missing:
        how = "Cannot be drawn" if len(missing) == len(exhibit.items) else "Drawn without some results"
        yield f"{how}. Not in this home: {_grouped(missing)}."


def _where_printed(exhibit: Exhibit) -> str:
    """Where the figures of an exhibit that is a picture are printed."""
    numbers = sorted({int(name.split("exhibit")[1][:2]) for name in exhibit.published})
    if not numbers or numbers == [exhibit.number]:
        return ""
    return f" (figures: exhibit {' and '.join(map(str, numbers))})"


def _known_differences(data: StudyReportData, exhibit: Exhibit) -> list[str]:
    """What differs for the results that an exhibit shows: for all of them, then model by model."""
    shown = exhibit.shown(data)
    if not shown and exhibit.reads is not Reads.NEITHER:
        return []
    by_text: dict[str, list[str]] = {}
    for model in dict.fromkeys(item.model for item in shown):
        for text in (*data.own_differences.get(model, ()), *([data.trained[model]] if model in data.trained else ())):
            by_text.setdefault(text, []).append(model.replace("_", " "))
    models = len({item.model for item in shown})
    own = [text if len(names) == models else f"{text} ({', '.join(names)})" for text, names in by_text.items()]
    return [*data.differences, *own]


def _range(sessions: pd.Index) -> str:
    days = pd.DatetimeIndex(sessions)
    return f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d} ({formatting.count(len(days), 'session')})"


def _grouped(missing: dict[str, str]) -> str:
    """Names with one reason together: "a, b (reason); c (other reason)"."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        by_reason.setdefault(reason, []).append(name.replace("_", " "))
    return "; ".join(f"{', '.join(names)}" + (f" ({reason})" if reason else "") for reason, names in by_reason.items())


def _chapters(data: StudyReportData, exhibits: Sequence[Exhibit], config: ReportConfig) -> Iterator[Section]:
    for number, (title, members) in enumerate(groupby(exhibits, key=lambda each: each.section), start=1):
        parts = tuple(part for exhibit in members for part in exhibit_parts(data, exhibit, config))
        yield Section(f"chapter-{number}", title, parts)


def _summary(data: StudyReportData, exhibits: Sequence[Exhibit]) -> Section:
    rows = tuple(_summary_row(data, exhibit) for exhibit in exhibits)
    header = ("Exhibit", "Name", "Kind", "Drawn from", "Missing")
    text = "Each exhibit of the study, and how much of it this home can draw."
    table = Table("Exhibits", header, rows, frozenset(range(len(header))))
    return Section("exhibits", "Exhibits", (Part(paragraphs=(text,), table=table),))


def _summary_row(data: StudyReportData, exhibit: Exhibit) -> tuple[Cell, ...]:
    shown = exhibit.shown(data)
    drawn = "" if exhibit.reads is Reads.NEITHER else f"{len(shown)} of {len(exhibit.items)}"
    return (
        Cell(str(exhibit.number), link=f"#{exhibit.identifier}"),
        Cell(exhibit.title),
        Cell(exhibit.kind),
        Cell(drawn),
        Cell(", ".join(dict.fromkeys(item.model.replace("_", " ") for item in exhibit.items if item not in shown))),
    )


def _missing_note(data: StudyReportData, exhibits: Sequence[Exhibit]) -> list[str]:
    """How many exhibits lack something, and why, over all of them."""
    lacking = [exhibit for exhibit in exhibits if exhibit.missing(data)]
    if not lacking:
        return []
    empty = [exhibit for exhibit in lacking if len(exhibit.missing(data)) == len(exhibit.items)]
    reasons = dict.fromkeys(reason for exhibit in lacking for reason in exhibit.missing(data).values() if reason)
    return [
        f"{len(empty)} of {len(exhibits)} exhibits cannot be drawn and {len(lacking) - len(empty)} lack some results: "
        f"{'; '.join(reasons)}."
    ]


def _differences(data: StudyReportData) -> Section:
    """What is known to differ from the study, for all results and model by model."""
    rows = [(Cell("all"), Cell(text)) for text in (data.period, *data.differences) if text]
    for model in dict.fromkeys([*data.own_differences, *data.trained]):
        texts = [*data.own_differences.get(model, ()), *([data.trained[model]] if model in data.trained else ())]
        rows += [(Cell(model.replace("_", " ")), Cell(text)) for text in texts]
    if not rows:
        return Section("differences", "What differs")
    text = (
        "Read from the settings of the home, its source, the range of its results and the manifests of its "
        "checkpoints; the study is the package's own edition of it."
    )
    table = Table("Known differences", ("Results", "What differs"), tuple(rows), frozenset({0, 1}))
    return Section("differences", "What differs", (Part(paragraphs=(text,), table=table),))
