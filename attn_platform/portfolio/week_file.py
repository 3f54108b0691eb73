"""One week of a user's own from a file: forecasts and, where it has them, benchmark, holdings, industries and styles.

A row is a stock: symbol, score (or prediction, or what other tools call it: `column_names`), and of benchmark, held,
industry, tradable, style_<name> what the user has. Weights are fractions; those of the benchmark are settled as an
index's are (`market.quality.weights`). Styles are z-scores and are taken as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.errors import BadInputError, PortfolioError
from attn_platform.market.calendar import Calendar
from attn_platform.market.column_names import FORECAST_NAMES
from attn_platform.market.conform import conform
from attn_platform.market.quality.weights import scaled_to_one
from attn_platform.market.schema import BOOL, FLOAT, TEXT, Column, Table, symbol_column
from attn_platform.market.user_tables import read_user_table
from attn_platform.portfolio.limits.style import STYLE_PREFIX
from attn_platform.portfolio.problem import UNKNOWN_INDUSTRY, WeeklyProblem

SCORE = "score"
BENCHMARK, HELD, INDUSTRY, TRADABLE = "benchmark", "held", "industry", "tradable"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeekFile:
    """Columns of a file by name, indexed by symbol in ascending order; those that it does not have are absent."""

    source: str
    columns: pd.DataFrame

    def require(self, names: Iterable[str]) -> None:
        """`BadInputError` where one of the columns is missing."""
        missing = [name for name in names if name not in self.columns]
        if missing:
            raise BadInputError(
                f"{self.source}: has no column {', '.join(missing)}; add what is missing, or name a session of a home "
                "that has it (--date, --home)"
            )


def read_week(path: Path, styles: Sequence[str], calendar: Calendar) -> WeekFile:
    """Read and check a file that may have columns of these styles; others than those known are left out.

    `BadInputError` names file, row and column of the first fault.
    """
    table = _contract(styles)
    data = read_user_table(path, table, {SCORE: FORECAST_NAMES})
    checked = conform(data, table, str(path), calendar).select(data.column_names).to_pandas()
    columns = checked.set_index("symbol").sort_index()
    if BENCHMARK in columns:
        columns[BENCHMARK] = _settled_benchmark(columns[BENCHMARK], str(path))
    return WeekFile(str(path), columns)


def _settled_benchmark(weight: pd.Series, source: str) -> pd.Series:
    """Benchmark weights [n] as fractions of 1 where they are percent or off by rounding; says what was done."""
    total = float(weight.sum())
    scaled, in_percent, rounded = scaled_to_one(weight.to_numpy(dtype=float), np.zeros(len(weight)))
    if in_percent.any() or rounded.any():
        _log.warning("%s: column '%s' sums to %.6g; it was scaled to 1", source, BENCHMARK, total)
    return pd.Series(scaled, index=weight.index)


def _contract(styles: Sequence[str]) -> Table:
    """Columns of the file."""
    return Table(
        name="scores",
        title="One week",
        columns=(
            symbol_column(),
            Column(SCORE, FLOAT, "a forecast, or nothing", nullable=True),
            *(Column(name, FLOAT, "weight as a fraction", minimum=0.0, optional=True) for name in (BENCHMARK, HELD)),
            Column(INDUSTRY, TEXT, "name of an industry", nullable=True, optional=True),
            Column(TRADABLE, BOOL, "true or false", optional=True),
            *(Column(f"{STYLE_PREFIX}{style}", FLOAT, "z-score", nullable=True, optional=True) for style in styles),
        ),
        key=("symbol",),
        by_session=False,
    )


def problem_of_file(file: WeekFile, styles: Sequence[str]) -> WeeklyProblem:
    """The problem of a file alone. Without `held` it is a first portfolio, without `tradable` every stock can trade.

    `BadInputError` where benchmark, industry or a style is missing, or what the file holds makes no problem.
    """
    file.require([BENCHMARK, INDUSTRY, *(f"{STYLE_PREFIX}{style}" for style in styles)])
    symbols = file.columns.index.to_numpy(dtype=str)
    count = len(symbols)
    blank = WeeklyProblem(
        symbols=symbols,
        score=np.zeros(count),
        benchmark=np.full(count, 1.0 / count),
        previous=None,
        industry=np.full(count, UNKNOWN_INDUSTRY),
        styles={},
        tradable=np.ones(count, dtype=bool),
        industries=(),
    )
    return with_columns(blank, file, styles)


def with_columns(problem: WeeklyProblem, file: WeekFile, styles: Collection[str]) -> WeeklyProblem:
    """The problem with what the file has in place of what was known; stocks that are not in it keep their industry.

    They are in no benchmark of the file and not held, and their styles are missing.
    """
    columns = file.columns.reindex(pd.Index(problem.symbols))
    names = [None if code == UNKNOWN_INDUSTRY else problem.industry_name(code) for code in problem.industry]
    if INDUSTRY in columns:
        own = columns[INDUSTRY].astype(object)
        names = [name if pd.isna(given) else str(given) for name, given in zip(names, own, strict=True)]
    known = tuple(sorted({name for name in names if name is not None}))
    code = {name: number for number, name in enumerate(known)}
    given = {style: f"{STYLE_PREFIX}{style}" for style in styles if f"{STYLE_PREFIX}{style}" in columns}
    previous = columns[HELD].fillna(0.0).to_numpy() if HELD in columns else problem.previous
    tradable = problem.tradable
    if TRADABLE in columns:
        can_trade = columns[TRADABLE].map({True: 1.0, False: 0.0}).to_numpy(dtype=float)
        tradable = np.where(np.isnan(can_trade), tradable, can_trade == 1)
    try:
        return replace(
            problem,
            score=columns[SCORE].to_numpy(dtype=float),
            benchmark=columns[BENCHMARK].fillna(0.0).to_numpy() if BENCHMARK in columns else problem.benchmark,
            previous=previous if previous is None or previous.any() else None,
            industry=np.array([UNKNOWN_INDUSTRY if name is None else code[name] for name in names], dtype=np.int64),
            styles={**problem.styles, **{style: columns[column].to_numpy() for style, column in given.items()}},
            tradable=tradable,
            industries=known,
        )
    except PortfolioError as error:
        raise BadInputError(f"{file.source}: {error}") from None
