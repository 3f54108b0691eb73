"""Configuration of the evaluation; the defaults are those of AI-69 and AI-55."""

from pydantic import BaseModel, ConfigDict, Field


class EvaluationConfig(BaseModel):
    """Conventions of the published tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions_per_year: int = Field(default=252, ge=1)  # AI-69, AI-55
    layers: int = Field(default=10, ge=2)  # AI-69 exhibit 10: ten layers
    # Half-life of the wmse weights, as a share of the stocks of the session: N/2 (AI-69, AI-55).
    half_life_share: float = Field(default=0.5, gt=0)
    # Net values of the layers: formed as often as the portfolios are, traded in the session after the signal.
    layer_rebalance_sessions: int = Field(default=5, ge=1)
    layer_execution_lag: int = Field(default=1, ge=0)
