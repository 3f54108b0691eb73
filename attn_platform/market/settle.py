"""Settling of rows before they are checked: what says the same in another way gets the form that the contract wants.

A session without volume is a suspended one, whatever the flag says, and has no price but the close; a high that an open
or close exceeds by rounding is widened; index weights in percent become fractions, and sums that are off by rounding
become 1. What counts as rounding stands in `market.tolerance`. Nothing is settled that could hide a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market.quality import weights
from attn_platform.market.tolerance import HALF_TICK, INDEX_RELATIVE, widened

PRICES = ("open", "high", "low", "vwap")
QUANTITIES = ("volume", "amount", "turnover_rate")
NO_LIMIT = "no_limit"
NO_LIMIT_FROM = 90_000.0
"""Vendors write "no limit" as an upper limit of 99,999.99 or so, or as 0; no share ever cost as much."""


@dataclass(frozen=True)
class Settled:
    """A table whose cells say what they mean, and what was done for it: by reason, the rows concerned [R].

    `marks` are rows that a later step must know about, by its name for them.
    """

    data: pa.Table
    done: Mapping[str, np.ndarray]
    marks: Mapping[str, np.ndarray] = field(default_factory=dict)


def settled_bars(bars: pa.Table) -> Settled:
    """Daily bars: a session without volume is a suspended one, which has no prices but the close; bars are widened.

    Without a flag that says so, only a session whose price did not move either: else it is the volume that is lost.
    """
    volume, amount = numbers(bars["volume"]), numbers(bars["amount"])
    given = boolean(bars["is_suspended"])
    still = (volume == 0) & ~(amount > 0) & ~(numbers(bars["high"]) - numbers(bars["low"]) >= HALF_TICK)
    taken = ~given & pc.is_valid(bars["is_suspended"]).to_numpy() & still
    halted = (given | taken) & ~(volume > 0) & ~(amount > 0)
    settled = bars
    if taken.any():
        flag = pc.if_else(pa.array(taken), True, bars["is_suspended"])
        settled = with_column(settled, "is_suspended", flag)
    if halted.any():
        for name, value in {**dict.fromkeys(PRICES, None), **dict.fromkeys(QUANTITIES, 0.0)}.items():
            # What no vendor means (less than nothing, infinity) stays, and is named by the checks.
            means_nothing = halted & ~(numbers(bars[name]) < 0) & ~np.isinf(numbers(bars[name]))
            settled = with_column(settled, name, pc.if_else(pa.array(means_nothing), value, settled[name]))
    free = _without_limit(numbers(bars["up_limit"]), numbers(bars["down_limit"]))
    for name, cells in zip(("up_limit", "down_limit"), free, strict=True):
        if cells.any():
            settled = with_column(settled, name, pc.if_else(pa.array(cells), None, settled[name]))
    widened_bars = _widened(settled, HALF_TICK)
    done = {"taken_as_suspended": taken, **widened_bars.done}
    return Settled(widened_bars.data, done, {NO_LIMIT: free[0] | free[1]})


def _without_limit(up_limit: np.ndarray, down_limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the upper and the lower limit that say "no limit" instead of a price."""
    above = ((up_limit >= NO_LIMIT_FROM) & np.isfinite(up_limit)) | (up_limit == 0)
    return above, above | (down_limit == 0)


def settled_prices(bars: pa.Table) -> Settled:
    """Minute bars: the bar is widened to an open or close that is off by rounding."""
    return _widened(bars, HALF_TICK)


def settled_levels(bars: pa.Table) -> Settled:
    """Index bars: the same, relative to the level, as indices have no tick."""
    return _widened(bars, numbers(bars["close"]) * INDEX_RELATIVE)


def _widened(bars: pa.Table, slack: np.ndarray | float) -> Settled:
    high, low = (numbers(bars[name]) for name in ("high", "low"))
    new_high, new_low = widened(numbers(bars["open"]), high, low, numbers(bars["close"]), slack)
    moved = (new_high > high) | (new_low < low)
    if moved.any():
        for name, values in (("high", new_high), ("low", new_low)):
            bars = with_column(bars, name, pa.array(values, pa.float64(), from_pandas=True))
    return Settled(bars, {"widened_bars": moved})


def settled_weights(data: pa.Table) -> Settled:
    """Index weights: percent become fractions, and sums that are off by rounding become 1."""
    group = groups_of(data, ("date", "index"))
    scaled, from_percent, rounded = weights.scaled_to_one(numbers(data["weight"]), group)
    if from_percent.any() or rounded.any():
        data = with_column(data, "weight", pa.array(scaled, pa.float64(), from_pandas=True))
    return Settled(data, {"weights_in_percent": from_percent, "weights_scaled": rounded})


def groups_of(data: pa.Table, names: tuple[str, ...]) -> np.ndarray:
    """Number of the group of equal cells in `names` that each row belongs to."""
    group = np.zeros(data.num_rows, dtype=np.int64)
    for name in names:
        code = data[name].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        group = group * (int(code.max(initial=0)) + 2) + code + 1
    return group


def with_column(data: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """`data` with another column in the place of the one of that name."""
    at = data.column_names.index(name)
    return data.set_column(at, data.schema.field(at), values)


def day_scalar(day: np.datetime64) -> pa.Scalar:
    """A day as Arrow compares dates with."""
    return pa.scalar(day.astype("datetime64[D]").item(), pa.date32())


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column as float64, NaN where it is null."""
    return column.to_numpy()


def boolean(column: pa.ChunkedArray) -> np.ndarray:
    """A column of flags; null counts as false."""
    return pc.fill_null(column, False).to_numpy()
