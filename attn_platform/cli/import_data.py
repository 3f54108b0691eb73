"""`attn import`: a vendor's files, or forecasts that are made elsewhere, into the lake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, StudyOption, open_home
from attn_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

    from attn_platform.studies.settings import Home

PREDICTIONS = "predictions"  # attn import predictions


def _list_vendors(is_asked: bool) -> None:
    if is_asked:
        from attn_platform.market.vendors import importers

        for name in importers():
            printing.show(name)
        raise typer.Exit


def import_data(
    vendor: Annotated[
        str,
        typer.Argument(
            help="Whose files: a name that --vendors lists (contract: files that follow the data contract), a Python "
            "file of your own that registers a vendor, or predictions for forecasts.",
        ),
    ],
    path: Annotated[Path, typer.Argument(help="Folder with the vendor's files; the file of predictions.")],
    start: Annotated[str | None, typer.Option(help="First session to import.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session to import.")] = None,
    name: Annotated[str | None, typer.Option(help="With predictions: which forecasts of the study they are.")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Put single bad rows aside into table quarantine, and go on.")
    ] = False,
    industry_scheme: Annotated[
        str | None, typer.Option(help="Industries that the home follows from now on. Default: as it does.")
    ] = None,
    study: StudyOption = None,
    home: HomeOption = None,
    vendors: Annotated[
        bool, typer.Option("--vendors", help="List the vendors, and exit.", callback=_list_vendors, is_eager=True)
    ] = False,
) -> None:
    """Import a vendor's files into the lake: all of them, or (where anything is wrong) nothing.

    Example: attn import ashare ~/data/ashare --home data/real, or: attn import predictions p.csv --name my_forecasts
    """
    if quarantine and vendor == PREDICTIONS:
        raise ConfigurationError(f"--quarantine does not go with attn import {PREDICTIONS}")
    if vendor == PREDICTIONS:
        if industry_scheme is not None:
            raise ConfigurationError("--industry-scheme goes with a vendor's files")
        _import_predictions(open_home(home), path, name, study, start, end)
        return
    if name is not None:
        raise ConfigurationError(f"--name goes with attn import {PREDICTIONS}")
    from attn_platform.studies.names import DATA
    from attn_platform.studies.settings import industry_schemes
    from attn_platform.workflows.imports import import_data as import_files

    started = time.perf_counter()
    done = import_files(home, vendor, path, start, end, quarantine, industry_scheme, study)
    target, report, missing = done.home, done.report, done.missing
    table = Table("table", "rows", title=f"{report.vendor}: {report.first_session} to {report.last_session}")
    for name, rows in report.rows.items():
        table.add_row(name, f"{rows:,}")
    printing.show(table)
    for name, reason in missing.items():
        printing.show(f"[yellow]missing[/yellow] {name}: {reason}")
    for finding in report.findings:
        printing.show(f"[yellow]{finding.table}[/yellow]: {finding.sentence}", highlight=False)
    for name, count in report.put_aside.items():
        printing.show(f"[red]quarantine[/red] {name}: {count:,} rows put aside, with reasons in table quarantine")
    for name, reason in {**report.absent_tables, **report.absent_columns}.items():
        if name not in missing:
            printing.show(f"kept from an earlier import: {name} ({reason})")
    _show_corrections(done.corrections.to_pandas(), target)
    for line in _scheme_lines(done.scheme_before, done.scheme, industry_schemes(target.lake)):
        printing.show(line)
    printing.show(f"imported in {time.perf_counter() - started:.0f} s into {target.root}")
    printing.show(f"What the data is like: attn report {DATA} --home {target.root}")


def _show_corrections(corrections: pd.DataFrame, home: Home) -> None:
    """What was there otherwise before the import: tables and sessions, and where to find all of it."""
    if corrections.empty:
        return
    from attn_platform.market.corrections import summary
    from attn_platform.reports.correction_lines import CORRECTIONS_SHOWN, summary_lines

    for line in summary_lines(summary(corrections), CORRECTIONS_SHOWN):
        printing.show(f"[yellow]corrected[/yellow] {line}", highlight=False)
    printing.show(f"value by value, and what is stale by it: attn corrections --stale --home {home.root}")


def _scheme_lines(before: str | None, scheme: str, stocks: dict[str, int]) -> Iterator[str]:
    """Which industries the home follows after an import, of how many stocks, and which others it could."""
    if not stocks:
        yield "no industries: what reads them cannot be made in this home"
        return
    if before is not None and before != scheme:
        yield (
            f"[yellow]changed[/yellow] industry scheme {before} → {scheme}: materialise again what reads industries "
            "(sector_adjacency, neutralised panels, portfolios), and train what reads these"
        )
    others = [name for name in stocks if name != scheme]
    more = f"; {', '.join(others)} came as well (--industry-scheme)" if others else ""
    yield f"industry scheme {scheme}: {stocks.get(scheme, 0):,} stocks{more}"


def _import_predictions(
    home: Home, path: Path, name: str | None, study: str | None, start: str | None, end: str | None
) -> None:
    """Forecasts of the study that are made elsewhere, into the lake."""
    from attn_platform.workflows.homes import require_same, study_name
    from attn_platform.workflows.imports import import_predictions

    require_same(home, study=study_name(study))
    rows = import_predictions(home, path, name, start, end)
    sessions = sorted(rows)
    printing.show(
        f"{sum(rows.values()):,} forecasts of {len(rows)} sessions, {sessions[0]} to {sessions[-1]}, imported into "
        f"{home.root}"
    )
