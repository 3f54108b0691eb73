"""Batches of one seed from slices of a pandas frame, by torch's DataLoader: a session, or a stock's last sessions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from training_peers.generated_samples import FEATURES, GROUP, weights_of


@dataclass(frozen=True)
class PlainBatch:
    """Features [..., F], labels and loss weights [..., K]; groups [N] of a session; `padding` [B, N] of several."""

    features: Tensor
    labels: Tensor
    weights: Tensor
    groups: Tensor
    padding: Tensor | None = None

    def to(self, device: torch.device) -> "PlainBatch":
        """The same batch on the device."""
        tensors = (self.features, self.labels, self.weights, self.groups)
        padding = None if self.padding is None else self.padding.to(device)
        return PlainBatch(*(tensor.to(device) for tensor in tensors), padding)


class SessionsOfFrame(Dataset[PlainBatch]):
    """A sample is a session: all rows of its day."""

    def __init__(self, frame: pd.DataFrame, tasks: Sequence[str]) -> None:
        self.sessions = frame.index.get_level_values("date").unique()
        self.features = frame[list(FEATURES)]
        self.labels = frame[list(tasks)]
        self.weights = frame[weights_of(tasks)]
        self.groups = frame[GROUP]

    def __len__(self) -> int:
        return len(self.sessions)

    def __getitem__(self, at: int) -> PlainBatch:
        day = self.sessions[at]
        tables = (self.features, self.labels, self.weights, self.groups)
        return PlainBatch(*(torch.tensor(table.loc[day].to_numpy()) for table in tables))


class WindowsOfFrame(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """A sample is a stock on a session: its rows of that session and the ones before."""

    def __init__(self, frame: pd.DataFrame, tasks: Sequence[str], steps: int) -> None:
        by_stock = frame.sort_index(level=["symbol", "date"])
        self.steps = steps
        self.features = by_stock[list(FEATURES)]
        self.labels = by_stock[list(tasks)]
        self.weights = by_stock[weights_of(tasks)]
        self.ends = np.flatnonzero(by_stock.groupby(level="symbol").cumcount().to_numpy() >= steps - 1)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, at: int) -> tuple[Tensor, Tensor, Tensor]:
        end = self.ends[at]
        window = self.features.iloc[end - self.steps + 1 : end + 1]
        tables = (window, self.labels.iloc[end], self.weights.iloc[end])
        features, labels, weights = (torch.tensor(table.to_numpy()) for table in tables)
        return features, labels, weights


def session_loader(frame: pd.DataFrame, tasks: Sequence[str], batch_size: int, order: torch.Generator) -> DataLoader:
    """Batches of one session as it is, or of several padded to the longest."""
    collate = only_session if batch_size == 1 else padded_sessions
    return DataLoader(SessionsOfFrame(frame, tasks), batch_size, shuffle=True, generator=order, collate_fn=collate)


def window_loader(
    frame: pd.DataFrame, tasks: Sequence[str], batch_size: int, steps: int, order: torch.Generator
) -> DataLoader:
    """Batches of samples drawn from all stocks and sessions."""
    dataset = WindowsOfFrame(frame, tasks, steps)
    return DataLoader(dataset, batch_size, shuffle=True, drop_last=True, generator=order, collate_fn=stacked_windows)


def only_session(samples: list[PlainBatch]) -> PlainBatch:
    """A batch of one session is the session."""
    return samples[0]


def padded_sessions(samples: list[PlainBatch]) -> PlainBatch:
    """Sessions padded to the longest."""
    features, labels, weights, groups = (
        pad_sequence([getattr(sample, name) for sample in samples], batch_first=True)
        for name in ("features", "labels", "weights", "groups")
    )
    sizes = torch.tensor([len(sample.labels) for sample in samples])
    padding = torch.arange(labels.shape[1]) >= sizes[:, None]
    return PlainBatch(features, labels, weights, groups, padding)


def stacked_windows(samples: list[tuple[Tensor, Tensor, Tensor]]) -> PlainBatch:
    """Windows of one length."""
    features, labels, weights = (torch.stack(tensors) for tensors in zip(*samples, strict=True))
    return PlainBatch(features, labels, weights, torch.empty(0))
