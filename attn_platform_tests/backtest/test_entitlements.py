import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.backtest.account import Account
from attn_platform.backtest.entitlements import credit_entitlements
from attn_platform_tests.backtest.quotes import closes

DAY = np.datetime64("2015-01-06")
NAN = float("nan")


def holding(units: float, price: float, goal: float | None = None) -> Account:
    goals = None if goal is None else np.array([goal])
    return Account(DAY, 100.0, np.array(["A"]), np.array([units]), np.array([price]), goals, factors=np.array([2.0]))


def test_a_small_drop_is_a_cash_dividend() -> None:
    # 0.25 on 10.00: the reference is 9.75.
    account, (event,) = credit_entitlements(holding(333, 10.0), closes(["A"], [9.8], [2.0 / 0.975]), 0.1)
    assert (event.symbol, event.shares, event.new_shares, event.cash) == ("A", 333, 0, 83.25)
    assert account.cash == 183.25
    assert account.units.tolist() == [333]
    assert account.prices == pytest.approx([9.75], rel=1e-14)
    assert account.factors == pytest.approx([2.0 / 0.975], rel=1e-15)


def test_a_large_drop_is_new_shares_and_the_rest_of_one_in_cash() -> None:
    # Three for ten on 125 shares at 13.00: 162.5, at a reference of 10.00.
    account, (event,) = credit_entitlements(holding(125, 13.0), closes(["A"], [10.1], [2.6]), 0.1)
    assert (event.shares, event.new_shares, event.cash) == (125, 37, 5.0)
    assert account.units.tolist() == [162]
    assert account.cash == 105.0
    assert account.equity == pytest.approx(100 + 125 * 13, rel=1e-14)


def test_a_consolidation_takes_shares() -> None:
    # Two for five on 101 shares at 1.00: 40.4, at 2.50.
    account, (event,) = credit_entitlements(holding(101, 1.0), closes(["A"], [2.5], [0.8]), 0.1)
    assert (event.new_shares, event.cash) == (-61, 1.0)
    assert account.units.tolist() == [40]


def test_open_orders_follow_new_shares_and_not_dividends() -> None:
    split, _ = credit_entitlements(holding(0, 10.0, goal=500), closes(["A"], [5], [4.0]), 0.1)
    assert split.goals is not None
    assert (split.goals.tolist(), split.cash) == ([1000], 100.0)
    dividend, events = credit_entitlements(holding(0, 10.0, goal=500), closes(["A"], [9.8], [2.0 / 0.975]), 0.1)
    assert dividend.goals is not None
    assert (dividend.goals.tolist(), dividend.cash, events) == ([500], 100.0, [])


def test_the_threshold_is_the_share_of_the_price() -> None:
    board = closes(["A"], [9], [2.0 / 0.9])  # ten per cent
    _, (cash,) = credit_entitlements(holding(1000, 10.0), board, 0.11)
    assert (cash.new_shares, cash.cash) == (0, 1000.0)
    _, (shares,) = credit_entitlements(holding(1000, 10.0), board, 0.09)
    assert (shares.new_shares, shares.cash) == (111, 1.0)


def test_small_steps_of_the_factor_add_up_until_they_count() -> None:
    account = holding(1_000_000, 10.0)
    for step in range(1, 4):
        account, events = credit_entitlements(account, closes(["A"], [10], [2.0 * (1 + 4e-7 * step)]), 0.1)
        assert bool(events) == (step == 3)
    assert account.cash == pytest.approx(100 + 1e7 * 1.2e-6, abs=0.011)


def test_fractional_shares_and_delisted_ones_get_nothing() -> None:
    fractional = Account(DAY, 1.0, np.array(["A"]), np.ones(1), np.ones(1))
    assert credit_entitlements(fractional, closes(["A"], [1], [3.0]), 0.1) == (fractional, [])
    account, events = credit_entitlements(holding(5, 10.0), closes(["A"], [NAN], [NAN]), 0.1)
    assert (account.units.tolist(), events) == ([5], [])


@given(
    units=st.integers(1, 10**7),
    price=st.integers(1, 300_000),
    ratio=st.floats(0.1, 10).filter(lambda ratio: abs(ratio - 1) > 1e-5),
)
def test_nobody_gains_or_loses_at_the_reference_price(units: int, price: int, ratio: float) -> None:
    before = holding(units, price / 100)
    after, events = credit_entitlements(before, closes(["A"], [1], [2.0 * ratio]), 0.1)
    assert after.equity == pytest.approx(before.equity, rel=1e-12, abs=0.0051)
    assert after.units[0] == before.units[0] + sum(event.new_shares for event in events)
    assert after.units[0] == np.floor(after.units[0])
