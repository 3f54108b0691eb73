"""Which stocks there are: quarterly lists, yearly neighbour groups, and the cross-section of a session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from attn_platform.studies.settings import Home
from attn_platform.studies.study import Universe
from attn_platform.universe.store import (
    CrossSections,
    PeriodSummary,
    quarter_of,
    write_adjacency,
    write_universe,
    year_of,
)


def quarters_of(sessions: np.ndarray) -> list[str]:
    """First days of the quarters whose lists hold on any of `sessions`."""
    return [str(day) for day in np.unique([quarter_of(session) for session in sessions])]


def years_of(sessions: np.ndarray) -> list[str]:
    """First days of the years whose neighbour groups hold on any of `sessions`."""
    return [str(day) for day in np.unique([year_of(session) for session in sessions])]


def choose_members(home: Home, quarters: Sequence[str], universe: Universe | None = None) -> list[PeriodSummary]:
    """Select and write the members of quarters, each by its first day; of the study's own universe without another.

    `MissingDataError` where the session of selection has no bars.
    """
    chosen = home.study.universes[0] if universe is None else universe
    return write_universe(home.lake, home.calendar, quarters, chosen.config, chosen.table)


def group_neighbours(home: Home, years: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Write sector and industry of all stocks for years, each by its first day; returns them by year."""
    return write_adjacency(home.lake, home.calendar, years, home.study.adjacency)


def universe_on(home: Home, session: np.datetime64) -> np.ndarray:
    """Symbols of a session's cross-section: the quarter's members less the day's drops."""
    sections = CrossSections(home.lake, home.calendar, home.study.universe, session, session)
    return sections.market.symbols[sections.dense()[0]]
