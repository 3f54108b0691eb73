"""What the overview is made from: a row for each strategy and each mix of a home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from attn_platform.published import PublishedRow
from attn_platform.reports.contents import DataSource

DEFLATED = "deflated_sharpe"
RANK_ICS = ("rank_ic_mean", "weighted_rank_ic_mean")


@dataclass(frozen=True)
class Link:
    """Another page, from the overview's."""

    title: str
    page: str


@dataclass(frozen=True)
class Row:
    """A strategy or a mix: figures by name, those of its forecast among them, and what was published of it.

    daily     [session] excess_return, excess_net_value
    published rows of performance and of factor figures
    """

    name: str
    kind: str
    model: str
    horizon: str
    page: str
    daily: pd.DataFrame
    figures: Mapping[str, float]
    published: Sequence[PublishedRow] = ()

    @property
    def printed(self) -> dict[str, float]:
        """Published figures by name."""
        return {name: value for row in self.published for name, value in row.figures.items()}

    @property
    def test_range(self) -> str:
        """First and last session."""
        return f"{self.daily.index[0]:%Y-%m-%d} to {self.daily.index[-1]:%Y-%m-%d}"


@dataclass(frozen=True)
class OverviewData:
    """All rows of a home, the pages that belong to it, and what is not there, by name with the reason.

    `trials` counts all backtests on its market, those of `attn backtest` included.
    """

    study_title: str
    data_source: DataSource
    universe: str
    rows: Sequence[Row]
    trials: int
    pages: Sequence[Link] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
