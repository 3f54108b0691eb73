"""Models as a study configures them: the shape of each network and of the trees, and the loss (AI-69, AI-55).

What is configured is computed elsewhere (`networks/`, `trees`, `losses`), and loaded when it is trained or asked for a
forecast: reading a study does not load torch.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from attn_platform.source_identity import Definition

Activation = Literal["relu", "sigmoid", "tanh"]
Normalisation = Literal["batch", "none"]


class LossConfig(BaseModel):
    """Which loss, and how fast its weights fall."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["wmse", "mse"] = "wmse"
    half_life: float = Field(default=0.5, gt=0)
    """h: the weight halves every h × N places. 0.5 is AI-55's N/2, and what a manifest without the field means."""


class NetworkConfig(BaseModel):
    """Base of the networks' configurations; a network narrows `name` to its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str

    @property
    def sample_steps(self) -> int:
        """Sessions that a sample covers, the last one its own; time-series networks read more than one."""
        return 1

    @property
    def neighbours(self) -> Literal["sector", "industry"] | None:
        """The adjacency whose groups the network's batches must bring."""
        return None


class TimeSeriesConfig(NetworkConfig):
    """Base of the configurations of networks that read the last sessions of each stock by itself."""

    steps: PositiveInt = 21  # AI-69: sessions T − 20 … T

    @property
    def sample_steps(self) -> int:
        """Sessions that a sample covers."""
        return self.steps


class MultiTaskBaselineConfig(NetworkConfig):
    """Shape of the shared MLP."""

    name: Literal["multi_task_baseline"] = "multi_task_baseline"
    width: PositiveInt = 256  # AI-69
    depth: PositiveInt = 2
    activation: Activation = "relu"
    normalisation: Normalisation = "none"


class InterTaskAttentionConfig(NetworkConfig):
    """Shape of the shared MLP and of the attention over the tasks."""

    name: Literal["inter_task_attention"] = "inter_task_attention"
    width: PositiveInt = 256  # AI-69
    depth: PositiveInt = 2
    activation: Activation = "relu"
    normalisation: Normalisation = "none"
    attention_heads: PositiveInt = 4  # AI-69


class LSTMConfig(TimeSeriesConfig):
    """Shape of the LSTM (AI-69's values)."""

    name: Literal["lstm"] = "lstm"
    hidden: PositiveInt = 64
    layers: PositiveInt = 2


class ALSTMConfig(TimeSeriesConfig):
    """Shape of the LSTM (AI-69's values) and of the attention over its steps."""

    name: Literal["alstm"] = "alstm"
    hidden: PositiveInt = 64
    layers: PositiveInt = 2
    attention_width: PositiveInt = 64


class TemporalTransformerConfig(TimeSeriesConfig):
    """Shape of the encoder (AI-69's values)."""

    name: Literal["temporal_transformer"] = "temporal_transformer"
    positional_encoding: bool = True
    blocks: PositiveInt = 2
    attention_heads: PositiveInt = 2
    feed_forward: PositiveInt = 256
    dropout: float = Field(default=0.1, ge=0, lt=1)


class InterStockAttentionConfig(NetworkConfig):
    """Shape of the encoder (AI-69's values)."""

    name: Literal["inter_stock_attention"] = "inter_stock_attention"
    blocks: PositiveInt = 2
    attention_heads: PositiveInt = 2
    feed_forward: PositiveInt = 64
    dropout: float = Field(default=0.1, ge=0, lt=1)
    hidden: PositiveInt = 256


class GatResidualConfig(NetworkConfig):
    """Which stages there are, who is whose neighbour, and the width."""

    name: Literal["gat_residual"] = "gat_residual"
    masked_attention: bool = True
    global_attention: bool = True
    adjacency: Literal["sector", "industry"] = "sector"
    hidden: PositiveInt = 64  # AI-55; 32 and 16 in its comparison
    # Of all LeakyReLUs. AI-55 names none: 0.2 is that of Veličković et al.
    slope: float = Field(default=0.2, ge=0, lt=1)

    @property
    def neighbours(self) -> Literal["sector", "industry"] | None:
        """The adjacency of the masked attention."""
        return self.adjacency if self.masked_attention else None


class XGBoostConfig(NetworkConfig):
    """Shape and growth of the trees (AI-55); what is not named here is the library's default.

    Learning rate, rounds and early stop are its own: those of `TrainingConfig` are the networks'.
    """

    name: Literal["xgboost"] = "xgboost"
    learning_rate: PositiveFloat = 0.05
    rounds: PositiveInt = 1000  # at most
    patience: PositiveInt = 20  # rounds without a better validation loss
    depth: PositiveInt = 3
    row_sampling: float = Field(default=0.8, gt=0, le=1)  # a tree
    column_sampling: float = Field(default=0.8, gt=0, le=1)  # a tree


_NETWORKS = "attn_platform.models.networks"
MODELS: Mapping[type[NetworkConfig], Definition | None] = {
    MultiTaskBaselineConfig: Definition(f"{_NETWORKS}.multi_task_baseline", "MultiTaskBaseline"),
    InterTaskAttentionConfig: Definition(f"{_NETWORKS}.inter_task_attention", "InterTaskAttention"),
    LSTMConfig: Definition(f"{_NETWORKS}.lstm", "LSTM"),
    ALSTMConfig: Definition(f"{_NETWORKS}.alstm", "ALSTM"),
    TemporalTransformerConfig: Definition(f"{_NETWORKS}.temporal_transformer", "TemporalTransformer"),
    InterStockAttentionConfig: Definition(f"{_NETWORKS}.inter_stock_attention", "InterStockAttention"),
    GatResidualConfig: Definition(f"{_NETWORKS}.gat_residual", "GatResidual"),
    XGBoostConfig: None,
}
"""The platform's own, and where the network of each stands; None of the trees, which are trained in their own way."""
