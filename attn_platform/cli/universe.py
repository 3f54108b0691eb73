"""`attn universe`: the cross-section of a session."""

from __future__ import annotations

import typer

from attn_platform.cli.options import DateOption, HomeOption, open_home, session_of


def universe(date: DateOption, home: HomeOption = None) -> None:
    """The cross-section of a session: the quarter's members less the day's drops.

    Example: attn universe --date 2022-06-02
    """
    from attn_platform.universe.store import quarter_of
    from attn_platform.workflows.universe import universe_on

    target = open_home(home)
    session = session_of(target, date)
    symbols = universe_on(target, session)
    for symbol in symbols:
        typer.echo(symbol)
    typer.echo(f"{len(symbols)} stocks, list of {quarter_of(session)}", err=True)
