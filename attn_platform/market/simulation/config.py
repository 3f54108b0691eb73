"""Configuration of the simulated market, with the presets of the platform's profiles."""

from __future__ import annotations

import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Profile = Literal["demo", "study"]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignalStrengths(_Config):
    """Expected return of one session, in basis points, that one standard deviation of a signal earns; 0 turns it off.

    The formulas are in `attn_platform.market.simulation.signals`.
    """

    linear: float = Field(6.0, ge=0)
    interaction: float = Field(5.0, ge=0)
    sector: float = Field(4.5, ge=0)
    path: float = Field(10.0, ge=0)


class ReturnModel(_Config):
    """Common factors and noise. Volatilities are those of one session unless they are named annual."""

    market_volatility: float = Field(0.25, gt=0, description="annual, of the market factor")
    market_drift: float = Field(0.03, description="annual, of the log market factor")
    industry_volatility: float = Field(0.006, ge=0)
    size_volatility: float = Field(0.004, ge=0, description="of the factor on standardised log market value")
    value_volatility: float = Field(0.002, ge=0, description="of the factor on standardised log book-to-price")
    specific_volatility: float = Field(0.022, gt=0, description="median over stocks")
    tail_degrees: float = Field(5.0, gt=2, description="degrees of freedom of the specific Student t")
    jump_rate: float = Field(0.002, ge=0, le=1, description="probability of specific news in a session")
    jump_volatility: float = Field(0.12, ge=0, description="log-return size of such news")


class EventRates(_Config):
    """Probabilities of events for one stock in one session, unless stated otherwise."""

    listings_per_year: float = Field(ge=0, description="new listings of the whole market in a year")
    short_suspension: float = Field(0.0012, ge=0, le=1)
    long_suspension: float = Field(0.0003, ge=0, le=1)
    industry_change: float = Field(0.0004, ge=0, le=1)
    share_issue: float = Field(0.0006, ge=0, le=1)
    unlock: float = Field(0.003, ge=0, le=1, description="part of the locked shares becomes tradable")
    bonus_share: float = Field(0.12, ge=0, le=1, description="of a bonus issue together with a cash dividend")


class IndexRules(_Config):
    """Sizes of the index analogues, as fractions of the eligible stocks and capped at the real sizes."""

    csi300_fraction: float = Field(0.10, gt=0, lt=1)
    csi500_fraction: float = Field(0.20, gt=0, lt=1)
    csi1000_fraction: float = Field(0.30, gt=0, lt=1)
    least_traded_fraction: float = Field(0.20, ge=0, lt=1, description="dropped before the ranking by market value")


class SimulationConfig(_Config):
    """A simulated market; the same configuration and sessions always give the same market."""

    seed: int = Field(3, ge=0)
    start: datetime.date = Field(description="the first session is the first one on or after this day")
    initial_stocks: int = Field(ge=50, description="fewer would leave an index without members")
    events: EventRates
    returns: ReturnModel = ReturnModel()
    signals: SignalStrengths = SignalStrengths()
    indices: IndexRules = IndexRules()

    @classmethod
    def preset(cls, profile: Profile) -> Self:
        """`demo`: some 300 stocks, meant for about 1,100 sessions; `study`: the whole market from 2002 on."""
        if profile == "demo":
            # From here 1,100 sessions cross every rule change since the STAR board opened.
            return cls(start=datetime.date(2019, 1, 2), initial_stocks=290, events=EventRates(listings_per_year=16))
        # 1,100 stocks in 2002 grow to about 4,500 in 2023, as they did; the first window needs 2002-09-10.
        return cls(start=datetime.date(2002, 1, 4), initial_stocks=1_100, events=EventRates(listings_per_year=185))
