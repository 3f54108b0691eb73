"""The factor table written a second time: one stock, one session, plain lists; no code shared with the platform.

Where the platform reads the close that a suspended row carries, this looks back for the last session that traded.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from attn_platform_tests.factors.hostile import Panel

NAN = math.nan


class Cell:
    """One stock on one session."""

    def __init__(self, panel: Panel, t: int, j: int, common: np.ndarray | None = None) -> None:
        self.panel, self.t, self.j, self.common = panel, t, j, common

    def raw(self, name: str, back: int = 0) -> float:
        t = self.t - back
        return float(self.panel.fields[name][t, self.j]) if t >= 0 else NAN

    def traded(self, back: int = 0) -> bool:
        return self.raw("is_suspended", back) == 0

    def observed(self, name: str, back: int = 0) -> float:
        return self.raw(name, back) if self.traded(back) else NAN

    def price(self, name: str, back: int = 0) -> float:
        return self.observed(name, back) * self.raw("adj_factor", back)

    def last_traded_close(self, back: int) -> float:
        while back <= self.t:
            if math.isnan(self.raw("is_suspended", back)):
                return NAN
            if self.traded(back):
                return self.price("close", back)
            back += 1
        return NAN

    def r(self, back: int = 0) -> float:
        close, before = self.price("close", back), self.last_traded_close(back + 1)
        if math.isclose(close, before, rel_tol=1e-14):  # the same price, but for the rounding of its adjustment
            return 0.0
        return close / before - 1

    def volume(self, back: int = 0) -> float:
        return self.observed("volume", back) / self.raw("adj_factor", back)

    def turn(self, back: int = 0) -> float:
        return self.observed("turnover_rate", back)


def divide(a: float, b: float) -> float:
    return a / b if b != 0 else NAN


def window(series: Callable[[int], float], n: int) -> list[float]:
    values = [x for x in (series(k) for k in range(n)) if not math.isnan(x)]
    return values if 2 * len(values) >= n else []


def mean(series: Callable[[int], float], n: int) -> float:
    values = window(series, n)
    return math.fsum(values) / len(values) if values else NAN


def std(series: Callable[[int], float], n: int) -> float:
    values = window(series, n)
    if len(values) < 2:
        return NAN
    centre = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((x - centre) ** 2 for x in values) / (len(values) - 1))


def is_constant(values: Sequence[float]) -> bool:
    """Up to rounding: prices are products of price and adjustment factor, returns ratios of those."""
    return max(values) - min(values) <= 1e-13 * max(1e-300, *(abs(x) for x in values))


def corr(x: Callable[[int], float], y: Callable[[int], float], n: int) -> float:
    pairs = [(x(k), y(k)) for k in range(n)]
    pairs = [(a, b) for a, b in pairs if not math.isnan(a) and not math.isnan(b)]
    if 2 * len(pairs) < n:
        return NAN
    a, b = (list(side) for side in zip(*pairs, strict=True))
    if is_constant(a) or is_constant(b):
        return NAN
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    covariance = math.fsum((p - mean_a) * (q - mean_b) for p, q in pairs)
    return covariance / math.sqrt(math.fsum((p - mean_a) ** 2 for p in a) * math.fsum((q - mean_b) ** 2 for q in b))


def exp_wgt_return_3m(c: Cell) -> float:
    terms = [(c.turn(k) * math.exp(-k / 12), c.r(k)) for k in range(63)]
    terms = [(w, r) for w, r in terms if not math.isnan(w) and not math.isnan(r)]
    if 2 * len(terms) < 63:
        return NAN
    return divide(math.fsum(w * r for w, r in terms), math.fsum(w for w, _ in terms))


def common_returns(panel: Panel, t: int) -> tuple[float, float, float]:
    """Float-value-weighted market return, small minus big third, high minus low BP third."""
    cells = [Cell(panel, t, j) for j in range(len(panel.symbols))]
    known = [c for c in cells if not math.isnan(c.r())]
    weighted = [(c.raw("float_mv", 1), c.r()) for c in known if c.raw("float_mv", 1) > 0]
    market = divide(sum(w * r for w, r in weighted), sum(w for w, _ in weighted))

    def spread(key: Callable[[Cell], float]) -> float:
        ranked = sorted((key(c), c.j, c.r()) for c in known if math.isfinite(key(c)))
        third = len(ranked) // 3
        if third == 0:
            return NAN
        return sum(r for *_, r in ranked[-third:]) / third - sum(r for *_, r in ranked[:third]) / third

    return market, -spread(lambda c: c.raw("total_mv", 1)), spread(lambda c: divide(1.0, c.raw("pb_lf", 1)))


def ivr(c: Cell) -> float:
    assert c.common is not None
    rows = [(1.0, *c.common[c.t - k], c.r(k)) for k in range(21) if k <= c.t]
    rows = [row for row in rows if not any(math.isnan(x) for x in row)]
    if 2 * len(rows) < 21:
        return NAN
    data = np.array(rows)
    coefficients, _, rank, _ = np.linalg.lstsq(data[:, :4], data[:, 4], rcond=None)
    if rank < 4:
        return NAN
    residual = data[:, 4] - data[:, :4] @ coefficients
    return float(np.std(residual, ddof=1))


def growth(c: Cell, name: str) -> float:
    return divide(c.raw(name) - c.raw(name, 63), abs(c.raw(name, 63)))


def change(c: Cell, n: int) -> float:
    return c.last_traded_close(0) / c.last_traded_close(n) - 1


def bar(c: Cell, part: Callable[[float, float, float, float], float], whole: str) -> float:
    o, h, low, close = (c.observed(name) for name in ("open", "high", "low", "close"))
    return divide(part(o, h, low, close), o if whole == "open" else h - low)


FACTORS: dict[str, Callable[[Cell], float]] = {
    "bp_lf": lambda c: divide(1.0, c.raw("pb_lf")),
    "ep_ttm": lambda c: divide(1.0, c.raw("pe_ttm")),
    "ocfp_ttm": lambda c: divide(1.0, c.raw("pcf_ocf_ttm")),
    "dyr12": lambda c: divide(c.raw("dividend_12m"), c.raw("total_mv")),
    "con_eps_g": lambda c: growth(c, "eps_fy1"),
    "con_roe_g": lambda c: growth(c, "roe_fy1"),
    "con_np_g": lambda c: growth(c, "net_profit_fy1"),
    "ret_5d": lambda c: change(c, 5),
    "ret_1m": lambda c: change(c, 21),
    "exp_wgt_return_3m": exp_wgt_return_3m,
    "std_1m": lambda c: std(c.r, 21),
    "vstd_1m": lambda c: std(c.volume, 21),
    "ivr_ff3factor_1m": ivr,
    "turn_1m": lambda c: mean(c.turn, 21),
    "std_turn_1m": lambda c: std(c.turn, 21),
    "bias_turn_1m": lambda c: divide(mean(c.turn, 21), mean(c.turn, 504)),
    "std_ret_10d": lambda c: std(c.r, 10),
    "std_vol_10d": lambda c: std(c.volume, 10),
    "std_turn_10d": lambda c: std(c.turn, 10),
    "corr_ret_close": lambda c: corr(c.r, lambda k: c.price("close", k), 10),
    "corr_ret_open": lambda c: corr(c.r, lambda k: c.price("open", k), 10),
    "corr_ret_high": lambda c: corr(c.r, lambda k: c.price("high", k), 10),
    "corr_ret_low": lambda c: corr(c.r, lambda k: c.price("low", k), 10),
    "corr_ret_vwap": lambda c: corr(c.r, lambda k: c.price("vwap", k), 10),
    "corr_ret_vol": lambda c: corr(c.r, c.volume, 10),
    "corr_ret_turn": lambda c: corr(c.r, c.turn, 10),
    "corr_vol_close": lambda c: corr(c.volume, lambda k: c.price("close", k), 10),
    "corr_vol_open": lambda c: corr(c.volume, lambda k: c.price("open", k), 10),
    "corr_vol_high": lambda c: corr(c.volume, lambda k: c.price("high", k), 10),
    "corr_vol_low": lambda c: corr(c.volume, lambda k: c.price("low", k), 10),
    "corr_vol_vwap": lambda c: corr(c.volume, lambda k: c.price("vwap", k), 10),
    "low2high": lambda c: divide(c.observed("low"), c.observed("high")),
    "vwap2close": lambda c: divide(c.observed("vwap"), c.observed("close")),
    "kmid": lambda c: bar(c, lambda o, h, low, close: close - o, "open"),
    "klen": lambda c: bar(c, lambda o, h, low, close: h - low, "open"),
    "kmid2": lambda c: bar(c, lambda o, h, low, close: close - o, "range"),
    "kup": lambda c: bar(c, lambda o, h, low, close: h - max(o, close), "open"),
    "kup2": lambda c: bar(c, lambda o, h, low, close: h - max(o, close), "range"),
    "klow": lambda c: bar(c, lambda o, h, low, close: min(o, close) - low, "open"),
    "klow2": lambda c: bar(c, lambda o, h, low, close: min(o, close) - low, "range"),
    "ksft": lambda c: bar(c, lambda o, h, low, close: 2 * close - h - low, "open"),
    "ksft2": lambda c: bar(c, lambda o, h, low, close: 2 * close - h - low, "range"),
}
