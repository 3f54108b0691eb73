"""Faults as they are planted: what a kind is, what one planting changed, and the register of all kinds.

A kind's function takes the clean frames and a generator of random numbers of its own and returns what it changed. Kinds
live in the modules beside this one, by what they spoil.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from attn_platform_tests.faults.delivery import Frames, link_files, write_table


class NothingToPlantError(ValueError):
    """A kind needs a row (a delisting, a change of status) that the delivery does not have."""


class Harm(StrEnum):
    """What has to become of a kind of fault."""

    HARMFUL = "harmful"
    """To be refused, warned about, or repaired and said."""
    MENDABLE = "mendable"
    """To be refused, or imported so that the lake is the clean copy's."""
    HARMLESS = "harmless"
    """A probe for false alarms: to be imported without any new finding."""


@dataclass(frozen=True)
class Fault:
    """One planting: the tables that differ, and the keys of the rows that are wrong.

    `rows` has a column `table` and those of date, symbol and index that the tables have. `csv` names tables that are
    written as CSV; `damage` is done to the folder once it is written.
    """

    frames: Mapping[str, pd.DataFrame]
    rows: pd.DataFrame
    csv: tuple[str, ...] = ()
    damage: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its name, a line that says what is wrong, and what it touches."""

    name: str
    title: str
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    harm: Harm
    plant: Callable[[Frames, np.random.Generator], Fault] = field(repr=False)

    def planted(self, frames: Frames, seed: int) -> Fault:
        """The fault in these frames; `NothingToPlantError` where they have no row for it.

        Equal seeds plant equal faults, whatever other kinds there are.
        """
        fault = self.plant(frames, np.random.default_rng([seed, zlib.crc32(self.name.encode())]))
        if not len(fault.rows):
            raise NothingToPlantError(f"the delivery has no row into which {self.name} can be planted")
        return fault


KINDS: dict[str, Kind] = {}
"""Every kind by name, in the order of the modules."""

Plant = Callable[[Frames, np.random.Generator], Fault]


def kind(
    title: str, table: str | tuple[str, ...], columns: str | tuple[str, ...] = (), harm: Harm = Harm.HARMFUL
) -> Callable[[Plant], Plant]:
    """Register the function below as the kind of its name."""

    def register(plant: Plant) -> Plant:
        name = plant.__name__
        tables = (table,) if isinstance(table, str) else table
        KINDS[name] = Kind(name, title, tables, (columns,) if isinstance(columns, str) else columns, harm, plant)
        return plant

    return register


def write_fault(fault: Fault, clean: Path, folder: Path) -> Path:
    """The delivery with the fault in `folder`: files of the clean one where the fault leaves them; returns `folder`."""
    link_files(clean, folder, leave_out=tuple(fault.frames))
    for name, frame in fault.frames.items():
        write_table(folder, name, frame, csv=True if name in fault.csv else None)
    if fault.damage is not None:
        fault.damage(folder)
    return folder


def keys(table: str, frame: pd.DataFrame, where: np.ndarray | slice = slice(None)) -> pd.DataFrame:
    """Keys of the rows of a table at which it is wrong."""
    names = [name for name in ("date", "symbol", "index", "report_period", "announced") if name in frame]
    return frame.loc[where, names].assign(table=table)


def changed(frames: Frames, table: str, where: np.ndarray, **values: Any) -> Fault:
    """The table with new values of some columns at the rows of the mask `where`."""
    frame = frames[table].copy()
    for name, new in values.items():
        frame.loc[where, name] = np.asarray(new)[where] if np.ndim(new) else new
    return Fault({table: frame}, keys(table, frame, where))


def scaled(frames: Frames, table: str, columns: tuple[str, ...], factor: float, where: np.ndarray) -> Fault:
    """Some columns times `factor` at the rows of the mask `where`."""
    values = {name: frames[table][name].to_numpy() * factor for name in columns}
    return changed(frames, table, where, **values)


def without(frames: Frames, drop: Mapping[str, np.ndarray]) -> Fault:
    """The tables without the rows of a mask each; the rows that are gone are the wrong ones."""
    return Fault(
        {name: frames[name][~where].reset_index(drop=True) for name, where in drop.items()},
        pd.concat([keys(name, frames[name], where) for name, where in drop.items()]),
    )


def everywhere(frames: Frames, table: str) -> np.ndarray:
    """A mask of all rows."""
    return np.ones(len(frames[table]), dtype=bool)


def sessions(frames: Frames) -> np.ndarray:
    """Ascending sessions of the daily bars."""
    return np.unique(frames["daily_bar"]["date"])


def middle_session(frames: Frames, rng: np.random.Generator) -> np.datetime64:
    """A session in the middle half of the delivery."""
    days = sessions(frames)
    return np.datetime64(rng.choice(days[len(days) // 4 : -len(days) // 4]))


def some_symbols(frames: Frames, rng: np.random.Generator, count: int, among: np.ndarray | None = None) -> np.ndarray:
    """A few stocks, of all or of those given."""
    pool = np.unique(frames["daily_bar"]["symbol"] if among is None else among)
    return rng.choice(pool, min(count, len(pool)), replace=False)


def traded(frames: Frames) -> np.ndarray:
    """Rows of the daily bars with trades, as a mask."""
    return ~frames["daily_bar"]["is_suspended"].to_numpy(dtype=bool)


def ex_days(frames: Frames) -> np.ndarray:
    """Rows of the daily bars whose factor differs from the same stock's on the session before, as a mask."""
    bar = frames["daily_bar"].sort_values(["symbol", "date"])
    before = bar.groupby("symbol")["adj_factor"].shift()
    # Ratios of vendors' rounded factors: less than a hundredth of a percent is rounding.
    steps = before.notna() & ((bar["adj_factor"] / before - 1).abs() > 1e-4)
    return steps.sort_index().to_numpy()


def renormalised(weight: pd.DataFrame) -> pd.DataFrame:
    """Weights that sum to 1 on each session of each index."""
    return weight.assign(weight=weight["weight"] / weight.groupby(["date", "index"])["weight"].transform("sum"))
