"""Evaluation: forecasts as composite factors, single factors, backtests, and what a model reads."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.evaluation.composite_factor import composite_factor_figures
    from attn_platform.evaluation.config import EvaluationConfig, FactorProfileConfig
    from attn_platform.evaluation.cross_sections import read_cross_sections
    from attn_platform.evaluation.explanation_store import explained_session, explained_stock, write_explanation
    from attn_platform.evaluation.factor_profile import FactorProfile
    from attn_platform.evaluation.factor_store import FactorHistory, profiles
    from attn_platform.evaluation.performance import monthly_excess_returns, performance_figures, yearly_figures
    from attn_platform.evaluation.store import Predictions, write_evaluation

__all__ = [
    "EvaluationConfig",
    "FactorHistory",
    "FactorProfile",
    "FactorProfileConfig",
    "Predictions",
    "composite_factor_figures",
    "explained_session",
    "explained_stock",
    "monthly_excess_returns",
    "performance_figures",
    "profiles",
    "read_cross_sections",
    "write_evaluation",
    "write_explanation",
    "yearly_figures",
]
__getattr__ = lazy_attributes(__name__)
