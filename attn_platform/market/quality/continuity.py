"""A row against the stock's row before: the adjustment factor and the ex-right price, share counts, jumps of a unit.

Sources: the data contract (adjusted = raw × adj_factor; pre_close is the ex-right reference price, so pre_close ×
adj_factor is what the last close × last adj_factor was) and exchanges' prices in whole fen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market import tolerance
from attn_platform.market.quality import adjustment
from attn_platform.market.quality.check import PREVIOUS, CellCheck, Faults, SessionCheck, Verdict, records, share, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics, Stretch

SHARES_OF = {"total_mv": "total shares", "float_mv": "float shares"}


def _factor(stretch: Stretch, config: QualityConfig) -> Faults:
    pre_close, factor = stretch["pre_close"], stretch["adj_factor"]
    last_close, last_factor = stretch.previous("close"), stretch.previous("adj_factor")
    examined = ~np.isnan(pre_close) & ~np.isnan(factor) & ~np.isnan(last_close)
    ratio = adjustment.reference_ratio(pre_close, factor, last_close, last_factor)
    faulty = adjustment.is_broken(ratio, pre_close, config.factor_within) & examined
    constant = ~tolerance.differs(factor, last_factor, config.factor_moves)
    unchanged = ~tolerance.differs(pre_close, last_close, 0.0, tolerance.TICK / 2)
    opened = ~tolerance.differs(pre_close, stretch.previous("open"), 0.0, tolerance.TICK / 2)
    kinds = {
        "pre_close says ex-right, the factor does not change: factors are missing": constant & ~unchanged & ~opened,
        "pre_close is the open of the session before: open and close look swapped": constant & opened & ~unchanged,
        "the factor changes without an ex-right: pre_close is the last close": unchanged & ~constant,
        "the factor starts again at 1": ~constant & ~tolerance.differs(factor, np.ones(1), config.factor_moves),
        "neither fits: pre_close and factor change, by different amounts": ~constant & ~unchanged,
    }
    return Faults(faulty, examined, kinds)


def _whole_fen(stretch: Stretch, config: QualityConfig) -> Faults:
    faulty = np.zeros(stretch.shape, dtype=bool)
    for name in ("open", "high", "low", "close"):
        fen = stretch[name] / tolerance.TICK
        faulty |= np.abs(fen - np.rint(fen)) > config.fen_within
    return Faults(faulty, stretch.present)


def _share_count(stretch: Stretch, config: QualityConfig) -> Faults | None:
    if not stretch.has("total_mv"):
        return None
    faulty = np.zeros(stretch.shape, dtype=bool)
    kinds, close, last_close = {}, stretch["close"], stretch.previous("close")
    for name, words in SHARES_OF.items():
        growth = (stretch[name] / close) / (stretch.previous(name) / last_close)
        exponent = tolerance.nearest_power_of_ten(growth, config.power_of_shares)
        faulty |= exponent != 0
        for power in (1, 2, 3, 4, 8):
            kinds[f"{words} become 10^{power} times as many"] = exponent == power
            kinds[f"{words} become 10^{power} times fewer"] = exponent == -power
    return Faults(faulty, ~np.isnan(stretch["total_mv"]) & ~np.isnan(stretch.previous("total_mv")), kinds)


def _factor_figures(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    """By session: rows, factors that are not what they were, factors that are 1, factors that fell."""
    factor, last = stretch["adj_factor"], stretch.previous("adj_factor")
    moved = tolerance.differs(factor, last, config.factor_moves)
    known = ~np.isnan(factor)
    figures = {
        "session": stretch.sessions,
        "rows": known.sum(axis=1),
        "moved": moved.sum(axis=1),
        "one": (known & ~tolerance.differs(factor, np.ones(1), config.factor_moves)).sum(axis=1),
    }
    return pd.DataFrame(figures)[stretch.lead :]


def _judge_factors(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    rows, moved = int(seen["rows"].sum()), int(seen["moved"].sum())
    if len(seen) >= config.a_year and rows >= config.many_rows and moved == 0:
        yield Verdict(
            "warning",
            f"no factor changes on {span(seen['session'])}: no stock goes ex-right, which no real year has; prices may "
            "be adjusted already, or the factors are missing",
            "give raw prices with the cumulative factor of a backward adjustment",
            rows,
            rows,
            records(seen),
        )
    last = seen[seen["rows"] > 0].tail(1)
    first = seen[seen["rows"] > 0].head(1)
    if not len(last) or moved < config.few:
        return
    ones = float(last["one"].iloc[0] / last["rows"].iloc[0])
    earlier = float(first["one"].iloc[0] / first["rows"].iloc[0])
    if ones > config.most and earlier < config.most:
        yield Verdict(
            "warning",
            f"on the last session {share(int(last['one'].iloc[0]), int(last['rows'].iloc[0]))} factors are 1: they are "
            "of a forward adjustment, which every ex-right changes for all days before it",
            "give the factors of a backward adjustment, which stay as they were known on their day",
            int(last["one"].iloc[0]),
            int(last["rows"].iloc[0]),
            records(last),
        )


CHECKS = (
    CellCheck(
        name="factor_continuity",
        table="daily_bar",
        states="pre_close × adj_factor is the last close × the last adj_factor",
        fault="pre_close × adj_factor is not the last close × the last adj_factor",
        remedy="take pre_close and adj_factor from one source, cumulative and not restarted; a session's closes may "
        "also be wrong, or rows before it missing",
        shown=("pre_close", "adj_factor", f"{PREVIOUS}close", f"{PREVIOUS}adj_factor"),
        faults=_factor,
        tolerance=lambda config: config.factor_continuity,
    ),
    CellCheck(
        name="prices_in_whole_fen",
        table="daily_bar",
        states="open, high, low and close are whole fen",
        fault="a price is no whole fen",
        remedy="give raw prices: these look adjusted, or averaged",
        shown=("open", "high", "low", "close"),
        faults=_whole_fen,
        tolerance=lambda config: config.whole_fen,
    ),
    SessionCheck(
        name="factor_kind",
        table="daily_bar",
        states="factors change where stocks go ex-right, and are of a backward adjustment",
        look=_factor_figures,
        judge=_judge_factors,
    ),
    CellCheck(
        name="share_count_jumps",
        table="valuation",
        states="shares (market value / close) do not become 10, 100, 1,000 … times as many overnight",
        fault="shares (market value / close) jump by a power of ten",
        remedy="look for a change of units of total_mv or float_mv, or of the close, on those sessions",
        shown=("total_mv", f"{PREVIOUS}total_mv", "float_mv", f"{PREVIOUS}float_mv", "close", f"{PREVIOUS}close"),
        faults=_share_count,
        tolerance=lambda config: config.share_count,
    ),
)
