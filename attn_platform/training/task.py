"""What a model is trained on and how, and where its checkpoints and their by-products go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attn_platform.market.calendar import Calendar
from attn_platform.market.lake import Lake
from attn_platform.models.configuration import NetworkConfig
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import ModelIdentity
from attn_platform.training.labels import LabelConfig
from attn_platform.training.windows import WindowConfig

PRICE_FIELDS = ("close", "vwap", "adj_factor", "is_suspended")
"""Of `daily_bar`: what labels are made of."""


@dataclass(frozen=True)
class ModelTraining:
    """What a model is trained on and how, and where its checkpoints and their by-products go."""

    lake: Lake
    calendar: Calendar
    panel: str
    model: str
    network: NetworkConfig
    labels: LabelConfig
    training: TrainingConfig
    seeds: tuple[int, ...]
    features: tuple[str, ...]
    windows: WindowConfig
    preprocessing_fingerprint: str
    """Of the panel's settings: all that checkpoints knew of it before they kept their identity."""
    identity: ModelIdentity
    directory: Path
    """The model's checkpoints, a folder a window."""
    arrays: Path
    """Memory-mapped panels, shared by all models and windows."""
    curves: Path | None = None
    """The model's curves, a folder a window."""
