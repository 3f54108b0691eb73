"""Factors of a home: the catalogue's values by session, and the panels that models read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.errors import ConfigurationError
from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.panel import write_panel
from attn_platform.factors.preprocessing import Exposures
from attn_platform.factors.store import CHUNK, FamilySummary, chunks, compute_session, write_families
from attn_platform.market.dense import load_dense
from attn_platform.studies.availability import families_off
from attn_platform.studies.identity import factor_origins, panel_origins
from attn_platform.studies.settings import Home
from attn_platform.studies.study import Panel
from attn_platform.universe.adjacency import industry_at
from attn_platform.universe.store import CrossSections


@dataclass(frozen=True)
class PanelSummary:
    """Symbols of each session's cross-section, and the share of stocks that have a value, by factor."""

    members: dict[np.datetime64, np.ndarray]
    coverage: dict[str, float]


def choose_factors(
    home: Home, names: Sequence[str] | None = None, family: str | None = None
) -> tuple[FactorDefinition, ...]:
    """Factors of the catalogue by their names, of a family, or all of them.

    `ConfigurationError` for what the catalogue lacks, and for factors that are not of that family.
    """
    catalogue = home.study.catalogue
    chosen = catalogue.family(family) if family is not None else tuple(catalogue)
    if names:
        wanted = {catalogue.definition(name).name for name in names}
        chosen = tuple(definition for definition in chosen if definition.name in wanted)
        if len(chosen) < len(wanted):
            raise ConfigurationError(
                f"not all of {', '.join(names)} are of family {family}; name the factors, or the family"
            )
    return chosen


def factor_values(home: Home, factors: Sequence[FactorDefinition], session: np.datetime64) -> pd.DataFrame:
    """Raw values of factors on a session, computed from the raw tables: symbol, and a column a factor."""
    study, families = home.study, tuple(dict.fromkeys(definition.family for definition in factors))
    values = compute_session(home.lake, home.calendar, families, session, study.factors, study.catalogue)
    return pd.DataFrame({name: values[name] for name in ("symbol", *(definition.name for definition in factors))})


def compute_factors(home: Home, families: Sequence[str], sessions: np.ndarray) -> dict[str, FamilySummary]:
    """Compute and write the factors of families on ascending `sessions`; returns what was written, by family."""
    study = home.study
    names = [definition.name for family in families for definition in study.catalogue.family(family)]
    origins = factor_origins(home, names)
    return write_families(home.lake, home.calendar, families, sessions, study.factors, study.catalogue, origins)


def compute_panel(home: Home, panel: Panel, sessions: np.ndarray) -> PanelSummary:
    """Pre-process and write a panel on ascending `sessions`, whose families and universe are in the lake."""
    members, exposures = cross_sections(home, panel, sessions)
    coverage = write_panel(
        home.lake,
        panel.table,
        sessions,
        members,
        panel.features,
        panel.preprocessing,
        exposures,
        families_off(home),
        home.study.catalogue,
        panel_origins(home, panel),
    )
    return PanelSummary(members, coverage)


def cross_sections(
    home: Home, panel: Panel, sessions: np.ndarray
) -> tuple[dict[np.datetime64, np.ndarray], dict[np.datetime64, Exposures] | None]:
    """Symbols of each session's cross-section, and their exposures where the panel is neutralised."""
    lake, calendar, is_neutralised = home.lake, home.calendar, panel.preprocessing.neutralise != "none"
    industry = lake.read("industry").to_pandas() if is_neutralised else pd.DataFrame()
    members: dict[np.datetime64, np.ndarray] = {}
    exposures: dict[np.datetime64, Exposures] = {}
    for chunk in chunks(sessions, CHUNK):
        sections = CrossSections(lake, calendar, panel.universe.config, chunk[0], chunk[-1], panel.universe.table)
        inside, market = sections.dense(), sections.market
        for session in chunk:
            members[session] = market.symbols[inside[market.position(session)]]
        if is_neutralised:
            values = load_dense(lake, calendar, chunk[0], chunk[-1], ["total_mv"], market.symbols)
            for session in chunk:
                at, symbols = values.position(session), members[session]
                names = pd.Categorical(industry_at(industry, symbols.tolist(), session, home.study.adjacency.scheme))
                size = np.log(values["total_mv"][at][inside[market.position(session)]])
                exposures[session] = Exposures(names.codes.astype(np.int64), size)
    return members, exposures if is_neutralised else None
