"""Neighbour groups of samples: who shares the sector or the industry on a session (AI-55)."""

from dataclasses import replace
from typing import Literal

import numpy as np

from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake
from attn_platform.training.samples import Samples
from attn_platform.universe.store import ADJACENCY, year_of


def with_neighbours(samples: Samples, lake: Lake, variant: Literal["sector", "industry"]) -> Samples:
    """The samples with the group ids of the adjacency that is in force on each session.

    A stock that the year's adjacency does not know, as it was not listed yet when that was made, has only itself for a
    neighbour. Raises MissingDataError if a year's adjacency is missing.
    """
    years = np.array([year_of(session) for session in samples.sessions], dtype="datetime64[D]")
    groups = np.empty(len(samples), dtype=np.int64)
    for year in np.unique(years):
        if not lake.path(ADJACENCY, year).exists():
            raise MissingDataError(f"the lake has no '{ADJACENCY}' of {year}; materialise it, then train or predict")
        table = lake.read(ADJACENCY, year, year, ["symbol", f"{variant}_group"])
        known = table["symbol"].to_numpy().astype(np.str_)
        order = np.argsort(known)
        known, group = known[order], table[f"{variant}_group"].to_numpy()[order]
        first, last = np.flatnonzero(years == year)[[0, -1]]
        of_year = slice(samples.offsets[first], samples.offsets[last + 1])
        symbols = samples.symbols[of_year]
        at = np.minimum(np.searchsorted(known, symbols), len(known) - 1)
        # An id per row is an id per stock: a stock stands once in a session
        alone = int(group.max(initial=-1)) + 1 + np.arange(len(symbols))
        groups[of_year] = np.where(known[at] == symbols, group[at], alone)
    return replace(samples, groups=groups)
