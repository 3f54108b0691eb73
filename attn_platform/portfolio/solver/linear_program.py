"""The weekly problem as a linear program in buys and sells, for HiGHS.

    w = w_prev + buy − sell,    0 ≤ buy,  0 ≤ sell

turns one-way turnover into the single row Σ (buy + sell) / 2, and the stock limit, the untradable stocks and those
without a forecast into bounds of columns. What remain are about thirty rows, and a column for each trade that the
bounds leave any room. All columns are boxed, so that the dual simplex method starts without a first phase, and it
starts from w_prev, a few dozen pivots from the optimum. Last week's basis would save none of them, and would let a week
depend on more than its own inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from highspy import HighsModelStatus, HighsStatus

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.problem import FloatArray, IntArray
from attn_platform.portfolio.solver.feasible_set import FeasibleSet

# A thousandth of the accuracy that is promised for every limit.
FEASIBILITY_TOLERANCE = 1e-9
REFUSED = "HiGHS refuses the weekly program: a bound or coefficient is out of range"
DUAL_SIMPLEX = 1  # where all columns are boxed: then any basis can be made dual feasible
PRIMAL_SIMPLEX = 4  # where there is a feasible start
OPTIMALITY_TOLERANCE = 1e-10  # of a score in standard deviations; the least that HiGHS takes


@dataclass(frozen=True, eq=False)
class Columns:
    """A block of c columns: their entries in the r rows of the program [r, c], and their bounds [c]."""

    entries: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Trades:
    """c columns that trade one stock each.

    Attributes:
        stock: [c] the stock traded.
        sign: [c] +1 up, −1 down.
        turnover: [c] change of one-way turnover for one unit traded.
        lower, upper: [c] bounds of the amount traded.
    """

    stock: IntArray
    sign: FloatArray
    turnover: FloatArray
    lower: FloatArray
    upper: FloatArray

    def columns(self, feasible: FeasibleSet, more_rows: int = 0) -> Columns:
        """Entries in the rows of `feasible`, and zeros in `more_rows` below them."""
        m = len(feasible.rows)
        entries = np.zeros((m + more_rows, len(self.stock)))
        np.multiply(feasible.coefficients.take(self.stock, axis=1), self.sign, out=entries[: m - 1])
        entries[m - 1] = self.turnover
        return Columns(entries, self.lower, self.upper)

    def only(self, chosen: IntArray) -> "Trades":
        """The trades at the places `chosen`, in their order."""
        return Trades(
            stock=self.stock[chosen],
            sign=self.sign[chosen],
            turnover=self.turnover[chosen],
            lower=self.lower[chosen],
            upper=self.upper[chosen],
        )

    def loss(self, score: FloatArray) -> FloatArray:
        """[c] cost of one unit traded when score · w is maximised."""
        return -self.sign * score[self.stock]

    def weight_change(self, amounts: FloatArray, n: int) -> FloatArray:
        """[n] change of the weights when `amounts` [c] are traded."""
        return np.bincount(self.stock, self.sign * amounts, minlength=n).astype(np.float64)


def trades_inside(feasible: FeasibleSet) -> Trades:
    """Buys and sells that the bounds of the weights leave room for; from outside of them a trade back is forced."""
    n = len(feasible.held)
    to_lower = feasible.lower - feasible.held
    to_upper = feasible.upper - feasible.held
    most = np.concatenate([to_upper, -to_lower])
    possible = np.flatnonzero(most > 0)
    if not len(possible):
        possible = np.array([0])  # HiGHS takes no program without columns
    return Trades(
        stock=possible % n,
        sign=np.where(possible < n, 1.0, -1.0),
        turnover=np.full(len(possible), 0.5),
        lower=np.maximum(np.concatenate([to_lower, -to_upper])[possible], 0),
        upper=np.maximum(most[possible], 0),
    )


def new_solver(simplex_strategy: int) -> highspy.Highs:
    """A quiet HiGHS instance; `simplex_strategy` 1 is the serial dual, 4 the primal simplex method.

    Serial by `parallel`, not by `threads`, which HiGHS refuses once another library in the process has started its
    thread pool with another number. Presolve and scaling cost more than they save on thirty rows of ones and z-scores.
    """
    solver = highspy.Highs()
    options: dict[str, Any] = {
        "output_flag": False,
        "solver": "simplex",
        "simplex_strategy": simplex_strategy,
        "parallel": "off",
        "presolve": "off",
        "simplex_scale_strategy": 0,
        "primal_feasibility_tolerance": FEASIBILITY_TOLERANCE,
        "dual_feasibility_tolerance": OPTIMALITY_TOLERANCE,
    }
    for name, value in options.items():
        if solver.setOptionValue(name, value) != HighsStatus.kOk:
            raise PortfolioError(f"HiGHS {solver.version()} refuses option {name}={value}; install another version")
    return solver


def pass_program(
    solver: highspy.Highs, blocks: Sequence[Columns], cost: FloatArray, row_lower: FloatArray, row_upper: FloatArray
) -> None:
    """Load `minimise cost · x` under row and column bounds into `solver`; the columns are the blocks side by side."""
    entries = np.concatenate([block.entries for block in blocks], axis=1) if len(blocks) > 1 else blocks[0].entries
    row, column = np.nonzero(entries)
    start = np.searchsorted(row, np.arange(len(row_lower) + 1)).astype(np.int32)
    status = solver.passModel(
        len(cost),
        len(row_lower),
        len(row),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        cost,
        np.concatenate([block.lower for block in blocks]),
        np.concatenate([block.upper for block in blocks]),
        row_lower,
        row_upper,
        start,
        column.astype(np.int32),
        entries[row, column],
        np.zeros(len(cost), dtype=np.int32),  # no column is a whole number
    )
    if status == HighsStatus.kError:
        raise PortfolioError(REFUSED)


def add_columns(program: highspy.Highs, columns: Columns, cost: FloatArray) -> None:
    """Put more columns behind those that `program` has; its next solve starts from where the last one ended."""
    column, row = np.nonzero(columns.entries.T)
    start = np.searchsorted(column, np.arange(len(cost))).astype(np.int32)
    status = program.addCols(
        len(cost),
        cost,
        columns.lower,
        columns.upper,
        len(row),
        start,
        row.astype(np.int32),
        columns.entries[row, column],
    )
    if status == HighsStatus.kError:
        raise PortfolioError(REFUSED)


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


def values_and_prices(program: highspy.Highs) -> tuple[FloatArray, FloatArray]:
    """[c] values of the columns, and [r] prices of the rows: the fall of the minimum if a row's limit rises by one.

    A price is the row's dual value with the other sign.
    """
    solution = program.getSolution()
    return np.array(solution.col_value), -np.array(solution.row_dual)


def iterations_of(program: highspy.Highs) -> int:
    """Simplex iterations of the last solve."""
    return int(program.getInfo().simplex_iteration_count)
