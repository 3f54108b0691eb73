"""AI-69's 42 factors on [stock, session] arrays, over whatever library moves the windows.

An independent statement of `attn_platform.factors.families` for libraries that work along a contiguous history. Windows
come from a `MovingWindows`; everything between them is plain numpy, the same for all.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from factor_peers.generated_panel import Panel
from factor_peers.residual_deviation import residual_deviation

Fields = Mapping[str, np.ndarray]
PRICES = ("close", "open", "high", "low", "vwap")
DECAY = np.exp(-1 / 12)
MAD_MULTIPLE = 5.0
CONSTANT = 1e-12  # spread / level below which a factor does not vary over the session


class MovingWindows(Protocol):
    """Windows over the last axis of [stock, session] arrays; `least` observations, NaN is none."""

    def mean(self, x: np.ndarray, n: int, least: int) -> np.ndarray:
        """Mean of the observations."""

    def std(self, x: np.ndarray, n: int, least: int) -> np.ndarray:
        """Sample standard deviation."""

    def corr(self, x: np.ndarray, y: np.ndarray, n: int, least: int) -> np.ndarray:
        """Correlation over the sessions on which both are observed."""

    def sum(self, x: np.ndarray, n: int) -> np.ndarray:
        """Sum over the window, or as much of it as there is; x has no NaN."""

    def decayed_sum(self, x: np.ndarray, n: int) -> np.ndarray:
        """Σ x[T−k] DECAY^k over the window, or as much of it as there is; x has no NaN."""

    def median(self, x: np.ndarray) -> np.ndarray:
        """Median of the observations of each row."""


class StockMajorPeer:
    """A peer of `measure`: the factors and the cross-section over one library's windows."""

    layout = "stock_major"

    def __init__(self, windows: MovingWindows) -> None:
        self.windows = windows

    def prepare(self, panel: Panel) -> None:
        """Take the panel; nothing to convert."""
        self.fields: Fields = panel.fields

    def compute(self) -> None:
        """All 42 factors."""
        self.raw = ai69_factors(self.fields, self.windows)

    def preprocess(self) -> None:
        """Pre-process every session over its listed stocks."""
        self.scored = preprocessed(self.raw, self.fields["is_suspended"], self.windows.median)

    def factors(self) -> dict[str, np.ndarray]:
        """Raw factors [session, stock]."""
        return {name: values.T for name, values in self.raw.items()}

    def scores(self) -> dict[str, np.ndarray]:
        """Pre-processed factors [session, stock]."""
        return self.scored

    def output_bytes(self) -> int:
        """Of the raw and the pre-processed factors."""
        return sum(values.nbytes for values in (*self.raw.values(), *self.scored.values()))


def least(n: int) -> int:
    """Half of the observations of a window, as the platform asks for."""
    return -(-n // 2)


def lag(x: np.ndarray, n: int) -> np.ndarray:
    """The value n sessions back."""
    out = np.full_like(x, np.nan)
    out[:, n:] = x[:, :-n]
    return out


def ratio(numerator: np.ndarray | float, denominator: np.ndarray) -> np.ndarray:
    """Missing where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full_like(denominator, np.nan), where=denominator != 0)


def ai69_factors(fields: Fields, windows: MovingWindows) -> dict[str, np.ndarray]:
    """The 42 factors [stock, session] by name."""
    traded, listed = fields["is_suspended"] == 0, ~np.isnan(fields["is_suspended"])
    observed = {name: np.where(traded, fields[name], np.nan) for name in (*PRICES, "volume", "turnover_rate")}
    adjusted = {name: observed[name] * fields["adj_factor"] for name in PRICES}
    last_close = fields["close"] * fields["adj_factor"]
    r = np.where(traded, last_close / lag(last_close, 1) - 1, np.nan)
    turn, volume = observed["turnover_rate"], observed["volume"] / fields["adj_factor"]

    def mean(x: np.ndarray, n: int) -> np.ndarray:
        return windows.mean(x, n, least(n))

    def std(x: np.ndarray, n: int) -> np.ndarray:
        return windows.std(x, n, least(n))

    def corr(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return windows.corr(x, y, 10, least(10))

    def change(x: np.ndarray) -> np.ndarray:
        before = lag(x, 63)
        return ratio(x - before, np.abs(before))

    turn_1m = mean(turn, 21)
    out = {
        "bp_lf": ratio(1.0, fields["pb_lf"]),
        "ep_ttm": ratio(1.0, fields["pe_ttm"]),
        "ocfp_ttm": ratio(1.0, fields["pcf_ocf_ttm"]),
        "dyr12": ratio(fields["dividend_12m"], fields["total_mv"]),
        "con_eps_g": change(fields["eps_fy1"]),
        "con_roe_g": change(fields["roe_fy1"]),
        "con_np_g": change(fields["net_profit_fy1"]),
        "ret_5d": ratio(last_close, lag(last_close, 5)) - 1,
        "ret_1m": ratio(last_close, lag(last_close, 21)) - 1,
        "exp_wgt_return_3m": _weighted_mean(r, turn, windows),
        "std_1m": std(r, 21),
        "vstd_1m": std(volume, 21),
        "ivr_ff3factor_1m": _residual_std(r, fields, windows),
        "turn_1m": turn_1m,
        "std_turn_1m": std(turn, 21),
        "bias_turn_1m": ratio(turn_1m, mean(turn, 504)),
        "std_ret_10d": std(r, 10),
        "std_vol_10d": std(volume, 10),
        "std_turn_10d": std(turn, 10),
        **{f"corr_ret_{name}": corr(r, adjusted[name]) for name in PRICES},
        "corr_ret_vol": corr(r, volume),
        "corr_ret_turn": corr(r, turn),
        **{f"corr_vol_{name}": corr(volume, adjusted[name]) for name in PRICES},
        **_intra_day(observed),
    }
    return {name: np.where(listed & np.isfinite(values), values, np.nan) for name, values in out.items()}


def _intra_day(bar: Fields) -> dict[str, np.ndarray]:
    open_, high, low, close = (bar[name] for name in ("open", "high", "low", "close"))
    spread, upper, lower = high - low, high - np.maximum(open_, close), np.minimum(open_, close) - low
    body, shift = close - open_, 2 * close - high - low
    return {
        "low2high": ratio(low, high),
        "vwap2close": ratio(bar["vwap"], close),
        "kmid": ratio(body, open_),
        "klen": ratio(spread, open_),
        "kmid2": ratio(body, spread),
        "kup": ratio(upper, open_),
        "kup2": ratio(upper, spread),
        "klow": ratio(lower, open_),
        "klow2": ratio(lower, spread),
        "ksft": ratio(shift, open_),
        "ksft2": ratio(shift, spread),
    }


def _weighted_mean(r: np.ndarray, turn: np.ndarray, windows: MovingWindows) -> np.ndarray:
    observed = np.isfinite(r) & np.isfinite(turn)
    weight = np.where(observed, turn, 0.0)
    mean = ratio(windows.decayed_sum(weight * np.where(observed, r, 0.0), 63), windows.decayed_sum(weight, 63))
    return np.where(windows.sum(observed.astype(np.float64), 63) >= least(63), mean, np.nan)


def _common_returns(fields: Fields, r: np.ndarray) -> np.ndarray:
    """Daily returns of the market, the size and the BP factor [3, session]; portfolios of the day before's values."""
    weight = lag(fields["float_mv"], 1)
    known = np.isfinite(r) & (weight > 0)
    market = np.where(known, r * weight, 0.0).sum(axis=0) / np.where(known, weight, 0.0).sum(axis=0)
    size = -_third_spread(r, lag(fields["total_mv"], 1))
    bp = _third_spread(r, ratio(1.0, lag(fields["pb_lf"], 1)))
    return np.stack([market, size, bp])


def _third_spread(r: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Mean r of the third of stocks with the highest key, less that of the lowest [session]."""
    known = (np.isfinite(r) & np.isfinite(key)).T
    order = np.argsort(np.where(known, key.T, np.nan), axis=1, kind="stable")  # the unknown come last
    totals = np.cumsum(np.take_along_axis(np.where(known, r.T, 0.0), order, axis=1), axis=1)
    totals = np.column_stack([np.zeros(len(totals)), totals])
    count = known.sum(axis=1)
    third, row = count // 3, np.arange(len(totals))
    spread = totals[row, count] - totals[row, count - third] - totals[row, third]
    return np.where(third > 0, spread / np.maximum(third, 1), np.nan)


def _residual_std(r: np.ndarray, fields: Fields, windows: MovingWindows) -> np.ndarray:
    common = _common_returns(fields, r)
    observed = np.isfinite(r) & np.isfinite(common).all(axis=0)
    with np.errstate(all="ignore"):
        count, deviation = residual_deviation(
            observed.astype(np.float64),
            [np.where(observed, f, 0.0) for f in common],
            np.where(observed, r, 0.0),
            lambda x: windows.sum(x, 21),
        )
    return np.where(count >= least(21), deviation, np.nan)


def preprocessed(
    raw: Mapping[str, np.ndarray], is_suspended: np.ndarray, median: Callable[[np.ndarray], np.ndarray]
) -> dict[str, np.ndarray]:
    """5 MAD, z-score and 0 for missing, every session over its listed stocks; [session, stock], NaN where unlisted."""
    listed = ~np.isnan(is_suspended.T)
    out = {}
    for name, values in raw.items():
        x = np.ascontiguousarray(values.T)
        centre = median(x)[:, None]
        reach = MAD_MULTIPLE * median(np.abs(x - centre))[:, None]
        x = np.clip(x, centre - reach, centre + reach)
        observed = np.isfinite(x)
        count = observed.sum(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            mean = np.where(observed, x, 0.0).sum(axis=1, keepdims=True) / count
            x -= mean
            std = np.sqrt(np.where(observed, x * x, 0.0).sum(axis=1, keepdims=True) / count)
            scores = np.where(observed & (std > CONSTANT * np.abs(mean)), x / std, 0.0)
        out[name] = np.where(listed, scores, np.nan)
    return out
