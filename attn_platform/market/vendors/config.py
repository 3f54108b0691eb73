"""How far an import completes and mends what a vendor's files leave out, and from where on it refuses them.

The defaults are choices of ours, read off 11.28 million real bars of 2000 to 2022 so that none of them is refused.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from attn_platform.market.inspection import QuarantineConfig


class ImportConfig(BaseModel):
    """Limits of an import; a study's section `imports`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quarantine: QuarantineConfig = QuarantineConfig()
    few_stocks: int = Field(default=10, ge=0)
    """Shares of a session mean nothing for so few of its stocks: no limit on them counts then."""
    halted_share: float = Field(default=0.6, gt=0, le=1)
    """Of a session's stocks that may be suspended, filled in or as given: at most 51.8 % were, on 2015-07-09."""
    newly_missing_share: float = Field(default=0.4, gt=0, le=1)
    """Of the stocks that traded on the session before, that may have no row: at most 27.6 % stopped, on 2015-07-08."""
    filled_life_share: float = Field(default=0.9, gt=0, le=1)
    """Of a stock's sessions in one import that may be filled in: at most 80 % were, for stocks traded once a week."""
    filled_life_sessions: int = Field(default=250, ge=1)
    """From so many sessions of a stock on: a year."""
    contradicting_share: float = Field(default=0.05, gt=0, le=1)
    """Of a session's bars whose amount / volume may lie outside of low and high: at most one of 900 does."""
    gross_factor: float = Field(default=2.0, gt=1)
    """A bar whose amount / volume is beyond low / this or high × this is a fault: a multiple is no slip."""
    adjustment_tolerance: float = Field(default=0.01, gt=0, lt=1)
    """pre_close × adj_factor may differ so much from last close × last adj_factor: at most 0.2 % on real data."""
    restart_share: float = Field(default=0.2, gt=0, le=1)
    """From this share of a session's stocks on, broken factors are a new base, not faults of single stocks.

    On no real session do more than 5 % of the stocks go ex-right."""
    weight_carry: Literal["constant", "drift"] = "constant"
    """How index weights go on from one snapshot to the next: as they were, or with the prices of their members."""
    beyond_limit: float = Field(default=0.005, ge=0, lt=1)
    """Where no factors are given: an open so much further below the last close than the limit is an ex-right.

    The close of a last bar may be some ticks off the exchange's: opens at the limit of real files were 0.3 % beyond."""
