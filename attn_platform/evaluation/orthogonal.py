"""Orthogonalisation of factors against regular ones: what least squares leave of a session's values (Haitong weekly).

The projection is that of `factors.preprocessing.neutralise`, in double precision. What is said here: which stocks and
which styles take part.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attn_platform.errors import ConfigurationError
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.factors.preprocessing import IntArray, neutralise

MIN_COVERAGE = 0.5  # our choice: see `orthogonalise`


@dataclass(frozen=True)
class Orthogonalised:
    """Residuals of a session's factors, and the styles that took no part."""

    residual: FloatArray
    """[N] or [N, F], as the values; NaN for stocks that were left out."""
    left_out: tuple[str, ...]


def orthogonalise(
    values: FloatArray, industry: IntArray, styles: Mapping[str, FloatArray], min_coverage: float = MIN_COVERAGE
) -> Orthogonalised:
    """Residuals of a session's factors [N] or [N, F] on dummies of `industry` [N] and on `styles`, each [N].

    What is not finite is missing. A style that no stock has, or less than `min_coverage` of the stocks, drops out and
    is named: it would take the others with it. Then a stock without one of the styles, or without the factor, is left
    out of that factor's regression. Each industry code is a group of its own, also the one of unknown industry, so
    that the residuals sum to 0. Styles that follow from industries and other styles change nothing.
    `ConfigurationError` where an array is of another length.
    """
    columns = np.asarray(values, dtype=np.float64)
    if wrong := [name for name, style in {"industry": industry, **styles}.items() if len(style) != len(columns)]:
        raise ConfigurationError(f"{wrong[0]} is of another length than the {len(columns)} values; give one a stock")
    taken, left_out = {}, []
    for name, style in styles.items():
        known = np.isfinite(style)
        if known.any() and known.mean() >= min_coverage:
            taken[name] = np.asarray(style, dtype=np.float64)
        else:
            left_out.append(name)
    exposures = np.column_stack(list(taken.values())) if taken else None
    residual: FloatArray = neutralise(columns.reshape(len(columns), -1), industry, exposures).astype(np.float64)
    return Orthogonalised(residual.reshape(columns.shape), tuple(left_out))
