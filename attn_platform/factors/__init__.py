"""Factors: the catalogue, its values by session from raw tables, and the pre-processed panel of the models."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.factors.catalogue import Catalogue, FactorDefinition, catalogue_with, factor
    from attn_platform.factors.checking import check_factor
    from attn_platform.factors.engine import compute_factors
    from attn_platform.factors.inputs import FactorConfig, FactorInputs
    from attn_platform.factors.panel import write_panel
    from attn_platform.factors.preprocessing import PreprocessingConfig, preprocess_session
    from attn_platform.factors.statements import Statements
    from attn_platform.factors.store import compute_session, family_table, write_families

__all__ = [
    "Catalogue",
    "FactorConfig",
    "FactorDefinition",
    "FactorInputs",
    "PreprocessingConfig",
    "Statements",
    "catalogue_with",
    "check_factor",
    "compute_factors",
    "compute_session",
    "factor",
    "family_table",
    "preprocess_session",
    "write_families",
    "write_panel",
]
__getattr__ = lazy_attributes(__name__)
