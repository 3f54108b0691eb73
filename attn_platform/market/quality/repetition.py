"""The same numbers twice: a session that repeats another, a column that stands still or is the same for every stock.

Two sessions of a market never share their prices and volumes; a repeated file does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market.quality.check import SessionCheck, Verdict, records, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import LEAD, Statics, Stretch

FOLLOWS_PRICE = ("total_mv", "float_mv", "pb_lf", "pe_ttm")
"""Columns of valuations that change when the close does."""
VARIES = (
    "close", "volume", "turnover_rate", "total_mv", "float_mv", "pb_lf", "pe_ttm", "pcf_ocf_ttm", "dividend_12m",
    "eps_fy1", "roe_fy1", "net_profit_fy1",
)  # fmt: skip
"""Columns that differ from stock to stock."""


def repeated_from(stretch: Stretch, names: tuple[str, ...], most: float, few: int) -> pd.DataFrame:
    """Sessions whose traded stocks have the values of an earlier session, the nearest one: session, repeats, share."""
    found = []
    usable = stretch.traded & (stretch["volume"] > 0)
    for row in range(stretch.lead, len(stretch.sessions)):
        for earlier in range(row - 1, max(row - LEAD, 0) - 1, -1):
            both = usable[row] & usable[earlier]
            if both.sum() < few:
                continue
            same = both.copy()
            for name in names:
                same &= stretch[name][row] == stretch[name][earlier]
            alike = same.sum() / both.sum()
            if alike > most:
                found.append((stretch.sessions[row], stretch.sessions[earlier], alike, int(both.sum())))
                break
    return pd.DataFrame(found, columns=["session", "repeats", "share", "stocks"])


def _repeated(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    found = repeated_from(stretch, ("close", "volume"), config.repeated_share, config.few)
    return pd.concat([found, pd.DataFrame({"session": stretch.fresh})], ignore_index=True)


def _judge_repeated(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    repeated = seen.dropna(subset=["repeats"])
    if len(repeated):
        first = repeated.iloc[0]
        yield Verdict(
            "error",
            f"closes and volumes of {first['share']:.0%} of the stocks are those of an earlier session on "
            f"{span(repeated['session'])}; {first['session']:%Y-%m-%d} repeats {first['repeats']:%Y-%m-%d}",
            "fetch the repeated sessions again: a file was stored under two dates",
            len(repeated),
            seen["session"].nunique(),
            records(repeated),
        )


def _still(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """By session and column: share of stocks with a new close whose value is exactly the one before."""
    parts, moved = [], stretch.traded & (np.abs(stretch["close"] / stretch.previous("close") - 1) > config.price_moved)
    for name in FOLLOWS_PRICE:
        if stretch.has(name):
            known = moved & ~np.isnan(stretch[name]) & ~np.isnan(stretch.previous(name))
            still = known & (stretch[name] == stretch.previous(name))
            parts.append(_by_session(stretch, name, still.sum(axis=1), known.sum(axis=1)))
    return pd.concat(parts, ignore_index=True) if parts else None


def _by_session(stretch: Stretch, name: str, count: np.ndarray, of: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame({"session": stretch.sessions, "column": name, "count": count, "of": of})
    return frame[stretch.lead :]


def _judge_still(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    for column, figures in seen.groupby("column"):
        examined = figures[figures["of"] >= config.few]
        stale = examined[examined["count"] > config.most * examined["of"]]
        if len(stale):
            yield Verdict(
                "error",
                f"{column} is that of the session before although closes moved, on {span(stale['session'])}: "
                "the values look stale",
                "fetch the valuations of these sessions again",
                len(stale),
                len(examined),
                records(stale),
            )


def _spread(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    """By session and column: stocks with a value, and those whose value is the session's most usual one."""
    parts = []
    for name in VARIES:
        if not stretch.has(name):
            continue
        values = np.where(stretch.traded, stretch[name], np.nan)
        known = ~np.isnan(values)
        low = np.nanmin(np.where(known, values, np.inf), axis=1)
        high = np.nanmax(np.where(known, values, -np.inf), axis=1)
        parts.append(_by_session(stretch, name, (low == high).astype(int), known.sum(axis=1)))
    return pd.concat(parts, ignore_index=True)


def _judge_spread(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    table_of = {"close": "daily_bar", "volume": "daily_bar", "turnover_rate": "daily_bar", "eps_fy1": "consensus",
                "roe_fy1": "consensus", "net_profit_fy1": "consensus"}  # fmt: skip
    for column, figures in seen.groupby("column"):
        table = table_of.get(str(column), "valuation")
        if not figures["of"].any():
            yield Verdict(
                "note",
                f"{column} has no value on {span(figures['session'])}",
                "bring it where the source has it; factors that read it are missing until then",
                len(figures),
                len(figures),
                table=table,
            )
            continue
        examined = figures[figures["of"] >= config.few]
        constant = examined[examined["count"] > 0]
        if len(constant):
            yield Verdict(
                "warning",
                f"{column} is the same for every stock on {span(constant['session'])}",
                "fetch the column again: it looks filled with one value",
                len(constant),
                len(examined),
                records(constant[["session", "of"]]),
                table,
            )


CHECKS = (
    SessionCheck(
        name="sessions_differ",
        table="daily_bar",
        states="no session repeats the closes and volumes of an earlier one",
        look=_repeated,
        judge=_judge_repeated,
    ),
    SessionCheck(
        name="values_move_with_prices",
        table="valuation",
        states="market values and ratios change when the close does",
        look=_still,
        judge=_judge_still,
    ),
    SessionCheck(
        name="values_differ_by_stock",
        table="valuation",
        states="no column is the same for every stock",
        look=_spread,
        judge=_judge_spread,
    ),
)
