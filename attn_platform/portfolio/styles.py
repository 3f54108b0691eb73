"""Style factors of the weekly problem that come from the day's valuation; any factor of the catalogue can be one too.

AI-69 and XGBoost: the logarithm of float market value; AI-55's graph networks: that and book-to-price. Haitong weekly:
the logarithm of total market value as size, and mid-size, what its cube says beyond it.
"""

from collections.abc import Callable, Mapping

import numpy as np

from attn_platform.factors.preprocessing import PreprocessingConfig, winsorise, zscore
from attn_platform.portfolio.problem import FloatArray

VALUATION_FIELDS = ("total_mv", "float_mv", "pb_lf")
Valuation = Mapping[str, FloatArray]


def style_exposure(raw: FloatArray, config: PreprocessingConfig) -> FloatArray:
    """[n] z-scores of a style's raw values; 5 × MAD winsorised first (AI-69 and AI-55)."""
    finite = np.where(np.isfinite(raw), raw, np.nan)
    return np.asarray(zscore(winsorise(finite[:, None], config))[:, 0], dtype=np.float64)


def mid_size(valuation: Valuation) -> FloatArray:
    """[n] residual of the cube of standardised log total market value on that value itself (Haitong weekly).

    NaN where the market value is missing, and everywhere where fewer than three stocks have one.
    """
    log_value = np.log(valuation["total_mv"])
    known = np.isfinite(log_value)
    residual = np.full(len(log_value), np.nan)
    if known.sum() < 3 or log_value[known].std() == 0:
        return residual
    z = (log_value[known] - log_value[known].mean()) / log_value[known].std()
    design = np.column_stack([np.ones(len(z)), z])
    fit, *_ = np.linalg.lstsq(design, z**3)
    residual[known] = z**3 - design @ fit
    return residual


BUILT_IN_STYLES: Mapping[str, Callable[[Valuation], FloatArray]] = {
    "log_float_mv": lambda valuation: np.log(valuation["float_mv"]),
    "log_total_mv": lambda valuation: np.log(valuation["total_mv"]),
    "mid_size": mid_size,
    "bp_lf": lambda valuation: 1.0 / valuation["pb_lf"],
}
"""Raw values [n] from the day's fields `VALUATION_FIELDS` of the problem's stocks."""
