"""`attn compare`: two strategies or mixes beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home

if TYPE_CHECKING:
    from attn_platform.reports.comparison import Comparison


def compare(
    first: Annotated[str, typer.Argument(help="A strategy or a mix of the study.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Two strategies or mixes on their common sessions: figures, difference with its interval, overlap; and a page.

    Example: attn compare lstm_10d alstm_10d
    """
    from attn_platform.workflows.comparison import compare as compared
    from attn_platform.workflows.comparison import write_comparison_page

    target = open_home(home)
    comparison = compared(target, first, second)
    page = write_comparison_page(target, comparison)
    if as_json:
        printing.print_json({**comparison.figures(), "page": str(page)})
        return
    _show(comparison)
    printing.show(str(page))


def _show(comparison: Comparison) -> None:
    """The figures as a table, then what only two can have."""
    from attn_platform.reports import formatting
    from attn_platform.reports.comparison import interval_text
    from attn_platform.reports.contents import PERFORMANCE_FIGURES

    one, other = comparison.first.name, comparison.second.name
    of_one, of_other = comparison.performance[one], comparison.performance[other]
    sessions = formatting.count(len(comparison.excess), "session")
    table = Table("figure", "A", "B", "A − B", title=f"A: {one}\nB: {other}\n{comparison.test_range} ({sessions})")
    for name in PERFORMANCE_FIGURES:
        table.add_row(
            formatting.label(name),
            formatting.figure(name, of_one[name]),
            formatting.figure(name, of_other[name]),
            formatting.difference(name, of_one[name] - of_other[name]),
        )
    printing.show(table)
    interval, overlap = comparison.difference, comparison.overlap
    printing.show(f"data: {comparison.data_source.description}")
    printing.show(
        f"excess annual return, A − B: {interval_text(interval)}; above 0 in "
        f"{formatting.percent(interval.positive_share, 1)} of the repetitions"
    )
    printing.show(f"correlation of daily excess returns: {formatting.number(comparison.correlation)}")
    if len(overlap):
        mean, last = (formatting.percent(float(value), 1) for value in (overlap.mean(), overlap.iloc[-1]))
        printing.show(f"holdings in common: {mean} in the mean, {last} on {overlap.index[-1]:%Y-%m-%d}")
    printing.show(comparison.method)
