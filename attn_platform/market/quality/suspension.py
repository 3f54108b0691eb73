"""Suspended sessions: no volume, the price held, and a flag that is neither inverted nor always the same.

Source: the data contract (a suspended session has a row with `is_suspended`, the close carried and no volume).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market import tolerance
from attn_platform.market.quality.check import PREVIOUS, CellCheck, Faults, SessionCheck, Verdict, records, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics, Stretch


def _volume_fits_flag(stretch: Stretch, config: QualityConfig) -> Faults:
    suspended, volume = stretch["is_suspended"] == 1, stretch["volume"] > 0
    wrong = stretch.present & (suspended == volume)
    by_session = wrong.sum(axis=1) > config.most * np.maximum(stretch.present.sum(axis=1), 1)
    kinds = {
        "most rows of the session: the flag looks inverted": wrong & by_session[:, None],
        "suspended with volume": wrong & suspended & ~by_session[:, None],
        "not suspended and without volume": wrong & ~suspended & ~by_session[:, None],
    }
    return Faults(wrong, stretch.present, kinds)


def _price_held(stretch: Stretch, config: QualityConfig) -> Faults:
    close, factor = stretch["close"], stretch["adj_factor"]
    last_close, last_factor = stretch.previous("close"), stretch.previous("adj_factor")
    examined = (stretch["is_suspended"] == 1) & ~np.isnan(last_close)
    moved = tolerance.differs(close, last_close, 0.0, tolerance.TICK / 2)
    # A stock that goes ex-right while it is suspended may carry the old price or the reference.
    ex_right = tolerance.differs(close * factor, last_close * last_factor, config.factor_within)
    return Faults(moved & ex_right & examined, examined)


def _flag_figures(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    suspended, present = stretch["is_suspended"] == 1, stretch.present
    frame = pd.DataFrame({"session": stretch.sessions, "rows": present.sum(axis=1), "suspended": suspended.sum(axis=1)})
    # With the lead's last session, so that the first new one has a neighbour.
    return frame.assign(fresh=frame.index >= stretch.lead)[max(stretch.lead - 1, 0) :]


def _judge_flags(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    seen = seen.sort_values(["session", "fresh"]).drop_duplicates("session", keep="last")
    share = seen["suspended"] / seen["rows"].where(seen["rows"] >= config.few)
    alone = share - pd.concat([share.shift(), share.shift(-1)], axis=1).max(axis=1) > config.suspended_alone
    share, alone, seen = share[seen["fresh"]], alone[seen["fresh"]], seen[seen["fresh"]].drop(columns="fresh")
    rows, suspended = int(seen["rows"].sum()), int(seen["suspended"].sum())
    if suspended == 0 and len(seen) >= config.a_year and rows >= config.many_rows:
        yield Verdict(
            "warning",
            f"no stock is ever suspended in {rows:,} rows on {span(seen['session'])}: halts look missing",
            "fill the sessions on which a stock did not trade as suspended rows",
            rows,
            rows,
        )
    crowded = seen[share > config.suspended_share]
    if len(crowded):
        yield Verdict(
            "error",
            f"more than {config.suspended_share:.0%} of the stocks are suspended on {span(crowded['session'])}: more "
            "than on any session of the exchanges",
            "look whether the flag is inverted, or rows of traded sessions are missing",
            len(crowded),
            len(seen),
            records(crowded),
        )
    lonely = seen[alone & (share <= config.suspended_share)]
    if len(lonely):
        yield Verdict(
            "error",
            f"far more stocks are suspended than on the sessions around, on {span(lonely['session'])}: a file looks "
            "cut off, and its missing rows filled",
            "fetch these sessions again, whole, and import them again",
            len(lonely),
            len(seen),
            records(lonely),
        )


CHECKS = (
    CellCheck(
        name="volume_fits_suspension",
        table="daily_bar",
        states="suspended rows have no volume, all others have some",
        fault="is_suspended contradicts the volume",
        remedy="correct is_suspended (true where nothing traded), or fetch the volumes again",
        shown=("is_suspended", "volume", "amount"),
        faults=_volume_fits_flag,
        tolerance=lambda config: config.suspension,
    ),
    CellCheck(
        name="suspended_price_held",
        table="daily_bar",
        states="a suspended row has the close of the stock's row before",
        fault="the close of a suspended row is not that of the row before",
        remedy="carry the last traded close over suspended sessions",
        shown=("close", f"{PREVIOUS}close"),
        faults=_price_held,
        tolerance=lambda config: config.suspension,
    ),
    SessionCheck(
        name="suspensions_plausible",
        table="daily_bar",
        states="some stocks are suspended, and never most of them",
        look=_flag_figures,
        judge=_judge_flags,
    ),
)
