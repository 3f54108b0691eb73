"""Samples whose values do not matter for the time, as both sides read them: one pandas frame."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from attn_platform.models.configuration import LossConfig
from attn_platform.models.losses import row_weights
from attn_platform.training.samples import Samples
from attn_platform.universe.adjacency import CITIC_L1_SECTORS

FEATURES = tuple(f"factor_{number}" for number in range(42))  # AI-69
SPREAD = 15  # sessions differ by up to this many stocks, as the universe does within a quarter
FIRST_SESSION = "2011-01-04"
WEIGHT = "weight "  # how the column of a task's loss weights begins
GROUP = "group"
GROUPS = len(set(CITIC_L1_SECTORS.values()))


def generated_frame(stocks: int, sessions: int, tasks: Sequence[str], spread: int = SPREAD) -> pd.DataFrame:
    """Rows (date, symbol) of factors, a label and its wmse weight a task, and the sector's group; sorted.

    Up to `spread` stocks are absent from a session.
    """
    random = np.random.default_rng(0)
    names = np.array([f"{600000 + number}.SH" for number in range(stocks)])
    days = np.busday_offset(FIRST_SESSION, np.arange(sessions))
    absent = [random.choice(stocks, random.integers(0, spread + 1), replace=False) for _ in days]
    symbols = [np.delete(names, positions) for positions in absent]
    sector = dict(zip(names, random.integers(0, GROUPS, stocks), strict=True))
    sizes = np.array([len(of_session) for of_session in symbols])
    index = pd.MultiIndex.from_arrays([np.repeat(days, sizes), np.concatenate(symbols)], names=["date", "symbol"])
    values = random.standard_normal((len(index), len(FEATURES) + len(tasks)), dtype=np.float32)
    frame = pd.DataFrame(values, index=index, columns=[*FEATURES, *tasks])
    weights = row_weights(frame[list(tasks)].to_numpy(), np.append(0, np.cumsum(sizes)), LossConfig())
    weights = weights * np.repeat(sizes, sizes)[:, np.newaxis]
    for number, task in enumerate(tasks):
        frame[WEIGHT + task] = weights[:, number].astype(np.float32)
    frame[GROUP] = index.get_level_values("symbol").map(sector).to_numpy(dtype=np.int64)
    return frame


def weights_of(tasks: Sequence[str]) -> list[str]:
    """Columns of the loss weights."""
    return [WEIGHT + task for task in tasks]


def platform_samples(frame: pd.DataFrame, tasks: Sequence[str], steps: int, has_groups: bool) -> Samples:
    """The same samples as the platform holds them."""
    sessions = frame.index.get_level_values("date").unique().to_numpy(dtype="datetime64[D]")
    tidy = frame.reset_index()
    samples = Samples.from_frame(tidy[["date", "symbol", *FEATURES]], FEATURES, sessions, steps)
    symbols = np.unique(samples.symbols)
    dense = np.full((len(sessions), len(symbols), len(tasks)), np.nan)
    row = np.searchsorted(sessions, tidy["date"].to_numpy(dtype="datetime64[D]"))
    dense[row, np.searchsorted(symbols, tidy["symbol"].to_numpy(dtype=np.str_))] = tidy[list(tasks)].to_numpy()
    labelled = samples.with_labels(tasks, sessions, symbols, dense)
    return replace(labelled, groups=tidy[GROUP].to_numpy()) if has_groups else labelled
