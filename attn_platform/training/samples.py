"""Samples of the cross-section networks: ragged cross-sections, and their tensors on the training device.

A sample is one session: the features and standardised labels of the stocks that are in the universe on that day
(AI-69, AI-55). Cross-sections differ in length, so their rows lie one after another, with offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from attn_platform.errors import ContractError, TrainingError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.losses import LossConfig, row_weights

# The variance of a single stock does not exist, and one stock has no order to learn
MINIMUM_STOCKS = 2

# Batches are padded to a multiple of this many rows: matrix kernels are compiled for each shape they meet (about a
# millisecond each on the CPU), and cross-sections of ever different lengths would have one compiled at every step.
ROW_MULTIPLE = 32


@dataclass(frozen=True)
class CrossSections:
    """T sessions with R rows in all; session t is rows offsets[t] to offsets[t+1], its symbols in sorted order.

    sessions [T] datetime64[D]; offsets [T+1]; symbols [R]; features [R, F] float32, no value missing; labels [R, K]
    float32, NaN = missing, K = 0 where none are known (prediction).
    """

    sessions: NDArray[np.datetime64]
    offsets: NDArray[np.int64]
    symbols: NDArray[np.str_]
    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...] = ()

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, feature_names: Sequence[str]) -> Self:
        """Cross-sections without labels from a tidy frame (date, symbol, one column a feature), in any row order.

        Raises ContractError if a column is missing, a key occurs twice, or a feature has a value that is not finite.
        """
        missing = [name for name in ("date", "symbol", *feature_names) if name not in frame.columns]
        if missing:
            raise ContractError(f"the factor panel has no column {', '.join(missing)}; compute these factors first")
        frame = frame.sort_values(["date", "symbol"], ignore_index=True)
        keys = frame[["date", "symbol"]]
        twice = keys.duplicated()
        if twice.any():
            date, symbol = keys[twice].iloc[0]
            raise ContractError(f"the factor panel has {symbol} on {date:%Y-%m-%d} twice; keep one row a key")
        features = np.ascontiguousarray(frame[list(feature_names)].to_numpy(dtype=np.float32))
        bad = np.argwhere(~np.isfinite(features))
        if len(bad):
            row, column = bad[0]
            raise ContractError(
                f"factor {feature_names[column]} of {frame['symbol'][row]} on {frame['date'][row]:%Y-%m-%d} is not "
                f"finite ({len(bad)} such values); pre-process the panel, which fills missing values with 0"
            )
        dates = frame["date"].to_numpy(dtype="datetime64[D]")
        sessions, first_rows = np.unique(dates, return_index=True)
        return cls(
            sessions=sessions,
            offsets=np.append(first_rows, len(frame)).astype(np.int64),
            symbols=frame["symbol"].to_numpy(dtype=np.str_),
            features=features,
            labels=np.empty((len(frame), 0), dtype=np.float32),
            feature_names=tuple(feature_names),
        )

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
        day, known_day = _positions(sessions, np.repeat(self.sessions, np.diff(self.offsets)))
        stock, known_stock = _positions(symbols, self.symbols)
        known = (known_day & known_stock)[:, np.newaxis]
        found = np.where(known, labels[day, stock], np.nan).astype(np.float32)
        return replace(self, labels=found, label_names=tuple(label_names))

    def between(self, first: np.datetime64, last: np.datetime64) -> Self:
        """The sessions from `first` to `last`, both included."""
        start = int(np.searchsorted(self.sessions, first))
        stop = int(np.searchsorted(self.sessions, last, side="right"))
        rows = slice(self.offsets[start], self.offsets[max(start, stop)])
        return replace(
            self,
            sessions=self.sessions[start:stop],
            offsets=self.offsets[start : max(start, stop) + 1] - self.offsets[start],
            symbols=self.symbols[rows],
            features=self.features[rows],
            labels=self.labels[rows],
        )

    def trainable(self) -> Self:
        """Without rows that miss any of their K labels, then without sessions of fewer than two stocks.

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
        rows = complete & kept_sessions[session]
        if rows.all():
            return self
        return replace(
            self,
            sessions=self.sessions[kept_sessions],
            offsets=np.append(0, np.cumsum(sizes[kept_sessions])),
            symbols=self.symbols[rows],
            features=self.features[rows],
            labels=self.labels[rows],
        )


def _positions(sorted_keys: NDArray, keys: NDArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Position of each key, and whether it is there at all (else the position is any valid one)."""
    positions = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return positions, sorted_keys[positions] == keys


class TrainingTensors:
    """Trainable cross-sections on a device, from which batches are gathered.

    features [R+1, F], labels and weights [R+1, K]: the last row is all zeros and stands for padding. `weights` are the
    loss's, so that a session's sum of weight × squared error is its loss.
    """

    def __init__(
        self, cross_sections: CrossSections, loss: LossConfig, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.offsets: list[int] = cross_sections.offsets.tolist()
        weights = row_weights(cross_sections.labels, cross_sections.offsets, loss)
        self.features, self.labels, self.weights = (
            _with_zero_row(array).to(device, dtype)
            for array in (cross_sections.features, cross_sections.labels, weights)
        )

    def best_constant(self) -> Tensor:
        """The forecast [K] of least loss among those that are the same for all stocks: the weighted mean label."""
        return (self.weights * self.labels).sum(0) / self.weights.sum(0)

    @property
    def session_count(self) -> int:
        """Number of sessions T."""
        return len(self.offsets) - 1

    def gather(self, sessions: Sequence[Sequence[int]]) -> tuple[SessionBatch, Tensor, Tensor]:
        """Batch, labels [S, M, K] and weights [S, M, K] of the sessions [S][B] of each seed."""
        offsets = self.offsets
        zero_row = offsets[-1]
        rows = pad_sequence(
            [torch.cat([torch.arange(offsets[t], offsets[t + 1]) for t in of_seed]) for of_seed in sessions],
            batch_first=True,
            padding_value=zero_row,
        )
        rows = functional.pad(rows, (0, -rows.shape[1] % ROW_MULTIPLE), value=zero_row).to(self.features.device)
        sizes = tuple(tuple(offsets[t + 1] - offsets[t] for t in of_seed) for of_seed in sessions)
        features, labels, weights = (
            table.index_select(0, rows.flatten()).view(*rows.shape, -1)
            for table in (self.features, self.labels, self.weights)
        )
        return SessionBatch(features, sizes), labels, weights


def _with_zero_row(array: NDArray) -> Tensor:
    return torch.from_numpy(np.concatenate([array, np.zeros_like(array[:1])]))
