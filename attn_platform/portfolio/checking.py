"""Whether the stored weeks of a strategy keep its limits: every limit recomputed from the rows of the portfolios."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from attn_platform.portfolio.extension import OwnLimit
from attn_platform.portfolio.limits.base import Limit, Relaxed
from attn_platform.portfolio.limits.configuration import LIMITS


def limit_failures(portfolio: pd.DataFrame, limits: pd.DataFrame, relaxed: Relaxed) -> Iterator[str]:
    """A text for each limit that is broken and not on record as relaxed, misreported, or of a kind that nobody checks.

    `portfolio` and `limits` are rows of the tables of a strategy, `relaxed` the date, kind and name of what its
    accounts have on record. Of limits that are a user's own functions the recorded value is compared with the limits.
    """
    kinds: tuple[type[Limit], ...] = (*LIMITS, OwnLimit)
    for limit in kinds:
        yield from limit.failures(portfolio, limits[limits["kind"] == limit.kind], relaxed)
    for row in limits[~limits["kind"].isin([limit.kind for limit in kinds])].itertuples():
        yield f"{row.date}: {row.kind} {row.name} is of a kind that no check knows; make the week again"
