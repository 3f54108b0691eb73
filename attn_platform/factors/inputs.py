"""What a factor is computed from: the market panel, the series derived from it, and the windows over them.

The notation is that of the studies' factor table (AI-69; AI-55 uses the same): adjusted prices, r, turn, and mean, std
and corr over the last n sessions. A factor function therefore reads like its line in the table.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from attn_platform.errors import ConfigurationError, ContractError, MissingDataError
from attn_platform.factors import kernels
from attn_platform.factors.kernels import BoolArray, FloatArray
from attn_platform.jit import vectorize

if TYPE_CHECKING:
    from attn_platform.factors.statements import Statements

ROW_FIELD = "is_suspended"  # 0 or 1 where a stock has a row, missing where it is not listed
MARKET_RETURN = "market_return"  # the one input that is a series [T]: the day's return of the whole-market index


class FactorConfig(BaseModel):
    """Conventions shared by all factors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_observed_share: float = Field(0.5, gt=0, le=1)  # of a window's sessions; the studies are silent: our choice
    constant_tolerance: float = Field(
        1e-12, ge=0, lt=1
    )  # spread / level below which a correlation's window is constant
    collinear_tolerance: float = Field(
        1e-6, ge=0, lt=1
    )  # of a regressor's deviation; below it the ivr regression is singular

    def min_observations(self, window: int) -> int:
        """Observations that a window of so many sessions needs: 11 of 21 at one half."""
        return math.ceil(self.min_observed_share * window)


class MarketPanel(Protocol):
    """Dense market data, as `attn_platform.market.dense.DenseMarket` holds it."""

    @property
    def sessions(self) -> npt.NDArray[np.datetime64]:
        """Trading sessions, ascending [T]."""

    @property
    def symbols(self) -> npt.NDArray[np.str_]:
        """Symbols [N]."""

    @property
    def fields(self) -> Mapping[str, FloatArray]:
        """Contract columns [T, N], NaN where missing."""


@dataclass(frozen=True)
class FactorInputs:
    """Some stocks over some sessions, with the derived series; all panels are [T, N], NaN = missing.

    Derived series are computed on first use and kept. Suspended sessions give no observation: prices, volume, turnover
    and r are missing on them. The row of a suspended session carries close and adjustment factor of the last traded one
    (contract), so the last traded close on or before the session n back is read from that session's row, and nothing
    depends on how far back the panel reaches.

    The engine hands out blocks of stocks: what is common to all stocks comes with the block, as `common_returns`
    [T, 3] and `statements`.
    """

    market: MarketPanel
    config: FactorConfig
    common: FloatArray | None = None
    known_statements: Statements | None = None
    _observed: dict[str, FloatArray] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        shape = (len(self.market.sessions), len(self.market.symbols))
        for name, values in self.market.fields.items():
            if values.shape != shape:
                raise ContractError(f"field {name}: shape {values.shape}, the panel has {shape} sessions and stocks")

    def field(self, name: str) -> FloatArray:
        """A contract column as it is [T, N]; `MissingDataError` if the panel lacks it."""
        if name not in self.market.fields:
            raise MissingDataError(f"{name} is not there; a factor lists all that it reads among its inputs")
        return np.asarray(self.market.fields[name], dtype=np.float64)

    def observed(self, name: str) -> FloatArray:
        """A contract column, unadjusted, on traded sessions only."""
        if name not in self._observed:
            self._observed[name] = _where_traded(self.field(ROW_FIELD), self.field(name))
        return self._observed[name]

    @cached_property
    def listed(self) -> BoolArray:
        """The stock has a row: from its first session to its last, suspended ones included."""
        return ~np.isnan(self.field(ROW_FIELD))

    @cached_property
    def last_close(self) -> FloatArray:
        """Adjusted close of the last traded session on or before each session."""
        return self.field("close") * self.field("adj_factor")

    @cached_property
    def gross_return(self) -> FloatArray:
        """1 + r: adjusted close over the last traded one before it, on traded sessions."""
        return np.asarray(_where_traded(self.field(ROW_FIELD), ratio(self.last_close, lag(self.last_close, 1))))

    @cached_property
    def r(self) -> FloatArray:
        """Return on the last traded close before; after a suspension the whole jump. Missing on the first session."""
        return self.gross_return - 1

    @cached_property
    def open(self) -> FloatArray:
        """Adjusted open."""
        return self._adjusted_price("open")

    @cached_property
    def high(self) -> FloatArray:
        """Adjusted high."""
        return self._adjusted_price("high")

    @cached_property
    def low(self) -> FloatArray:
        """Adjusted low."""
        return self._adjusted_price("low")

    @cached_property
    def close(self) -> FloatArray:
        """Adjusted close, on traded sessions only."""
        return self._adjusted_price("close")

    @cached_property
    def vwap(self) -> FloatArray:
        """Adjusted volume-weighted average price."""
        return self._adjusted_price("vwap")

    @cached_property
    def volume(self) -> FloatArray:
        """Shares traded, adjusted for splits: volume / adj_factor."""
        return ratio(self.observed("volume"), self.field("adj_factor"))

    @cached_property
    def turn(self) -> FloatArray:
        """Turnover rate, volume / float shares."""
        return self.observed("turnover_rate")

    @property
    def common_returns(self) -> FloatArray:
        """Daily returns of the whole market, the size factor and the BP factor [T, 3]; see `common_returns`."""
        if self.common is None:
            raise ConfigurationError(
                f"the common returns were not prepared; a factor that reads them lists {MARKET_RETURN} among its inputs"
            )
        return self.common

    @property
    def statements(self) -> Statements:
        """What was known of the stocks' quarterly statements, one row an announcement; see `statements`."""
        if self.known_statements is None:
            raise MissingDataError("there are no quarterly statements; import the table `fundamental`")
        return self.known_statements

    def carried(self, values: FloatArray) -> FloatArray:
        """One value an announcement [E], carried from the day on which it was known to the next one [T, N].

        Missing where the stock has no row, so that nothing depends on where the panel begins.
        """
        return np.where(self.listed, self.statements.carried(values, self.market.sessions), np.nan)

    def mean(self, x: FloatArray, n: int) -> FloatArray:
        """mean(x, n)."""
        return kernels.rolling_mean(x, n, self.config.min_observations(n))

    def std(self, x: FloatArray, n: int) -> FloatArray:
        """std(x, n), the sample standard deviation."""
        return kernels.rolling_std(x, n, self.config.min_observations(n))

    def corr(self, x: FloatArray, y: FloatArray, n: int) -> FloatArray:
        """corr(x, y, n); missing where x or y is constant in the window."""
        return kernels.rolling_corr(x, y, n, self.config.min_observations(n), self.config.constant_tolerance)

    def weighted_mean(self, x: FloatArray, weight: FloatArray, decay: FloatArray) -> FloatArray:
        """Σ w x / Σ w over len(decay) sessions, w = weight × decay[k], k = sessions back."""
        return kernels.rolling_weighted_mean(x, weight, decay, self.config.min_observations(len(decay)))

    def residual_std(self, y: FloatArray, regressors: FloatArray, n: int) -> FloatArray:
        """std over n sessions of the residual of y on an intercept and `regressors` [T, 3], fitted in the same window.

        As every std here it is the sample standard deviation: the sum of squares is divided by observations − 1, not by
        the degrees of freedom that the regression leaves.
        """
        needed = self.config.min_observations(n)
        return kernels.rolling_residual_std(y, regressors, n, needed, self.config.collinear_tolerance)

    def _adjusted_price(self, name: str) -> FloatArray:
        return self.observed(name) * self.field("adj_factor")


def lag(x: FloatArray, n: int) -> FloatArray:
    """The panel n sessions back [T, N]; missing on the first n."""
    if n < 0:
        raise ConfigurationError(f"a lag of {n} sessions would read the future")
    out = np.full_like(x, np.nan)
    out[n:] = x[: len(x) - n]
    return out


def ratio(numerator: FloatArray | float, denominator: FloatArray) -> FloatArray:
    """Numerator / denominator; a zero denominator gives a missing value."""
    return np.asarray(_ratio(numerator, denominator))


# One pass each: numpy's `where` takes several, and a tile of factors spends more time on them than on its windows.
@vectorize(["float64(float64, float64)"], nopython=True, cache=True)
def _ratio(numerator, denominator):  # type: ignore[no-untyped-def]
    return numerator / denominator if denominator != 0.0 else np.nan


@vectorize(["float64(float64, float64)"], nopython=True, cache=True)
def _where_traded(is_suspended, values):  # type: ignore[no-untyped-def]
    return values if is_suspended == 0.0 else np.nan
