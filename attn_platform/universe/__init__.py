"""The universe: quarterly lists of members, each session's cross-section, and neighbours by industry."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.universe.adjacency import industry_at
    from attn_platform.universe.config import AdjacencyConfig, UniverseConfig
    from attn_platform.universe.membership import select_members
    from attn_platform.universe.store import CrossSections, daily_cross_sections, write_adjacency, write_universe

__all__ = [
    "AdjacencyConfig",
    "CrossSections",
    "UniverseConfig",
    "daily_cross_sections",
    "industry_at",
    "select_members",
    "write_adjacency",
    "write_universe",
]
__getattr__ = lazy_attributes(__name__)
