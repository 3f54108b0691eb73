"""`attn universe`: the cross-section of a session."""

from __future__ import annotations

from typing import Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import DateOption, HomeOption, open_home, session_of


def universe(
    date: DateOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """The cross-section of a session: the quarter's members less the day's drops.

    Example: attn universe --date 2022-06-02
    """
    from attn_platform.universe.store import quarter_of
    from attn_platform.workflows.universe import universe_on

    target = open_home(home)
    session = session_of(target, date)
    symbols, quarter = universe_on(target, session), quarter_of(session)
    if as_json:
        printing.print_json({"session": str(session), "quarter": str(quarter), "symbols": list(symbols)})
        return
    for symbol in symbols:
        typer.echo(symbol)
    typer.echo(f"{len(symbols)} stocks, list of {quarter}", err=True)
