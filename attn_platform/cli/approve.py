"""`attn approve`: consent to the orders of a week, which count as sent from then on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import ByOption, DateOption, HomeOption, open_home, who

CHANGES_SHOWN = 15


def approve(
    strategy: Annotated[str, typer.Argument(help="Name of a strategy.")],
    date: DateOption,
    by: ByOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Approve the orders of a rebalance that were looked at last (attn portfolio --orders): they count as sent.

    Refused where the portfolio was made again since then, or today's prices make other orders of it: look again.

    Example: attn approve multi_task_baseline_10d --date 2022-06-10 --by "Li Lei"
    """
    from attn_platform.market.calendar import EXCHANGE_ZONE
    from attn_platform.reports.blotter_lines import approval_lines, approval_record, changes_table
    from attn_platform.workflows.orders import approve_orders
    from attn_platform.workflows.portfolios import portfolio_strategy, rebalance_of

    target, name = open_home(home), who(by)
    config = portfolio_strategy(target, strategy)
    session = rebalance_of(target, config, date)
    shown = approve_orders(target, config, session, name, datetime.now(EXCHANGE_ZONE))
    if as_json:
        printing.print_json(approval_record(shown))
        return
    for line in approval_lines(shown):
        printing.show(line, highlight=False)
    if shown.changes:
        printing.show(changes_table(shown.changes, CHANGES_SHOWN))
