"""Dates: do bars, valuations and indices speak of the same day?

A session stored under another's date leaves every row plausible. What gives it away is another table: the index moves
with its stocks on the same day, a market value with the same day's close, and a stock with its market.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market.quality.check import SessionCheck, Verdict, records, share, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics, Stretch

LAGS = (-1, 0, 1)
"""Sessions by which one series may follow the other."""
PRICED = ("total_mv", "float_mv", "pb_lf", "pe_ttm")


def stock_returns(stretch: Stretch) -> np.ndarray:
    """[T, N]: adjusted return from the row before; NaN on suspended rows."""
    adjusted = stretch["close"] * stretch["adj_factor"]
    before = stretch.previous("close") * stretch.previous("adj_factor")
    return np.where(stretch.traded, adjusted / before - 1, np.nan)


def market_return(stretch: Stretch) -> np.ndarray:
    """[T]: return of all stocks by their float values of the row before, equally weighted where there are none."""
    returns = stock_returns(stretch)
    weight = stretch.previous("float_mv") if stretch.has("float_mv") else np.ones(stretch.shape)
    weight = np.where(np.isnan(returns) | np.isnan(weight), 0.0, weight)
    return (weight * np.nan_to_num(returns)).sum(axis=1) / _positive(weight.sum(axis=1))


def correlation_at(one: np.ndarray, other: np.ndarray, lag: int) -> float:
    """Correlation of one[t] with other[t − lag] where both are known; NaN with fewer than three pairs."""
    ahead, behind = (one[lag:], other[: len(other) - lag]) if lag >= 0 else (one[:lag], other[-lag:])
    both = np.isfinite(ahead) & np.isfinite(behind)
    if both.sum() < 3 or ahead[both].std() == 0 or behind[both].std() == 0:
        return float("nan")
    return float(np.corrcoef(ahead[both], behind[both])[0, 1])


def _index_returns(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """By session and index: its return, and the stocks'."""
    if not stretch.has("index_bar"):
        return None
    closes = stretch.frames["index_bar"].pivot(index="date", columns="index", values="close")
    closes = closes.reindex(pd.DatetimeIndex(stretch.sessions))
    returns = closes / closes.shift() - 1
    market = pd.Series(market_return(stretch), returns.index)
    long = returns[stretch.lead :].melt(ignore_index=False, var_name="index", value_name="return")
    return long.rename_axis("session").reset_index().assign(market=lambda f: f["session"].map(market))


def _judge_index_returns(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    for index, series in seen.groupby("index"):
        ordered = series.sort_values("session")
        known = ordered[ordered["return"].notna()]
        rows = []
        for start in range(0, len(known), config.timing_window):
            window = known[start : start + config.timing_window]
            if len(window) < config.timing_window // 2:
                continue
            at = {lag: correlation_at(window["return"].to_numpy(), window["market"].to_numpy(), lag) for lag in LAGS}
            rows.append({"from": window["session"].iloc[0], "to": window["session"].iloc[-1], **_named_lags(at)})
        if not rows:
            continue
        windows = pd.DataFrame(rows)
        other = windows[["a session before", "a session after"]].max(axis=1)
        shifted = windows[(other > windows["same session"] + config.timing_lead) & (other > config.timing_least)]
        if len(shifted):
            before = shifted["a session before"].mean() > shifted["a session after"].mean()
            yield Verdict(
                "error",
                f"the stocks' returns fit those of {index} a session {'earlier' if before else 'later'} better than on "
                f"the same day, in {share(len(shifted), len(windows))} windows of {config.timing_window} sessions, "
                f"the first from {shifted['from'].iloc[0]:%Y-%m-%d}: dates are shifted in daily_bar or index_bar",
                "correct the dates (a time zone, or a day of publication taken for the session), and import again",
                len(shifted),
                len(windows),
                records(shifted),
            )


def _named_lags(correlations: dict[int, float]) -> dict[str, float]:
    """The index's return against the stocks' of the session before it, the same and the one after."""
    words = {1: "a session before", 0: "same session", -1: "a session after"}
    return {words[lag]: value for lag, value in correlations.items()}


def _stock_lags(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    """By stock: correlation of its returns with the market's of the session before, the same and the one after."""
    returns = stock_returns(stretch)[stretch.lead :]
    market = market_return(stretch)[stretch.lead :]
    correlations = {}
    for lag in LAGS:
        moved = np.full(len(market), np.nan)
        if lag > 0:
            moved[lag:] = market[:-lag]
        elif lag < 0:
            moved[:lag] = market[-lag:]
        else:
            moved = market
        correlations[lag] = _columns_with(returns, moved)
    known = np.isfinite(returns).sum(axis=0)
    frame = pd.DataFrame({"symbol": stretch.symbols, "year": str(stretch.fresh[0])[:4], **_named_columns(correlations)})
    return frame[known >= config.timing_window]


def _named_columns(correlations: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
    words = {1: "a session before", 0: "same session", -1: "a session after"}
    return {words[lag]: values for lag, values in correlations.items()}


def _columns_with(values: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Correlation [N] of each column of `values` [T, N] with `series` [T] over the rows where both are known."""
    known = np.isfinite(values) & np.isfinite(series)[:, None]
    count = np.maximum(known.sum(axis=0), 1)
    one, other = np.where(known, values, 0.0), np.where(known, series[:, None], 0.0)
    one = np.where(known, one - one.sum(axis=0) / count, 0.0)
    other = np.where(known, other - other.sum(axis=0) / count, 0.0)
    return (one * other).sum(axis=0) / np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))


def _judge_stock_lags(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    other = seen[["a session before", "a session after"]].max(axis=1)
    shifted = seen[(other > seen["same session"] + config.timing_lead) & (other > config.timing_least_stock)]
    if len(shifted):
        yield Verdict(
            "error" if len(shifted) >= config.few_stocks else "warning",
            f"{share(len(shifted), len(seen))} stock-years move with the market of the session before or after, not "
            f"with that of the same day; the first: {shifted['symbol'].iloc[0]}, {shifted['year'].iloc[0]}",
            "their dates look shifted: fetch these stocks again",
            len(shifted),
            len(seen),
            records(shifted),
        )


def _value_moves(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """By session and column: stocks whose close and value moved; those with that close, or one a session away."""
    close, before = stretch["close"], stretch.previous("close")
    move = np.log(close / before)
    earlier = np.vstack([np.full((1, move.shape[1]), np.nan), move[:-1]])
    later = np.vstack([move[1:], np.full((1, move.shape[1]), np.nan)])
    moved = stretch.traded & (np.abs(move) > config.price_moved)
    parts = []
    for name in PRICED:
        if not stretch.has(name):
            continue
        value = np.log(stretch[name] / stretch.previous(name))
        known = moved & np.isfinite(value) & (np.abs(value) > 0)
        counts = {
            word: (known & (np.abs(value - candidate) < config.price_moved)).sum(axis=1)
            for word, candidate in (("same", move), ("earlier", earlier), ("later", later))
        }
        frame = pd.DataFrame({"session": stretch.sessions, "column": name, "stocks": known.sum(axis=1), **counts})
        parts.append(frame[stretch.lead :])
    return pd.concat(parts, ignore_index=True) if parts else None


def _judge_value_moves(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    for column in PRICED:
        figures = seen[seen["column"] == column]
        examined = figures[figures["stocks"] >= config.few]
        other = examined[["earlier", "later"]].max(axis=1)
        shifted = examined[(other > config.shifted_share * examined["stocks"]) & (other > examined["same"])]
        if len(shifted):
            late = shifted["earlier"].sum() >= shifted["later"].sum()
            yield Verdict(
                "error",
                f"{column} moves with the close of the session {'before' if late else 'after'} on "
                f"{span(shifted['session'])}: its dates are shifted"
                + ("" if late else ", so that it knows the close of the next session"),
                "correct the dates of table valuation, and import it again",
                len(shifted),
                len(examined),
                records(shifted),
            )
        if column in ("total_mv", "float_mv"):
            loose = examined[
                (examined["same"] < (1 - config.shifted_share) * examined["stocks"])
                & ~examined["session"].isin(shifted["session"])
            ]
            if len(loose):
                yield Verdict(
                    "error",
                    f"{column} does not move with the close for most stocks on {span(loose['session'])}",
                    "a market value is shares × the session's close: fetch it again, or correct the closes",
                    len(loose),
                    len(examined),
                    records(loose),
                )


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


CHECKS = (
    SessionCheck(
        name="index_of_the_day",
        table="daily_bar",
        states="indices move with the stocks of the same session, not of the one before or after",
        look=_index_returns,
        judge=_judge_index_returns,
    ),
    SessionCheck(
        name="stocks_of_the_day",
        table="daily_bar",
        states="stocks move with the market of the same session, not of the one before or after",
        look=_stock_lags,
        judge=_judge_stock_lags,
    ),
    SessionCheck(
        name="valuations_of_the_day",
        table="valuation",
        states="market values and ratios move with the close of the same session",
        look=_value_moves,
        judge=_judge_value_moves,
    ),
)
