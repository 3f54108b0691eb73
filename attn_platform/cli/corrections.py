"""`attn corrections`: the values that imports have changed, and what is stale because of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home

if TYPE_CHECKING:
    import pandas as pd

    from attn_platform.studies.settings import Home

IMPORTANCE = ("table", "session", "symbol", "column", "before", "after", "change", "item", "imported")


def corrections(
    table: Annotated[str | None, typer.Option(help="Of one raw table.")] = None,
    session: Annotated[str | None, typer.Option(help="Of one session, as YYYY-MM-DD.")] = None,
    since: Annotated[str | None, typer.Option(help="By imports from this day on, as YYYY-MM-DD.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Values that are shown; --out and --json have all.")] = 20,
    stale: Annotated[bool, typer.Option("--stale", help="What is stale by them, in place of the values.")] = False,
    out: Annotated[Path | None, typer.Option(help="Parquet or CSV file to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Which values imports have changed, newest first: table, session, stock, column, before and after.

    Example: attn corrections --session 2022-06-10, or: attn corrections --stale
    """
    from attn_platform.market.calendar import as_day
    from attn_platform.market.corrections import read_corrections

    target = open_home(home)
    day, first = (None if date is None else as_day(date) for date in (session, since))
    found = read_corrections(target.lake, first, table, day)
    if stale:
        _show_stale(target, found, as_json)
        return
    if out is not None:
        printing.write_frame(found, out)
    if as_json:
        printing.print_json({"corrections": printing.records(found.astype(str).where(found.notna(), None))})
    elif out is not None:
        printing.show(f"{len(found):,} values written to {out}")
    elif found.empty:
        printing.show("no import has changed a value")
    else:
        shown = found.head(limit)
        title = f"Values that imports have changed ({len(shown):,} of {len(found):,}, the newest import first)"
        printing.print_frame(shown.astype(str).where(shown.notna(), ""), title, IMPORTANCE, printing.JSON_OR_FILE)


def _show_stale(home: Home, found: pd.DataFrame, as_json: bool) -> None:
    """Assets with partitions that are stale because of corrections."""
    from attn_platform.definitions import build_defs
    from attn_platform.market.corrections import changed_sessions
    from attn_platform.orchestration.corrected import stale_by
    from attn_platform.orchestration.freshness import Lineage
    from attn_platform.orchestration.instance import open_instance

    with open_instance(home) as instance:
        lineage = Lineage(build_defs(home).resolve_asset_graph(), instance)
        stale = stale_by(home, lineage, changed_sessions(found))
    if as_json:
        printing.print_json({"stale": {asset: causes.to_dict() for asset, causes in stale.items()}})
        return
    if not stale:
        printing.show("nothing is stale because of them")
        return
    table = Table("asset", Column("partitions", justify="right"), "from", "to", Column("because of", overflow="fold"))
    for asset, causes in stale.items():
        first, last = causes.index.min(), causes.index.max()
        table.add_row(asset, f"{len(causes):,}", first, last, ", ".join(causes.unique()))
    printing.show(table)
    printing.show("attn run makes it again, but for weeks whose orders were sent: attn rebuilds")
