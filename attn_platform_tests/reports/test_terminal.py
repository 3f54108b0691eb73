"""What is said of an order list before its table: against a computation by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from attn_platform.portfolio.trading.daily_orders import daily_orders
from attn_platform.portfolio.trading.days import days_within
from attn_platform.portfolio.trading.orders import OrderList, make_orders
from attn_platform.portfolio.trading.rebalance_orders import EXCEEDED_COLUMNS, RebalanceOrders
from attn_platform.reports.terminal import order_headline, orders_record
from attn_platform_tests.portfolio.test_orders import FLAT, MAIN, OTHER, STAR, positions_of, quotes_of

SIGNAL, SESSION = np.datetime64("2022-06-10"), np.datetime64("2022-06-13")
EQUITY_IN_FEN = 100_000 * 100


@pytest.fixture(scope="module")
def listed() -> OrderList:
    """The list that `test_orders` makes by hand: 6,170 CNY sold and 78,929.34 bought of 100,000, for 170.20 CNY."""
    return make_orders(
        pd.Series({MAIN: 0.6, STAR: 0.4}),
        positions_of(s600000_SH=2000, s000001_SZ=1234),
        cash=100_000 - 2000 * 10 - 1234 * 5,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0, STAR: 33.33}),
        rates=FLAT,
    )


def rebalance(listed: OrderList, limit: float, days: int = 1) -> RebalanceOrders:
    return RebalanceOrders(
        signal=SIGNAL,
        session=SESSION,
        listed=listed,
        exceeded=pd.DataFrame(columns=list(EXCEEDED_COLUMNS)),
        turnover_limit=limit,
        days_within_limit=days_within(listed.whole, 2 * limit * EQUITY_IN_FEN),
        positions=positions_of(s600000_SH=2000, s000001_SZ=1234),
        daily=daily_orders(listed, [SESSION + day for day in range(days)]) if days > 1 else None,
    )


COSTS = "6,170 CNY sold, 78,929 CNY bought, costs of about 170 CNY (0.170% of the equity)."
# (6,170 + 78,929.34) / 2 of 100,000 CNY
TURNOVER = "Trading to the target turns over 42.55% one-way, "


def test_beyond_the_limit(listed):
    """Of 85,099.34 CNY in all, a day within 15 % trades 30,000; three days trade a third and some lots."""
    assert list(order_headline(rebalance(listed, 0.15))) == [
        f"{TURNOVER}27.55 points beyond the limit of 15.00%: {COSTS}",
        "3 days keep each day's turnover within the limit: --days 3.",
    ]


def test_rounding_is_not_worth_a_second_day(listed):
    """Where the target keeps the limit, one day is enough: its orders are beyond it by whole lots."""
    assert list(order_headline(replace(rebalance(listed, 0.425), days_within_limit=1))) == [
        f"{TURNOVER}0.05 points beyond the limit of 42.50%, by rounding to whole lots: {COSTS}"
    ]


def test_within_the_limit_and_without_one(listed):
    assert list(order_headline(rebalance(listed, 0.5))) == [f"{TURNOVER}within the limit of 50.00%: {COSTS}"]
    assert list(order_headline(rebalance(listed, np.inf))) == [
        f"{TURNOVER}without a limit, as nothing is held: {COSTS}"
    ]
    assert orders_record(rebalance(listed, np.inf))["turnover_limit"] is None


def test_spread_over_days(listed):
    """The main-board stock has 39 lots of 1,000 CNY in parts of 20 and 19, the STAR stock 1,198 shares in two of 599.

    The shares that are sold off, 1,234 at 5, are six lots and then six with the odd 34. The second day buys more: 20
    lots, 19,964.67 CNY and 3,170 of sales, 43,134.67 in all; half of it are 21.57 % of the equity.
    """
    first, second, third = order_headline(rebalance(listed, 0.15, days=2))
    assert first.startswith(TURNOVER)
    assert second == "Spread over 2 days each day turns over at most 21.57%."
    assert third == "3 days keep each day's turnover within the limit: --days 3."
    enough = list(order_headline(rebalance(listed, 0.15, days=3)))[1:]
    assert len(enough) == 1
    assert enough[0].endswith("% and keeps the limit.")
    assert list(order_headline(rebalance(listed, 0.5, days=2)))[1:] == [
        "Spread over 2 days each day turns over at most 21.57%."
    ]


def test_a_limit_that_no_spreading_keeps(listed):
    """The smallest part of the STAR stock is 200 shares, 6,666 CNY: half of it are 3.3 % of the equity."""
    assert list(order_headline(rebalance(listed, 0.03)))[1:] == [
        "No spreading over up to 60 days keeps each day within the limit."
    ]


def test_the_record_has_days_only_where_there_are_several(listed):
    one, two = (orders_record(rebalance(listed, 0.15, days)) for days in (1, 2))
    assert (one["turnover_limit"], one["days_within_limit"]) == (0.15, 3)
    assert "days" not in one
    assert all("day" not in row for row in one["orders"])
    assert [row["day"] for row in two["days"]] == [1, 2]
    assert {row["day"] for row in two["orders"]} == {1, 2}
    for symbol, shares in listed.orders.set_index("symbol")["shares"].items():
        assert sum(row["shares"] for row in two["orders"] if row["symbol"] == symbol) == shares
