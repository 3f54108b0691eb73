"""Order lists and reasons as lines and tables for a terminal, and as records for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.markup import escape
from rich.table import Column, Table

from attn_platform.portfolio.explanation.forecast import ForecastOrigin
from attn_platform.portfolio.explanation.weight import WeightExplanation
from attn_platform.portfolio.problem import TOLERANCE
from attn_platform.portfolio.trading.days import LONGEST
from attn_platform.portfolio.trading.orders import OrderSummary
from attn_platform.portfolio.trading.rebalance_orders import RebalanceOrders
from attn_platform.reports.formatting import MISSING, count, label, number, percent, signed_number
from attn_platform.reports.ranked_table import RankedTable

SIGNIFICANT = 4  # digits of the spread of what a sum is made of
SHARES = ("target_weight", "weight_after", "held_weight", "weight", "one_way_turnover")
SENTENCES = ("note", "reason")
ORDERS_BY_IMPORTANCE = (
    "symbol", "day", "side", "shares", "amount", "note", "price", "weight_after", "target_weight", "held_shares",
    "cost", "lots", "name",
)  # fmt: skip
LEFT_OUT_BY_IMPORTANCE = ("symbol", "reason", "target_weight", "weight_after", "held_shares", "name")
DAYS_BY_IMPORTANCE = ("day", "session", "sales", "buys", "one_way_turnover", "cost", "cash_after")


def order_headline(orders: RebalanceOrders) -> Iterator[str]:
    """What trading to the target turns over and costs against the limit, and how many days keep to the limit."""
    summary, limit, days = orders.listed.summary, orders.turnover_limit, orders.days_within_limit
    beyond = summary.one_way_turnover - limit
    if limit == math.inf:
        against = "without a limit, as nothing is held"
    elif beyond > 0:
        rounding = ", by rounding to whole lots" if days == 1 else ""
        against = f"{number(100 * beyond)} points beyond the limit of {percent(limit)}{rounding}"
    else:
        against = f"within the limit of {percent(limit)}"
    yield (
        f"Trading to the target turns over {percent(summary.one_way_turnover)} one-way, {against}: "
        f"{number(summary.sales, 0)} CNY sold, {number(summary.buys, 0)} CNY bought, costs of about "
        f"{number(summary.cost, 0)} CNY ({percent(summary.cost / summary.equity, 3)} of the equity)."
    )
    if orders.daily is not None:
        most = float(orders.daily.days["one_way_turnover"].max())
        kept = " and keeps the limit" if most <= limit < summary.one_way_turnover else ""
        yield f"Spread over {count(len(orders.daily.days), 'day')} each day turns over at most {percent(most)}{kept}."
    if beyond > 0 and days is None:
        yield f"No spreading over up to {LONGEST} days keeps each day within the limit."
    elif days is not None and days > 1 and (orders.daily is None or len(orders.daily.days) != days):
        yield f"{count(days, 'day')} keep each day's turnover within the limit: --days {days}."


def order_tables(orders: RebalanceOrders, exceeded_shown: int, tolerance: float) -> Iterator[Table]:
    """Orders, what was left out, the limits that whole shares exceed (those furthest first), and the figures.

    `tolerance` is the excess from which on a limit is called exceeded.
    """
    listed, daily = orders.listed, orders.daily
    title = f"Orders from {orders.session} on" if daily is not None else f"Orders for {orders.session}"
    yield _frame_table(orders.orders, f"{title}, signal of {orders.signal}", ORDERS_BY_IMPORTANCE)
    if daily is not None:
        yield _frame_table(daily.days, "Days, at the closes of the signal", DAYS_BY_IMPORTANCE)
    if len(listed.left_out):
        yield _frame_table(listed.left_out, "Left out: a lot or more away from the target", LEFT_OUT_BY_IMPORTANCE)
    if len(orders.exceeded):
        yield _exceeded_table(orders.exceeded, exceeded_shown, tolerance)
    table = Table("figure", Column("value", justify="right"), title="Summary (CNY, at the closes of the signal)")
    for name, text in summary_texts(listed.summary).items():
        table.add_row(label(name), text)
    yield table


def summary_texts(summary: OrderSummary) -> dict[str, str]:
    """The figures of an order list as text, by name."""
    values = vars(summary)
    shares = ("one_way_turnover", "tracking_difference", "largest_difference")
    counts = ("buy_orders", "sell_orders")
    return {
        name: value
        if isinstance(value, str)
        else percent(value, 4)
        if name in shares
        else number(value, 0 if name in counts else 2)
        for name, value in values.items()
    }


def orders_record(orders: RebalanceOrders) -> dict[str, Any]:
    """An order list in types that JSON has; `days` are there where the orders are spread over several."""
    listed = orders.listed
    return _plain_types(
        {
            "signal": orders.signal,
            "session": orders.session,
            "summary": vars(listed.summary),
            "turnover_limit": orders.turnover_limit,
            "days_within_limit": orders.days_within_limit,
            **({} if orders.daily is None else {"days": orders.daily.days.to_dict("records")}),
            "orders": orders.orders.to_dict("records"),
            "left_out": listed.left_out.to_dict("records"),
            "exceeded": orders.exceeded.to_dict("records"),
        }
    )


def weight_tables(weight: WeightExplanation) -> Iterator[Table]:
    """What a stock's weight is, and the sum of its forecast and of what it pays for the limits."""
    table = Table("", Column("", justify="right", overflow="fold"), show_header=False)
    thresholds = {"bought with a forecast above": weight.buy_above, "sold with one below": weight.sell_below}
    rank = MISSING if weight.rank is None else f"{weight.rank} of {weight.candidates}"
    facts = {
        "forecast": MISSING if weight.score is None else f"{weight.score:+.6g}",
        "rank": rank,
        "weight": percent(weight.weight, 4),
        "held before": percent(weight.held_weight, 4),
        "in the benchmark": percent(weight.benchmark_weight, 4),
        "may be": f"{percent(weight.lower, 4)} to {percent(weight.upper, 4)}",
        "so it is": weight.reason,
        **{name: f"{value:+.6g}" for name, value in thresholds.items() if value is not None},
        "industry": escape(weight.industry),
        **{f"style {label(name)}": signed_number(z, 3) for name, z in weight.styles.items()},
    }
    for name, text in facts.items():
        table.add_row(name, text)
    yield table
    yield _payments_table(weight)


def _payments_table(weight: WeightExplanation) -> Table:
    sizes = [weight.expected_score, *weight.payments["amount"], weight.reduced_score]
    digits = _digits(sizes)
    table = RankedTable(
        Column("why", overflow="fold"),
        Column("price of a unit", justify="right"),
        Column("use", justify="right"),
        Column("forecast", justify="right"),
        caption="price: what the objective would gain by one unit more room · "
        "left: positive at the upper limit, negative at the lower one, 0 between them",
        importance=("why", "forecast", "use"),
    )
    table.add_row(
        "forecast" if weight.score is not None else "forecast (none: the mean of all counts)",
        "",
        "",
        signed_number(weight.expected_score, digits),
    )
    dearest = weight.payments.sort_values("amount", key=abs, ascending=False, kind="stable")
    for row in dearest[dearest["amount"] != 0].to_dict("records"):
        texts = (
            signed_number(row["price"], digits),
            signed_number(row["use"], 3),
            signed_number(-row["amount"], digits),
        )
        table.add_row(escape(f"{row['limit']} {row['name']}".strip()), *texts)
    if abs(weight.other) > TOLERANCE * max(map(abs, sizes)):
        table.add_row("own terms of the objective", "", "", signed_number(-weight.other, digits))
    table.add_section()
    table.add_row("left", "", "", signed_number(weight.reduced_score, digits))
    return table


def origin_tables(origin: ForecastOrigin, top: int) -> Iterator[Table]:
    """The checkpoint and each seed's forecast, and the `top` factors with the largest panel values."""
    table = Table("", Column("", overflow="fold"), show_header=False, title=f"{origin.model}, {origin.horizon}")
    digits = _digits([*origin.by_seed.values()])
    seeds = ", ".join(f"{seed}: {signed_number(value, digits)}" for seed, value in origin.by_seed.items())
    facts = {
        "checkpoint": escape(str(origin.checkpoint)),
        "trained on": origin.trained,
        "tests": origin.test,
        "fingerprint": origin.fingerprint,
        "forecasts by seed": seeds,
        "their mean": signed_number(origin.forecast, digits),
    }
    for name, text in facts.items():
        table.add_row(name, text)
    yield table
    shown = origin.factors.head(top)
    factors = Table(
        "factor",
        Column("pre-processed", justify="right"),
        Column("raw", justify="right"),
        title=f"Factors in {origin.panel}, {len(shown)} of {len(origin.factors)} by size",
    )
    for row in shown.to_dict("records"):
        factors.add_row(escape(row["factor"]), signed_number(row["panel"], 3), _plain(row["raw"]))
    yield factors


def raw_table(raw: Mapping[str, Mapping[str, Any]]) -> Table:
    """The stock's rows of the raw tables."""
    table = Table("table", "column", Column("value", justify="right", overflow="fold"), title="Raw rows")
    for name, row in raw.items():
        table.add_section()
        for column, value in row.items():
            table.add_row(name, column, _plain(value))
    return table


def weight_record(weight: WeightExplanation) -> dict[str, Any]:
    """A weight's explanation in types that JSON has; what is missing is null."""
    fields = {name: value for name, value in vars(weight).items() if name != "payments"}
    return _plain_types({**fields, "payments": weight.payments.to_dict("records")})


def origin_record(origin: ForecastOrigin) -> dict[str, Any]:
    """The origin of a forecast in types that JSON has."""
    fields = {name: value for name, value in vars(origin).items() if name != "factors"}
    return _plain_types({**fields, "factors": origin.factors.to_dict("records")})


def _frame_table(frame: pd.DataFrame, title: str, importance: Sequence[str]) -> Table:
    columns = [
        Column(name, overflow="fold" if name in SENTENCES else "ellipsis")
        if frame[name].dtype == "str"
        else Column(name, justify="right")
        for name in frame.columns
    ]
    table = RankedTable(*columns, title=title, importance=importance)
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(name, value) for name, value in zip(frame.columns, row, strict=True)))
    return table


def _cell(column: str, value: Any) -> str:
    if isinstance(value, str):
        return escape(value)
    if column in SHARES:
        return percent(float(value), 3)
    if column == "lots":
        return f"{value:,g}"
    return f"{value:,}" if isinstance(value, int) else number(float(value), 2)


def _exceeded_table(exceeded: pd.DataFrame, shown: int, tolerance: float) -> Table:
    excess = exceeded["reached"].abs() - exceeded["allowed"]
    furthest = exceeded.loc[excess.sort_values(ascending=False, kind="stable").index[:shown]]
    title = (
        f"Limits that whole shares exceed by more than {tolerance:g} ({len(furthest)} of {len(exceeded)}, the furthest "
        "first)"
    )
    figures = (Column(name, justify="right") for name in ("allowed", "target", "reached"))
    table = RankedTable(
        "limit", Column("name", overflow="fold"), *figures, title=title, importance=("limit", "name", "reached")
    )
    for row in furthest.to_dict("records"):
        numbers = (signed_number(row[column], 6) for column in ("target", "reached"))
        table.add_row(row["limit"], escape(row["name"]), number(row["allowed"], 6), *numbers)
    return table


def _digits(values: list[float]) -> int:
    """Decimals that show the largest of some values with `SIGNIFICANT` digits."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return max(SIGNIFICANT - 1 - math.floor(math.log10(largest)), 0) if largest > 0 else SIGNIFICANT


def _plain(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, str):
        return escape(value)
    return MISSING if value is None or value != value else f"{value:,.6g}"


def _plain_types(value: Any) -> Any:
    """Numbers, texts, lists and mappings; NaN as None, and whatever else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain_types(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_types(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
