"""Weeks whose orders were sent and that would come out otherwise now: they are offered, and made again by consent.

A run that carries the tag `CONSENT` may make such weeks again; without it the asset refuses (`workflows.consent`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np

from attn_platform.orchestration.freshness import Lineage, stale_inputs, stale_of_made
from attn_platform.orchestration.outputs import held_of
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.portfolio.trading.blotter import Blotter
from attn_platform.studies.settings import Home

CONSENT = "attn/consented_by"


@dataclass(frozen=True)
class Offer:
    """A week that was sent and is stale: why, who has approved its orders when, and the input that is stale itself.

    `waits_for` is None where all of its inputs are what they would be made now.
    """

    strategy: str
    week: str
    cause: str
    approved_by: str
    approved_at: datetime
    waits_for: str | None


def sent_weeks(home: Home) -> dict[str, set[str]]:
    """Keys of the weeks whose orders were sent, by the asset of their strategy; strategies without any are left out."""
    found = {
        portfolio_table(strategy.name): {str(week) for week in Blotter(home.root, strategy.name).sent_weeks()}
        for strategy in home.study.strategies
    }
    return {table: weeks for table, weeks in found.items() if weeks}


def offers(home: Home, lineage: Lineage) -> list[Offer]:
    """The weeks that were sent and that today's code, configuration and inputs would make otherwise, by strategy."""
    sent = sent_weeks(home)
    if not sent:
        return []
    stale = stale_of_made(lineage, partial(held_of, home, lineage.graph))
    found: list[Offer] = []
    for strategy in home.study.strategies:
        table, blotter = portfolio_table(strategy.name), Blotter(home.root, strategy.name)
        for week in sorted(sent.get(table, set()) & set(stale[table].index)):
            approval = blotter.week(np.datetime64(week)).approval
            assert approval is not None
            inputs = (source for source, _ in stale_inputs(lineage, table, week, stale) if source != table)
            waits_for = next(inputs, None)
            found.append(Offer(strategy.name, week, str(stale[table][week]), approval.by, approval.at, waits_for))
    return found
