"""A small market that has everything a factor can trip over, for the tests of this package."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from attn_platform.factors.kernels import FloatArray
from attn_platform.indicators.catalogue import indicator_table, indicators_with

SESSIONS = 540  # the longest window, 504, and some more
# One stock a trouble; the plain ones give the size and BP portfolios something to hold.
STOCKS = (
    *("plain_0", "plain_1", "plain_2", "plain_3", "plain_4", "plain_5"),
    *("often_suspended", "long_suspended", "listed_late", "delisted", "never_trades"),
    *("constant_price", "constant_everything", "huge", "tiny", "zero_volume", "one_price", "gaps", "split"),
)


@dataclass(frozen=True)
class Panel:
    """Stands in for the dense market."""

    sessions: np.ndarray
    symbols: np.ndarray
    fields: Mapping[str, FloatArray]

    def rows(self, start: int, stop: int) -> "Panel":
        cut = {name: values[start:stop].copy() for name, values in self.fields.items()}
        return replace(self, sessions=self.sessions[start:stop], fields=cut)

    def with_fields(self, **fields: FloatArray) -> "Panel":
        return replace(self, fields={**self.fields, **fields})

    def without(self, *names: str) -> "Panel":
        return replace(self, fields={name: x for name, x in self.fields.items() if name not in names})


def hostile_panel(seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    shape = (SESSIONS, len(STOCKS))
    column = {name: j for j, name in enumerate(STOCKS)}

    adjusted = 10 * np.exp(np.cumsum(0.02 * rng.standard_normal(shape), axis=0))
    adj_factor = np.exp(np.cumsum(0.05 * (rng.random(shape) < 1 / 60), axis=0))  # ex-rights every quarter or so
    turnover = 0.01 * np.exp(0.7 * rng.standard_normal(shape))
    volume = np.round(turnover * 1e8)
    fields = {
        "close": adjusted,
        "open": adjusted * (1 + 0.01 * rng.standard_normal(shape)),
        "volume": volume,
        "turnover_rate": turnover,
        "adj_factor": adj_factor,
    }

    for name in ("constant_price", "constant_everything"):
        fields["close"][:, column[name]] = fields["open"][:, column[name]] = 7.77
    for name, value in (("volume", 1234567.0), ("turnover_rate", 0.0123)):
        fields[name][:, column["constant_everything"]] = value
    adj_factor[:, column["constant_everything"]] = 1.1
    adj_factor[:, column["constant_price"]] = rng.uniform(0.5, 2, SESSIONS)  # constant but for rounding
    fields["close"][:, column["huge"]] *= 1e9
    fields["open"][:, column["huge"]] *= 1e9
    fields["volume"][:, column["huge"]] = np.where(rng.random(SESSIONS) < 0.1, 1e10, 3.0)
    fields["close"][:, column["tiny"]] *= 1e-8
    fields["open"][:, column["tiny"]] *= 1e-8
    silent = rng.random(SESSIONS) < 0.5
    silent[200:230] = True
    fields["volume"][silent, column["zero_volume"]] = fields["turnover_rate"][silent, column["zero_volume"]] = 0.0
    adj_factor[:, column["split"]] = np.where(np.arange(SESSIONS) // 15 % 2, 0.1, 10.0)

    fields["close"] = fields["close"] / adj_factor
    fields["open"] = fields["open"] / adj_factor
    spread = np.abs(0.01 * rng.standard_normal((2, *shape)))
    fields["high"] = np.maximum(fields["open"], fields["close"]) * (1 + spread[0])
    fields["low"] = np.minimum(fields["open"], fields["close"]) * (1 - spread[1])
    one_price = rng.random(shape) < 0.02
    one_price[:, column["one_price"]] |= rng.random(SESSIONS) < 0.6
    one_price[:, [column["constant_price"], column["constant_everything"]]] = True
    for name in ("open", "high", "low"):
        fields[name] = np.where(one_price, fields["close"], fields[name])
    fields["vwap"] = (fields["open"] + fields["high"] + fields["low"] + fields["close"]) / 4

    shares = np.exp(20 + rng.standard_normal(len(STOCKS)))
    fields["total_mv"] = fields["close"] * shares
    fields["float_mv"] = fields["total_mv"] * rng.uniform(0.2, 1.0, len(STOCKS))
    for name in ("pb_lf", "pe_ttm", "pcf_ocf_ttm"):
        fields[name] = np.where(rng.random(shape) < 0.01, 0.0, 20 * rng.standard_normal(shape))
    fields["dividend_12m"] = np.where(rng.random(shape) < 0.3, 0.0, 1e7 * rng.random(shape))
    for name in ("eps_fy1", "roe_fy1", "net_profit_fy1"):
        steps = np.repeat(rng.standard_normal((SESSIONS // 20, len(STOCKS))), 20, axis=0)
        fields[name] = np.where(rng.random(shape) < 0.05, 0.0, steps)

    suspended = rng.random(shape) < 0.02
    suspended[:, column["often_suspended"]] = rng.random(SESSIONS) < 0.55
    suspended[SESSIONS - 60 : SESSIONS - 8, column["long_suspended"]] = True
    suspended[:, column["never_trades"]] = True
    _suspend(fields, suspended)
    for name in ("vwap", "volume", "pb_lf", "total_mv", "float_mv", "eps_fy1", "dividend_12m", "turnover_rate"):
        holes = rng.random(SESSIONS) < 0.3
        fields[name][holes, column["gaps"]] = np.nan
    fields["total_mv"][rng.random(SESSIONS) < 0.1, column["gaps"]] = 0.0
    fields["pb_lf"][rng.random(SESSIONS) < 0.1, column["gaps"]] = np.inf
    own = np.random.default_rng(seed + 1)
    for indicator in indicators_with(()):
        drawn = np.exp(0.1 * own.standard_normal(shape))
        fields[f"{indicator_table(indicator.family)}.{indicator.name}"] = np.where(
            (own.random(shape) < 0.05) | suspended, np.nan, drawn
        )
    for values in fields.values():
        values[: SESSIONS - 30, column["listed_late"]] = np.nan
        values[SESSIONS - 15 :, column["delisted"]] = np.nan
    return Panel(
        sessions=np.datetime64("2015-01-01") + np.arange(SESSIONS),
        symbols=np.array([f"{600000 + j}.SH" for j in range(len(STOCKS))]),
        fields=fields,
    )


def _suspend(fields: dict[str, FloatArray], suspended: np.ndarray) -> None:
    """Turn sessions into suspended ones as the contract has them: no prices, zeros, and a carried close."""
    fields["is_suspended"] = suspended.astype(np.float64)
    for name in ("open", "high", "low", "vwap"):
        fields[name][suspended] = np.nan
    for name in ("volume", "turnover_rate"):
        fields[name][suspended] = 0.0
    for t, j in np.argwhere(suspended):
        for name in ("close", "adj_factor"):
            fields[name][t, j] = fields[name][t - 1, j] if t else np.nan
