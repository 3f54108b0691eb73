"""Configuration of the unattended weekly work: settings.yaml, `automation`. All values are our choice."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Deadline(BaseModel):
    """A time of day in the exchange's time zone, so many days after the session that it is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: time
    days_after: NonNegativeInt = 0

    def of(self, session: date, zone: tzinfo) -> datetime:
        """The moment that it is of one session."""
        return datetime.combine(session + timedelta(days=self.days_after), self.at, zone)


class UsualConfig(BaseModel):
    """When a portfolio or a forecast is out of the usual, beside its own history."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tail: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the history beyond either end of the band, before it is widened."""
    widened_by: NonNegativeFloat = 0.5
    """Beyond these quantiles, as a share of the distance between them: some fifty figures are looked at each week."""
    rounding: NonNegativeFloat = 1e-4
    """The band is widened by this at least: a limit that binds every week is met to rounding."""
    least_history: PositiveInt = 26
    """Values without which there is no band: half a year of weeks."""
    mean_sessions: PositiveInt = 60
    """Sessions of realised RankIC whose mean is looked at."""
    rank_ic_lower: float = Field(default=0.005, gt=0, lt=0.5)
    rank_ic_upper: float = Field(default=0.995, gt=0.5, lt=1)
    """Quantiles between which that mean usually lies: what is beyond them is the share of the looks at which a model is
    told of that has not changed."""
    least_means: PositiveInt = Field(default=6, ge=2)
    """Such means of the history, one after the other, without which there is no band of RankIC."""
    largest_change: float = Field(default=0.5, gt=0, le=1)
    """One-way distance of a target from the one before it, Σ|w − w′|/2, that is still usual."""


class DeliveryConfig(BaseModel):
    """A folder that a vendor delivers into, whose files are imported as `attn import VENDOR FOLDER` does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vendor: str
    folder: str
    """A relative path starts at the home."""
    marker: str | None = None
    """A file of the folder that is written last, say `_SUCCESS`. None: they are whole once none comes."""
    settled_seconds: PositiveFloat = 120.0
    """So long, without a marker."""
    quarantine: bool = False
    """Put single bad rows aside, and go on; otherwise one such row refuses all files, and an alert says so."""


class AutomationConfig(BaseModel):
    """How far back missing work is caught up, how often failed work is tried, and when what is late."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    catch_up_sessions: PositiveInt = 60
    """Sessions back from today in which missing work is owed; what is older is a backfill's."""
    attempts: PositiveInt = 3
    """Runs of one piece of work, the first included, until it is given up and reported."""
    retry_minutes: PositiveFloat = 10.0
    """Before the second attempt; each later one waits twice as long as the one before."""
    runs_at_once: PositiveInt = 4
    """Runs that are launched and not yet over: what waits longer waits here, not in Dagster's queue."""
    deliveries: dict[Identifier, DeliveryConfig] = Field(default_factory=dict)
    """By names of their own."""
    tables: dict[str, Deadline] = Field(default_factory=dict)
    """When a raw table of a session must be there, where that is not `table`: some vendors' come next morning."""
    table: Deadline = Deadline(at=time(18))
    portfolio: Deadline = Deadline(at=time(8, 30), days_after=1)
    """Days count from the rebalance: a portfolio of Friday's close must be there on the next session's morning."""
    report: Deadline = Deadline(at=time(9), days_after=1)
    usual: UsualConfig = UsualConfig()
