"""Training: samples of windows, all seeds at once, checkpoints, and the forecasts made from them."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
    from attn_platform.training.config import TrainingConfig
    from attn_platform.training.ensembles import MemberPredictions, write_ensemble
    from attn_platform.training.identity import ModelIdentity
    from attn_platform.training.labels import LabelConfig, training_labels
    from attn_platform.training.manifest import Manifest, read_manifest
    from attn_platform.training.prediction import mean_of_tasks, predict_by_seed
    from attn_platform.training.task import ModelTraining
    from attn_platform.training.window_training import checkpoint_of, panel_samples, train_windows, write_predictions
    from attn_platform.training.windows import Window, WindowConfig, window_holding, window_of

__all__ = [
    "Checkpoint",
    "LabelConfig",
    "Manifest",
    "MemberPredictions",
    "ModelIdentity",
    "ModelTraining",
    "TrainingConfig",
    "Window",
    "WindowConfig",
    "checkpoint_of",
    "load_checkpoint",
    "mean_of_tasks",
    "panel_samples",
    "predict_by_seed",
    "read_manifest",
    "save_checkpoint",
    "train_windows",
    "training_labels",
    "window_holding",
    "window_of",
    "write_ensemble",
    "write_predictions",
]
__getattr__ = lazy_attributes(__name__)
