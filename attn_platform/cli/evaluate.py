"""`attn evaluate`: composite-factor figures of anybody's predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from attn_platform.cli import printing
from attn_platform.errors import MissingDataError


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Parquet or CSV: date, symbol, prediction (Qlib's names, too).")],
    returns: Annotated[Path, typer.Argument(help="Parquet or CSV: date, symbol, return (realised, over the horizon).")],
    horizon: Annotated[int, typer.Option(min=1, help="Sessions that a return covers; used to annualise layers.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Composite-factor figures of anybody's predictions, under the column names of the published tables.

    Example: attn evaluate predictions.parquet returns.csv --json
    """
    from attn_platform.evaluation.composite_factor import composite_factor_figures
    from attn_platform.evaluation.cross_sections import read_cross_sections

    aligned = read_cross_sections(predictions, returns)
    for note in aligned.notes:
        typer.echo(f"note: {note}", err=True)
    try:
        figures = composite_factor_figures(aligned.predictions, aligned.returns, horizon)
    except MissingDataError as error:
        raise MissingDataError(f"{predictions}, {returns}: {error}") from None
    if as_json:
        printing.print_json(figures)
        return
    table = Table("figure", "value", title=f"{len(aligned.sessions)} sessions, {len(aligned.symbols)} stocks")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}")
    printing.show(table)
