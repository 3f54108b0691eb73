"""Why a stock has its weight: its forecast and rank, its limits, and the prices that its forecast has to pay.

At the optimum  forecast − Σ price of a limit × what one unit of the stock uses of it = reduced score,  which is zero
between the stock's limits, positive at the upper and negative at the lower one (linear programming duality). The prices
are those that the weekly walk wrote; what the stock uses of each limit comes from the problem, made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar
from attn_platform.market.lake import Lake
from attn_platform.portfolio.explanation.reasons import weight_reasons
from attn_platform.portfolio.limits.turnover import TurnoverLimit
from attn_platform.portfolio.problem import TOLERANCE, WeeklyProblem
from attn_platform.portfolio.rebalance import stored_problem
from attn_platform.portfolio.solver.duals import TURNOVER_A_UNIT
from attn_platform.portfolio.solver.feasible_set import FeasibleSet, feasible_set
from attn_platform.portfolio.strategy import Strategy

RAW_TABLES = ("daily_bar", "valuation", "consensus")
PAYMENT_COLUMNS = ("limit", "name", "price", "use", "amount")


@dataclass(frozen=True)
class WeightExplanation:
    """What is known of one stock's weight in one rebalance.

    - rank: of its forecast among the `candidates`, 1 the highest; None without a forecast.
    - lower, upper: the interval of the weight, after all rules about single stocks; `reason` is one of `REASONS`.
    - payments: `PAYMENT_COLUMNS`, the limits that the stock pays for: price of one unit, what one unit of weight uses,
      and the product, which goes off the forecast (negative where the stock is paid).
    - expected_score: what the forecast counts with: itself, or the mean of all where there is none.
    - reduced_score: expected_score − Σ payments − `other`, which is what the strategy's own terms take.
    - buy_above, sell_below: at the prices of the week, and within its interval, the stock is bought with a forecast
      above the one, sold with one below the other, and kept with one between; None with terms of the strategy's own.
    - raw: table → the stock's row of the session.
    """

    session: np.datetime64
    symbol: str
    name: str
    industry: str
    weight: float
    held_weight: float
    benchmark_weight: float
    lower: float
    upper: float
    reason: str
    score: float | None
    expected_score: float
    rank: int | None
    candidates: int
    payments: pd.DataFrame
    other: float
    reduced_score: float
    buy_above: float | None
    sell_below: float | None
    styles: Mapping[str, float]
    raw: Mapping[str, Mapping[str, Any]]


def explain_weight(
    lake: Lake, calendar: Calendar, strategy: Strategy, session: np.datetime64, symbol: str
) -> WeightExplanation | None:
    """Why `symbol` has its weight in the portfolio of `session`; None where it is not in the week's problem.

    Raises PortfolioError where the rebalance is not in the lake.
    """
    problem = stored_problem(lake, calendar, strategy, session)
    at = int(np.searchsorted(problem.symbols, symbol))
    if at == len(problem.symbols) or problem.symbols[at] != symbol:
        return None
    feasible = feasible_set(problem, strategy.limits, strategy.own_limits)
    row = _stored_row(lake, strategy, session, symbol)
    if row is None:  # neither held nor wanted nor in the benchmark: its weight is 0
        row = _row_of(problem, feasible, at)
    payments = _payments(lake, strategy, session, problem, feasible, at, row["weight"])
    score, expected = problem.score[at], float(problem.expected_score[at])
    paid = expected - float(payments["amount"].sum())
    reduced = paid if row["reduced_score"] is None else float(row["reduced_score"])
    buy_above, sell_below = _thresholds(payments) if strategy.is_linear else (None, None)
    return WeightExplanation(
        session=session,
        symbol=symbol,
        name=_name(lake, symbol),
        industry=problem.industry_name(int(problem.industry[at])),
        weight=float(row["weight"]),
        held_weight=float(problem.held[at]),
        benchmark_weight=float(problem.benchmark[at]),
        lower=float(row["lower"]),
        upper=float(row["upper"]),
        reason=str(weight_reasons(pd.DataFrame([row]))[0]),
        score=None if np.isnan(score) else float(score),
        expected_score=expected,
        rank=None if np.isnan(score) else int((problem.score > score).sum()) + 1,
        candidates=int((~np.isnan(problem.score)).sum()),
        payments=payments,
        other=paid - reduced,
        reduced_score=reduced,
        buy_above=buy_above,
        sell_below=sell_below,
        styles={name: float(z[at]) for name, z in problem.styles.items()},
        raw={table: cells for table in RAW_TABLES if (cells := raw_row(lake, table, session, symbol)) is not None},
    )


def raw_row(lake: Lake, table: str, session: np.datetime64, symbol: str) -> Mapping[str, Any] | None:
    """The stock's row of the session in a raw table; None where there is none."""
    try:
        rows = lake.read(table, session, session).to_pandas()
    except MissingDataError:
        return None
    found = rows[rows["symbol"] == symbol].drop(columns=["date", "symbol"])
    return found.iloc[0].to_dict() if len(found) else None


def _payments(
    lake: Lake,
    strategy: Strategy,
    session: np.datetime64,
    problem: WeeklyProblem,
    feasible: FeasibleSet,
    at: int,
    weight: float,
) -> pd.DataFrame:
    """What the stock pays for each limit that has a price."""
    limits = lake.read(strategy.limits_table, session, session, ["kind", "name", "price"]).to_pandas()
    prices = {(row.kind, row.name): float(row.price) for row in limits.itertuples(index=False)}
    rows = []
    for row, coefficients in zip(feasible.rows, feasible.coefficients, strict=False):  # the turnover has none
        rows.append((row.kind, row.name, prices.get((row.kind, row.name), 0.0), float(coefficients[at])))
    gain = float(problem.expected_score[at]) - sum(price * use for _, _, price, use in rows)
    toll = prices.get((TurnoverLimit.kind, ""), 0.0)
    rows.append((TurnoverLimit.kind, "", toll, _turnover_use(weight - problem.held[at], gain, toll)))
    frame = pd.DataFrame(rows, columns=["limit", "name", "price", "use"])
    frame["amount"] = frame["price"] * frame["use"]
    is_paid = (frame["amount"] != 0) | ((frame["limit"] == TurnoverLimit.kind) & (frame["price"] != 0))
    return frame[is_paid].reset_index(drop=True)


def _thresholds(payments: pd.DataFrame) -> tuple[float, float]:
    """Forecasts above which a stock is bought, and below which it is sold: what it pays ± half the turnover's price."""
    is_turnover = payments["limit"] == TurnoverLimit.kind
    paid = float(payments.loc[~is_turnover, "amount"].sum())
    toll = float(payments.loc[is_turnover, "price"].sum()) * TURNOVER_A_UNIT
    return paid + toll, paid - toll


def _turnover_use(change: float, gain: float, toll: float) -> float:
    """Turnover of one more unit of weight: of a buy, of a sale undone, or as much as the gain of a kept stock pays."""
    if abs(change) > TOLERANCE:
        return TURNOVER_A_UNIT if change > 0 else -TURNOVER_A_UNIT
    return float(np.clip(gain / toll, -TURNOVER_A_UNIT, TURNOVER_A_UNIT)) if toll > 0 else 0.0


def _stored_row(lake: Lake, strategy: Strategy, session: np.datetime64, symbol: str) -> dict[str, Any] | None:
    rows = lake.read(strategy.portfolio_table, session, session).to_pandas()
    found = rows[rows["symbol"] == symbol]
    return found.iloc[0].to_dict() if len(found) else None


def _row_of(problem: WeeklyProblem, feasible: FeasibleSet, at: int) -> dict[str, Any]:
    """The row of a stock that the table leaves out."""
    return {
        "weight": 0.0,
        "held_weight": 0.0,
        "score": problem.score[at],
        "tradable": problem.tradable[at],
        "lower": feasible.lower[at],
        "upper": feasible.upper[at],
        "reduced_score": None,
    }


def _name(lake: Lake, symbol: str) -> str:
    security = lake.read("security", columns=["symbol", "name"]).to_pandas()
    names = security.loc[security["symbol"] == symbol, "name"]
    return str(names.iloc[0]) if len(names) and pd.notna(names.iloc[0]) else ""
