"""Models: the networks of the studies and gradient-boosted trees, by the name that a configuration gives."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.models.batch import SessionBatch
    from attn_platform.models.configuration import LossConfig, NetworkConfig, TimeSeriesConfig, XGBoostConfig
    from attn_platform.models.networks.base import StackedNetwork
    from attn_platform.models.registry import (
        build_network,
        network_type,
        parse_network_config,
        register_network,
    )
    from attn_platform.models.trees import fit_trees, predict_trees

__all__ = [
    "LossConfig",
    "NetworkConfig",
    "SessionBatch",
    "StackedNetwork",
    "TimeSeriesConfig",
    "XGBoostConfig",
    "build_network",
    "fit_trees",
    "network_type",
    "parse_network_config",
    "predict_trees",
    "register_network",
]
__getattr__ = lazy_attributes(__name__)
