"""`attn rebuilds`: weeks that were sent and would come out otherwise now, and consent to make them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from attn_platform.cli import printing
from attn_platform.cli.options import ByOption, HomeOption, keys_between, open_home, who
from attn_platform.errors import ConfigurationError, ConsentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attn_platform.orchestration.rebuilds import Offer

SHOWN = 20


def rebuilds(
    accept: Annotated[
        str | None, typer.Option("--accept", metavar="STRATEGY", help="Make the offered weeks of a strategy again.")
    ] = None,
    weeks: Annotated[
        str | None, typer.Option(help="With --accept: KEY, or FIRST...LAST of the offered weeks. Default: all.")
    ] = None,
    by: ByOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Which weeks are offered to be made again, or consent to it: their orders were sent, and their inputs are others.

    Example: attn rebuilds --accept multi_task_baseline_10d --by "Li Lei"
    """
    if accept is None and weeks is not None:
        raise ConfigurationError("--weeks goes with --accept")
    target, name = open_home(home), who(by) if accept is not None else ""
    from attn_platform.definitions import build_defs
    from attn_platform.orchestration.freshness import Lineage
    from attn_platform.orchestration.instance import open_instance
    from attn_platform.orchestration.pipeline import Stage, run_stage
    from attn_platform.orchestration.rebuilds import CONSENT, offers
    from attn_platform.portfolio.strategy import portfolio_table

    defs = build_defs(target)
    with open_instance(target) as instance:
        offered = offers(target, Lineage(defs.resolve_asset_graph(), instance))
        if accept is None:
            show_offers(offered, as_json)
            return
        target.study.strategy(accept)  # a name that is none is told apart from one without offers
        chosen = _accepted(offered, accept, weeks)
        stage = Stage(f"{accept}, by consent of {name}", (portfolio_table(accept),), chosen[0], chosen[-1])
        printing.show(stage.label)
        printing.show(f"      done in {run_stage(defs, instance, stage, {CONSENT: name}):.1f} s")


def _accepted(offered: Sequence[Offer], strategy: str, weeks: str | None) -> list[str]:
    """The weeks that are accepted; `ConsentError` where there is none, or one whose inputs are not made yet."""
    of_strategy = {offer.week: offer for offer in offered if offer.strategy == strategy}
    if not of_strategy:
        raise ConsentError(f"no week of {strategy} is offered: none was sent that would come out otherwise")
    chosen = list(keys_between(weeks, sorted(of_strategy), "offered week"))
    for week in chosen:
        if (source := of_strategy[week].waits_for) is not None:
            raise ConsentError(f"{week} is made from {source}, which is to be made again first: attn run makes it")
    return chosen


def show_offers(offered: Sequence[Offer], as_json: bool) -> None:
    """Print the offers: strategy, week, why, the stale input that is to be made first, and who has approved when."""
    if as_json:
        rows = [{**vars(offer), "approved_at": offer.approved_at.isoformat()} for offer in offered]
        printing.print_json({"offered": rows})
        return
    if not offered:
        printing.show("nothing is offered: no week was sent that would come out otherwise")
        return
    shown = offered[:SHOWN]
    title = f"Sent weeks that would be made again ({len(shown)} of {len(offered)})"
    folded = (Column(name, overflow="fold") for name in ("because of", "waits for"))
    table = Table("strategy", "week", *folded, "approved", title=title)
    for offer in shown:
        approved = f"{offer.approved_by}, {offer.approved_at:%Y-%m-%d %H:%M}"
        table.add_row(offer.strategy, offer.week, offer.cause, offer.waits_for or "", approved)
    printing.show(table)
    printing.show("attn rebuilds --accept STRATEGY makes them again; the orders that were sent stay on record")
