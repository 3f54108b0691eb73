"""`attn optimise`: the portfolio of one week from a file of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home, session_of
from attn_platform.cli.portfolio import PORTFOLIO_BY_IMPORTANCE, PORTFOLIO_SHOWN

WEIGHTS_SHOWN = 30


def optimise(
    scores: Annotated[
        Path, typer.Argument(help="Parquet or CSV: symbol, score, and more columns where you have them.")
    ],
    strategy: Annotated[
        str | None, typer.Option(help="Whose limits and styles: of the home's study, or of one of the package.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Session of the home that has what the file lacks. Default: the file has all.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet or CSV file of weights to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """The portfolio of one week from a file of scores: weights, the limits that bind, and those that were relaxed.

    Columns: symbol; score or prediction; benchmark, held (weights); industry; tradable; style_NAME (z-scores). With
    --date what the file lacks is that of the home on the session. Without held it is a first portfolio, whose turnover
    has no limit.

    Example: attn optimise scores.csv --strategy csi500_ai_enhanced --date 2021-06-01 --out weights.csv
    """
    from attn_platform.workflows.one_week import optimise as solve_week

    target = open_home(home, is_needed=date is not None)
    week = solve_week(target, scores, strategy, None if date is None else session_of(target, date))
    solution, binding = week.solution, week.binding
    if out is not None:
        printing.write_frame(week.weights, out)
    held = week.weights[week.weights["weight"] > 0]
    facts = {
        "strategy": week.strategy,
        "status": solution.status,
        "objective": solution.objective,
        "turnover": solution.turnover,
        "holdings": len(held),
    }
    if as_json:
        weights = dict(zip(held["symbol"], held["weight"].astype(float), strict=True))
        printing.print_json(
            {
                **facts,
                "weights": weights,
                "portfolio": printing.records(week.weights),
                "binding": printing.records(binding),
                "relaxed": printing.records(week.relaxed),
            }
        )
        return
    turnover = "a first portfolio" if solution.turnover is None else f"one-way turnover {solution.turnover:.2%}"
    shown = held.head(WEIGHTS_SHOWN)
    title = f"{week.strategy}: {solution.status}, {len(held)} stocks, {turnover}"
    printing.print_frame(shown[list(PORTFOLIO_SHOWN)], title, PORTFOLIO_BY_IMPORTANCE, printing.JSON_OR_FILE)
    if len(held) > len(shown):
        printing.show(f"{len(held) - len(shown)} smaller weights: --out or --json")
    if len(binding):
        printing.print_frame(binding, "limits that bind, and what one unit more room would add to the objective")
    if len(week.relaxed):
        printing.print_frame(week.relaxed, "limits that were relaxed")
    if out is not None:
        printing.show(f"{len(week.weights)} rows written to {out}")
