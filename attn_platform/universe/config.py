"""What a study calls its universe and its sector neighbours (AI-69, AI-55).

The defaults are the networks' rule of AI-69 and AI-55; AI-55's XGBoost keeps the top 90 % (see its study).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from attn_platform.market.contract import TRADING_STATUSES
from attn_platform.universe.adjacency import CITIC_L1_SECTORS


class UniverseConfig(BaseModel):
    """Who may enter the cross-section: the daily drops, and the quarter's selection by liquidity and size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_listed_sessions: int = Field(default=63, ge=0)  # AI-69, AI-55; day one counts as 1
    excluded_statuses: frozenset[str] = frozenset({"st", "star_st", "delisting"})  # AI-69, AI-55
    liquidity_window: int = Field(default=252, ge=1)  # AI-69, AI-55: the past year
    top_share: float = Field(
        default=0.60, gt=0, le=1
    )  # AI-69, AI-55 networks: top 60 % in both amount and market value
    # Silent in the studies. A suspended session gives no observation in the factors; the same holds here.
    # On real data, counting it as zero amount replaces at most 6 % of the members (2016) and leaves their number as is.
    suspended_amount: Literal["no_observation", "zero"] = "no_observation"
    # Suspension bars a stock at the quarter's selection only; later the portfolio, not the universe, deals with it.
    keep_suspended: bool = True

    @field_validator("excluded_statuses")
    @classmethod
    def _statuses_of_the_contract(cls, statuses: frozenset[str]) -> frozenset[str]:
        if unknown := sorted(statuses - set(TRADING_STATUSES)):
            raise ValueError(f"no trading status: {', '.join(unknown)}; the contract has {', '.join(TRADING_STATUSES)}")
        return statuses

    @field_serializer("excluded_statuses")
    def _in_order(self, statuses: frozenset[str]) -> list[str]:
        """Sorted: the order of a set is another in every process, and fingerprints are taken of what is written."""
        return sorted(statuses)


NETWORK_UNIVERSE = UniverseConfig()


class AdjacencyConfig(BaseModel):
    """Whose industries, and the sectors they make; a graph network says which of the two its neighbours share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: str = "citic_l1"  # AI-55: CITIC level-1 industries
    sector_of_industry: dict[str, str] = Field(default_factory=lambda: dict(CITIC_L1_SECTORS), min_length=1)
