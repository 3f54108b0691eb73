"""Cross-sectional pre-processing of the factors, a session at a time over its universe.

AI-69 and AI-55's graph networks: winsorise at the median ± 5 MAD, z-score, fill missing values with 0. AI-55's XGBoost
regresses out industry and log market value after winsorising; its variant nn_neutralize_industry industry only.

Factors come [stock, factor], float32 as they are stored or float64, and leave in the same type; sums are taken in
float64. Inside, and in memory, a factor's values lie one after the other: results are transposes of [factor, stock].
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from attn_platform.errors import ConfigurationError
from attn_platform.factors.kernels import BoolArray, FloatArray
from attn_platform.factors.medians import median, observations
from attn_platform.jit import njit
from attn_platform.parallel import over_threads

IntArray = npt.NDArray[np.integer]

# A spread below this share of the level is what rounding leaves of a constant; by bytes of the number.
ROUNDING = {4: 1e-6, 8: 1e-12}


class PreprocessingConfig(BaseModel):
    """How a session's cross-section is brought to a common scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mad_multiple: float = Field(5.0, gt=0)  # AI-69, AI-55
    mad_scale: float = Field(1.0, gt=0)  # raw MAD; 1.4826 would make it a standard deviation under normality
    neutralise: Literal["none", "industry", "industry_and_size"] = "none"  # AI-55's XGBoost: industry_and_size


@dataclass(frozen=True)
class Preprocessed:
    """Pre-processed factors of one session.

    `values` [n, F] has no missing value. `coverage` [F] is the share of the stocks that had a value before filling: at
    0 the factor was missing for everybody, and is 0 throughout. `constant` [F] marks factors whose values were all
    equal once winsorised: they have no z-score, and are 0 throughout as well.
    """

    values: FloatArray
    coverage: FloatArray
    constant: BoolArray


@dataclass(frozen=True)
class Exposures:
    """What is regressed out, row by row as the factor values: industry codes and log market value."""

    industry: IntArray
    log_market_value: FloatArray | None = None


def preprocess_session(
    values: FloatArray, config: PreprocessingConfig | None = None, exposures: Exposures | None = None
) -> Preprocessed:
    """Pre-process one session's factors [n, F]: winsorise, neutralise if configured, z-score, fill with 0.

    Values that are not finite are missing. `exposures` are needed only to neutralise.
    """
    columns = _own_columns(values)
    coverage, constant = preprocess_in_place(columns, np.array([0, len(values)]), config, exposures)
    return Preprocessed(columns.T, coverage[0], constant[0])


def preprocess_in_place(
    columns: FloatArray,
    offsets: IntArray,
    config: PreprocessingConfig | None = None,
    exposures: Exposures | None = None,
) -> tuple[FloatArray, BoolArray]:
    """`preprocess_session` of S stacked sessions [F, rows], contiguous, which become the result.

    The k-th session is rows offsets[k]:offsets[k + 1]; `offsets` [S + 1] ascend from 0 to the number of rows, and
    `exposures` have one entry a row. Returns coverage and constant [S, F].
    """
    config = config or PreprocessingConfig()
    rows = columns.shape[1]
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != rows or np.any(np.diff(offsets) < 0):
        raise ConfigurationError(f"session offsets must ascend from 0 to the number of rows, {rows}: {offsets}")
    shape = len(offsets) - 1, len(columns)
    observed, constant = np.zeros(shape), np.zeros(shape, dtype=np.bool_)

    def run(session: int) -> None:
        start, stop = int(offsets[session]), int(offsets[session + 1])
        _winsorise(columns, start, stop, config.mad_multiple * config.mad_scale)
        if config.neutralise != "none":
            own = None if exposures is None else _rows(exposures, slice(start, stop))
            columns[:, start:stop] = _neutralise_as_configured(columns[:, start:stop].T, config, own).T
        _standardise(columns, start, stop, ROUNDING[columns.itemsize], 0.0, observed[session], constant[session])

    over_threads(run, range(shape[0]))
    return observed / np.maximum(np.diff(offsets), 1)[:, None], constant


def winsorise(values: FloatArray, config: PreprocessingConfig) -> FloatArray:
    """Clip each factor [n, F] to its median ± mad_multiple × mad_scale × MAD; what is not finite becomes missing.

    MAD is the median of the absolute distances from the median. Where more than half of the stocks share one value it
    is 0, and the rule, taken at its word, leaves that value to everybody; `Preprocessed.constant` tells.
    """
    columns = _own_columns(values)
    _winsorise(columns, 0, len(values), config.mad_multiple * config.mad_scale)
    return columns.T


def zscore(values: FloatArray) -> FloatArray:
    """Each factor [n, F] less its mean, over its standard deviation (divided by n: the session is the population).

    A factor without spread has no z-score: it becomes missing.
    """
    columns = _own_columns(values)
    observed, constant = np.empty(len(columns)), np.empty(len(columns), dtype=np.bool_)
    _standardise(columns, 0, len(values), ROUNDING[columns.itemsize], np.nan, observed, constant)
    return columns.T


def neutralise(values: FloatArray, industry: IntArray, continuous: FloatArray | None = None) -> FloatArray:
    """Residuals of each factor [n, F] on industry dummies and the columns of `continuous` ([n] or [n, C]).

    Least squares over the stocks that have the factor and every continuous exposure; the others become missing. Every
    code in `industry` [n] is a group of its own, also the one that marks stocks without an industry. Industries are
    projected out as group means, then the continuous exposures, themselves net of industry, one after another.
    """
    exposures = np.empty((len(values), 0)) if continuous is None else np.atleast_2d(continuous.T).T
    observed = np.isfinite(values) & np.all(np.isfinite(exposures), axis=1, keepdims=True)
    codes, group = np.unique(industry, return_inverse=True)

    def net_of_industry(x: FloatArray) -> FloatArray:
        return _less_group_means(x, observed, group, len(codes))

    whole = np.where(observed, values, 0.0).astype(np.float64)
    residual = net_of_industry(whole)
    directions: list[FloatArray] = []
    for exposure in exposures.T:
        repeated = np.where(observed, exposure[:, None], 0.0)
        direction = net_of_industry(repeated)
        for earlier in directions:
            direction = direction - _projection(direction, earlier)
        # What the earlier exposures explain leaves rounding only, which must not be regressed on.
        direction = np.where(_is_rounding(direction, repeated, exposures.itemsize), 0.0, direction)
        directions.append(direction)
        residual = residual - _projection(residual, direction)
    residual = np.where(_is_rounding(residual, whole, values.itemsize), 0.0, residual)
    return np.where(observed, residual, np.nan).astype(values.dtype)


def _neutralise_as_configured(
    values: FloatArray, config: PreprocessingConfig, exposures: Exposures | None
) -> FloatArray:
    if exposures is None:
        raise ConfigurationError(f"neutralise: {config.neutralise} needs each stock's industry; pass `exposures`")
    if config.neutralise == "industry":
        return neutralise(values, exposures.industry)
    if exposures.log_market_value is None:
        raise ConfigurationError("neutralise: industry_and_size needs log market values; pass them in `exposures`")
    return neutralise(values, exposures.industry, exposures.log_market_value)


def _rows(exposures: Exposures, rows: slice) -> Exposures:
    size = exposures.log_market_value
    return Exposures(exposures.industry[rows], None if size is None else size[rows])


def _projection(x: FloatArray, direction: FloatArray) -> FloatArray:
    """Column by column, the part of x along `direction`; nothing along a zero direction."""
    squares = np.sum(direction * direction, axis=0)
    return direction * (np.sum(x * direction, axis=0) / np.where(squares > 0, squares, 1.0))


def _is_rounding(x: FloatArray, original: FloatArray, bytes_a_number: int) -> BoolArray:
    """Columns of x [n, F] that are negligible against the columns they were left over from."""
    return np.abs(x).max(axis=0, initial=0.0) <= ROUNDING[bytes_a_number] * np.abs(original).max(axis=0, initial=0.0)


def _own_columns(values: FloatArray) -> FloatArray:
    """A copy [F, n] with each factor's values one after the other, float32 or float64."""
    return np.array(values.T, order="C", dtype=np.result_type(values, np.float32))


@njit(nogil=True, cache=True, error_model="numpy")
def _less_group_means(x, observed, group, groups):  # type: ignore[no-untyped-def]
    """Observed entries of x [n, F] less the mean of their group [n]; x and result are 0 where nothing is observed."""
    totals, counts = np.zeros((groups, x.shape[1])), np.zeros((groups, x.shape[1]))
    for i in range(len(x)):
        for f in range(x.shape[1]):
            totals[group[i], f] += x[i, f]
            counts[group[i], f] += 1.0 if observed[i, f] else 0.0
    out = np.empty_like(x)
    for i in range(len(x)):
        for f in range(x.shape[1]):
            mean = totals[group[i], f] / counts[group[i], f]
            out[i, f] = x[i, f] - mean if observed[i, f] else 0.0
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _winsorise(columns, start, stop, multiple):  # type: ignore[no-untyped-def]
    distance = np.empty(stop - start, dtype=columns.dtype)
    number = columns.dtype.type
    for f in range(len(columns)):
        column = columns[f, start:stop]
        for i in range(len(column)):
            column[i] = column[i] if abs(column[i]) < np.inf else np.nan
        n = observations(column)
        middle = median(column, n)
        centre = number(middle)
        for i in range(len(column)):
            distance[i] = abs(column[i] - centre)
        reach = multiple * median(distance, n)
        low, high = number(middle - reach), number(middle + reach)
        for i in range(len(column)):
            value = column[i]
            value = low if value < low else value
            column[i] = high if value > high else value


# "reassoc" lets the compiler sum in vector lanes: the order then follows from n alone, so results stay reproducible.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _standardise(columns, start, stop, rounding, fill, observed, constant):  # type: ignore[no-untyped-def]
    for f in range(len(columns)):
        column = columns[f, start:stop]
        first = 0.0  # distances from an observation are exactly 0 for a constant factor
        for i in range(len(column)):
            if column[i] == column[i]:
                first = np.float64(column[i])
                break
        count, total, squares = 0.0, 0.0, 0.0
        for i in range(len(column)):
            distance = np.float64(column[i]) - first
            distance = distance if distance == distance else np.float64(0.0)
            count += 1.0 if column[i] == column[i] else 0.0
            total += distance
            squares += distance * distance
        mean = total / count
        std = np.sqrt(max(squares / count - mean * mean, 0.0))
        spread = std > rounding * abs(first + mean)
        observed[f] = count
        constant[f] = (count > 0) & (not spread)
        scale = 1.0 / std if spread else np.nan
        for i in range(len(column)):
            score = ((np.float64(column[i]) - first) - mean) * scale
            column[i] = score if score == score else fill
