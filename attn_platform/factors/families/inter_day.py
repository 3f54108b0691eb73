"""Inter-day factors (AI-69, factor table): deviations and correlations of returns, volume, turnover and prices."""

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs
from attn_platform.factors.kernels import FloatArray

FAMILY = "inter_day"
SOURCE = "AI-69, factor table"
WINDOW = 10
PRICES = ("close", "open", "high", "low", "vwap")


class Series(NamedTuple):
    """A daily series as the factor table names it, and what it is read from."""

    label: str
    inputs: tuple[str, ...]
    earlier: int  # sessions before its own that a value reads
    values: Callable[[FactorInputs], FloatArray]


# 1 + r deviates and correlates as r does; against its level of 1, constant returns can be told from rounding.
RETURN = Series("r", ("close", "adj_factor"), 1, attrgetter("gross_return"))
VOLUME = Series("volume", ("volume", "adj_factor"), 0, attrgetter("volume"))
TURN = Series("turn", ("turnover_rate",), 0, attrgetter("turn"))


def _price(name: str) -> Series:
    return Series(name, (name, "adj_factor"), 0, attrgetter(name))


def _register_std(name: str, series: Series) -> None:
    @factor(
        name=name,
        family=FAMILY,
        inputs=series.inputs,
        lookback=WINDOW - 1 + series.earlier,
        window=WINDOW,
        formula=f"std({series.label}, {WINDOW})",
        source=SOURCE,
    )
    def std(x: FactorInputs) -> FloatArray:
        return x.std(series.values(x), WINDOW)


def _register_corr(name: str, first: Series, second: Series) -> None:
    @factor(
        name=name,
        family=FAMILY,
        inputs=tuple(dict.fromkeys((*first.inputs, *second.inputs))),
        lookback=WINDOW - 1 + max(first.earlier, second.earlier),
        window=WINDOW,
        formula=f"corr({first.label}, {second.label}, {WINDOW})",
        source=SOURCE,
    )
    def corr(x: FactorInputs) -> FloatArray:
        return x.corr(first.values(x), second.values(x), WINDOW)


_register_std("std_ret_10d", RETURN)
_register_std("std_vol_10d", VOLUME)
_register_std("std_turn_10d", TURN)
for _name in PRICES:
    _register_corr(f"corr_ret_{_name}", RETURN, _price(_name))
_register_corr("corr_ret_vol", RETURN, VOLUME)
_register_corr("corr_ret_turn", RETURN, TURN)
for _name in PRICES:
    _register_corr(f"corr_vol_{_name}", VOLUME, _price(_name))
