"""Small ragged cross-sections with a planted signal, for the tests of training."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from attn_platform.training.layout import stock_major_rows
from attn_platform.training.samples import Samples

FEATURES = 5
TASKS = 2
SIGNAL = np.array([[1.0, 0.5], [-1.0, 0.3], [0.5, -0.5], [0.0, 0.2], [0.2, 0.0]])  # [F, K]


def ragged(
    session_count: int,
    *,
    first: str = "2011-01-04",
    seed: int = 0,
    noise: float = 1.0,
    signal: NDArray[np.float64] = SIGNAL,
    stocks: tuple[int, int] = (20, 40),
    steps: int = 1,
) -> Samples:
    """Cross-sections of `stocks` (least, most + 1) stocks whose labels are z-scored ranks of X·signal + noise.

    Stock i of a session is stock i of the others; the groups are two, at random.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(*stocks, session_count)
    features = rng.standard_normal((sizes.sum(), FEATURES)).astype(np.float32)
    offsets = np.append(0, np.cumsum(sizes))
    raw = features @ signal + noise * rng.standard_normal((len(features), TASKS))
    labels = np.concatenate([stats.zscore(stats.rankdata(raw[a:b], axis=0)) for a, b in pairwise(offsets)])
    rows, count = stock_major_rows(
        np.repeat(np.arange(session_count), sizes), np.concatenate([np.arange(size) for size in sizes]), steps
    )
    panel = np.zeros((count, FEATURES), dtype=np.float32)
    panel[rows] = features
    return Samples(
        sessions=np.datetime64(first, "D") + np.arange(session_count),
        offsets=offsets,
        symbols=np.concatenate([[f"{600000 + i}.SH" for i in range(size)] for size in sizes]),
        panel=panel,
        rows=rows,
        steps=steps,
        labels=labels.astype(np.float32),
        feature_names=tuple(f"factor_{i}" for i in range(FEATURES)),
        label_names=("10d", "20d"),
        groups=rng.integers(0, 2, len(features)),
    )


def with_features(samples: Samples, features: NDArray[np.float32]) -> Samples:
    """The samples with other features [R, F]."""
    panel = samples.panel.copy()
    panel[samples.rows] = features
    return replace(samples, panel=panel)


def rows_of(samples: Samples, rows: NDArray[np.int64]) -> Samples:
    """The samples in these rows, or in this order; the sessions' bounds are the caller's to mend."""
    taken = {name: getattr(samples, name)[rows] for name in ("symbols", "rows", "labels", "groups")}
    return replace(samples, **taken)
