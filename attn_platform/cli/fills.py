"""`attn fills`: what was really filled of the orders of a week, from a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import ByOption, DateOption, HomeOption, open_home, who

UNFILLED_SHOWN = 15  # orders


def fills(
    strategy: Annotated[str, typer.Argument(help="Name of a strategy.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, Parquet or Excel: symbol, side, shares, price, fees; and date where the orders are for several "
            "sessions."
        ),
    ],
    date: DateOption,
    by: ByOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Enter what was filled of the orders that were sent: the next orders start from it, and the report shows it.

    Refused as a whole: stocks that were not ordered, the other side, more than was ordered, a file that is in already.

    Example: attn fills multi_task_baseline_10d fills.csv --date 2022-06-10
    """
    from attn_platform.market.calendar import EXCHANGE_ZONE
    from attn_platform.reports.blotter_lines import fill_lines, unfilled, unfilled_table
    from attn_platform.workflows.orders import take_fills
    from attn_platform.workflows.portfolios import portfolio_strategy, rebalance_of

    target, name = open_home(home), who(by)
    config = portfolio_strategy(target, strategy)
    session = rebalance_of(target, config, date)
    week = take_fills(target, config, session, file, name, datetime.now(EXCHANGE_ZONE))
    left = unfilled(week)
    if as_json:
        filled = [fill.model_dump() for fill in week.fills]
        printing.print_json({"files": [each.file for each in week.files], "fills": filled, "unfilled": left})
        return
    for line in fill_lines(week):
        printing.show(line, highlight=False)
    if left:
        printing.show(unfilled_table(left, UNFILLED_SHOWN))
    printing.show(f"plan against fill: attn report {strategy} --home {target.root}")
