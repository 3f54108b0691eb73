"""What runs against what: a network of the platform, how it is trained, and its plain implementations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import nn

from attn_platform.models.configuration import NetworkConfig
from attn_platform.models.registry import parse_network_config
from attn_platform.training.config import BatchUnit
from attn_platform.training.labels import LabelConfig
from training_peers import plain_networks as plain

PlainNetwork = Callable[..., nn.Module]
"""Makes a network from its configuration and the numbers of features and tasks."""


@dataclass(frozen=True)
class Race:
    """A network of the platform beside plain implementations by name; batch as in AI-69 and AI-55."""

    network: Mapping[str, object]
    plain: Mapping[str, PlainNetwork]
    goals: Mapping[str, float]
    labels: LabelConfig
    batch_unit: BatchUnit = "session"
    batch_size: int = 1
    has_attention_alone: bool = False
    """Whether its global graph attention is measured without the network around it as well."""

    @property
    def config(self) -> NetworkConfig:
        """The network's configuration."""
        return parse_network_config(dict(self.network))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the labels."""
        return tuple(f"{horizon}d" for horizon in self.labels.horizons)


MULTI_TASK_LABEL, TIME_SERIES_LABEL = LabelConfig(horizons=(10, 20)), LabelConfig()  # AI-69
GRAPH_LABEL = LabelConfig(price="vwap")  # AI-55

TORCH, CONCATENATION, BROADCAST = "torch.nn", "N × N × 2F", "N × N"
_GAT: dict[str, PlainNetwork] = {
    CONCATENATION: partial(plain.PlainGatResidual, attention=plain.ConcatenationAttention),
    BROADCAST: partial(plain.PlainGatResidual, attention=plain.BroadcastAttention),
}
_GAT_GOALS = {CONCATENATION: 300.0, BROADCAST: 6.0}


def _graph(**changes: object) -> dict[str, object]:
    return {"name": "gat_residual", **changes}


RACES: dict[str, Race] = {
    "multi_task_baseline": Race(
        {"name": "multi_task_baseline"}, {TORCH: plain.PlainMultiTaskBaseline}, {TORCH: 4.0}, MULTI_TASK_LABEL
    ),
    "inter_task_attention": Race(
        {"name": "inter_task_attention"}, {TORCH: plain.PlainInterTaskAttention}, {TORCH: 4.0}, MULTI_TASK_LABEL
    ),
    "inter_stock_attention": Race(
        {"name": "inter_stock_attention"},
        {TORCH: plain.PlainInterStockAttention},
        {TORCH: 1.2},
        MULTI_TASK_LABEL,
        batch_size=32,
    ),
    **{
        name: Race({"name": name}, {TORCH: network}, {TORCH: goal}, TIME_SERIES_LABEL, "stock", 1024)
        for name, network, goal in (
            ("lstm", plain.PlainLSTM, 1.2),
            ("alstm", plain.PlainALSTM, 1.2),
            ("temporal_transformer", plain.PlainTemporalTransformer, 4.0),
        )
    },
    "nn": Race(
        _graph(masked_attention=False, global_attention=False),
        {TORCH: partial(plain.PlainGatResidual, attention=plain.BroadcastAttention)},
        {TORCH: 4.0},
        GRAPH_LABEL,
    ),
    "gat_global": Race(_graph(masked_attention=False), _GAT, _GAT_GOALS, GRAPH_LABEL, has_attention_alone=True),
    "gat_mask": Race(_graph(global_attention=False), _GAT, {}, GRAPH_LABEL),
    "gat_residual": Race(_graph(), _GAT, {}, GRAPH_LABEL),
}
