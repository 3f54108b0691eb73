"""Which of several portfolios of the same forecast: the one that trades least, and then the earlier symbols.

Equal forecasts are common with trees. Without an order among them several portfolios are optimal; which of them comes
out would be up to the solver's version, and it would trade for nothing. The order is lexicographic, as that of goal
programming: first the forecast, then the turnover, then the place in the order of symbols. Each stage is solved on the
optimal face of the one before it: what is left of the program when all columns with a reduced cost, and all rows with a
price, stay where they are (complementary slackness). So no stage weighs against the one before it, however small a
difference between forecasts is, and no small numbers are added to the objective.
"""

import highspy
import numpy as np
from highspy import HighsBasisStatus

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.problem import FloatArray
from attn_platform.portfolio.solver.linear_program import PRIMAL_SIMPLEX, Trades, is_feasible, iterations_of

# Reduced costs and prices below this are 0: ten times what the solver takes for 0, in standard deviations of the
# forecast.
TIE = 1e-9
# Places are not evenly spaced: else the swap of two stocks for two others may be worth exactly 0. Squares of the places
# take care of those that are as far apart from each other.
GOLDEN_RATIO = (5**0.5 - 1) / 2


def preferences(count: int) -> FloatArray:
    """[n] a score between −1 and 0 that falls from each stock to the next one, in uneven steps."""
    place = np.arange(count, dtype=np.float64)
    return -(place + (place**2 * GOLDEN_RATIO) % 1 / 2) / count


def tie_breakers(trades: Trades, count: int) -> tuple[FloatArray, FloatArray]:
    """[c] turnover of each move, and what it loses of the preferences of `count` stocks: the stages after the first."""
    return trades.turnover, trades.loss(preferences(count))


def break_ties(program: highspy.Highs, *losses: FloatArray) -> int:
    """Minimise each of `losses` [c] in turn among the optima of the solved `program`; returns simplex iterations.

    Raises:
        PortfolioError: HiGHS lost the optimum that it had.
    """
    program.setOptionValue("simplex_strategy", PRIMAL_SIMPLEX)  # the optimum before is a feasible start
    columns, iterations = np.arange(program.getNumCol(), dtype=np.int32), 0
    for loss in losses:
        if not _is_face(program):
            break
        _hold_face(program)
        program.changeColsCost(len(columns), columns, loss)
        if not is_feasible(program):
            raise PortfolioError("HiGHS finds no portfolio among the optimal ones; none was made")
        iterations += iterations_of(program)
    return iterations


def _is_face(program: highspy.Highs) -> bool:
    """Whether the program may have other optima than the one found: something outside the basis moves at no cost."""
    model, solution, basis = program.getLp(), program.getSolution(), program.getBasis()
    for status, dual, lower, upper in (
        (basis.col_status, solution.col_dual, model.col_lower_, model.col_upper_),
        (basis.row_status, solution.row_dual, model.row_lower_, model.row_upper_),
    ):
        is_free = (np.abs(dual) <= TIE) & (np.array(lower) < np.array(upper))
        if any(status[place] != HighsBasisStatus.kBasic for place in np.flatnonzero(is_free)):
            return True
    return False


def _hold_face(program: highspy.Highs) -> None:
    """Hold the columns that have a reduced cost, and the rows that have a price, where they are."""
    solution, model = program.getSolution(), program.getLp()
    held = np.flatnonzero(np.abs(solution.col_dual) > TIE).astype(np.int32)
    at = np.array(solution.col_value)[held]
    program.changeColsBounds(len(held), held, at, at)
    for row in np.flatnonzero(np.abs(solution.row_dual) > TIE).tolist():
        lower, upper, now = model.row_lower_[row], model.row_upper_[row], solution.row_value[row]
        limit = lower if abs(lower - now) < abs(upper - now) else upper
        program.changeRowBounds(row, limit, limit)
