import json
from dataclasses import replace

import numpy as np
import pytest

from attn_platform.backtest.account import Account, mark, open_account, sell_delisted
from attn_platform.backtest.costs import CostRates
from attn_platform.errors import SimulationError
from attn_platform_tests.backtest.quotes import closes

RATES = CostRates(0.002, 0.002)
DAY = np.datetime64("2015-01-06")
NAN = float("nan")


def test_value_and_weights_at_the_last_mark() -> None:
    account = Account(DAY, 25.0, np.array(["A", "B", "C"]), np.array([50.0, 25.0, 0.0]), np.array([10.0, 20.0, 7.0]))
    account = mark(account, np.datetime64("2015-01-07"), closes(["A", "B", "C"], [11, 17, 8]))
    assert account.session == np.datetime64("2015-01-07")
    assert account.equity == pytest.approx(25 + 550 + 425, rel=1e-15)
    # C is ordered only, and has no weight.
    assert account.weights().to_dict() == pytest.approx({"A": 0.55, "B": 0.425}, rel=1e-15)


def test_a_holding_without_a_close_is_an_error_of_the_data() -> None:
    account = Account(DAY, 0.0, np.array(["A"]), np.array([1.0]), np.array([1.0]))
    with pytest.raises(SimulationError, match="A is held and has no close on 2015-01-06"):
        mark(account, DAY, replace(closes(["A"], [NAN]), has_row=np.array([True])))


def test_a_holding_without_a_row_keeps_its_last_price() -> None:
    account = Account(DAY, 1.0, np.array(["A", "B"]), np.array([2.0, 1.0]), np.array([20.0, 50.0]))
    after = mark(account, np.datetime64("2015-01-07"), closes(["A", "B"], [NAN, 51]))
    assert after.prices.tolist() == [20.0, 51.0]
    kept, events = sell_delisted(account, closes(["A", "B"], [NAN, 51]), 1.0, RATES)
    assert (kept, events) == (account, [])


def test_delisted_holdings_are_sold_at_the_last_price_and_pay() -> None:
    account = Account(DAY, 10.0, np.array(["A", "B"]), np.array([2.0, 1.0]), np.array([20.0, 50.0]))
    gone = closes(["A", "B"], [NAN, 51], delisted=["A"])
    after, events = sell_delisted(account, gone, 1.0, RATES)
    assert after.cash == pytest.approx(10 + 40 * 0.998, rel=1e-15)
    assert after.symbols.tolist() == ["B"]
    (event,) = events
    assert (event.symbol, event.weight, event.price, event.units, event.amount) == ("A", 0.4, 20.0, 2.0, 40.0)
    assert (event.cost, event.fee) == pytest.approx((0.0008, 0.08), rel=1e-14)
    written_off, _ = sell_delisted(account, gone, 0.0, RATES)
    assert written_off.cash == 10.0


def test_whole_shares_of_a_delisted_stock_are_sold_for_whole_fen() -> None:
    account = Account(
        DAY, 0.1, np.array(["A"]), np.array([333.0]), np.array([1.11]), goals=np.array([400.0]), factors=np.ones(1)
    )
    # 333 × 0.555 = 184.815, half up; 0.2 % of 184.82 are 0.36964.
    after, (event,) = sell_delisted(account, closes(["A"], [NAN], delisted=["A"]), 0.5, RATES)
    assert (event.amount, event.fee) == (184.82, 0.37)
    assert after.cash == 184.55
    assert not len(after.symbols), "its order is void"


def test_an_order_of_a_delisted_stock_is_void_without_a_trade() -> None:
    account = Account(DAY, 9.0, np.array(["A"]), np.zeros(1), np.array([1.0]), goals=np.array([5.0]))
    after, events = sell_delisted(account, closes(["A"], [NAN], delisted=["A"]), 1.0, RATES)
    assert (after.cash, len(after.symbols), events) == (9.0, 0, [])


@pytest.mark.parametrize(
    "optional",
    [{}, {"goals": np.array([1 / 3, 0.7])}, {"goals": np.array([2.0, 0.0]), "factors": np.array([1.1, 3.0])}],
)
def test_a_record_survives_json_bit_for_bit(optional: dict[str, np.ndarray]) -> None:
    account = Account(
        DAY, 0.1 + 0.2, np.array(["A", "B"]), np.array([1 / 3, 1e-17]), np.array([np.pi, 2.0]), **optional
    )
    back = Account.from_record(json.loads(json.dumps(account.to_record())))
    assert back.to_record() == account.to_record()
    assert (back.session, back.cash, back.symbols.tolist()) == (account.session, account.cash, ["A", "B"])
    for name in ("units", "prices", "goals", "factors"):
        left, right = getattr(account, name), getattr(back, name)
        assert (left is None) == (right is None)
        assert left is None or left.tolist() == right.tolist()
    assert Account.from_record(open_account(DAY, 1.0).to_record()).equity == 1.0


def test_a_record_without_orders_and_of_fractional_shares_is_as_it_always_was() -> None:
    """Weeks that are in the lake start from records like this one; a new name in it would make them all stale."""
    record = Account(DAY, 0.0, np.array(["A"]), np.ones(1), np.ones(1)).to_record()
    assert list(record) == ["session", "cash", "symbols", "units", "prices"]


@pytest.mark.parametrize(
    "change", [{"cash": None}, {"units": [1.0]}, {"units": ["x", "y"]}, {"goals": [1.0]}, {"factors": [1.0, 1.0, 1.0]}]
)
def test_a_broken_record_is_refused(change: dict[str, object]) -> None:
    record = Account(DAY, 0.0, np.array(["A", "B"]), np.ones(2), np.ones(2)).to_record()
    with pytest.raises(SimulationError, match="record"):
        Account.from_record(record | change)
    with pytest.raises(SimulationError, match="session"):
        Account.from_record({})
