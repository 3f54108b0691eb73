"""`attn backtest`: anybody's predictions through portfolio, simulator and report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home


def backtest(
    predictions: Annotated[Path, typer.Argument(help="Parquet or CSV: date, symbol, prediction.")],
    strategy: Annotated[
        str | None,
        typer.Option(help="Whose limits, styles, benchmark and costs: of the home's study, or of one of the package."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the backtest. Default: that of the file.")] = None,
    start: Annotated[str | None, typer.Option(help="First session whose predictions count.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session of the backtest. Default: the last predicted.")] = None,
    every: Annotated[
        str | None,
        typer.Option(
            help="Sessions between rebalances, or week or month for the last session of each. Default: the strategy's."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Anybody's predictions through the weekly portfolio, the simulator and the report, on the home's market.

    Figures stand under the column names of the published tables. What is made lies in HOME/backtests/NAME; the home's
    own tables stay as they are.

    Example: attn backtest predictions.parquet --strategy csi1000_ai_enhanced --home data/real
    """
    from attn_platform.studies.rebalancing import frequency_named
    from attn_platform.workflows.prediction_backtest import backtest_predictions

    frequency = None if every is None else frequency_named(every)
    result = backtest_predictions(open_home(home), predictions, strategy, name, start, end, frequency)
    facts = {
        "strategy": result.strategy,
        "benchmark": result.benchmark,
        "first_session": str(result.first_session),
        "last_session": str(result.last_session),
        "weeks": result.weeks,
        "relaxed_weeks": result.relaxed_weeks,
    }
    if as_json:
        printing.print_json({**facts, **result.figures, "untraded": result.untraded, "report": str(result.page)})
        return
    title = (
        f"{result.strategy} against {result.benchmark}, {result.first_session} to {result.last_session}: "
        f"{result.weeks} weeks, {result.relaxed_weeks} of them with limits relaxed"
    )
    table = Table("figure", Column("value", justify="right"), title=title)
    for figure, value in result.figures.items():
        table.add_row(figure, f"{value:.4f}")
    if result.untraded["delistings"]:
        table.add_row("annual_return without recovery", f"{result.untraded['unrecovered_annual_return']:.4f}")
    printing.show(table)
    for style, reason in result.missing_styles.items():
        printing.show(f"[yellow]missing[/yellow] style {style}: {reason}")
    printing.show(str(result.page))
