"""Intra-day factors (AI-69, factor table): the shape of the day's bar.

Prices of one session share their adjustment, which cancels in these ratios: they are read unadjusted.
"""

from collections.abc import Callable

import numpy as np

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, ratio
from attn_platform.factors.kernels import FloatArray

FAMILY = "intra_day"
SOURCE = "AI-69, factor table"
BAR_INPUTS = ("open", "high", "low", "close")


@factor(name="low2high", family=FAMILY, inputs=("low", "high"), lookback=0, formula="low / high", source=SOURCE)
def low2high(x: FactorInputs) -> FloatArray:
    """Low to high."""
    return ratio(x.observed("low"), x.observed("high"))


@factor(name="vwap2close", family=FAMILY, inputs=("vwap", "close"), lookback=0, formula="vwap / close", source=SOURCE)
def vwap2close(x: FactorInputs) -> FloatArray:
    """Average price to close."""
    return ratio(x.observed("vwap"), x.observed("close"))


def _body(x: FactorInputs) -> FloatArray:
    return x.observed("close") - x.observed("open")


def _range(x: FactorInputs) -> FloatArray:
    return x.observed("high") - x.observed("low")


def _upper_shadow(x: FactorInputs) -> FloatArray:
    return x.observed("high") - np.maximum(x.observed("open"), x.observed("close"))


def _lower_shadow(x: FactorInputs) -> FloatArray:
    return np.minimum(x.observed("open"), x.observed("close")) - x.observed("low")


def _shift(x: FactorInputs) -> FloatArray:
    return 2 * x.observed("close") - x.observed("high") - x.observed("low")


def _open(x: FactorInputs) -> FloatArray:
    return x.observed("open")


def _register_bar(
    name: str, part: Callable[[FactorInputs], FloatArray], whole: Callable[[FactorInputs], FloatArray], formula: str
) -> None:
    @factor(name=name, family=FAMILY, inputs=BAR_INPUTS, lookback=0, formula=formula, source=SOURCE)
    def bar_ratio(x: FactorInputs) -> FloatArray:
        return ratio(part(x), whole(x))


_register_bar("kmid", _body, _open, "(close − open) / open")
_register_bar("klen", _range, _open, "(high − low) / open")
_register_bar("kmid2", _body, _range, "(close − open) / (high − low)")
_register_bar("kup", _upper_shadow, _open, "(high − max(open, close)) / open")
_register_bar("kup2", _upper_shadow, _range, "(high − max(open, close)) / (high − low)")
_register_bar("klow", _lower_shadow, _open, "(min(open, close) − low) / open")
_register_bar("klow2", _lower_shadow, _range, "(min(open, close) − low) / (high − low)")
_register_bar("ksft", _shift, _open, "(2·close − high − low) / open")
_register_bar("ksft2", _shift, _range, "(2·close − high − low) / (high − low)")
