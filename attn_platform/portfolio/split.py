"""The weekly problem as a linear program in buys and sells, for HiGHS.

    w = w_prev + buy − sell,    0 ≤ buy,  0 ≤ sell

turns one-way turnover into the single row Σ (buy + sell) / 2, and the stock limit, the untradable stocks and those
without a forecast into bounds of columns. What remains are about thirty rows. All columns are boxed, so that the dual
simplex method starts without a first phase, and it starts from w_prev, a few dozen pivots from the optimum. Last week's
basis would save none of them, and would let a week depend on more than its own inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from highspy import HighsModelStatus, HighsStatus

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.constraints import Constraints
from attn_platform.portfolio.problem import FloatArray, IntArray

# A thousandth of the accuracy that is promised for every limit.
FEASIBILITY_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Columns:
    """A block of c columns with e matrix entries each: `index` (row) and `value` [c, e], bounds [c]."""

    index: IntArray
    value: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Moves:
    """c columns that move one stock's weight each.

    Attributes:
        stock: [c] the stock moved.
        sign: [c] +1 up, −1 down.
        turnover: [c] change of one-way turnover for one unit moved.
        lower, upper: [c] bounds of the amount moved.
    """

    stock: IntArray
    sign: FloatArray
    turnover: FloatArray
    lower: FloatArray
    upper: FloatArray

    def columns(self, constraints: Constraints) -> Columns:
        """Entries in the rows budget, industry, styles, turnover."""
        c, s, last = len(self.stock), len(constraints.styles), len(constraints.rows) - 1
        index = np.zeros((c, 3 + s), dtype=np.int64)
        index[:, 1] = 1 + constraints.group[self.stock]
        index[:, 2:] = np.arange(last - s, last + 1)
        value = np.empty((c, 3 + s))
        value[:, :2] = self.sign[:, None]
        value[:, 2:-1] = (self.sign * constraints.styles[:, self.stock]).T
        value[:, -1] = self.turnover
        return Columns(index, value, self.lower, self.upper)

    def loss(self, score: FloatArray) -> FloatArray:
        """[c] cost of one unit moved when score · w is maximised."""
        return -self.sign * score[self.stock]

    def weight_change(self, amounts: FloatArray, n: int) -> FloatArray:
        """[n] change of the weights when `amounts` [c] are moved."""
        return np.bincount(self.stock, self.sign * amounts, minlength=n).astype(np.float64)


def trades(constraints: Constraints) -> Moves:
    """The 2n moves buy and sell inside the stock limit; from outside of it a move back into it is forced."""
    n = len(constraints.held)
    to_lower = constraints.lower - constraints.held
    to_upper = constraints.upper - constraints.held
    return Moves(
        stock=np.tile(np.arange(n), 2),
        sign=np.repeat([1.0, -1.0], n),
        turnover=np.full(2 * n, 0.5),
        lower=np.maximum(np.concatenate([to_lower, -to_upper]), 0),
        upper=np.maximum(np.concatenate([to_upper, -to_lower]), 0),
    )


def new_solver(simplex_strategy: int) -> highspy.Highs:
    """A quiet HiGHS instance; `simplex_strategy` 1 is the serial dual, 4 the primal simplex method.

    Serial by `parallel`, not by `threads`, which HiGHS refuses once another library in the process has started its
    thread pool with another number. Presolve costs more than it saves on thirty rows.
    """
    solver = highspy.Highs()
    options: dict[str, Any] = {
        "output_flag": False,
        "solver": "simplex",
        "simplex_strategy": simplex_strategy,
        "parallel": "off",
        "presolve": "off",
        "primal_feasibility_tolerance": FEASIBILITY_TOLERANCE,
        "dual_feasibility_tolerance": FEASIBILITY_TOLERANCE,
    }
    for name, value in options.items():
        if solver.setOptionValue(name, value) != HighsStatus.kOk:
            raise PortfolioError(f"HiGHS {solver.version()} refuses option {name}={value}; install another version")
    return solver


def pass_program(
    solver: highspy.Highs, blocks: Sequence[Columns], cost: FloatArray, row_lower: FloatArray, row_upper: FloatArray
) -> None:
    """Load `minimise cost · x` under row and column bounds into `solver`; the columns are the blocks side by side."""
    entries = np.concatenate([np.full(len(block.lower), block.index.shape[1]) for block in blocks])
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(cost), len(row_lower)
    program.col_cost_ = cost
    program.col_lower_ = np.concatenate([block.lower for block in blocks])
    program.col_upper_ = np.concatenate([block.upper for block in blocks])
    program.row_lower_, program.row_upper_ = row_lower, row_upper
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = np.concatenate([[0], np.cumsum(entries)]).astype(np.int32)
    program.a_matrix_.index_ = np.concatenate([block.index.ravel() for block in blocks]).astype(np.int32)
    program.a_matrix_.value_ = np.concatenate([block.value.ravel() for block in blocks])
    if solver.passModel(program) == HighsStatus.kError:
        raise PortfolioError("HiGHS refuses the weekly program: a bound or coefficient is out of range")


def is_feasible(program: highspy.Highs) -> bool:
    """Solve what is loaded; False with the proof that there is no solution.

    Raises:
        PortfolioError: HiGHS ended with neither an optimum nor that proof.
    """
    failed = program.run() == HighsStatus.kError
    status = program.getModelStatus()
    if failed or status not in (HighsModelStatus.kOptimal, HighsModelStatus.kInfeasible):
        raise PortfolioError(
            f"HiGHS ended the weekly program with status {program.modelStatusToString(status)}; no portfolio was made"
        )
    return bool(status == HighsModelStatus.kOptimal)


def solution_of(program: highspy.Highs) -> FloatArray:
    """[c] values of the columns."""
    return np.array(program.getSolution().col_value)


def iterations_of(program: highspy.Highs) -> int:
    """Simplex iterations of the last solve."""
    return int(program.getInfo().simplex_iteration_count)
