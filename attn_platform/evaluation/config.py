"""Configuration of the evaluation; the defaults are those of AI-69 and AI-55."""

from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from attn_platform.market.calendar import SESSIONS_A_YEAR


class ExplanationConfig(BaseModel):
    """Accuracy and memory of integrated gradients; our choice, as the studies have none.

    The points of the path are doubled until the attributions miss their sum by at most `tolerance` of their absolute
    sum: the kinks of relu and what layer norms do near 0 take more points than smooth networks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fewest_points: PositiveInt = 32
    most_points: PositiveInt = 256
    tolerance: PositiveFloat = 0.01
    samples_at_once: PositiveInt = 512  # of networks that read each sample by itself, over its steps


class AttributionConfig(BaseModel):
    """Attribution of returns; our choice, as the studies have none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Weights of the stocks in the regression that the returns of styles come from. The root of the float market value
    # is that of the Barra models: the specific variance of a stock falls about with it.
    regression_weights: Literal["root_float_mv", "equal"] = "root_float_mv"


class RobustnessConfig(BaseModel):
    """What is looked at beyond the studies; the values are our choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    costs_per_side: tuple[PositiveFloat, ...] = (0.001, 0.002, 0.003, 0.004, 0.005)  # 0.1 to 0.5 %
    # Capacity: money at which `traded_shares` of what is traded would take more than `volume_share` of the day's volume
    volume_share: float = Field(default=0.1, gt=0, le=1)
    traded_shares: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5)
    rolling_sessions: PositiveInt = SESSIONS_A_YEAR  # of the worst year


class EvaluationConfig(BaseModel):
    """Conventions of the published tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions_per_year: int = Field(default=SESSIONS_A_YEAR, ge=1)  # AI-69, AI-55
    layers: int = Field(default=10, ge=2)  # AI-69 exhibit 10: ten layers
    # Half-life of the wmse weights, as a share of the stocks of the session: N/2 (AI-55). It is that of the figures of
    # every study, whichever half-life a model's loss has, so that they can be set beside each other.
    half_life_share: float = Field(default=0.5, gt=0)
    # Net values of the layers: formed as often as the portfolios are, traded in the session after the signal.
    layer_rebalance_sessions: int = Field(default=5, ge=1)
    layer_execution_lag: int = Field(default=1, ge=0)
    explanation: ExplanationConfig = ExplanationConfig()
    attribution: AttributionConfig = AttributionConfig()
    robustness: RobustnessConfig = RobustnessConfig()


class ComparisonConfig(BaseModel):
    """Block bootstrap of the difference of two strategies, and how forecasts are compared; our choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # A month: holdings change every five sessions and a tenth of them each time, so that days hang together for weeks.
    block_sessions: PositiveInt = 21
    repetitions: PositiveInt = 5000
    confidence: float = Field(default=0.95, gt=0, lt=1)
    seed: int = 0
    # Correlations of forecasts (AI-69 exhibit 32) are the mean of every fifth session, as portfolios read them.
    predictions_every: PositiveInt = 5


class FactorProfileConfig(BaseModel):
    """What is looked at in a single factor. The studies evaluate composite factors only: the values are our choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    price: Literal["close", "vwap"] = "close"  # AI-69's label; its definition is that of `training.labels`
    horizons: tuple[PositiveInt, ...] = Field(default=(1, 5, 10, 20), min_length=1)
    headline_horizon: PositiveInt = 10  # AI-69, AI-55: the ten-session return
    # Decay: RankIC against the return over `decay_horizon` sessions that begins `lag` sessions later.
    decay_horizon: PositiveInt = 1
    decay_lags: tuple[NonNegativeInt, ...] = (*range(11), 12, 15, 20, 25, 30, 40, 50, 60)
    half_life_min_t: float = Field(default=2.0, ge=0)  # a RankIC that is not significant at lag 0 has no half-life
    persistence_lags: tuple[PositiveInt, ...] = Field(default=(1, 5, 10, 20), min_length=1)
    headline_lag: PositiveInt = 5  # AI-69, AI-55: portfolios change every five sessions
    layers: int = Field(default=10, ge=2)  # AI-69 exhibit 10: ten layers
    # The distribution is that of every tenth session, the correlation with other factors the mean of every twentieth.
    distribution_every: int = Field(default=10, ge=1)
    correlation_every: int = Field(default=20, ge=1)
    quantiles: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    histogram_bins: int = Field(default=60, ge=1)
    histogram_tail: float = Field(default=0.005, ge=0, lt=0.5)  # share of values beyond either end of the picture

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.headline_horizon not in self.horizons:
            raise ValueError(f"headline_horizon {self.headline_horizon} is none of the horizons {self.horizons}")
        if self.headline_lag not in self.persistence_lags:
            raise ValueError(
                f"headline_lag {self.headline_lag} is none of the persistence_lags {self.persistence_lags}"
            )
        for name, values in (
            ("horizons", self.horizons),
            ("decay_lags", self.decay_lags),
            ("persistence_lags", self.persistence_lags),
            ("quantiles", self.quantiles),
        ):
            if any(later <= earlier for earlier, later in pairwise(values)):
                raise ValueError(f"{name} must ascend without repetition")
        if not self.decay_lags or self.decay_lags[0] != 0:
            raise ValueError("decay_lags must begin with 0, which the half-life is measured against")
        if any(not 0 <= quantile <= 1 for quantile in self.quantiles):
            raise ValueError("quantiles lie between 0 and 1")
        return self

    @property
    def ahead(self) -> int:
        """Sessions after T that the realised returns of T may read."""
        return max(self.horizons[-1], self.decay_lags[-1] + self.decay_horizon) + 1

    @property
    def back(self) -> int:
        """Sessions before T that the persistence of T reads."""
        return self.persistence_lags[-1]
