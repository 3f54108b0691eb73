"""`attn report`: HTML pages of strategies, mixes, the study and its overview, factors, weeks and the raw data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home
from attn_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from attn_platform.studies.pages import Page
    from attn_platform.studies.settings import Home

FACTOR, ALL = "factor", "all"  # attn report factor all


def report(
    name: Annotated[
        str,
        typer.Argument(help="A strategy, a mix or a page; the study's name: all; or study, overview, weekly, data …"),
    ],
    factor: Annotated[str | None, typer.Argument(help="After 'factor': a factor, or 'all' of them.")] = None,
    date: Annotated[str | None, typer.Option("--date", help="With 'weekly': a day of the week to report.")] = None,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="Also each page as one file, with its figures and plotly.js inside.")
    ] = False,
    png: Annotated[bool, typer.Option("--png", help="Also a picture of each page, for a mail (by Chromium).")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also each page as it is printed (by Chromium).")] = False,
    home: HomeOption = None,
) -> None:
    """Make the HTML report of a strategy, a mix (or of all that the study has), of a factor, or of the raw data.

    'study' has the exhibits of the study beside the published ones, 'overview' all strategies in one table, 'weekly'
    the factors of Haitong's weekly in the newest whole week, or in that of --date.

    Example: attn report multi_task_baseline_10d --pdf, or: attn report factor ret_1m, or:
    attn report weekly --date 2024-08-30
    """
    from attn_platform.reports import exports
    from attn_platform.studies.names import WEEKLY
    from attn_platform.studies.pages import pages_called

    if png or pdf:
        exports.browser()  # a missing one is said before the pages are made
    target = open_home(home)
    chosen = {
        exports.write_single_file: single_file,
        exports.write_picture: png,
        exports.write_pdf: pdf,
    }

    def export(*pages: Path) -> None:
        for page in pages:
            for write, is_wanted in chosen.items():
                if is_wanted:
                    printing.show(str(write(page)))

    if name == FACTOR:
        export(*_report_factor(target, factor))
        return
    if factor is not None:
        raise ConfigurationError(
            f"'{factor}' is one name too many: attn report takes a strategy, the study, 'study', "
            f"'overview', a page such as 'data', or '{FACTOR}' and a factor"
        )
    pages = pages_called(target, name)
    is_weekly = name == WEEKLY and bool(target.study.weekly.rows)  # without rows it may be a strategy's name
    if date is not None and not is_weekly:
        raise ConfigurationError(f"--date is that of the weekly report: attn report {WEEKLY} --date {date}")
    if is_weekly:
        export(_report_weekly(target, date))
        return
    for page in pages:
        export(_report_page(target, page))


def _report_factor(home: Home, factor: str | None) -> list[Path]:
    """The page of a factor, or those of all with their index, which alone is printed then."""
    from attn_platform.workflows.pages.factors import write_factor_pages

    if factor is None:
        raise ConfigurationError(f"name a factor of the catalogue, or '{ALL}': attn report {FACTOR} {ALL}")
    pages = write_factor_pages(home, None if factor == ALL else [factor])
    first, *others = pages
    printing.show(f"{first}" + (f" and the pages of {len(others)} factors" if others else ""))
    return pages


def _report_weekly(home: Home, date: str | None) -> Path:
    """The page of a week; a sentence a factor is printed below its path."""
    from attn_platform.reports.weekly_page import sentence
    from attn_platform.studies.names import WEEKLY
    from attn_platform.studies.pages import page_file
    from attn_platform.workflows.weekly import write_weekly

    page, data = write_weekly(home, page_file(home, WEEKLY).parent, date)
    printing.show(f"{page}: {data.sessions[0]} to {data.last}")
    for factor in data.factors:
        printing.show(f"{factor.title}: no data: {factor.absent}." if factor.absent else sentence(factor))
    return page


def _report_page(home: Home, page: Page) -> Path:
    """Make a page; its path, and what is said of it in a few words."""
    from attn_platform.studies.pages import write_page

    path, summary = write_page(home, page)
    said = [str(value) for value in summary.values() if isinstance(value, str | int | float)]
    printing.show(": ".join([str(path), *([", ".join(said)] if said else [])]))
    return path
