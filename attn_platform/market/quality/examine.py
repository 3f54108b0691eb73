"""All checks on a lake, in one walk over its sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar, Day
from attn_platform.market.lake import Lake
from attn_platform.market.quality.check import Check
from attn_platform.market.quality.checks import CHECKS
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.coverage import coverage
from attn_platform.market.quality.findings import Finding
from attn_platform.market.quality.stretch import Statics, Stretch, load_statics, walk
from attn_platform.progress import tqdm

GRAVITY = ("error", "warning", "note")
"""Severities, the gravest first."""


@dataclass(frozen=True)
class Survey:
    """What was found, the gravest first, and what is there (`coverage`, by session)."""

    findings: list[Finding]
    coverage: pd.DataFrame


def examine(
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    config: QualityConfig | None = None,
    checks: Sequence[Check] = CHECKS,
) -> list[Finding]:
    """What `checks` find from session `first` to `last` (all that the lake has without them), the gravest first.

    `MissingDataError` where the lake has no daily bars there.
    """
    statics = load_statics(lake)
    return _seen(checks, statics, _stretches(lake, calendar, statics, first, last), config)


def examine_statics(lake: Lake, checks: Sequence[Check], config: QualityConfig | None = None) -> list[Finding]:
    """What those of `checks` find that read tables without sessions, the gravest first."""
    return _seen(checks, load_statics(lake), (), config)


def survey(
    lake: Lake,
    calendar: Calendar,
    first: Day | None = None,
    last: Day | None = None,
    config: QualityConfig | None = None,
    checks: Sequence[Check] = CHECKS,
) -> Survey:
    """`examine`, and the coverage of the same sessions."""
    statics, covered = load_statics(lake), []

    def and_covered() -> Iterator[Stretch]:
        for stretch in _stretches(lake, calendar, statics, first, last):
            covered.append(coverage(stretch))
            yield stretch

    return Survey(_seen(checks, statics, and_covered(), config), pd.concat(covered))


def _stretches(
    lake: Lake, calendar: Calendar, statics: Statics, first: Day | None, last: Day | None
) -> Iterator[Stretch]:
    held = lake.sessions("daily_bar")
    if not len(held):
        raise MissingDataError(f"the lake {lake.root} has no daily_bar; attn run or attn import brings it")
    start, end = held[0] if first is None else first, held[-1] if last is None else last
    years = int(str(end)[:4]) - int(str(start)[:4]) + 1
    stretches = walk(lake, calendar, statics, start, end)
    yield from tqdm(stretches, desc="examining", total=years, unit="year")


def _seen(
    checks: Sequence[Check], statics: Statics, stretches: Iterable[Stretch], config: QualityConfig | None
) -> list[Finding]:
    """What the checks find in stretches that come in the order of time, the gravest first."""
    examinations = [check.start(config or QualityConfig()) for check in checks]
    for stretch in stretches:
        for examination in examinations:
            examination.look(stretch)
    found = [finding for examination in examinations for finding in examination.findings(statics)]
    return sorted(found, key=lambda finding: GRAVITY.index(finding.severity))
