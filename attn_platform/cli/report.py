"""`attn report`: HTML pages of strategies, mixes, the study and its overview, factors and the raw data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home
from attn_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from attn_platform.studies.settings import Home

FACTOR, DATA, ALL = "factor", "data", "all"  # attn report factor all, attn report data
STUDY, OVERVIEW = "study", "overview"


def report(
    name: Annotated[
        str,
        typer.Argument(help="A strategy or a mix; the study's name: all; or the word study, overview, factor or data."),
    ],
    factor: Annotated[str | None, typer.Argument(help="After 'factor': a factor, or 'all' of them.")] = None,
    home: HomeOption = None,
) -> None:
    """Make the HTML report of a strategy, a mix (or of all that the study has), of a factor, or of the raw data.

    'study' has the exhibits of the study beside the published ones, 'overview' all strategies in one table.

    Example: attn report multi_task_baseline_10d, or: attn report study, or: attn report factor ret_1m
    """
    from attn_platform.workflows.reports import write_pages

    target = open_home(home)
    if name == FACTOR:
        _report_factor(target, factor)
        return
    if factor is not None:
        raise ConfigurationError(
            f"'{factor}' is one name too many: attn report takes a strategy, the study, '{STUDY}', "
            f"'{OVERVIEW}', '{DATA}', or '{FACTOR}' and a factor"
        )
    if name in (DATA, STUDY, OVERVIEW):
        {DATA: _report_data, STUDY: _report_study, OVERVIEW: _report_overview}[name](target)
        return
    for page in write_pages(target, name):
        printing.show(str(page))


def _report_factor(home: Home, factor: str | None) -> None:
    """The page of a factor, or those of all with their index, which alone is printed then."""
    from attn_platform.workflows.factor_pages import write_factor_pages

    if factor is None:
        raise ConfigurationError(f"name a factor of the catalogue, or '{ALL}': attn report {FACTOR} {ALL}")
    first, *others = write_factor_pages(home, None if factor == ALL else [factor])
    printing.show(f"{first}" + (f" and the pages of {len(others)} factors" if others else ""))


def _report_data(home: Home) -> None:
    """The page of data quality; its path, and how many findings of each severity it has."""
    from attn_platform.reports.data_contents import PAGE, counts_of
    from attn_platform.workflows.data_page import data_pages, write_data_page

    data = write_data_page(home)
    found = counts_of([finding.severity for finding in data.survey.findings])
    printing.show(f"{data_pages(home) / PAGE}: {found}")


def _report_study(home: Home) -> None:
    """The page of the study's exhibits."""
    from attn_platform.workflows.study_report import study_page, write_study_page

    write_study_page(home)
    printing.show(str(study_page(home)))


def _report_overview(home: Home) -> None:
    """The page of all strategies."""
    from attn_platform.workflows.overview import overview_page, write_overview_page

    write_overview_page(home)
    printing.show(str(overview_page(home)))
