"""AI-69's 42 factors in pandas: the same lines for a long frame's columns and for wide frames.

An independent statement of `attn_platform.factors.families`. What differs between the two shapes, windows along a
stock's history and statistics over a session, comes from a `Shape`.
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from factor_peers.residual_deviation import residual_deviation
from factor_peers.stock_major import CONSTANT, DECAY, MAD_MULTIPLE, PRICES, least

Values = TypeVar("Values", pd.Series, pd.DataFrame)


class Shape(Protocol[Values]):
    """What a long frame and wide frames do differently; results are shaped and indexed as their argument."""

    def lag(self, x: Values, n: int) -> Values:
        """The stock's value n sessions back."""

    def mean(self, x: Values, n: int, needed: int) -> Values:
        """Mean over the stock's last n sessions, with so many observations at least."""

    def sum(self, x: Values, n: int) -> Values:
        """Sum over the stock's last n sessions, or as many as there are."""

    def std(self, x: Values, n: int, needed: int) -> Values:
        """Sample standard deviation over the stock's last n sessions."""

    def corr(self, x: Values, y: Values, n: int, needed: int) -> Values:
        """Correlation over the stock's last n sessions."""

    def ewm_sum(self, x: Values) -> Values:
        """Σ x[T−k] DECAY^k over all of the stock's past."""

    def over_session(self, x: Values, statistic: str, **options: int) -> Values:
        """A statistic of each session (mean, sum, median, std, count), repeated for its stocks."""

    def rank(self, x: Values) -> Values:
        """Rank within the session, equal values in the order of the symbols."""


def ai69_factors(raw: Mapping[str, Values], shape: Shape[Values]) -> dict[str, Values]:
    """The 42 factors by name, from the contract's columns."""

    def mean(x: Values, n: int) -> Values:
        return shape.mean(x, n, least(n))

    def std(x: Values, n: int) -> Values:
        return shape.std(x, n, least(n))

    def corr(x: Values, y: Values) -> Values:
        return shape.corr(x, y, 10, least(10))

    def change(x: Values) -> Values:
        before = shape.lag(x, 63)
        return (x - before) / before.abs()

    traded = raw["is_suspended"] == 0
    bar = {name: raw[name].where(traded) for name in PRICES}
    adjusted = {name: values * raw["adj_factor"] for name, values in bar.items()}
    last_close = raw["close"] * raw["adj_factor"]
    r = (last_close / shape.lag(last_close, 1) - 1).where(traded)
    turn, volume = raw["turnover_rate"].where(traded), raw["volume"].where(traded) / raw["adj_factor"]
    open_, high, low, close = (bar[name] for name in ("open", "high", "low", "close"))
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    turn_1m = mean(turn, 21)
    factors = {
        "bp_lf": 1 / raw["pb_lf"],
        "ep_ttm": 1 / raw["pe_ttm"],
        "ocfp_ttm": 1 / raw["pcf_ocf_ttm"],
        "dyr12": raw["dividend_12m"] / raw["total_mv"],
        "con_eps_g": change(raw["eps_fy1"]),
        "con_roe_g": change(raw["roe_fy1"]),
        "con_np_g": change(raw["net_profit_fy1"]),
        "ret_5d": last_close / shape.lag(last_close, 5) - 1,
        "ret_1m": last_close / shape.lag(last_close, 21) - 1,
        "exp_wgt_return_3m": _weighted_mean(r, turn, shape),
        "std_1m": std(r, 21),
        "vstd_1m": std(volume, 21),
        "ivr_ff3factor_1m": _residual_std(r, raw, shape),
        "turn_1m": turn_1m,
        "std_turn_1m": std(turn, 21),
        "bias_turn_1m": turn_1m / mean(turn, 504),
        "std_ret_10d": std(r, 10),
        "std_vol_10d": std(volume, 10),
        "std_turn_10d": std(turn, 10),
        **{f"corr_ret_{name}": corr(r, adjusted[name]) for name in PRICES},
        "corr_ret_vol": corr(r, volume),
        "corr_ret_turn": corr(r, turn),
        **{f"corr_vol_{name}": corr(volume, adjusted[name]) for name in PRICES},
        "low2high": low / high,
        "vwap2close": bar["vwap"] / close,
        "kmid": (close - open_) / open_,
        "klen": (high - low) / open_,
        "kmid2": (close - open_) / (high - low),
        "kup": (high - top) / open_,
        "kup2": (high - top) / (high - low),
        "klow": (bottom - low) / open_,
        "klow2": (bottom - low) / (high - low),
        "ksft": (2 * close - high - low) / open_,
        "ksft2": (2 * close - high - low) / (high - low),
    }
    listed = raw["is_suspended"].notna()
    return {name: x.where(listed & (x.abs() < np.inf)) for name, x in factors.items()}


def preprocessed(x: Values, listed: Values, shape: Shape[Values]) -> Values:
    """5 MAD, z-score and 0 for missing, session by session; NaN where a stock is not listed."""
    centre = shape.over_session(x, "median")
    reach = MAD_MULTIPLE * shape.over_session((x - centre).abs(), "median")
    clipped = x.clip(centre - reach, centre + reach)
    mean, std = shape.over_session(clipped, "mean"), shape.over_session(clipped, "std", ddof=0)
    return ((clipped - mean) / std).where(std > CONSTANT * mean.abs()).fillna(0.0).where(listed)


def _weighted_mean(r: Values, turn: Values, shape: Shape[Values]) -> Values:
    def decayed_sum(x: Values) -> Values:
        total = shape.ewm_sum(x)
        return total - DECAY**63 * shape.lag(total, 63).fillna(0.0)

    weight = turn.where(r.notna())
    mean = decayed_sum((weight * r).fillna(0.0)) / decayed_sum(weight.fillna(0.0))
    return mean.where(shape.sum(weight.notna().astype(float), 63) >= least(63))


def _residual_std(r: Values, raw: Mapping[str, Values], shape: Shape[Values]) -> Values:
    def third_spread(key: Values) -> Values:
        known = key.where(r.notna())
        rank, count = shape.rank(known), shape.over_session(known, "count")
        low, high = r.where(rank <= count // 3), r.where(rank > count - count // 3)
        return shape.over_session(high, "mean") - shape.over_session(low, "mean")

    value = shape.lag(raw["float_mv"], 1).where(r.notna())
    market = shape.over_session(value * r, "sum") / shape.over_session(value, "sum")
    size, bp = -third_spread(shape.lag(raw["total_mv"], 1)), third_spread(1 / shape.lag(raw["pb_lf"], 1))
    observed = r.notna() & market.notna() & size.notna() & bp.notna()
    filled = [x.where(observed, 0.0) for x in (market, size, bp, r)]
    count, deviation = residual_deviation(observed.astype(float), filled[:3], filled[3], lambda x: shape.sum(x, 21))
    return deviation.where(count >= least(21))
