import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attn_platform.backtest.account import Account, open_account
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import (
    LEDGER_FRAMES,
    STATES,
    BacktestResult,
    Begun,
    advance,
    run_backtest,
    targets_from_frame,
)
from attn_platform.errors import MissingDataError, SimulationError
from attn_platform.market.dense import DenseMarket
from attn_platform_tests.backtest.markets import random_market, random_targets, sessions_of
from attn_platform_tests.backtest.plain_simulator import PlainSimulator

CONFIG = BacktestConfig(initial_capital=1.0)
# Every way of running a backtest that changes what is traded.
VARIANTS = [
    CONFIG,
    BacktestConfig(initial_capital=300_000.0, volume_cap=0.1),
    BacktestConfig(initial_capital=300_000.0, unfilled="carry"),
    BacktestConfig(initial_capital=300_000.0, volume_cap=0.05, unfilled="carry", buy_delisting=True),
    BacktestConfig(initial_capital=300_000.0, whole_shares=True),
    BacktestConfig(initial_capital=300_000.0, whole_shares=True, volume_cap=0.1, delisting_recovery=0.5),
    BacktestConfig(initial_capital=300_000.0, whole_shares=True, volume_cap=0.05, unfilled="carry"),
    BacktestConfig(initial_capital=300_000.0, execution_price="close"),
    BacktestConfig(initial_capital=300_000.0, execution_price="open", unfilled="carry", transfer_fee=0.001),
    BacktestConfig(initial_capital=300_000.0, limit_board="sealed_close", delisting_recovery=0.0),
    BacktestConfig(initial_capital=300_000.0, minimum_commission=50.0, transfer_fee=0.001),
    BacktestConfig(initial_capital=20_000.0, minimum_commission=50.0, unfilled="carry", volume_cap=0.01),
    BacktestConfig(initial_capital=300_000.0, minimum_commission=50.0, whole_shares=True, execution_price="close"),
    BacktestConfig(initial_capital=50_000.0, minimum_commission=200.0, whole_shares=True, unfilled="carry"),
]
NAMES = (
    *("studies", "cap", "carry", "cap-carry", "whole", "whole-cap", "whole-cap-carry"),
    *("close", "open-carry-fee", "sealed-ruin", "minimum-fee", "minimum-cap-carry"),
    *("minimum-whole", "minimum-whole-carry"),
)
by_variant = pytest.mark.parametrize("config", VARIANTS, ids=NAMES)
# Each option at least once; the other ways of combining them are for the slow tests.
OFTEN = {"studies", "whole-cap-carry", "open-carry-fee", "sealed-ruin", "minimum-whole-carry"}
by_few_variants = pytest.mark.parametrize(
    "config",
    [
        pytest.param(config, id=name, marks=() if name in OFTEN else pytest.mark.slow)
        for name, config in zip(NAMES, VARIANTS, strict=True)
    ],
)


def flat_market(
    closes: Mapping[str, list[float]], delisted: Mapping[str, np.datetime64] | None = None, **changes: np.ndarray
) -> DenseMarket:
    """A market whose every price of a session is the close, without limits; NaN closes are sessions without a row."""
    close = np.column_stack([np.array(values, dtype=float) for values in closes.values()])
    fields = {name: close.copy() for name in ("open", "high", "low", "close", "vwap")}
    fields |= {name: np.full_like(close, np.nan) for name in ("up_limit", "down_limit")}
    fields["adj_factor"] = np.where(np.isnan(close), np.nan, 1.0)
    for name in ("is_suspended", "trading_status"):
        fields[name] = np.where(np.isnan(close), np.nan, 0.0)
    fields["volume"] = np.where(np.isnan(close), np.nan, 1e6)
    fields["amount"] = fields["volume"] * close
    return DenseMarket(sessions_of(len(close)), np.array(list(closes)), fields | changes, delisted or {})


def no_benchmark(market: DenseMarket) -> np.ndarray:
    return np.zeros(len(market.sessions))


def assert_same(left: BacktestResult, right: BacktestResult) -> None:
    for name in ("daily", "trades", "holdings", "delistings", "dividends"):
        pd.testing.assert_frame_equal(getattr(left, name), getattr(right, name), check_exact=True)


@pytest.mark.slow
@by_variant
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=993)  # with no recovery, everything is lost
@example(seed=3742)
def test_equals_a_plain_share_by_share_simulator(config: BacktestConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    market = random_market(rng, sessions=40, stocks=int(rng.integers(1, 14)))
    targets = random_targets(rng, market)
    result = run_backtest(targets, market, no_benchmark(market), config)

    plain = PlainSimulator(market, config)
    first = market.position(min(targets))
    expected = [(1.0, 0.0, 1.0)]
    for t in range(first + 1, len(market.sessions)):
        target = targets.get(market.sessions[t - 1])
        plain.session(t, None if target is None else target.to_dict())
        expected.append((plain.equity() / config.initial_capital, plain.traded, plain.cash / config.initial_capital))
    daily = result.daily
    # Cash over the capital: its share says nothing of who lost everything but for a rounding.
    cash = daily["cash_share"] * daily["net_value"]
    actual = np.column_stack([daily["net_value"], daily["turnover"], cash])
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-10, atol=1e-10)
    account = result.account
    held = pd.Series(account.units, index=account.symbols).reindex(market.symbols, fill_value=0.0)
    expected_units = [plain.units.get(symbol, 0.0) for symbol in market.symbols]
    np.testing.assert_allclose(held, expected_units, rtol=1e-9, atol=1e-12 * config.initial_capital)
    goals = {} if account.goals is None else dict(zip(account.symbols.tolist(), account.goals, strict=True))
    assert {s: goal for s, goal in goals.items() if goal != held[s]} == pytest.approx(plain.orders, rel=1e-9)


def test_two_stocks_by_hand() -> None:
    """Signal on session 0, bought on session 1, switched on session 3; B splits 1 into 2 on session 2."""
    market = flat_market({"A": [10, 10, 11, 12], "B": [20, 20, 10, 10]})
    market.fields["adj_factor"][2:, 1] = 2.0
    targets = {
        market.sessions[0]: pd.Series({"A": 0.5, "B": 0.5}),
        market.sessions[2]: pd.Series({"B": 1.0}),
    }
    benchmark = np.array([0.5, 0.01, 0.02, -0.01])
    daily = run_backtest(targets, market, benchmark, CONFIG).daily
    half = 0.5 / 1.002
    day2 = half * 1.1 + half
    sold = half * 1.2
    day3 = half + sold * 0.998 / 1.002
    assert daily["net_value"].tolist() == pytest.approx([1.0, 2 * half, day2, day3], rel=1e-14)
    assert np.isnan(daily["return"].iloc[0])
    assert daily["return"].tolist()[1:] == pytest.approx(
        [2 * half - 1, day2 / (2 * half) - 1, day3 / day2 - 1], rel=1e-12
    )
    excess = daily["return"].to_numpy()[1:] - benchmark[1:]
    assert daily["excess_return"].tolist()[1:] == pytest.approx(excess, rel=1e-12)
    assert daily["excess_net_value"].tolist() == pytest.approx([1.0, *np.cumprod(1 + excess)], rel=1e-12)
    traded = (sold + sold * 0.998 / 1.002) / (half + sold)
    assert daily["turnover"].tolist() == pytest.approx([0.0, 2 * half, 0.0, traded], rel=1e-12)
    assert daily["cost"].tolist() == pytest.approx([0.0, 4 * half * 0.001, 0.0, traded * 0.002], rel=1e-12)
    assert daily["holding_count"].tolist() == [0, 2, 2, 1]


def test_trades_happen_at_the_vwap_of_the_next_session() -> None:
    market = flat_market({"A": [10, 10, 10]})
    market.fields["vwap"][1, 0] = 8.0
    daily = run_backtest({market.sessions[0]: pd.Series({"A": 1.0})}, market, no_benchmark(market), CONFIG).daily
    assert daily["net_value"].iloc[1] == pytest.approx(10 / 8 / 1.002, rel=1e-14)


def test_a_delisting_is_sold_at_the_last_price_and_reported() -> None:
    nan = float("nan")
    market = flat_market({"A": [10, 10, 5, nan, nan], "B": [10, 10, 10, 10, 10]}, {"A": sessions_of(4)[3]})
    result = run_backtest({market.sessions[0]: pd.Series({"A": 0.5, "B": 0.5})}, market, no_benchmark(market), CONFIG)
    half = 0.5 / 1.002
    assert result.daily["net_value"].tolist()[3:] == pytest.approx([half + half / 2 * 0.998] * 2, rel=1e-13)
    assert result.daily["cash_share"].iloc[-1] == pytest.approx(0.499 / 1.499, rel=1e-12)
    (event,) = result.delistings.to_dict("records")
    assert (event["date"], event["symbol"], event["price"]) == (pd.Timestamp(market.sessions[3]), "A", 5.0)
    assert event["weight"] == pytest.approx(1 / 3, rel=1e-12)
    assert result.daily["cost"].iloc[3] == pytest.approx(0.002 / 3, rel=1e-12)


def test_a_suspended_stock_is_neither_bought_nor_sold() -> None:
    market = flat_market({"A": [10] * 5, "B": [10] * 5, "C": [10] * 5})
    for name in ("open", "high", "low", "vwap"):
        market.fields[name][[1, 3], [0, 1]] = np.nan
    market.fields["is_suspended"][[1, 3], [0, 1]] = 1.0
    targets = {
        market.sessions[0]: pd.Series({"A": 0.5, "B": 0.5}),
        market.sessions[2]: pd.Series({"A": 0.5, "C": 0.5}),
    }
    result = run_backtest(targets, market, no_benchmark(market), BacktestConfig(cost_per_side=0.0))
    held = result.holdings.pivot_table(index="date", columns="symbol", values="weight").to_numpy(na_value=0.0)
    assert held == pytest.approx(np.array([[1.0], [1.0]]), abs=1e-12)
    blocked = result.trades[result.trades["is_blocked"]]
    assert blocked[["symbol", "restriction"]].to_numpy().tolist() == [["A", "suspended"], ["B", "suspended"]]


@pytest.mark.parametrize("whole", [False, True])
def test_a_holder_of_a_company_whose_code_changes_holds_the_new_code(whole: bool) -> None:
    """Bought at 10 under the old code, suspended for a session, 12 and 15 under the new one: 1.5 times the money."""
    nan = np.nan
    closes = {"600001.SH": [10.0, 10.0, 11.0, nan, nan, nan], "600009.SH": [nan, nan, nan, 12.0, 12.0, 15.0],
              "600019.SH": [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]}  # fmt: skip
    day = sessions_of(6)
    market = replace(flat_market(closes, {"600001.SH": day[3]}), successors={"600001.SH": "600009.SH"})
    targets = {day[0]: pd.Series([0.8, 0.2], index=["600001.SH", "600019.SH"])}
    config = BacktestConfig(initial_capital=1e6, cost_per_side=0.0, whole_shares=whole)
    result = run_backtest(targets, market, no_benchmark(market), config, until=day[5])
    assert result.daily["net_value"].tolist() == pytest.approx([1.0, 1.0, 1.08, 1.16, 1.16, 1.4])
    assert result.delistings.empty
    assert result.trades["symbol"].tolist() == ["600001.SH", "600019.SH"]
    assert result.account.symbols.tolist() == ["600009.SH", "600019.SH"]
    # Without a successor it is paid out at the last price, and earns nothing more.
    paid = run_backtest(targets, replace(market, successors={}), no_benchmark(market), config, until=day[5])
    assert paid.daily["net_value"].tolist() == pytest.approx([1.0, 1.0, 1.08, 1.08, 1.08, 1.08])
    assert paid.delistings["symbol"].tolist() == ["600001.SH"]


def test_targets_of_the_last_session_of_a_code_are_bought_under_the_new_one() -> None:
    nan = np.nan
    closes = {"600001.SH": [10.0, 10.0, nan, nan], "600009.SH": [nan, nan, 10.0, 20.0]}
    day = sessions_of(4)
    market = replace(flat_market(closes, {"600001.SH": day[2]}), successors={"600001.SH": "600009.SH"})
    targets = {day[1]: pd.Series([1.0], index=["600001.SH"])}
    result = run_backtest(targets, market, no_benchmark(market), BacktestConfig(cost_per_side=0.0), until=day[3])
    assert result.daily["net_value"].tolist() == pytest.approx([1.0, 1.0, 2.0])
    assert result.trades[["symbol", "is_blocked"]].to_numpy().tolist() == [["600009.SH", False]]


@pytest.mark.slow
@by_few_variants
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(2, 35))
def test_nothing_after_a_session_changes_what_is_known_there(config: BacktestConfig, seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    market = random_market(rng, sessions=40, stocks=10)
    targets = random_targets(rng, market)
    until = market.sessions[cut]
    later = {symbol: day for symbol, day in market.delist_dates.items() if day <= until}
    later |= dict.fromkeys(rng.choice([s for s in market.symbols if s not in later], 3), market.sessions[cut + 1])
    poisoned = DenseMarket(market.sessions, market.symbols, {n: a.copy() for n, a in market.fields.items()}, later)
    for values in poisoned.fields.values():
        values[cut + 1 :] = rng.uniform(-5, 5, values[cut + 1 :].shape)
    left = run_backtest(targets, market, no_benchmark(market), config, until=until)
    right = run_backtest(targets, poisoned, no_benchmark(market), config, until=until)
    assert_same(left, right)
    assert left.account.to_record() == right.account.to_record()
    longer = run_backtest(targets, market, no_benchmark(market), config)
    pd.testing.assert_frame_equal(longer.daily.iloc[: len(left.daily)], left.daily, check_exact=True)


@by_few_variants
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.sets(st.integers(2, 38), max_size=6))
def test_advancing_in_pieces_equals_one_go_bit_for_bit(config: BacktestConfig, seed: int, cuts: set[int]) -> None:
    """Also through JSON, and on slices of the market that hold only the stocks with a row in them."""
    rng = np.random.default_rng(seed)
    market = random_market(rng, sessions=40, stocks=12)
    target = pd.Series(rng.dirichlet(np.ones(12)), index=market.symbols)
    start = open_account(market.sessions[1], config.initial_capital)
    whole, ledger = advance(start, target, market, market.sessions[-1], config)

    account, daily, pending = start, [], target
    for cut in [*sorted(cuts), 39]:
        rows = market.rows(slice(market.position(account.session), cut + 1))
        present = ~np.isnan(rows["is_suspended"]).all(axis=0)
        piece = DenseMarket(
            rows.sessions,
            rows.symbols[present],
            {name: values[:, present] for name, values in rows.fields.items()},
            market.delist_dates,
        )
        account, records = advance(account, pending, piece, market.sessions[cut], config)
        pending = None
        daily.append(records.daily)
        account = Account.from_record(json.loads(json.dumps(account.to_record())))
    pd.testing.assert_frame_equal(pd.concat(daily, ignore_index=True), ledger.daily, check_exact=True)
    assert account.to_record() == whole.to_record()


@pytest.mark.slow
@by_few_variants
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.sets(st.integers(2, 38), max_size=4), back=st.integers(1, STATES))
def test_a_backtest_that_goes_on_equals_one_go_bit_for_bit(
    config: BacktestConfig, seed: int, cuts: set[int], back: int
) -> None:
    """From any of the states that it has kept, on the market from there on; delistings without recovery as well."""
    rng = np.random.default_rng(seed)
    market = random_market(rng, sessions=40, stocks=12)
    targets, returns = random_targets(rng, market), rng.normal(0, 0.01, 40)
    first = min(targets)
    begun = None
    for cut in [*sorted(at for at in cuts if market.sessions[at] >= first), 39]:
        since = first if begun is None else begun.state.session
        rows = slice(market.position(since), None)
        wanted = {session: weights for session, weights in targets.items() if session >= since}
        last = market.sessions[cut]
        found = run_backtest(wanted, market.rows(rows), returns[rows], config, until=last, begun=begun)
        whole = run_backtest(targets, market, returns, config, until=last)
        assert_same(found, whole)
        assert found.account.to_record() == whole.account.to_record()
        assert (found.pending is None) == (whole.pending is None)
        state = found.states[-min(back, len(found.states))]
        until = pd.Timestamp(state.session)
        frames = (getattr(found, name) for name in ("daily", *LEDGER_FRAMES))
        begun = Begun(state, *(frame[frame["date"] <= until] for frame in frames))


@by_variant
def test_the_weekly_portfolio_and_the_backtest_hold_the_same(config: BacktestConfig) -> None:
    """Advancing from signal to signal by hand, as the portfolio asset does, gives the backtest's account."""
    rng = np.random.default_rng(5)
    market = random_market(rng, sessions=31, stocks=10)
    targets = random_targets(rng, market)
    account, pending = None, None
    for session, target in targets.items():
        if account is None:
            account = open_account(session, config.initial_capital)
        else:
            account, _ = advance(account, pending, market, session, config)
            account = Account.from_record(json.loads(json.dumps(account.to_record())))
        pending = target
    assert account is not None
    account, _ = advance(account, pending, market, market.sessions[-1], config)
    result = run_backtest(targets, market, no_benchmark(market), config)
    assert account.to_record() == result.account.to_record()


def by_session(frame: pd.DataFrame, column: str) -> dict[pd.Timestamp, list[tuple[str, float]]]:
    """Symbols and values of a column, by session."""
    found: dict[pd.Timestamp, list[tuple[str, float]]] = {}
    for date, symbol, value in zip(frame["date"], frame["symbol"], frame[column], strict=True):
        found.setdefault(date, []).append((symbol, value))
    return found


@pytest.mark.slow
@by_few_variants
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_bought_today_is_not_sold_today(config: BacktestConfig, seed: int) -> None:
    """A session has one trade a stock, and it sells no more than was held the evening before, and new shares."""
    rng = np.random.default_rng(seed)
    market = random_market(rng, sessions=40, stocks=10)
    result = run_backtest(random_targets(rng, market, every=1), market, no_benchmark(market), config)
    assert not result.trades.duplicated(["date", "symbol"]).any()
    traded = by_session(result.trades, "units")
    credited, gone = by_session(result.dividends, "new_shares"), by_session(result.delistings, "units")
    held: dict[str, float] = {}
    for session in result.daily["date"]:
        for symbol, new in credited.get(session, ()):
            held[symbol] += new
        for symbol, _ in gone.get(session, ()):
            del held[symbol]
        for symbol, units in traded.get(session, ()):
            before = held.get(symbol, 0.0)
            assert -units <= before + 1e-9 * max(before, 1.0)
            held[symbol] = before + units
    final = pd.Series(result.account.units, index=result.account.symbols)
    assert {s: u for s, u in held.items() if u > 1e-6} == pytest.approx(final[final > 0].to_dict(), rel=1e-9, abs=1e-6)


def test_weights_after_a_rebalance_are_the_targets() -> None:
    market = flat_market({"A": [10] * 3, "B": [20] * 3, "C": [5] * 3})
    target = pd.Series({"A": 0.2, "B": 0.5, "C": 0.3})
    result = run_backtest({market.sessions[0]: target}, market, no_benchmark(market), CONFIG)
    assert result.account.weights().to_dict() == pytest.approx(target.to_dict(), rel=1e-14)
    assert result.daily["cash_share"].iloc[-1] == pytest.approx(0.0, abs=1e-15)
    assert result.holdings.set_index("symbol")["weight"].to_dict() == pytest.approx(target.to_dict(), rel=1e-14)


def test_the_capital_does_not_matter_with_fractional_shares() -> None:
    rng = np.random.default_rng(11)
    market = random_market(rng, sessions=30, stocks=8)
    targets = random_targets(rng, market)
    small = run_backtest(targets, market, no_benchmark(market), CONFIG)
    large = run_backtest(targets, market, no_benchmark(market), BacktestConfig())
    np.testing.assert_allclose(small.daily["net_value"], large.daily["net_value"], rtol=1e-12)


def test_a_target_of_the_last_session_is_pending() -> None:
    market = flat_market({"A": [10, 10, 10]})
    target = pd.Series({"A": 1.0})
    result = run_backtest({"2015-01-07": target}, market, no_benchmark(market), CONFIG)
    assert result.pending is not None
    assert result.pending.to_dict() == {"A": 1.0}
    assert len(result.daily) == 1
    assert result.trades.empty
    assert list(result.trades.columns)[:2] == ["date", "symbol"]
    settled = run_backtest({"2015-01-06": target}, market, no_benchmark(market), CONFIG)
    assert settled.pending is None


def test_targets_of_a_tidy_frame() -> None:
    frame = pd.DataFrame(
        {
            "date": pd.to_datetime(["2015-01-05", "2015-01-05", "2015-01-12"]),
            "symbol": ["A", "B", "A"],
            "weight": [0.4, 0.6, 1.0],
        }
    )
    targets = targets_from_frame(frame)
    assert {str(day): weights.to_dict() for day, weights in targets.items()} == {
        "2015-01-05": {"A": 0.4, "B": 0.6},
        "2015-01-12": {"A": 1.0},
    }


def test_what_is_missing_is_named() -> None:
    market = flat_market({"A": [10, 10, 10], "B": [10, 10, 10]})
    target = pd.Series({"A": 1.0})
    signal = {market.sessions[0]: target}
    with pytest.raises(SimulationError, match="nothing to backtest"):
        run_backtest({}, market, no_benchmark(market), CONFIG)
    with pytest.raises(SimulationError, match="on or before 2015-01-05"):
        run_backtest({market.sessions[2]: target}, market, no_benchmark(market), CONFIG, until="2015-01-05")
    with pytest.raises(MissingDataError, match="2015-01-07"):
        run_backtest(signal, market, np.array([np.nan, 0.0, np.nan]), CONFIG)
    with pytest.raises(SimulationError, match="2 benchmark returns for 3"):
        run_backtest(signal, market, np.zeros(2), CONFIG)
    with pytest.raises(MissingDataError, match="2015-01-04"):
        run_backtest({"2015-01-04": target}, market, no_benchmark(market), CONFIG)
    with pytest.raises(SimulationError, match="cannot go back"):
        advance(open_account(market.sessions[2], 1.0), None, market, market.sessions[0], CONFIG)
    hole = flat_market({"A": [10, np.nan, 10], "B": [10, np.nan, 10]})
    with pytest.raises(MissingDataError, match="no row on 2015-01-06"):
        run_backtest(signal, hole, no_benchmark(hole), CONFIG)
