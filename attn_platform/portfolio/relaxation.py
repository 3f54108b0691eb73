"""The week whose limits contradict each other: the portfolio of least violation.

A long suspension or a sector leaving the index can leave no portfolio within all limits. Then the limits give way in a
fixed order, which is preemptive goal programming: the total excess over the limits of the most protected kind is made
as small as it can be; with that held, the next kind's, and so on to the kind that gives way first; with all of them
held, the forecast is maximised. So a kind gives way only when all those that do so before it are not enough.

The excess of a kind is the sum over its limits: over industries and stocks in weight, over styles in standard
deviations. Σ w = 1, w ≥ 0, the untradable stocks and those without a forecast never give way.
"""

from collections.abc import Mapping, Sequence

import highspy
import numpy as np

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.compiled import CompiledConstraints
from attn_platform.portfolio.problem import FloatArray, LimitKind
from attn_platform.portfolio.split import (
    FEASIBILITY_TOLERANCE,
    PRIMAL_SIMPLEX,
    Columns,
    Moves,
    is_feasible,
    iterations_of,
    new_solver,
    pass_program,
    solution_of,
    trades,
)
from attn_platform.portfolio.ties import break_ties, stages


def least_violation(
    constraints: CompiledConstraints, score: FloatArray, order: Sequence[LimitKind]
) -> tuple[FloatArray, FloatArray, int]:
    """The best portfolio among those of least violation.

    Args:
        constraints: limits that contradict each other.
        score: [n] objective.
        order: the kinds of limit that may give way, first to last.

    Returns:
        [n] weights, [m] prices of the rows, simplex iterations.

    Raises:
        PortfolioError: there is no portfolio even when all kinds in `order` give way.
    """
    inside = trades(constraints)
    beyond = _moves_beyond_stock_limit(constraints, elastic="stock" in order)
    program, total_column = _elastic_program(constraints, inside, beyond, order)
    iterations = 0
    for kind in reversed(order):
        program.changeColCost(total_column[kind], 1.0)
        iterations += _solve(program, order)
        least = solution_of(program)[0][total_column[kind]]
        program.changeColCost(total_column[kind], 0.0)
        program.changeColBounds(total_column[kind], 0.0, least if least > FEASIBILITY_TOLERANCE else 0.0)

    loss = np.concatenate([inside.loss(score), beyond.loss(score)])
    program.changeColsCost(len(loss), np.arange(len(loss), dtype=np.int32), loss)
    iterations += _solve(program, order)
    _, prices = solution_of(program)

    n, others = len(score), np.zeros(program.getNumCol() - len(loss))
    after = zip(stages(inside, n), stages(beyond, n), strict=True)
    iterations += break_ties(program, *(np.concatenate([*losses, others]) for losses in after))
    amounts, _ = solution_of(program)
    amounts_inside, amounts_beyond, _ = np.split(amounts, [len(inside.stock), len(loss)])
    change = inside.weight_change(amounts_inside, n) + beyond.weight_change(amounts_beyond, n)
    return constraints.held + change, prices[: len(constraints.rows)], iterations


def _elastic_program(
    constraints: CompiledConstraints, inside: Moves, beyond: Moves, order: Sequence[LimitKind]
) -> tuple[highspy.Highs, dict[LimitKind, int]]:
    """The program in which each limit of the kinds in `order` has an excess, and the column of each kind's total.

    Below the rows of the limits stands one row a kind: Σ excess − total = 0. The columns are the moves inside and
    beyond the stock limit, the excesses of the rows, and the totals.
    """
    total_row: dict[str, int] = {kind: len(constraints.rows) + j for j, kind in enumerate(order)}
    kinds, rows = len(order), len(constraints.rows) + len(order)
    blocks = [
        inside.columns(constraints, kinds),
        _counted(beyond.columns(constraints, kinds), total_row.get("stock")),
        _excess_columns(constraints, total_row, rows),
        _total_columns(list(total_row.values()), rows),
    ]
    column_count = sum(len(block.lower) for block in blocks)
    row_lower, row_upper = constraints.row_room
    program = new_solver(PRIMAL_SIMPLEX)
    pass_program(
        program,
        blocks,
        cost=np.zeros(column_count),
        row_lower=np.append(row_lower, np.zeros(len(order))),
        row_upper=np.append(row_upper, np.zeros(len(order))),
    )
    return program, {kind: column_count - len(order) + j for j, kind in enumerate(order)}


def _solve(program: highspy.Highs, order: Sequence[LimitKind]) -> int:
    """Simplex iterations of a solve that must succeed."""
    if not is_feasible(program):
        raise PortfolioError(
            f"no portfolio exists although {', '.join(order) or 'no limit'} may give way: add to relaxation_order, or "
            "look for days on which hardly a stock can be bought"
        )
    return iterations_of(program)


def _moves_beyond_stock_limit(constraints: CompiledConstraints, elastic: bool) -> Moves:
    """The moves that take a weight out of its stock limit, one unit of excess for each unit moved; none unless elastic.

    A stock held outside of the limit first saves turnover, as the forced trade of `trades` is undone, and then uses it.
    """
    held, floor, cap = constraints.held, constraints.floor, constraints.cap
    lower, upper = constraints.lower, constraints.upper
    lengths = {
        (1.0, -0.5): held - upper,
        (1.0, 0.5): cap - np.maximum(upper, held),
        (-1.0, -0.5): lower - held,
        (-1.0, 0.5): np.minimum(lower, held) - floor,
    }
    stock = [np.flatnonzero(length > 0) if elastic else np.array([], dtype=np.int64) for length in lengths.values()]
    counts = [len(stocks) for stocks in stock]
    amounts = [length[stocks] for length, stocks in zip(lengths.values(), stock, strict=True)]
    return Moves(
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


def _excess_columns(constraints: CompiledConstraints, total_row: Mapping[str, int], rows: int) -> Columns:
    """Two columns for each row that may give way: its excess above the upper and below the lower limit."""
    elastic = [i for i, row in enumerate(constraints.rows) if row.kind in total_row]
    totals = [total_row[constraints.rows[i].kind] for i in elastic]
    count = len(elastic)
    entries = np.zeros((rows, 2 * count))
    above, below = np.arange(count), np.arange(count, 2 * count)
    entries[elastic, above], entries[elastic, below] = -1.0, 1.0
    entries[totals, above] = entries[totals, below] = 1.0
    return Columns(entries, np.zeros(2 * count), np.full(2 * count, np.inf))


def _total_columns(total_rows: Sequence[int], rows: int) -> Columns:
    """One column a kind, its total excess."""
    count = len(total_rows)
    entries = np.zeros((rows, count))
    entries[list(total_rows), np.arange(count)] = -1.0
    return Columns(entries, np.zeros(count), np.full(count, np.inf))
