"""The weekly problem of a user's own scores: from a file alone, or with what a home knows of a session."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.market.lake import from_columns
from attn_platform.portfolio.explanation.reasons import with_reasons
from attn_platform.portfolio.frames import binding_frame, relaxed_frame, weights_frame
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.rebalance import load_problem
from attn_platform.portfolio.solution import PortfolioSolution
from attn_platform.portfolio.solver.solve import solve
from attn_platform.portfolio.strategy import Strategy, account_table, load_account
from attn_platform.portfolio.week_file import SCORE, WeekFile, problem_of_file, read_week, with_columns
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home, LayeredHome
from attn_platform.studies.strategies import find_strategy
from attn_platform.studies.study import StudyConfig
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.prediction_backtest import study_of_predictions, write_style_tables

NAME = "scores"


@dataclass(frozen=True)
class OneWeek:
    """The answer to one week's problem; frames as `portfolio.frames` makes them."""

    strategy: str
    solution: PortfolioSolution
    weights: pd.DataFrame
    binding: pd.DataFrame
    relaxed: pd.DataFrame

    @property
    def is_first(self) -> bool:
        """Whether nothing was held before, so that turnover has no limit."""
        return self.solution.turnover is None


def optimise(home: Home, path: Path, strategy: str | None = None, session: np.datetime64 | None = None) -> OneWeek:
    """Solve the week of a file of scores under a strategy's limits.

    Args:
        home: whose study has the strategy and, with `session`, the market.
        path: Parquet or CSV, see `week_file`.
        strategy: of the home's study or of one of the package; the home's first one without a name.
        session: of the home's market, from which comes what is missing in the file; without it the file has everything.

    Raises:
        BadInputError: the file cannot be used; names file, row and column.
        ConfigurationError: there is no such strategy.
        MissingDataError: something of the session is missing in the home.
        PortfolioError: no portfolio exists even when the limits are relaxed.
    """
    study, config = find_strategy(home.study, strategy)
    week = read_week(path, config.styles, home.calendar)
    if session is None:
        problem, limits, extension = problem_of_file(week, config.styles), config.limits, study.extension(config)
    else:
        problem, resolved = _with_home(home, study, config.name, week, session)
        limits, extension = resolved.limits, resolved.extension
    solution = solve(problem, limits, extension)
    return OneWeek(
        strategy=config.name,
        solution=solution,
        weights=with_reasons(weights_frame(problem, solution)),
        binding=binding_frame(solution),
        relaxed=relaxed_frame(solution),
    )


def _with_home(
    home: Home, study: StudyConfig, strategy: str, week: WeekFile, session: np.datetime64
) -> tuple[WeeklyProblem, Strategy]:
    """The problem of a session with what the file has in place of the home's, and the strategy that it is for.

    What is held is what the home's strategy of that name holds on the session, where it has one.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = LayeredHome(Path(folder), home, study_of_predictions(study, strategy, NAME))
        config = own.study.strategies[0]
        resolved, score = resolve(own, config), week.columns[SCORE]
        scores = from_columns({"symbol": score.index.to_numpy(dtype=str), config.horizon: score.to_numpy(dtype=float)})
        own.lake.write(prediction_table(NAME), scores, session)
        write_style_tables(own, resolved, np.array([session]))
        has_account = session in home.lake.sessions(account_table(strategy))
        account = load_account(home.lake, replace(resolved, name=strategy), session) if has_account else None
        problem = load_problem(own.lake, own.calendar, resolved, session, account)
    return with_columns(problem, week, resolved.styles), resolved
