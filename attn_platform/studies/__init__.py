"""Studies and homes: what is configured, where it lies, and what its source lacks."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.studies.availability import families_off, families_present, lacking, missing_styles, switched_off
    from attn_platform.studies.forecasters import EnsembleConfig, ImportedForecastConfig, ModelConfig
    from attn_platform.studies.identity import model_identity
    from attn_platform.studies.loading import available_studies, load_study
    from attn_platform.studies.names import prediction_table
    from attn_platform.studies.settings import Home, LayeredHome, Settings, SourceConfig, profile_settings
    from attn_platform.studies.strategies import find_strategy
    from attn_platform.studies.study import StrategyConfig, StrategyMixConfig, StudyConfig

__all__ = [
    "EnsembleConfig",
    "Home",
    "ImportedForecastConfig",
    "LayeredHome",
    "ModelConfig",
    "Settings",
    "SourceConfig",
    "StrategyConfig",
    "StrategyMixConfig",
    "StudyConfig",
    "available_studies",
    "families_off",
    "families_present",
    "find_strategy",
    "lacking",
    "load_study",
    "missing_styles",
    "model_identity",
    "prediction_table",
    "profile_settings",
    "switched_off",
]
__getattr__ = lazy_attributes(__name__)
