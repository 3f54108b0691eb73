"""Configuration of the simulated market, with the presets of the platform's profiles."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from attn_platform.market.intraday import CALL, CLOSE, label_of

Profile = Literal["demo", "study"]
IntradayTable = Literal["minute_bar", "transaction", "book_snapshot"]


def _as_time(value: Any) -> Any:
    """YAML reads 10:00 without quotes as 600, the minutes since midnight."""
    return label_of(value) if isinstance(value, int) and CALL <= value <= CLOSE else value


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
    informed: float = Field(0.0, ge=0, description="seen by the trades of `intraday`, and by nothing else")


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


class IntradaySimulation(_Config):
    """Which stocks and sessions have intraday tables, and which: a day of one stock's whole book has 5,100 rows."""

    stocks: int | None = Field(None, ge=1, description="the first by symbol of those listed from the start; none: all")
    first_session: datetime.date | None = None
    last_session: datetime.date | None = None
    tables: tuple[IntradayTable, ...] = Field(("minute_bar", "transaction", "book_snapshot"), min_length=1)
    trades_a_day: float = Field(300.0, ge=10, le=50_000, description="mean over stocks and sessions")
    book_seconds: int = Field(3, ge=1, le=60)
    book_until: Annotated[str, BeforeValidator(_as_time)] = Field(
        "15:00",
        pattern=r"^(09:(1[5-9]|[2-5]\d)|1[0-4]:[0-5]\d|15:00)$",
        description="time of the last snapshot, which the opening factors need until 10:00",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first_session and self.last_session and self.last_session < self.first_session:
            raise ValueError(f"last_session {self.last_session} lies before first_session {self.first_session}")
        return self


class SimulationConfig(_Config):
    """A simulated market; the same configuration and sessions always give the same market."""

    seed: int = Field(3, ge=0)
    start: datetime.date = Field(description="the first session is the first one on or after this day")
    initial_stocks: int = Field(ge=50, description="fewer would leave an index without members")
    events: EventRates
    returns: ReturnModel = ReturnModel()
    signals: SignalStrengths = SignalStrengths()
    indices: IndexRules = IndexRules()
    intraday: IntradaySimulation | None = Field(None, description="none: no intraday tables")

    @model_validator(mode="after")
    def _stocks_are_there(self) -> Self:
        if self.intraday and (self.intraday.stocks or 0) > self.initial_stocks:
            raise ValueError(
                f"intraday.stocks {self.intraday.stocks} is more than initial_stocks {self.initial_stocks}; "
                "leave it out to take all stocks"
            )
        return self

    @classmethod
    def preset(cls, profile: Profile) -> Self:
        """`demo`: some 300 stocks, meant for about 1,100 sessions; `study`: the whole market from 2002 on."""
        if profile == "demo":
            # From here 1,100 sessions cross every rule change since the STAR board opened.
            return cls(start=datetime.date(2019, 1, 2), initial_stocks=290, events=EventRates(listings_per_year=16))
        # 1,100 stocks in 2002 grow to about 4,500 in 2023, as they did; the first window needs 2002-09-10.
        return cls(start=datetime.date(2002, 1, 4), initial_stocks=1_100, events=EventRates(listings_per_year=185))
