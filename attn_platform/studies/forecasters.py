"""What forecasts come from: models with their labels and training, ensembles of models, and files made elsewhere.

Definitions: Huatai AI-69 and AI-55.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from attn_platform.factors.catalogue import FACTOR_SETS
from attn_platform.factors.input_columns import KEYS
from attn_platform.factors.preprocessing import PreprocessingConfig
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.models.registry import AnyNetworkConfig
from attn_platform.studies.names import Name, require_once
from attn_platform.training.config import STUDY_SEEDS, TrainingConfig
from attn_platform.training.labels import LabelConfig
from attn_platform.universe.config import UniverseConfig

COMBINED = "+"
ENSEMBLE_HORIZON = "ensemble"  # as AI-69, exhibits 34 and 35, call it
Horizon = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_+]*$")]


def _factor_set(value: Any) -> Any:
    """The factors of a set that is given by its name."""
    if isinstance(value, str):
        if value not in FACTOR_SETS:
            raise ValueError(f"there is no factor set {value}; there are {', '.join(FACTOR_SETS)}, or a list of names")
        return FACTOR_SETS[value]
    return value


Features = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_factor_set)]


class WindowLengths(BaseModel):
    """Lengths of a model's own windows in sessions; its first test range begins with the study's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: int = Field(ge=1)
    valid: int = Field(ge=1)
    test: int | None = Field(default=None, ge=1)
    """So often it is trained anew. None: the study's."""


class ModelConfig(BaseModel):
    """A network, its labels (one task a horizon) and how it is trained.

    Where it reads other stocks or factors than the study's, pre-processes them otherwise, learns from more or fewer
    sessions, or is trained anew more or less often, it says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    network: AnyNetworkConfig
    labels: LabelConfig = LabelConfig()
    training: TrainingConfig = TrainingConfig()
    seeds: tuple[int, ...] = Field(default=STUDY_SEEDS, min_length=1)
    features: Features | None = None  # AI-55's XGBoost: ai55_xgboost
    preprocessing: PreprocessingConfig | None = None  # AI-55's XGBoost: neutralise industry_and_size
    universe: UniverseConfig | None = None  # AI-55's XGBoost: top 90 %
    windows: WindowLengths | None = None  # AI-55's XGBoost: 252 × 5 and 252 × 1

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        require_once(f"model {self.name}: feature", self.features or ())
        require_once(f"model {self.name}: horizon", self.tasks)
        return self

    @model_validator(mode="after")
    def _trees_have_one_task(self) -> Self:
        if isinstance(self.network, XGBoostConfig) and len(self.labels.horizons) > 1:
            raise ValueError(f"model {self.name}: xgboost learns one horizon, not {', '.join(self.tasks)}")
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks: '10d', '20d'."""
        return tuple(f"{horizon}d" for horizon in self.labels.horizons)

    @property
    def horizons(self) -> tuple[str, ...]:
        """Horizons that predictions come in: each task, and their equal mean where there are several."""
        return self.tasks if len(self.tasks) == 1 else (*self.tasks, COMBINED.join(self.tasks))


class EnsembleMember(BaseModel):
    """One horizon of one model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    horizon: str


class EnsembleConfig(BaseModel):
    """Equal mean of several models' predictions, on the stocks that all of them predict (AI-69, exhibit 34)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    members: tuple[EnsembleMember, ...] = Field(min_length=2)

    @property
    def horizons(self) -> tuple[str, ...]:
        """The one horizon that its predictions come in."""
        return (ENSEMBLE_HORIZON,)


class ImportedForecastConfig(BaseModel):
    """Forecasts made outside of the platform, which `attn import predictions` brings into the lake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    horizons: tuple[Horizon, ...] = Field(min_length=1)
    """Names of what is forecast, each a column of the file."""
    price: Literal["close", "vwap"] = "close"
    """Price between whose values the return is taken that the forecasts are measured on."""

    @property
    def labels(self) -> LabelConfig:
        """What the forecasts are measured on."""
        return LabelConfig(price=self.price)

    @field_validator("horizons")
    @classmethod
    def _columns_of_their_own(cls, horizons: tuple[str, ...]) -> tuple[str, ...]:
        require_once("horizon", horizons)
        if taken := [name for name in KEYS if name in horizons]:
            raise ValueError(f"a horizon cannot be called {taken[0]}, which is a column of its own; rename it")
        return horizons


Forecaster = ModelConfig | EnsembleConfig | ImportedForecastConfig
"""What predictions come from: a model, an ensemble of models, or somebody else."""
