"""`attn alerts`: what is wrong with a live home, what its work waits for, and whether its channels take letters."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home
from attn_platform.errors import ConfigurationError, DeliveryError, PlatformError

if TYPE_CHECKING:
    from attn_platform.studies.settings import Home


def alerts(
    test: Annotated[bool, typer.Option("--test", help="Send a letter through every channel of the settings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """What is wrong now, and what the work that is owed waits for. Nobody is told: the sensor does that.

    Example: attn alerts --home data/real, or: attn alerts --test
    """
    target = open_home(home)
    if test:
        _test_channels(target)
        return
    from attn_platform.definitions import build_defs
    from attn_platform.orchestration.alerting import wrong_now
    from attn_platform.orchestration.automation import decision_now, exchange_now
    from attn_platform.orchestration.instance import open_instance
    from attn_platform.orchestration.partitions import partitions_of

    partitions, now = partitions_of(target), exchange_now()

    def graph() -> Any:
        return build_defs(target).resolve_asset_graph()

    with open_instance(target) as instance:
        wrong = wrong_now(target, partitions, instance, now, graph)
        decision = decision_now(target, partitions, instance, now, graph)
    waiting = [(duty.name, reason) for duty, reason in decision.waiting]
    if as_json:
        records = [{**asdict(alert), "since": alert.since.isoformat()} for alert in wrong]
        printing.print_json({"wrong": records, "waiting": [{"work": name, "for": why} for name, why in waiting]})
        return
    for alert in wrong:
        place = f"{alert.asset} {alert.partition}" if alert.partition else alert.asset
        printing.show(f"{alert.kind} · {place}, since {alert.since:%Y-%m-%d %H:%M}: {alert.what}")
        printing.show(f"  {alert.remedy}")
    if not wrong:
        printing.show("nothing is wrong")
    for name, why in waiting:
        printing.show(f"{name}: {why}")


def _test_channels(home: Home) -> None:
    """Send a letter that says it is a test; `DeliveryError` where a channel did not take it."""
    from attn_platform.alerts import Alert, Kind, Letter, State, send
    from attn_platform.orchestration.automation import exchange_now

    channels = home.settings.alerts.channels
    if not channels:
        raise ConfigurationError(f"{home.root}/settings.yaml names no channel under alerts.channels; add one")
    letter = Letter(
        Alert(Kind.TEST, "attn alerts", None, "this is a test", exchange_now(), ""), State.WRONG, home.root.name
    )
    failed = []
    for channel in channels:
        try:
            send(channel, letter)
            printing.show(f"{channel.name} ({channel.kind}): sent")
        except PlatformError as error:
            failed.append(str(error))
    if failed:
        raise DeliveryError("; ".join(failed))
