"""Index weights between snapshots: vendors give them once a month, portfolios need them on every session.

A snapshot holds from its own session until the next one, never before it: as it is, or with the prices of its members,
whose weights go with close / pre_close and sum to 1 again. A session is worked out from the one before it, so that it
does not matter which import brought that.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.market.contract import INDEX_WEIGHT
from attn_platform.market.inspection import Journal
from attn_platform.market.lake import days
from attn_platform.market.settle import numbers

KEY = ["date", "index", "symbol"]


class WeightCarrier:
    """Carries the weights of each index over sessions without any; `held` are those of the session before."""

    def __init__(self, carry: str, journal: Journal, held: pa.Table | None = None) -> None:
        self.carry, self.journal = carry, journal
        self._held = {} if held is None else _by_index(held.to_pandas())

    def weights(self, own: pa.Table, bars: pa.Table, sessions: np.ndarray) -> pa.Table:
        """Weights of ascending `sessions`: the vendor's `own`, and on the others those carried.

        `bars` are the completed daily bars of the same sessions.
        """
        frame, returns = own.to_pandas(), _returns(bars)
        given = dict(iter(frame.groupby("date", sort=False)))
        parts: list[pd.DataFrame] = []
        for session in sessions:
            day = session.item()
            today = _by_index(given[day]) if day in given else {}
            with_bar = returns.get(day, pd.Series(dtype=float))
            for index, weight in self._held.items():
                if index not in today:
                    today[index] = self._carried(weight, with_bar)
                    parts.append(_rows(day, index, today[index]))
            self._held = today
        carried = (
            pa.Table.from_pandas(pd.concat(parts), schema=INDEX_WEIGHT.schema, preserve_index=False)
            if parts
            else (INDEX_WEIGHT.schema.empty_table())
        )
        self.journal.add("weights_carried", carried, np.ones(carried.num_rows, dtype=bool), INDEX_WEIGHT.name)
        self._note_members_without_bar(own, bars)
        return pa.concat_tables([own, carried]).sort_by([(name, "ascending") for name in KEY])

    def _carried(self, weight: pd.Series, returns: pd.Series) -> pd.Series:
        if self.carry == "constant":
            return weight
        drifted = weight * (1 + returns.reindex(weight.index).fillna(0.0))
        return drifted / drifted.sum()

    def _note_members_without_bar(self, own: pa.Table, bars: pa.Table) -> None:
        keys = pd.MultiIndex.from_arrays([days(bars["date"]), bars["symbol"].to_pandas()])
        members = pd.MultiIndex.from_arrays([days(own["date"]), own["symbol"].to_pandas()])
        self.journal.add("members_without_bar", own, ~members.isin(keys), INDEX_WEIGHT.name)


def _by_index(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {str(index): part.set_index("symbol")["weight"] for index, part in frame.groupby("index")}


def _returns(bars: pa.Table) -> dict[object, pd.Series]:
    """close / pre_close − 1 of the stocks of each session."""
    frame = bars.select(["date", "symbol"]).to_pandas()
    frame["return"] = numbers(bars["close"]) / numbers(bars["pre_close"]) - 1
    return {day: part.set_index("symbol")["return"] for day, part in frame.groupby("date")}


def _rows(day: object, index: str, weight: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"date": day, "index": index, "symbol": weight.index, "weight": weight.to_numpy()})
