"""Samples of the networks: ragged cross-sections, and their tensors on the training device.

A sample is a stock on a session: the features of that session, or of the last L sessions, and its standardised labels.
The stocks of a session that are in the universe form its cross-section (AI-69, AI-55). Cross-sections differ in
length, so their rows lie one after another, with offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from attn_platform.errors import ContractError, TrainingError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import LossConfig
from attn_platform.models.losses import row_weights
from attn_platform.training.config import BatchUnit
from attn_platform.training.layout import stock_major_rows
from attn_platform.training.panel_array import PanelArray, not_finite

# The variance of a single stock does not exist, and one stock has no order to learn
MINIMUM_STOCKS = 2

# Batches are padded to a multiple of this many rows where matrix kernels are compiled for each shape they meet (on the
# CPU those in bfloat16, about a millisecond each): cross-sections of ever different lengths would have one compiled at
# every step.
ROW_MULTIPLE = 32


def row_multiple(stacked: bool, precision: str) -> int:
    """What batches of sessions are padded to a multiple of: rows of members that step together, or compiled shapes."""
    return ROW_MULTIPLE if stacked or precision == "bfloat16" else 1


Sizes = tuple[tuple[int, ...], ...]
"""Stocks of each member's sessions, in order."""


@dataclass(frozen=True)
class Samples:
    """T sessions with R samples in all; session t is samples offsets[t] to offsets[t+1], its symbols in sorted order.

    sessions [T] datetime64[D]; offsets [T+1]; symbols [R]; labels [R, K] float32, NaN = missing, K = 0 where none are
    known (prediction). Sample r's features, oldest session first, are the `steps` rows of panel [P, F] float32 that
    end at rows[r]; it begins with `steps` rows of zeros and misses nothing. Samples share `panel`, which may be a
    file in memory: taking some of them copies no feature. `groups` [R] are neighbour groups, where they were asked for.
    """

    sessions: NDArray[np.datetime64]
    offsets: NDArray[np.int64]
    symbols: NDArray[np.str_]
    panel: NDArray[np.float32]
    rows: NDArray[np.int64]
    labels: NDArray[np.float32]
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...] = ()
    steps: int = 1
    groups: NDArray[np.int64] | None = None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, feature_names: Sequence[str], sessions: NDArray, steps: int = 1) -> Self:
        """Samples without labels from a tidy frame (date, symbol, one column a feature), in any row order.

        Those of the last `steps` − 1 sessions or more before `sessions[0]` serve as earlier steps; `sessions` are the
        consecutive ones of the exchange that the frame may hold rows of, the samples' own and those before them.
        Raises ContractError if a column is missing, a key occurs twice, or a feature has a value that is not finite.
        """
        missing = [name for name in ("date", "symbol", *feature_names) if name not in frame.columns]
        if missing:
            raise ContractError(f"the factor panel has no column {', '.join(missing)}; compute these factors first")
        frame = frame.sort_values(["date", "symbol"], ignore_index=True)
        twice = frame[["date", "symbol"]].duplicated()
        if twice.any():
            date, symbol = frame.loc[twice, ["date", "symbol"]].iloc[0]
            raise ContractError(f"the factor panel has {symbol} on {date:%Y-%m-%d} twice; keep one row a key")
        features = frame[list(feature_names)].to_numpy(dtype=np.float32)
        dates = frame["date"].to_numpy(dtype="datetime64[D]")
        symbols = frame["symbol"].to_numpy(dtype=np.str_)
        bad = np.argwhere(~np.isfinite(features))
        if len(bad):
            row, column = bad[0]
            raise not_finite(feature_names[column], symbols[row], dates[row], len(bad))
        stock = np.unique(symbols, return_inverse=True)[1]
        rows, count = stock_major_rows(np.searchsorted(sessions, dates), stock, steps)
        values = np.zeros((count, len(feature_names)), dtype=np.float32)
        values[rows] = features
        held, first_rows = np.unique(dates, return_index=True)
        return cls(
            sessions=held,
            offsets=np.append(first_rows, len(frame)).astype(np.int64),
            symbols=symbols,
            panel=values,
            rows=rows,
            labels=np.empty((len(frame), 0), dtype=np.float32),
            feature_names=tuple(feature_names),
            steps=steps,
        )

    @classmethod
    def from_array(
        cls,
        array: PanelArray,
        first: np.datetime64,
        last: np.datetime64,
        feature_names: Sequence[str],
        steps: int = 1,
    ) -> Self:
        """Samples without labels of the array's sessions from `first` to `last`; their features stay in its file."""
        start, stop = np.searchsorted(array.sessions, [first, last + np.timedelta64(1, "D")])
        held = slice(array.offsets[start], array.offsets[stop])
        sizes = np.diff(array.offsets[start : stop + 1])
        filled = sizes > 0  # a session without cross-section gives no sample
        return cls(
            sessions=array.sessions[start:stop][filled],
            offsets=np.append(0, np.cumsum(sizes[filled])).astype(np.int64),
            symbols=array.symbols[array.stocks[held]],
            panel=array.factors,
            rows=array.rows[held],
            labels=np.empty((held.stop - held.start, 0), dtype=np.float32),
            feature_names=tuple(feature_names),
            steps=steps,
        )

    def __len__(self) -> int:
        """Number of samples R."""
        return len(self.rows)

    def features(self, samples: slice = slice(None)) -> NDArray[np.float32]:
        """Features of the samples on their own session [R, F], or of all their steps [R, L, F] where these are more."""
        rows = self.rows[samples]
        if self.steps == 1:
            return self.panel[rows]
        windows = np.lib.stride_tricks.sliding_window_view(self.panel, self.steps, axis=0)
        return windows[rows - self.steps + 1].swapaxes(1, 2)

    def with_labels(
        self,
        label_names: Sequence[str],
        sessions: NDArray[np.datetime64],
        symbols: NDArray[np.str_],
        labels: NDArray[np.floating],
    ) -> Self:
        """The same cross-sections with labels looked up in dense ones [len(sessions), len(symbols), K].

        `sessions` and `symbols` are sorted; what they do not hold is missing.
        """
        day, known_day = _positions(sessions, self.sample_sessions())
        stock, known_stock = _positions(symbols, self.symbols)
        known = (known_day & known_stock)[:, np.newaxis]
        found = np.where(known, labels[day, stock], np.nan).astype(np.float32)
        return replace(self, labels=found, label_names=tuple(label_names))

    def sample_sessions(self) -> NDArray[np.datetime64]:
        """The session of each sample [R]."""
        return np.repeat(self.sessions, np.diff(self.offsets))

    def between(self, first: np.datetime64, last: np.datetime64) -> Self:
        """The sessions from `first` to `last`, both included."""
        start = int(np.searchsorted(self.sessions, first))
        stop = max(start, int(np.searchsorted(self.sessions, last, side="right")))
        samples = slice(self.offsets[start], self.offsets[stop])
        offsets = self.offsets[start : stop + 1] - self.offsets[start]
        return self._taking(samples, self.sessions[start:stop], offsets)

    def trainable(self) -> Self:
        """Without samples that miss any of their K labels, then without sessions of fewer than two stocks.

        A stock leaves the cross-section of all tasks, so that the tasks share one batch and one ranking (AI-69, AI-55).
        Raises TrainingError if nothing is left.
        """
        session = np.repeat(np.arange(len(self.sessions)), np.diff(self.offsets))
        complete = ~np.isnan(self.labels).any(axis=1)
        sizes = np.bincount(session[complete], minlength=len(self.sessions))
        kept_sessions = sizes >= MINIMUM_STOCKS
        if not self.label_names or not kept_sessions.any():
            raise TrainingError(
                f"no session of {len(self.sessions)} has {MINIMUM_STOCKS} stocks with labels "
                f"({', '.join(self.label_names) or 'no labels given'}); check the label's horizon and the prices"
            )
        samples = complete & kept_sessions[session]
        if samples.all():
            return self
        return self._taking(samples, self.sessions[kept_sessions], np.append(0, np.cumsum(sizes[kept_sessions])))

    def of_seed(self, seed: int, every: int) -> Self:
        """The sessions that a seed trains on, where it takes one of `every` (`own_sessions`)."""
        if every == 1:
            return self
        is_own = np.zeros(len(self.sessions), dtype=bool)
        is_own[own_sessions(len(self.sessions), seed, every)] = True
        sizes = np.diff(self.offsets)
        offsets = np.append(0, np.cumsum(sizes[is_own])).astype(np.int64)
        return self._taking(np.repeat(is_own, sizes), self.sessions[is_own], offsets)

    def _taking(self, samples: slice | NDArray[np.bool_], sessions: NDArray, offsets: NDArray) -> Self:
        return replace(
            self,
            sessions=sessions,
            offsets=offsets,
            symbols=self.symbols[samples],
            rows=self.rows[samples],
            labels=self.labels[samples],
            groups=None if self.groups is None else self.groups[samples],
        )


def own_sessions(count: int, seed: int, every: int) -> NDArray[np.int64]:
    """Which of `count` training sessions a seed trains on: one of `every`, from session (seed mod `every`) on."""
    return np.arange(seed % every, count, every)


def _positions(sorted_keys: NDArray, keys: NDArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Position of each key, and whether it is there at all (else the position is any valid one)."""
    positions = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return positions, sorted_keys[positions] == keys


class SampleTensors:
    """Trainable cross-sections of one or several windows on a device, from which batches are gathered.

    The sets lie one after another: their sessions are numbered through, and their samples. `labels` and `weights` are
    [R + 1, K]: the last row is all zeros and stands for padding. `weights` are the loss's: the sum of weight × squared
    error over a session is its loss, or over a single stock, where the unit of a batch is the stock. Sets of one panel
    array share its values on the device.
    """

    def __init__(
        self,
        sets: Sequence[Samples],
        loss: LossConfig,
        device: torch.device,
        dtype: torch.dtype,
        unit: BatchUnit = "session",
        row_multiple: int = ROW_MULTIPLE,
    ) -> None:
        self.device = device
        self.row_multiple = row_multiple
        self.steps = sets[0].steps
        # One session more, of no stocks: number −1 stands for padding
        self.sizes = np.concatenate([*(np.diff(samples.offsets) for samples in sets), [0]])
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.sessions_of_set = _ranges([len(samples.sessions) for samples in sets])
        self.samples_of_set = _ranges([len(samples) for samples in sets])
        weights = [row_weights(samples.labels, samples.offsets, loss) for samples in sets]
        if unit == "stock":
            weights = [
                w * np.repeat(np.diff(s.offsets), np.diff(s.offsets))[:, None]
                for w, s in zip(weights, sets, strict=True)
            ]
        self.labels = _with_zero_row([samples.labels for samples in sets]).to(device, dtype)
        self.weights = _with_zero_row(weights).to(device, dtype)
        self._values, bases = _shared_values([samples.panel for samples in sets], device, dtype)
        first_of_padding = self.steps - 1  # values begin with that many rows of zeros and one more
        rows = [samples.rows + base for samples, base in zip(sets, bases, strict=True)]
        self._rows = torch.from_numpy(np.append(np.concatenate(rows), first_of_padding)).to(device)
        groups = [samples.groups for samples in sets if samples.groups is not None]
        self._groups = torch.from_numpy(np.append(np.concatenate(groups), -1)).to(device) if groups else None

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""
        held = (self._values, self._rows, self.labels, self.weights, self._groups)
        return sum(tensor.nbytes for tensor in held if tensor is not None)

    @property
    def zero_sample(self) -> int:
        """Number of the sample that stands for padding."""
        return len(self._rows) - 1

    def best_constant(self, number: int) -> Tensor:
        """The forecast [K] of least loss among those that are the same for all stocks of set `number`.

        It is the weighted mean label.
        """
        samples = self.samples_of_set[number]
        held = slice(samples.start, samples.stop)
        return (self.weights[held] * self.labels[held]).sum(0) / self.weights[held].sum(0)

    def samples_of(self, sessions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the samples of some sessions, in order."""
        return np.concatenate([np.arange(self.starts[at], self.starts[at] + self.sizes[at]) for at in sessions])

    def of_sessions(self, sessions: NDArray[np.int64]) -> tuple[NDArray[np.int64], Sizes]:
        """Samples [S, M] of the sessions [S, B] of each member, padded, and the sessions' sizes; −1 is no session."""
        sizes = self.sizes[sessions]
        ends = sizes.cumsum(axis=1)
        length = -(-int(ends[:, -1].max()) // self.row_multiple) * self.row_multiple
        place = np.arange(length)
        # Where in the batch a session's samples begin, subtracted from where they begin among all samples
        shift = self.starts[sessions] - (ends - sizes)
        at = np.stack([np.searchsorted(of_member, place, side="right") for of_member in ends])
        at = np.minimum(at, sessions.shape[1] - 1)
        samples = place + np.take_along_axis(shift, at, axis=1)
        of_member = tuple(tuple(size for size in row if size) for row in sizes.tolist())
        return np.where(place < ends[:, -1:], samples, self.zero_sample), of_member

    def batch(self, samples: NDArray[np.int64], sizes: Sizes) -> tuple[SessionBatch, Tensor, Tensor]:
        """Batch, labels [S, M, K] and weights [S, M, K] of samples [S, M] with sessions of these sizes."""
        shape = samples.shape
        chosen = torch.from_numpy(samples.reshape(-1)).to(self.device)
        rows = self._rows.index_select(0, chosen)
        if self.steps == 1:
            features = self._values.index_select(0, rows).view(*shape, -1)
        else:
            width = self._values.shape[1]
            windows = self._values.as_strided(
                (len(self._values) - self.steps + 1, self.steps, width), (width, width, 1)
            )
            features = windows.index_select(0, rows - (self.steps - 1)).view(*shape, self.steps, width)
        groups = None if self._groups is None else self._groups.index_select(0, chosen).view(shape)
        labels, weights = (table.index_select(0, chosen).view(*shape, -1) for table in (self.labels, self.weights))
        return SessionBatch(features, sizes, groups), labels, weights


def _ranges(lengths: Sequence[int]) -> list[range]:
    ends = np.cumsum(lengths).tolist()
    return [range(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def _with_zero_row(arrays: Sequence[NDArray]) -> Tensor:
    return torch.from_numpy(np.concatenate([*arrays, np.zeros_like(arrays[0][:1])]))


def _shared_values(
    arrays: Sequence[NDArray[np.float32]], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, list[int]]:
    """The arrays one after another on the device, each once however often it is named, and where each begins."""
    keys = [str(getattr(array, "filename", id(array))) for array in arrays]  # a file may have been opened twice
    distinct = dict(zip(keys, arrays, strict=True))
    begins = dict(zip(distinct, np.cumsum([0, *map(len, distinct.values())]).tolist(), strict=False))
    joined = next(iter(distinct.values())) if len(distinct) == 1 else np.concatenate([*distinct.values()])
    return torch.from_numpy(joined).to(device, dtype), [begins[key] for key in keys]
