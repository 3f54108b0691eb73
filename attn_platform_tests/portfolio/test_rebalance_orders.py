"""Orders of a rebalance from the lake: whose positions, which session and costs, and what whole shares do to limits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.tradability import Restriction
from attn_platform.errors import ConfigurationError, PortfolioError
from attn_platform.market.lake import Lake
from attn_platform.portfolio.trading.orders import OrderConfig
from attn_platform.portfolio.trading.rebalance_orders import closing_quotes, rebalance_orders
from attn_platform_tests.portfolio.walked import WALKER

MONEY = 3e7
TOLERANCE = OrderConfig().breach_tolerance


@pytest.fixture(scope="module")
def week(walked_home):
    return walked_home.weeks[4]


def ordered(home, week, strategy=WALKER, tolerance=TOLERANCE, **arguments):
    config = OrderConfig(breach_tolerance=tolerance)
    return rebalance_orders(home.lake, home.calendar, strategy, week.session, config, **arguments)


@pytest.fixture(scope="module")
def own(walked_home, week):
    return ordered(walked_home, week, money=MONEY)


def test_orders_are_for_the_session_after_the_signal(walked_home, week, own):
    assert own.signal == week.session
    assert own.session == walked_home.calendar.shift(week.session, 1)


def restriction_of(bar: pd.Series) -> Restriction:
    if bar["is_suspended"]:
        return Restriction.SUSPENDED
    if bar["trading_status"] == "delisting":
        return Restriction.DELISTING_PERIOD
    if bar["close"] == bar["up_limit"]:
        return Restriction.LIMIT_UP
    return Restriction.LIMIT_DOWN if bar["close"] == bar["down_limit"] else Restriction.NONE


def test_quotes_are_the_days_raw_closes(walked_home):
    seen = set()
    for week in walked_home.weeks:
        quotes = closing_quotes(walked_home.lake, walked_home.calendar, week.session, WALKER.backtest)
        bars = walked_home.lake.read("daily_bar", week.session, week.session).to_pandas().set_index("symbol")
        assert quotes["close"].to_dict() == bars["close"].to_dict()
        assert quotes["restriction"].to_dict() == {symbol: restriction_of(bar) for symbol, bar in bars.iterrows()}
        seen |= set(quotes["restriction"])
    assert {Restriction.NONE, Restriction.SUSPENDED} <= seen


def test_without_positions_they_are_the_strategys_own(walked_home, week, own):
    summary, account = own.listed.summary, week.account
    assert summary.equity == pytest.approx(MONEY, abs=0.01)
    orders = own.listed.orders.set_index("symbol")
    closes = walked_home.lake.read("daily_bar", week.session, week.session).to_pandas().set_index("symbol")["close"]
    held = account.weights()
    for symbol, shares in orders["held_shares"].items():
        exact = held.get(symbol, 0.0) * MONEY / closes[symbol]
        assert 0 <= exact - shares < 200
    # What the desk holds in the end is the week's target, to within lots
    target = pd.Series(week.solution.weights, week.problem.symbols)
    weights = own.listed.holdings.set_index("symbol")["weight"].reindex(target.index, fill_value=0.0)
    tradable = week.problem.tradable
    assert abs(weights - target)[tradable].max() < 200 * closes.max() / MONEY
    assert summary.tracking_difference < 0.02
    ordered_by_default = ordered(walked_home, week)
    assert ordered_by_default.listed.summary.equity == pytest.approx(account.equity, abs=0.01)


def test_costs_are_those_of_the_strategy(walked_home, week):
    dear = replace(WALKER, backtest=BacktestConfig(cost_per_side=0.01))
    orders = ordered(walked_home, week, dear, money=MONEY).listed.orders
    np.testing.assert_allclose(orders["cost"], orders["amount"] * 0.01, atol=0.0051)
    duty = replace(WALKER, backtest=BacktestConfig(cost_per_side=0.0, stamp_duty=True))
    orders = ordered(walked_home, week, duty, money=MONEY).listed.orders
    rate = np.where(orders["side"] == "sell", 0.001, 0.0)  # on sales from 2008-09-19 to 2023-08-27
    np.testing.assert_allclose(orders["cost"], orders["amount"] * rate, atol=0.0051)


def test_the_desks_positions_with_cash_or_with_money(walked_home, week):
    quotes = closing_quotes(walked_home.lake, walked_home.calendar, week.session, WALKER.backtest)
    symbol = quotes.index[(quotes["restriction"] == Restriction.NONE) & (quotes["close"] > 5)][0]
    positions = pd.DataFrame({"symbol": [symbol], "shares": [12_345], "sellable": [12_345]})
    worth = round(12_345 * quotes.loc[symbol, "close"], 2)
    with_cash = ordered(walked_home, week, positions=positions, cash=1e7)
    with_money = ordered(walked_home, week, positions=positions, money=1e7 + worth)
    pd.testing.assert_frame_equal(with_cash.listed.orders, with_money.listed.orders)
    assert with_cash.listed.summary.equity == pytest.approx(1e7 + worth, abs=0.01)
    with pytest.raises(PortfolioError, match="worth more than the money"):
        ordered(walked_home, week, positions=positions, money=worth / 2)
    with pytest.raises(PortfolioError, match="do not say the cash"):
        ordered(walked_home, week, positions=positions)


@pytest.mark.parametrize("tolerance", [1e-6, TOLERANCE, 2e-3])
def test_limits_that_whole_shares_exceed_are_named(walked_home, week, tolerance):
    """With little money the lots are coarse: each excess is recomputed from the weights by plain sums."""
    made = ordered(walked_home, week, tolerance=tolerance, money=1e6)
    problem, limits = week.problem, WALKER.limits
    weights = made.listed.holdings.set_index("symbol")["weight"]
    active = {s: weights.get(s, 0.0) - b for s, b in zip(problem.symbols, problem.benchmark, strict=True)}
    by_industry: dict[str, float] = {}
    for symbol, code in zip(problem.symbols, problem.industry, strict=True):
        name = week.problem.industry_name(int(code))
        by_industry[name] = by_industry.get(name, 0.0) + active[symbol]
    exceeded = made.exceeded.set_index(["limit", "name"])
    assert len(exceeded)
    for (limit, name), row in exceeded.iterrows():
        if limit == "industry":
            assert row["reached"] == pytest.approx(by_industry[name], abs=1e-12)
        elif limit == "stock":
            assert row["reached"] == pytest.approx(active[name], abs=1e-12)
        elif limit == "style":
            z = dict(zip(problem.symbols, problem.styles[name], strict=True))
            assert row["reached"] == pytest.approx(sum(active[s] * z[s] for s in active), abs=0.02)
        assert abs(row["reached"]) > row["allowed"] + tolerance
    beyond = {name for name, value in by_industry.items() if abs(value) > limits.industry_deviation + tolerance}
    assert {name for limit, name in exceeded.index if limit == "industry"} == beyond


@pytest.mark.slow
def test_a_holding_without_a_row_is_suspended_at_its_last_close(walked_home, week, tmp_path):
    """Its rows of the last two sessions are taken out of the lake; there is no order for it, and its value counts."""
    lake = Lake(tmp_path, walked_home.lake)
    symbol = str(week.account.symbols[np.argmax(week.account.units * week.account.prices)])
    sessions = walked_home.lake.sessions("daily_bar", None, week.session)
    for session in walked_home.lake.sessions("daily_bar"):
        bars = walked_home.lake.read("daily_bar", session, session)
        gone = session in sessions[-2:]
        lake.write("daily_bar", bars.filter(pc.not_equal(bars["symbol"], symbol)) if gone else bars, session)
    before = walked_home.lake.read("daily_bar", sessions[-3], sessions[-3]).to_pandas().set_index("symbol")
    quotes = closing_quotes(lake, walked_home.calendar, week.session, WALKER.backtest, [symbol, "600999.SH"])
    assert symbol not in closing_quotes(lake, walked_home.calendar, week.session, WALKER.backtest).index
    assert quotes.loc[symbol, "close"] == before.loc[symbol, "close"]
    assert quotes.loc[symbol, "restriction"] == Restriction.NO_ROW
    positions = pd.DataFrame({"symbol": [symbol], "shares": [10_000], "sellable": [10_000]})
    made = rebalance_orders(
        lake, walked_home.calendar, WALKER, week.session, OrderConfig(), positions=positions, cash=MONEY
    ).listed
    assert symbol not in set(made.orders["symbol"])
    assert made.summary.equity == pytest.approx(MONEY + 10_000 * before.loc[symbol, "close"], abs=0.01)


def test_a_week_that_is_not_there(walked_home):
    with pytest.raises(PortfolioError, match="no portfolio of 2020-12-11"):
        rebalance_orders(walked_home.lake, walked_home.calendar, WALKER, np.datetime64("2020-12-11"), OrderConfig())


def daily_turnover(made) -> list[float]:
    """One-way turnover of each day from its orders, as a share of the equity before the first."""
    return (made.orders.groupby("day")["amount"].sum() / 2 / made.listed.summary.equity).tolist()


def test_days_that_keep_each_days_turnover_within_the_limit(walked_home, week):
    """From one stock alone to the target: the fewest days are tried out one by one."""
    quotes = closing_quotes(walked_home.lake, walked_home.calendar, week.session, WALKER.backtest)
    symbol = quotes.index[(quotes["restriction"] == Restriction.NONE) & (quotes["close"] > 5)][0]
    shares = int(MONEY / quotes.loc[symbol, "close"]) // 100 * 100
    desk = {"positions": pd.DataFrame({"symbol": [symbol], "shares": [shares], "sellable": [shares]}), "cash": 1e5}
    whole = ordered(walked_home, week, **desk)
    assert whole.daily is None
    assert whole.turnover_limit == WALKER.limits.turnover == 0.3
    assert whole.listed.summary.one_way_turnover > 0.9
    # As a share of weights, which costs and cash move a little
    turnover = whole.exceeded.set_index("limit").loc["turnover", "reached"]
    assert whole.listed.summary.one_way_turnover == pytest.approx(turnover, abs=2e-3)
    most = {}
    for days in range(2, 6):
        made = ordered(walked_home, week, days=days, **desk)
        most[days] = max(daily_turnover(made))
        assert made.days_within_limit == whole.days_within_limit
        assert made.daily.days["session"].tolist() == [
            str(walked_home.calendar.shift(week.session, 1 + day)) for day in range(days)
        ]
        assert made.daily.days["one_way_turnover"].tolist() == pytest.approx(daily_turnover(made))
        assert made.daily.days["cash_after"].min() >= 0
        sums = made.orders.groupby("symbol")["shares"].sum()
        assert sums.to_dict() == whole.listed.orders.set_index("symbol")["shares"].to_dict()
        assert made.daily.days["cash_after"].iloc[-1] == whole.listed.summary.cash_after
    assert whole.days_within_limit == min(days for days, largest in most.items() if largest <= 0.3)


def test_rounding_beyond_the_limit_is_nothing_to_spread(walked_home):
    """The strategy's own account, which its target turns over by the limit at most: with little money, lots do more."""
    beyond = []
    for week in walked_home.weeks[1:]:
        for money in (2e5, 1e6):
            made = ordered(walked_home, week, money=money)
            assert made.days_within_limit == 1
            beyond.append(made.listed.summary.one_way_turnover - made.turnover_limit)
    assert max(beyond) > 1e-3


def test_a_first_portfolio_has_no_limit_of_turnover(walked_home, week):
    nothing = pd.DataFrame({"symbol": [], "shares": [], "sellable": []}).astype({"symbol": str, "shares": int})
    made = ordered(walked_home, week, positions=nothing, cash=MONEY)
    assert made.turnover_limit == np.inf
    assert made.days_within_limit == 1


@pytest.mark.parametrize("days", [0, 61])
def test_days_that_are_none(walked_home, week, days):
    with pytest.raises(ConfigurationError, match="choose 1 to 60"):
        ordered(walked_home, week, days=days, money=MONEY)
