"""The week whose limits contradict each other: the portfolio of least violation.

A long suspension or a sector leaving the index can leave no portfolio within all limits. Then the limits are relaxed in
a fixed order, which is preemptive goal programming: the total excess over the limits of the most protected stage is
made as small as it can be; with that held, the next stage's, and so on to the stage that is relaxed first; with all of
them held, the forecast is maximised. So a stage is relaxed only when all those before it in the order are not enough.

A stage is a kind of limit, or one limit of a strategy's own. Its excess is the sum over its limits: over industries and
stocks in weight, over styles in standard deviations. Σ w = 1, w ≥ 0, the untradable stocks and those without a forecast
are never relaxed.
"""

from collections.abc import Mapping, Sequence

import highspy
import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.limits.base import Stage
from attn_platform.portfolio.problem import FloatArray
from attn_platform.portfolio.solver.feasible_set import STOCK, FeasibleSet
from attn_platform.portfolio.solver.linear_program import (
    FEASIBILITY_TOLERANCE,
    PRIMAL_SIMPLEX,
    Columns,
    Trades,
    is_feasible,
    iterations_of,
    new_solver,
    pass_program,
    trades_inside,
    values_and_prices,
)
from attn_platform.portfolio.solver.ties import break_ties, tie_breakers


def least_violation(
    feasible: FeasibleSet, score: FloatArray, order: Sequence[Stage]
) -> tuple[FloatArray, FloatArray, int]:
    """The best portfolio among those of least violation.

    Args:
        feasible: a set without any portfolio.
        score: [n] objective.
        order: the stages of relaxation, first to last.

    Returns:
        [n] weights, [m] prices of the rows, simplex iterations.

    Raises:
        PortfolioError: there is no portfolio even when all stages in `order` are relaxed.
    """
    inside = trades_inside(feasible)
    beyond = _trades_beyond_stock_limit(feasible, elastic=STOCK in order)
    program, total_column = _elastic_program(feasible, inside, beyond, order)
    iterations = 0
    for stage in reversed(order):
        program.changeColCost(total_column[stage], 1.0)
        iterations += _solve(program, order)
        least = values_and_prices(program)[0][total_column[stage]]
        program.changeColCost(total_column[stage], 0.0)
        program.changeColBounds(total_column[stage], 0.0, least if least > FEASIBILITY_TOLERANCE else 0.0)

    loss = np.concatenate([inside.loss(score), beyond.loss(score)])
    program.changeColsCost(len(loss), np.arange(len(loss), dtype=np.int32), loss)
    iterations += _solve(program, order)
    _, prices = values_and_prices(program)

    n, others = len(score), np.zeros(program.getNumCol() - len(loss))
    after = zip(tie_breakers(inside, n), tie_breakers(beyond, n), strict=True)
    iterations += break_ties(program, *(np.concatenate([*losses, others]) for losses in after))
    amounts, _ = values_and_prices(program)
    amounts_inside, amounts_beyond, _ = np.split(amounts, [len(inside.stock), len(loss)])
    change = inside.weight_change(amounts_inside, n) + beyond.weight_change(amounts_beyond, n)
    return feasible.held + change, prices[: len(feasible.rows)], iterations


def _elastic_program(
    feasible: FeasibleSet, inside: Trades, beyond: Trades, order: Sequence[Stage]
) -> tuple[highspy.Highs, dict[Stage, int]]:
    """The program in which each limit of the stages in `order` has an excess, and the column of each stage's total.

    Below the rows of the limits stands one row a stage: Σ excess − total = 0. The columns are the trades inside and
    beyond the stock limit, the excesses of the rows, and the totals.
    """
    total_row: dict[Stage, int] = {stage: len(feasible.rows) + j for j, stage in enumerate(order)}
    stages, rows = len(order), len(feasible.rows) + len(order)
    blocks = [
        inside.columns(feasible, stages),
        _counted(beyond.columns(feasible, stages), total_row.get(STOCK)),
        _excess_columns(feasible, total_row, rows),
        _total_columns(list(total_row.values()), rows),
    ]
    column_count = sum(len(block.lower) for block in blocks)
    row_lower, row_upper = feasible.row_room
    program = new_solver(PRIMAL_SIMPLEX)
    pass_program(
        program,
        blocks,
        cost=np.zeros(column_count),
        row_lower=np.append(row_lower, np.zeros(len(order))),
        row_upper=np.append(row_upper, np.zeros(len(order))),
    )
    return program, {stage: column_count - len(order) + j for j, stage in enumerate(order)}


def names_of(order: Sequence[Stage]) -> str:
    """The stages as messages name them."""
    return ", ".join(name or kind for kind, name in order) or "no limit"


def _solve(program: highspy.Highs, order: Sequence[Stage]) -> int:
    """Simplex iterations of a solve that must succeed."""
    if not is_feasible(program):
        raise PortfolioError(
            f"no portfolio exists although {names_of(order)} may be relaxed: add to relaxation_order, or look for days "
            "on which hardly a stock can be bought"
        )
    return iterations_of(program)


def _trades_beyond_stock_limit(feasible: FeasibleSet, elastic: bool) -> Trades:
    """The trades that take a weight out of its stock limit, one unit of excess for each unit; none unless elastic.

    A stock held outside of the limit first saves turnover, as a forced trade of `trades_inside` is undone, and then
    uses it.
    """
    held, floor, cap = feasible.held, feasible.floor, feasible.cap
    lower, upper = feasible.lower, feasible.upper
    lengths = {
        (1.0, -0.5): held - upper,
        (1.0, 0.5): cap - np.maximum(upper, held),
        (-1.0, -0.5): lower - held,
        (-1.0, 0.5): np.minimum(lower, held) - floor,
    }
    stock = [np.flatnonzero(length > 0) if elastic else np.array([], dtype=np.int64) for length in lengths.values()]
    counts = [len(stocks) for stocks in stock]
    amounts = [length[stocks] for length, stocks in zip(lengths.values(), stock, strict=True)]
    return Trades(
        stock=np.concatenate(stock),
        sign=np.repeat([sign for sign, _ in lengths], counts),
        turnover=np.repeat([turnover for _, turnover in lengths], counts),
        lower=np.zeros(sum(counts)),
        upper=np.concatenate(amounts),
    )


def _counted(columns: Columns, total_row: int | None) -> Columns:
    """The same columns, each unit of which counts in `total_row`; there are none where there is no such row."""
    entries = columns.entries.copy()
    if total_row is not None:
        entries[total_row] = 1.0
    return Columns(entries, columns.lower, columns.upper)


def _excess_columns(feasible: FeasibleSet, total_row: Mapping[Stage, int], rows: int) -> Columns:
    """Two columns for each row that may be relaxed: its excess above the upper and below the lower limit."""
    elastic = [i for i, row in enumerate(feasible.rows) if row.stage in total_row]
    totals = [total_row[feasible.rows[i].stage] for i in elastic]
    count = len(elastic)
    entries = np.zeros((rows, 2 * count))
    above, below = np.arange(count), np.arange(count, 2 * count)
    entries[elastic, above], entries[elastic, below] = -1.0, 1.0
    entries[totals, above] = entries[totals, below] = 1.0
    return Columns(entries, np.zeros(2 * count), np.full(2 * count, np.inf))


def _total_columns(total_rows: Sequence[int], rows: int) -> Columns:
    """One column a stage, its total excess."""
    count = len(total_rows)
    entries = np.zeros((rows, count))
    entries[list(total_rows), np.arange(count)] = -1.0
    return Columns(entries, np.zeros(count), np.full(count, np.inf))
