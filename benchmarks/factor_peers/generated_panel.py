"""A market of any size to compute factors on, with what the data contract knows: suspensions, listings, ex-rights.

Row semantics are those of the contract: a suspended session has a row with a carried close and adjustment factor, no
other prices, and zero volume and turnover; before listing and after delisting there is no row. Stocks are drawn in
blocks, each from a stream of its own, and go to one `.npy` file a field, so that no process need hold the market.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

FIELDS = (
    *("is_suspended", "open", "high", "low", "close", "vwap", "volume", "turnover_rate", "adj_factor"),
    *("total_mv", "float_mv", "pb_lf", "pe_ttm", "pcf_ocf_ttm", "dividend_12m"),
    *("eps_fy1", "roe_fy1", "net_profit_fy1"),
)
Layout = Literal["session_major", "stock_major"]
BLOCK = 250  # stocks drawn at a time
FIRST_SESSION = np.datetime64("2002-01-04", "D")

COMMON_VOLATILITY = (0.012, 0.006, 0.005)  # market, size, value: a day's standard deviations
OWN_VOLATILITY = 0.02
INTRA_DAY_VOLATILITY = 0.006
PRICE_LIMIT = 0.1
ONE_PRICE_SHARE = 0.01  # of stock-days: open = high = low = close
SUSPENDED_SHARE = 0.02  # of stock-days
MEAN_SUSPENSION = 8  # sessions
EX_RIGHTS_SHARE = 1 / 252  # of stock-days
LARGEST_EX_RIGHTS = 0.2  # step of the adjustment factor's logarithm
LISTED_LATER, DELISTED = 0.3, 0.05  # of stocks
WITHOUT_DIVIDEND = 0.3  # of stocks
MEAN_TURNOVER, TURNOVER_SPREAD, STOCK_TURNOVER_SPREAD = 0.01, 0.6, 0.5  # spreads of its logarithm: by day, by stock
# What a share stands for, as a multiple of its first price: mean, and standard deviation from quarter to quarter.
PER_SHARE = {"pb_lf": (0.4, 0.1), "pe_ttm": (0.05, 0.08), "pcf_ocf_ttm": (0.08, 0.15)}
DIVIDEND_YIELD = 0.02
QUARTER, CONSENSUS_MONTH = 63, 21  # sessions between reports, and between revisions of the consensus


@dataclass(frozen=True)
class Panel:
    """Fields [session, stock] (or [stock, session], see `load_panel`), float64, NaN where missing."""

    sessions: np.ndarray
    symbols: np.ndarray
    fields: dict[str, np.ndarray]

    @property
    def stock_days(self) -> int:
        """Sessions × stocks, whether listed or not."""
        return len(self.sessions) * len(self.symbols)

    @property
    def nbytes(self) -> int:
        """Bytes of all fields."""
        return sum(values.nbytes for values in self.fields.values())


def write_panel(folder: Path, stocks: int, sessions: int, seed: int = 0) -> None:
    """Generate the fields and write each to `folder`/<field>.npy, [sessions, stocks]."""
    folder.mkdir(parents=True)
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float64, (sessions, stocks)) for name in FIELDS
    }
    streams = np.random.SeedSequence(seed).spawn(1 + -(-stocks // BLOCK))
    common = np.random.default_rng(streams[0]).standard_normal((sessions, 3)) * COMMON_VOLATILITY
    for stream, start in zip(streams[1:], range(0, stocks, BLOCK), strict=True):
        block = slice(start, min(start + BLOCK, stocks))
        for name, values in _block(np.random.default_rng(stream), common, block.stop - start).items():
            files[name][:, block] = values


def load_panel(folder: Path, stocks: int, sessions: int, layout: Layout = "session_major") -> Panel:
    """The first `stocks` on the last `sessions`, in memory; [stock, session] arrays where the layout is stock-major."""
    fields = {}
    for name in FIELDS:
        part = np.load(folder / f"{name}.npy", mmap_mode="r")[-sessions:, :stocks]
        fields[name] = np.array(part if layout == "session_major" else part.T, order="C")
    days = np.busday_offset(FIRST_SESSION, np.arange(sessions))
    return Panel(days, np.array([f"{600000 + at}.SH" for at in range(stocks)]), fields)


def _block(rng: np.random.Generator, common: np.ndarray, stocks: int) -> dict[str, np.ndarray]:
    """All fields of some stocks."""
    sessions = len(common)
    shape = sessions, stocks

    def noise(scale: float) -> np.ndarray:
        return scale * rng.standard_normal(shape)

    loadings = np.array([[1.0], [0.0], [0.0]]) + np.array([[0.3], [0.8], [0.5]]) * rng.standard_normal((3, stocks))
    returns = np.clip(common @ loadings + noise(OWN_VOLATILITY), -PRICE_LIMIT, PRICE_LIMIT)
    steps = np.where(rng.random(shape) < EX_RIGHTS_SHARE, LARGEST_EX_RIGHTS * rng.random(shape), 0.0)
    adj_factor = np.exp(np.cumsum(steps, axis=0))
    level = 10 * np.exp(0.8 * rng.standard_normal(stocks))
    log_returns = np.log1p(returns)
    close = level * np.exp(np.cumsum(log_returns - log_returns.mean(axis=0), axis=0)) / adj_factor
    open_ = close / (1 + returns) * (1 + noise(INTRA_DAY_VOLATILITY))
    one_price = rng.random(shape) < ONE_PRICE_SHARE
    bars = {
        "open": open_,
        "high": np.maximum(open_, close) * (1 + np.abs(noise(INTRA_DAY_VOLATILITY))),
        "low": np.minimum(open_, close) * (1 - np.abs(noise(INTRA_DAY_VOLATILITY))),
    }
    bars = {name: np.where(one_price, close, values) for name, values in bars.items()}
    bars["vwap"] = (bars["open"] + bars["high"] + bars["low"] + close) / 4

    suspended, present = _suspended(rng, shape), _present(rng, shape)
    last = _last_traded(suspended)
    close, adj_factor = np.take_along_axis(close, last, axis=0), np.take_along_axis(adj_factor, last, axis=0)
    shares = np.exp(20 + rng.standard_normal(stocks))
    float_shares = shares * rng.uniform(0.2, 1.0, stocks)
    turnover = MEAN_TURNOVER * np.exp(noise(TURNOVER_SPREAD) + STOCK_TURNOVER_SPREAD * rng.standard_normal(stocks))
    value = close * adj_factor
    fields = {
        "is_suspended": suspended.astype(np.float64),
        **{name: np.where(suspended, np.nan, values) for name, values in bars.items()},
        "close": close,
        "adj_factor": adj_factor,
        "turnover_rate": np.where(suspended, 0.0, turnover),
        "volume": np.where(suspended, 0.0, np.round(turnover * float_shares * adj_factor)),
        "total_mv": value * shares,
        "float_mv": value * float_shares,
    }
    for name, (mean, spread) in PER_SHARE.items():
        fields[name] = value / (level * (mean + spread * _steps(rng, shape, QUARTER)))
    pays = rng.random(stocks) > WITHOUT_DIVIDEND
    fields["dividend_12m"] = shares * level * pays * DIVIDEND_YIELD * np.exp(0.3 * _steps(rng, shape, QUARTER))
    for name in ("eps_fy1", "roe_fy1", "net_profit_fy1"):
        fields[name] = 0.5 + 0.4 * _steps(rng, shape, CONSENSUS_MONTH)
    return {name: np.where(present, values, np.nan) for name, values in fields.items()}


def _steps(rng: np.random.Generator, shape: tuple[int, int], length: int) -> np.ndarray:
    """Standard normal values that hold for `length` sessions."""
    sessions, stocks = shape
    return np.repeat(rng.standard_normal((sessions // length + 1, stocks)), length, axis=0)[:sessions]


def _suspended(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Runs of suspended sessions of geometric length."""
    sessions, stocks = shape
    suspended = np.zeros(shape, dtype=bool)
    for _ in range(int(sessions * stocks * SUSPENDED_SHARE / MEAN_SUSPENSION)):
        start, length = rng.integers(1, sessions), rng.geometric(1 / MEAN_SUSPENSION)
        suspended[start : start + length, rng.integers(stocks)] = True
    return suspended


def _present(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """From a stock's listing to its delisting."""
    sessions, stocks = shape
    listed = np.where(rng.random(stocks) < LISTED_LATER, rng.integers(0, sessions, stocks), 0)
    delisted = np.where(rng.random(stocks) < DELISTED, rng.integers(0, sessions, stocks), sessions)
    days = np.arange(sessions)[:, None]
    return (days >= listed) & (days < np.maximum(delisted, listed + 1))


def _last_traded(suspended: np.ndarray) -> np.ndarray:
    """Row of the last session on or before each that was not suspended."""
    return np.maximum.accumulate(np.where(suspended, 0, np.arange(len(suspended))[:, None]), axis=0)
