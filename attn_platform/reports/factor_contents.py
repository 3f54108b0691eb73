"""What the page of a single factor shows, and the index of such pages, beside their profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_profile import FactorProfile
from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.reports.contents import DataSource


@dataclass(frozen=True)
class FactorSubject:
    """What all pages of one run have in common: where the factors were evaluated, and how."""

    study: str
    universe: str
    data_source: DataSource
    config: FactorProfileConfig
    min_observations: Mapping[str, int]
    """Least observations of the longest window, by factor; 0 for a factor without a window."""
    pages: frozenset[str] = frozenset()
    """Factors whose page lies beside this one."""


@dataclass(frozen=True)
class FactorReportData:
    """One factor: its definition, its profile, and what a reader must know besides."""

    definition: FactorDefinition
    profile: FactorProfile
    notes: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Name of the factor."""
        return self.definition.name

    @property
    def range(self) -> str:
        """First and last session evaluated."""
        sessions = self.profile.series.sessions
        return f"{sessions[0]} to {sessions[-1]}"
