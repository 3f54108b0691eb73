"""Configuration of the report pages."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReportConfig(BaseModel):
    """How a report looks; it never changes a figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # "a_share" paints gains red and losses green, as Chinese terminals do; "neutral" paints them blue and orange.
    colours: Literal["neutral", "a_share"] = "neutral"
    holdings_shown: int = Field(default=30, ge=1)
    relaxations_shown: int = Field(default=40, ge=1)
    binding_limits_shown: int = Field(default=40, ge=1)
    executed_weeks_shown: int = Field(default=26, ge=1)
    explained_stocks_shown: int = Field(default=10, ge=1)  # of the highest and of the lowest forecasts
    explained_factors_shown: int = Field(default=20, ge=1)
    attribution_months_shown: int = Field(default=24, ge=1)
    correlations_shown: int = Field(default=15, ge=1)
    # Curves of the page of a study are drawn from every n-th session, and its end: some thirty figures stand on it.
    study_curve_every: int = Field(default=5, ge=1)
    # Shorter test ranges (one test window of AI-69 is 126 sessions) carry a warning beside the annualised figures.
    short_test_sessions: int = Field(default=126, ge=0)
