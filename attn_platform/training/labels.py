"""What the models learn to predict, and the purge that keeps it out of the next set (AI-69, AI-55).

The label of session T with horizon h is price[T+h+1] / price[T+1] − 1 on adjusted prices: a signal of the close of T is
traded at T+1. It is standardised in the cross-section: ranks among the session's stocks, then the ranks' z-score.
Since a label reads h+1 sessions ahead, the last h+1 sessions of a training or validation set give no samples.
"""

from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from attn_platform.errors import MissingDataError
from attn_platform.market.dense import DenseMarket

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class LabelConfig(BaseModel):
    """Price, horizons (sessions; one a task) and purge of a model's label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    horizons: tuple[PositiveInt, ...] = Field(default=(10,), min_length=1)  # AI-69, AI-55: ten sessions
    price: Literal["close", "vwap"] = "close"
    # A suspended session carries a close at which nobody could trade. By default it is no price, so a stock suspended
    # at either end leaves the training cross-section; `carried` takes the carried close (for vwap as well).
    suspended_end: Literal["missing", "carried"] = "missing"
    # Sessions dropped at the end of train and of valid; None: the longest horizon + 1, what the labels read ahead
    # (AI-55's worked example). The published tables print the horizon itself, which lets one price of the next set in.
    purge: int | None = None

    @model_validator(mode="after")
    def _purge_covers_the_horizon(self) -> Self:
        if self.purge is not None and self.purge < max(self.horizons):
            raise ValueError(f"purge {self.purge} is shorter than the longest horizon {max(self.horizons)}")
        return self

    @property
    def purge_length(self) -> int:
        """Sessions to drop at the end of the training and of the validation set."""
        return max(self.horizons) + 1 if self.purge is None else self.purge


def label_prices(market: DenseMarket, config: LabelConfig) -> FloatArray:
    """Adjusted prices [T, N] that labels are measured on, NaN where a session has none.

    Reads adj_factor, is_suspended and the price that labels are measured on; with `carried` also close.
    Raises MissingDataError if one of them is absent, or no session has a price.
    """
    price_if_suspended = market["close"] if config.suspended_end == "carried" else np.nan
    price = np.where(market["is_suspended"] == 1, price_if_suspended, market[config.price]) * market["adj_factor"]
    if np.isnan(price).all():
        raise MissingDataError(
            f"no {config.price} from {market.sessions[0]} to {market.sessions[-1]} to measure labels on; "
            f"import daily_bar with {config.price}, or choose another price for the label"
        )
    return price


def label_returns(price: FloatArray, horizon: int) -> FloatArray:
    """Return from T+1 to T+horizon+1 of adjusted prices [T, N]; row T of the result [T, N] is the label of session T.

    NaN where either price is missing or not positive, and on the last horizon + 1 sessions.
    """
    usable = np.where(price > 0, price, np.nan)
    returns = np.full(price.shape, np.nan)
    if len(price) > horizon + 1:
        returns[: -horizon - 1] = usable[horizon + 1 :] / usable[1:-horizon] - 1
    return returns


def standardise_by_rank(values: FloatArray) -> FloatArray:
    """Z-score (population standard deviation) of each row's ranks among its non-missing values: [T, N], NaN stays NaN.

    Ties share the average of their ranks. A row whose values are all equal, or a single one, gets 0.
    """
    ranks = pd.DataFrame(values).rank(axis=1, method="average").to_numpy()
    present = ~np.isnan(ranks)
    count = present.sum(axis=1, keepdims=True)
    deviation = np.where(present, ranks - (count + 1) / 2, 0.0)  # the mean of average ranks is (n + 1) / 2 exactly
    spread = np.sqrt((deviation**2).sum(axis=1, keepdims=True) / np.maximum(count, 1))
    scores = np.divide(deviation, spread, out=np.zeros_like(deviation), where=spread > 0)
    return np.where(present, scores, np.nan)


def training_labels(price: FloatArray, cross_section: BoolArray, config: LabelConfig) -> FloatArray:
    """Standardised labels [T, N, task] of the training cross-sections, one task a horizon; NaN outside of them.

    `price` [T, N] comes from `label_prices`, `cross_section` [T, N] is the universe. A stock that lacks the label of
    one task leaves the session's training cross-section for all tasks, so that all are ranked among the same stocks.
    """
    returns = np.stack([label_returns(price, horizon) for horizon in config.horizons], axis=-1)
    trainable = cross_section & ~np.isnan(returns).any(axis=-1)
    returns[~trainable] = np.nan
    return np.stack([standardise_by_rank(returns[..., task]) for task in range(returns.shape[-1])], axis=-1)
