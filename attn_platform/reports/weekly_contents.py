"""What the weekly report shows: factors as portfolios that trade, and the enhanced portfolios (Haitong weekly)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from attn_platform.errors import ContractError
from attn_platform.evaluation.to_date import SPANS, Span, to_date, won
from attn_platform.market.calendar import CalendarPeriod
from attn_platform.reports import formatting
from attn_platform.reports.contents import DataSource

LONG_SHORT, LONG, SHORT = "long_short", "long_excess", "short_excess"
SIDES = (LONG, SHORT, LONG_SHORT)
EXCESS = "excess"


@dataclass(frozen=True)
class Series:
    """Daily differences of returns up to the week's last session, and their figures."""

    daily: pd.Series
    """By ascending session; the first one has a value."""

    @property
    def to_date(self) -> dict[Span, float]:
        """Of the week, the month and the year, each up to the week's last session."""
        return to_date(self._values, self._sessions)

    def won(self, period: CalendarPeriod) -> str:
        """Weeks or months of the year that were won, of how many: "6/8"."""
        found, of = won(self._values, self._sessions, period)
        return f"{found}/{of}"

    @property
    def _values(self) -> np.ndarray:
        return self.daily.to_numpy(dtype=np.float64)

    @property
    def _sessions(self) -> np.ndarray:
        return pd.DatetimeIndex(self.daily.index).to_numpy().astype("datetime64[D]")


@dataclass(frozen=True)
class WeeklyFactor:
    """A row: its daily returns by side (`SIDES`), or the reason why it has none.

    `source` says what it is made of, `rhythm` when it is rebalanced, `late` that it begins later than asked for.
    """

    name: str
    title: str
    source: str
    rhythm: str
    sides: Mapping[str, Series] = field(default_factory=dict)
    absent: str = ""
    late: str = ""

    def __post_init__(self) -> None:
        if not self.absent and set(self.sides) != set(SIDES):
            raise ContractError(f"weekly report, row {self.name}: needs {', '.join(SIDES)}, or a reason for none")


@dataclass(frozen=True)
class WeeklyPortfolio:
    """An enhanced portfolio: its daily excess returns, or the reason why it has none; `late` as of factors."""

    name: str
    benchmark: str
    excess: Series | None
    absent: str = ""
    late: str = ""

    @property
    def title(self) -> str:
        """The name in words."""
        return formatting.label(self.name)


@dataclass(frozen=True)
class PublishedWeek:
    """The study's own figures of this week: by row and by portfolio, under the columns of its tables."""

    source: str
    data: str
    factors: pd.DataFrame
    """[row] long_short_week … long_excess_months_won"""
    portfolios: pd.DataFrame
    """[portfolio] excess_week … weeks_won"""


@dataclass(frozen=True)
class WeeklyReportData:
    """Everything that the report of one week shows."""

    title: str
    data_source: DataSource
    sessions: np.ndarray
    """Of the week that the data has."""
    factors: Sequence[WeeklyFactor]
    portfolios: Sequence[WeeklyPortfolio]
    method: Sequence[str]
    notes: Sequence[str] = ()
    published: PublishedWeek | None = None

    @property
    def last(self) -> str:
        """The week's last session."""
        return str(self.sessions[-1])


def factor_frame(data: WeeklyReportData) -> pd.DataFrame:
    """Table 1 in full precision: a row a factor, with what was published of the same week, and why a row is empty."""
    rows = []
    for each in data.factors:
        row: dict[str, object] = {"factor": each.name}
        for side in (LONG_SHORT, LONG):
            row |= _figures(side, each.sides.get(side), "month")
        row |= _figures(SHORT, each.sides.get(SHORT), "month")
        rows.append({**row, "rebalanced": each.rhythm, "absent": each.absent})
    published = None if data.published is None else data.published.factors
    return _beside(pd.DataFrame(rows), "factor", published, data)


def portfolio_frame(data: WeeklyReportData) -> pd.DataFrame:
    """Table 2 in full precision: a row an enhanced portfolio."""
    rows = [
        {"portfolio": each.name, **_figures(EXCESS, each.excess, "week"), "absent": each.absent}
        for each in data.portfolios
    ]
    published = None if data.published is None else data.published.portfolios
    return _beside(pd.DataFrame(rows), "portfolio", published, data)


def _figures(side: str, series: Series | None, period: CalendarPeriod) -> dict[str, object]:
    """Under the columns of the published tables; a side without returns has none."""
    spans = dict.fromkeys(SPANS, np.nan) if series is None else series.to_date
    names = {"week": "week", "month": "month", "year": "ytd"}
    return {
        **{f"{side}_{names[span]}": value for span, value in spans.items()},
        f"{side}_{period}s_won": "" if series is None else series.won(period),
    }


def _beside(own: pd.DataFrame, key: str, published: pd.DataFrame | None, data: WeeklyReportData) -> pd.DataFrame:
    if len(own) and published is not None:
        theirs = published.reindex(own[key]).add_prefix("published_").reset_index(drop=True)
        assert data.published is not None
        own = pd.concat([own, theirs], axis=1).assign(published_source=data.published.source)
    return own.assign(data_source=data.data_source.description)
