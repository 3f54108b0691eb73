"""Attribution and exposures of a mix of strategies, from those of its parts.

The return of a mix is that of its parts, weighted by their money at the close before, less what its resets cost
(`backtest.mix.MixMoney`); all parts have the same benchmark. So is each effect, and what the mix holds is what the
parts hold, weighted by their money after the close. Nothing of the market has to be read again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from attn_platform.backtest.mix import MixMoney
from attn_platform.evaluation.return_attribution import COST, STYLE


def mixed_attribution(parts: Sequence[pd.DataFrame], money: MixMoney) -> pd.DataFrame:
    """Effects of every session of a mix; `parts` and the result have the columns of `attribute_backtest`.

    The values of a session sum to the excess return of the mix; the effect of costs has those of the resets.
    """
    before = np.vstack([np.full((1, len(parts)), np.nan), money.shares[:-1]])
    is_reset = money.reset_costs != 0
    resets = pd.DataFrame(
        {"date": money.dates[is_reset], "effect": COST, "name": "", "value": -money.reset_costs[is_reset]}
    )
    weighted = [_weighted(part, money.dates, before[:, place]) for place, part in enumerate(parts)]
    return _summed([*weighted, resets], ["effect", "name"])


def mixed_exposures(parts: Sequence[pd.DataFrame], money: MixMoney) -> pd.DataFrame:
    """Exposures after every close of a mix; `parts` and the result have the columns of `HeldExposures.exposures`.

    A style that a part has no exposure to on a session, since it is none of its styles, is not known of the mix either.
    """
    weighted = [_weighted(part, money.dates, money.shares[:, place]) for place, part in enumerate(parts)]
    rows = pd.concat(weighted)
    of_all = rows.groupby(["date", "kind", "name"])["value"].transform("size") == len(parts)
    return _summed([rows[of_all | (rows["kind"] != STYLE)]], ["kind", "name"])


def _weighted(rows: pd.DataFrame, dates: np.ndarray, shares: np.ndarray) -> pd.DataFrame:
    """Rows of one part times its share of each session [T]."""
    at = np.searchsorted(dates, rows["date"].to_numpy())
    return rows.assign(value=rows["value"].to_numpy() * shares[at])


def _summed(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """Values summed by session and names, in the order in which the names come first."""
    rows = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    sums = rows.groupby(["date", *names], sort=False)["value"].sum().reset_index()
    return sums.sort_values("date", kind="stable", ignore_index=True)
