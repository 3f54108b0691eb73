"""Session by session, what the account of a backtest held before and what its trades did, from the stored frames.

The return of a session is Σ w · r of what was held at the close before, at the prices that the account is valued by,
plus what trades gained from their price to the close, less costs, plus what delistings paid beyond the last price:

    equity(T) − equity(T − 1) = Σ V(T − 1) r  +  Σ units · (close − price)  −  fees  +  Σ (paid − V(T − 1))

With fractional shares that is the return to rounding. Whole shares have dividends in cash and new shares rounded down,
and what that makes of the return is the `bookings`.

What suspensions, limit boards and the cap on the volume left of a target is kept from session to session with the
prices, until the next target: `intended` is what would be held without it. Its money comes from the other holdings, in
proportion, where the backtest has spread it over them (`unfilled: drop`, but for the cap), else from cash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.tradability import RESTRICTION_NAMES, Restriction
from attn_platform.errors import ContractError
from attn_platform.evaluation.cross_sections import FloatArray

_CAP = RESTRICTION_NAMES[Restriction.VOLUME_CAP]


@dataclass(frozen=True)
class BacktestFrames:
    """Frames of a backtest (`BacktestResult`), dates as timestamps, and the sessions whose targets it traded."""

    daily: pd.DataFrame
    trades: pd.DataFrame
    holdings: pd.DataFrame
    delistings: pd.DataFrame
    signals: np.ndarray

    @property
    def sessions(self) -> np.ndarray:
        """[T] datetime64[D], the base first."""
        return self.daily["date"].to_numpy().astype("datetime64[D]")

    def since(self, session: np.datetime64) -> BacktestFrames:
        """The frames from a session on."""
        daily, trades, holdings, delistings = (
            part[part["date"] >= pd.Timestamp(session)].reset_index(drop=True)
            for part in (self.daily, self.trades, self.holdings, self.delistings)
        )
        return BacktestFrames(daily, trades, holdings, delistings, self.signals[self.signals >= session])

    def base_before(self, session: np.datetime64) -> np.datetime64:
        """The last session to begin with so that all is known from `session` on: a target was traded right after it.

        A target leaves nothing over of what an earlier one could not trade, and what was held after its trades is
        kept. The base of the backtest where there is none.
        """
        sessions = self.sessions
        bases = self.signals[np.searchsorted(sessions, self.signals) + 1 < np.searchsorted(sessions, session)]
        traded = sessions[np.searchsorted(sessions, bases) + 1]
        usable = bases[np.isin(traded, self.holdings["date"].to_numpy().astype("datetime64[D]"))]
        return usable[-1] if len(usable) else sessions[0]


@dataclass(frozen=True)
class SessionAccount:
    """One session: `row` in the market; weights [N] at the close before; effects over the equity at that close."""

    row: int
    held: FloatArray
    intended: FloatArray
    trading: float
    cost: float
    delisting: float
    bookings: float


def session_accounts(
    frames: BacktestFrames,
    sessions: np.ndarray,
    symbols: np.ndarray,
    returns: FloatArray,
    unit_closes: FloatArray,
    config: BacktestConfig,
) -> Iterator[SessionAccount]:
    """Every session of a backtest after its base.

    Args:
        frames: of the backtest; symbols are among `symbols`.
        sessions: [T] of the market, from the base of the backtest on.
        symbols: [N] of the market, sorted.
        returns: [T, N] close-to-close returns at the prices of the account (`backtest.benchmark.booked_prices`).
        unit_closes: [T, N] close of a unit of holdings: adjusted, or raw with whole shares.
        config: of the backtest.
    """
    daily = frames.daily
    if not (daily["date"].to_numpy().astype("datetime64[D]") == sessions[: len(daily)]).all():
        raise ContractError("the market of an attribution begins with the base of the backtest, session by session")
    equity = daily["net_value"].to_numpy() * config.initial_capital
    executed = np.searchsorted(sessions, frames.signals) + 1
    trades, holdings, delistings = (
        _Rows(frame, sessions, symbols) for frame in (frames.trades, frames.holdings, frames.delistings)
    )
    values, missed, is_spread = np.zeros(len(symbols)), np.zeros(len(symbols)), np.zeros(len(symbols), dtype=bool)
    for row in range(1, len(daily)):
        before, held, wanted = equity[row - 1] or 1.0, values, _intended(values, missed, is_spread)
        drifted, missed = values * (1.0 + returns[row]), missed * (1.0 + returns[row])
        traded, gone = trades.at(row), delistings.at(row)
        paid = float(gone["amount"].sum() - drifted[gone.columns].sum())
        is_traded = traded["units"] != 0  # what was only wanted may have no price
        moves = unit_closes[row, traded.columns] - traded["price"]
        gained = float((traded["units"] * moves)[is_traded].sum())
        fees = float(traded["fee"].sum() + gone["fee"].sum())
        earned = float((drifted - values).sum())
        if row in executed:
            missed = np.zeros(len(symbols))
        missed[traded.columns] = _missed(traded, unit_closes[row, traded.columns])
        is_spread[traded.columns] = (config.unfilled == "drop") & (traded["restriction"] != _CAP)
        marked = holdings.at(row)
        if len(marked.columns):
            values = np.zeros(len(symbols))
            values[marked.columns] = marked["weight"] * equity[row]
        else:
            values = drifted
            values[gone.columns] = 0.0
        yield SessionAccount(
            row=row,
            held=held / before,
            intended=wanted / before,
            trading=gained / before,
            cost=-fees / before,
            delisting=paid / before,
            bookings=(equity[row] - equity[row - 1] - earned - gained + fees - paid) / before,
        )


class _Rows:
    """Rows of a frame by session: columns of the market, and values."""

    def __init__(self, frame: pd.DataFrame, sessions: np.ndarray, symbols: np.ndarray) -> None:
        frame = frame.sort_values("date", kind="stable")
        row = np.searchsorted(sessions, frame["date"].to_numpy().astype("datetime64[D]"))
        self._starts = np.searchsorted(row, np.arange(len(sessions) + 1))
        self._columns = np.searchsorted(symbols, frame["symbol"].to_numpy(dtype=str))
        self._values = {name: frame[name].to_numpy() for name in frame.columns if name not in ("date", "symbol")}

    def at(self, row: int) -> _SessionRows:
        part = slice(self._starts[row], self._starts[row + 1])
        return _SessionRows(self._columns[part], {name: values[part] for name, values in self._values.items()})


@dataclass(frozen=True)
class _SessionRows:
    columns: np.ndarray
    values: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]


def _missed(traded: _SessionRows, closes: FloatArray) -> FloatArray:
    """Value [n] at the close of what a target lacks for what could not be traded; negative: could not be sold."""
    is_short, moved = traded["unfilled_weight"] != 0, abs(traded["traded_weight"])
    if not is_short.any() or not moved.any():
        return np.zeros(len(moved))
    largest = int(moved.argmax())
    equity = abs(traded["units"][largest] * traded["price"][largest]) / moved[largest] * (1.0 - traded["cost"].sum())
    price, short = traded["price"], np.where(is_short, traded["target_weight"] - traded["weight"], 0.0)
    growth = np.divide(closes, price, out=np.ones(len(price)), where=np.isfinite(closes) & (price > 0))
    return np.asarray(short * equity * growth, dtype=np.float64)


def _intended(values: FloatArray, missed: FloatArray, is_spread: np.ndarray) -> FloatArray:
    """Values [N] that would be held had everything been traded."""
    if not missed.any():
        return values
    others = missed == 0
    free = float(values[others].sum())
    spread = float(missed[is_spread].sum()) if free > 0 else 0.0
    return np.asarray(np.where(others, values * (1.0 - spread / (free or 1.0)), values + missed))
