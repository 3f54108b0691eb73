"""Whether the stored weeks of a strategy keep its limits: every limit recomputed from the rows of the portfolios.

A limit or a constraint of the user's is a function of the week's problem, which holds more than the stored rows: it is
called again on the problem as the lake states it, a constraint with the weights that were written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from attn_platform.portfolio.extension import OWN_PREFIX, Extension, OwnLimit
from attn_platform.portfolio.limits.base import OWN, Limit, Relaxed
from attn_platform.portfolio.limits.configuration import LIMITS
from attn_platform.portfolio.problem import TOLERANCE, WeeklyProblem

ProblemOf = Callable[[np.datetime64], WeeklyProblem]
"""States the problem of a stored week again."""
Problems = Mapping[object, WeeklyProblem]
"""The problem of each stored week, by its date."""


def limit_failures(
    portfolio: pd.DataFrame,
    limits: pd.DataFrame,
    relaxed: Relaxed,
    extension: Extension | None,
    problem_of: ProblemOf,
) -> Iterator[str]:
    """A text for each limit that is broken and not on record as relaxed, misreported, or of a kind that nobody checks.

    `portfolio` and `limits` are rows of the tables of a strategy, `relaxed` the date, kind and name of what its
    accounts have on record, and `extension` what it adds to the weekly problem: limits and constraints of the user's.
    """
    for limit in LIMITS:
        yield from limit.failures(portfolio, limits[limits["kind"] == limit.kind], relaxed)
    own = Extension() if extension is None else extension
    problems: Problems = {}
    if own.limits or own.constraints:
        problems = {date: problem_of(np.datetime64(str(date), "D")) for date in portfolio["date"].unique()}
    yield from _own_failures(portfolio, limits[limits["kind"] == OWN], relaxed, own, problems)
    yield from _constraint_failures(portfolio, own, problems)
    kinds: list[type[Limit]] = [*LIMITS, OwnLimit]
    for row in limits[~limits["kind"].isin([limit.kind for limit in kinds])].itertuples():
        yield f"{row.date}: {row.kind} {row.name} is of a kind that no check knows; make the week again"


def _own_failures(
    portfolio: pd.DataFrame, limits: pd.DataFrame, relaxed: Relaxed, own: Extension, problems: Problems
) -> Iterator[str]:
    names = [limit.name for limit in own.limits]
    is_own = limits["name"].isin(names)
    for row in limits[~is_own].itertuples():
        yield f"{row.date}: {OWN} {row.name} is none of the strategy's; make the week again"
    if not names:
        return
    recorded = set(zip(limits["date"], limits["name"], strict=True))
    for date in problems:
        for name in names:
            if (date, name) not in recorded:
                yield f"{date}: {OWN} {name} is not on record; make the week again"
    yield from OwnLimit.failures(_with_coefficients(portfolio, own, problems), limits[is_own], relaxed)


def _with_coefficients(portfolio: pd.DataFrame, own: Extension, problems: Problems) -> pd.DataFrame:
    """The rows with a column for the coefficients of each of the user's limits."""
    weeks = []
    for date, week in portfolio.groupby("date"):
        problem = problems[date]
        by_symbol = {
            f"{OWN_PREFIX}{limit.name}": pd.Series(limit.rows(problem).coefficients[0], index=problem.symbols)
            for limit in own.limits
        }
        weeks.append(week.assign(**{column: week["symbol"].map(values) for column, values in by_symbol.items()}))
    return pd.concat(weeks)


def _constraint_failures(portfolio: pd.DataFrame, own: Extension, problems: Problems) -> Iterator[str]:
    """Constraints are never relaxed, and nothing of them is on record: only whether they hold can be asked."""
    if not own.constraints:
        return
    for date, week in portfolio.groupby("date"):
        problem = problems[date]
        weights = week.set_index("symbol")["weight"].reindex(problem.symbols, fill_value=0.0).to_numpy(dtype=float)
        for name, violation in own.violations(weights, problem).items():
            if not violation <= TOLERANCE:
                yield f"{date}: constraint {name} is broken by {violation:.8f}"
