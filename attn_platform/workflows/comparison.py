"""Any two strategies or mixes of a home, set against each other."""

from __future__ import annotations

from pathlib import Path

from attn_platform.backtest.store import backtest_table
from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.reports.comparison import Comparison, Side, write_comparison
from attn_platform.reports.strategy import dated
from attn_platform.similar import similar_to
from attn_platform.studies.names import COMPARISONS
from attn_platform.studies.pages import INDEX
from attn_platform.studies.settings import Home
from attn_platform.workflows.reports import data_source


def comparison_page(home: Home, first: str, second: str) -> Path:
    """Where the page of a comparison lies."""
    return home.reports / COMPARISONS / f"{first}_and_{second}" / INDEX


def compare(home: Home, first: str, second: str) -> Comparison:
    """Two strategies or mixes on the sessions that both have.

    `ConfigurationError` for a name that the study lacks or that is given twice, `MissingDataError` where a backtest has
    not been made.
    """
    if first == second:
        raise ConfigurationError(f"{first} is compared with itself; name two strategies or mixes")
    return Comparison(
        first=_side(home, first),
        second=_side(home, second),
        study_title=home.study.title,
        data_source=data_source(home),
        config=home.study.comparison,
        evaluation=home.study.evaluation,
    )


def write_comparison_page(home: Home, comparison: Comparison) -> Path:
    """Write the page of a comparison, with its figures as CSV; returns its path."""
    page = comparison_page(home, comparison.first.name, comparison.second.name)
    return write_comparison(comparison, page.parent)


def _side(home: Home, name: str) -> Side:
    known = [each.name for each in home.study.traded]
    if name not in known:
        others = similar_to(name, known) or f"; it has: {', '.join(known)}"
        raise ConfigurationError(f"study {home.study.name} has no strategy or mix '{name}'{others}")
    table = backtest_table(name)
    if not home.lake.has(table):
        raise MissingDataError(f"{name} has no backtest in {home.lake.root}; run attn materialize {table}")
    return Side(name, dated(home.lake, table), dated(home.lake, backtest_table(name, "holdings")))
