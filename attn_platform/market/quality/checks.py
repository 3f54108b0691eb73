"""The checks of data quality, in the order in which a reader should meet them.

What belongs here: the tuple `CHECKS` of a module that asks one question of the raw tables, and nothing else. A check
reads columns of one table or several, a session beside earlier ones, or a whole history; whatever a single row can tell
is a rule of `market.contract`.
"""

from __future__ import annotations

from attn_platform.market.quality import (
    consistency,
    continuity,
    identity,
    indices,
    industries,
    levels,
    limits,
    minute_bars,
    presence,
    repetition,
    statements,
    statuses,
    suspension,
    timing,
)
from attn_platform.market.quality.check import Check

CHECKS: tuple[Check, ...] = (
    *presence.CHECKS,
    *consistency.CHECKS,
    *continuity.CHECKS,
    *levels.CHECKS,
    *repetition.CHECKS,
    *timing.CHECKS,
    *suspension.CHECKS,
    *statuses.CHECKS,
    *limits.CHECKS,
    *identity.CHECKS,
    *indices.CHECKS,
    *industries.CHECKS,
    *statements.CHECKS,
    *minute_bars.CHECKS,
)
