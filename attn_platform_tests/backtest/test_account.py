import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.backtest.account import Account, execute, mark, open_account, sell_delisted
from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.quotes import Quotes
from attn_platform.backtest.tradability import Restriction
from attn_platform.errors import SimulationError

RATES = CostRates(0.002, 0.002)
DAY = np.datetime64("2015-01-06")


def quotes(symbols: list[str], close: list[float], price: list[float], restriction: list[int] | None = None) -> Quotes:
    return Quotes(
        symbols=np.array(symbols),
        close=np.array(close, dtype=float),
        execution=np.array(price, dtype=float),
        adj_factor=np.ones(len(symbols)),
        restriction=np.array(restriction or [0] * len(symbols), dtype=np.int8),
    )


def test_two_stocks_by_hand() -> None:
    """Buy half and half at 10 and 20, then sell A for B at 12 and 20."""
    account = open_account("2015-01-05", 1002.0)
    account, fills = execute(account, pd.Series({"A": 0.5, "B": 0.5}), quotes(["A", "B"], [11, 19], [10, 20]), RATES)
    assert account.units == pytest.approx([50, 25], rel=1e-14)
    assert account.cash == pytest.approx(0, abs=1e-11)
    assert fills.cost.sum() == pytest.approx(2.0, rel=1e-13)
    assert fills.turnover == pytest.approx(1000 / 1002, rel=1e-14)

    account = mark(account, DAY, quotes(["A", "B"], [11, 19], [10, 20]))
    assert account.equity == pytest.approx(50 * 11 + 25 * 19, rel=1e-14)
    assert account.weights().to_dict() == pytest.approx({"A": 550 / 1025, "B": 475 / 1025}, rel=1e-14)

    account, fills = execute(account, pd.Series({"B": 1.0}), quotes(["A", "B"], [12, 20], [12, 20]), RATES)
    bought = 600 * (1 - 0.002) / 1.002
    assert account.symbols.tolist() == ["B"]
    assert account.units == pytest.approx([25 + bought / 20], rel=1e-14)
    assert fills.cost == pytest.approx([600 * 0.002, bought * 0.002], rel=1e-12)
    trades = fills.frame().set_index("symbol")
    assert trades["traded_weight"].to_dict() == pytest.approx({"A": -600 / 1100, "B": bought / 1100}, rel=1e-13)
    assert trades["weight"].to_dict() == pytest.approx({"A": 0.0, "B": 1.0}, abs=1e-13)


def test_blocked_wishes_are_reported_with_their_reason() -> None:
    account = Account(DAY, 0.0, np.array(["A", "B", "C"]), np.array([4.0, 3.0, 3.0]), np.array([10.0, 10.0, 10.0]))
    codes = [Restriction.SUSPENDED, Restriction.LIMIT_DOWN, Restriction.NONE, Restriction.LIMIT_UP, Restriction.NO_ROW]
    nan = float("nan")
    after, fills = execute(
        account,
        pd.Series({"C": 0.4, "D": 0.3, "E": 0.3}),
        quotes(["A", "B", "C", "D", "E"], [10, 9, 10, 11, nan], [nan, 9, 10, 11, nan], [int(c) for c in codes]),
        CostRates(0.0, 0.0),
    )
    trades = fills.frame().set_index("symbol")
    assert trades.loc[trades["is_blocked"], "restriction"].to_dict() == {
        "A": "suspended",
        "B": "limit_down",
        "D": "limit_up",
        "E": "no_row",
    }
    # Nothing but C can take money, and nothing gave any: C keeps what it has.
    assert dict(zip(after.symbols.tolist(), after.units, strict=True)) == pytest.approx({"A": 4.0, "B": 3.0, "C": 3.0})


def test_a_blocked_holding_keeps_its_units_exactly() -> None:
    units = np.array([1 / 3, 2 / 7])
    account = Account(DAY, 1.0, np.array(["A", "B"]), units, np.array([9.7, 3.1]))
    codes = [int(Restriction.SUSPENDED), 0]
    after, _ = execute(account, pd.Series({"B": 1.0}), quotes(["A", "B"], [9.7, 3], [np.nan, 3], codes), RATES)
    assert after.units[0] == units[0]


def test_delisted_holdings_are_sold_at_the_last_price_and_pay() -> None:
    account = Account(DAY, 10.0, np.array(["A", "B"]), np.array([2.0, 1.0]), np.array([20.0, 50.0]))
    gone = quotes(["A", "B"], [np.nan, 51], [np.nan, 51], [int(Restriction.NO_ROW), 0])
    after, events = sell_delisted(account, gone, 1.0, RATES)
    assert after.cash == pytest.approx(10 + 40 * 0.998, rel=1e-15)
    assert after.symbols.tolist() == ["B"]
    assert [(e.symbol, e.weight, e.price, e.cost) for e in events] == [("A", 0.4, 20.0, pytest.approx(0.0008))]
    written_off, _ = sell_delisted(account, gone, 0.0, RATES)
    assert written_off.cash == 10.0


def test_lots_are_whole_and_the_rest_is_cash() -> None:
    # 10,000 over two stocks: 5,000 / 30 = 166 shares -> 100; 5,000 / 7 = 714 -> 700.
    account, _ = execute(
        open_account(DAY, 10_000.0), pd.Series({"A": 0.5, "B": 0.5}), quotes(["A", "B"], [30, 7], [30, 7]), RATES, 100
    )
    assert account.units == pytest.approx([100, 700], rel=1e-14)
    assert account.cash == pytest.approx(10_000 - 3_000 - 4_900 - 7_900 * 0.002, rel=1e-13)
    # An odd lot of 150 is sold whole; its 4,500 buy 642 shares at 7, that is 600.
    odd = Account(DAY, 0.0, np.array(["A", "B"]), np.array([150.0, 1000.0]), np.array([30.0, 7.0]))
    after, _ = execute(odd, pd.Series({"B": 1.0}), quotes(["A", "B"], [30, 7], [30, 7]), RATES, 100)
    assert after.symbols.tolist() == ["B"]
    assert after.units == pytest.approx([1000 + 600], rel=1e-14)


def test_lots_count_raw_shares() -> None:
    # At factor 2 an adjusted share is two raw ones: 1,900 buy 190 raw shares at 10; a lot of them is 50 adjusted at 20.
    board = quotes(["A"], [20], [20])
    board = Quotes(board.symbols, board.close, board.execution, np.array([2.0]), board.restriction)
    account, _ = execute(open_account(DAY, 1_900.0), pd.Series({"A": 1.0}), board, CostRates(0, 0), 100)
    assert account.units == pytest.approx([50.0], rel=1e-14)


@given(seed=st.integers(0, 2**32 - 1), lot=st.sampled_from([None, 1, 100]))
def test_cash_holdings_and_costs_add_up(seed: int, lot: int | None) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 10))
    symbols = np.array([f"{i:06d}.SZ" for i in range(count)])
    units = rng.exponential(1000, count) * (rng.random(count) < 0.7)
    prices = rng.uniform(1, 50, count)
    keep = units > 0
    account = Account(DAY, float(rng.exponential(1000)), symbols[keep], units[keep], prices[keep])
    restriction = rng.integers(0, 5, count).astype(np.int8)
    traded_at = np.where(restriction < Restriction.SUSPENDED, prices * rng.uniform(0.9, 1.1, count), np.nan)
    board = Quotes(symbols, traded_at, traded_at, rng.uniform(1, 3, count), restriction)
    after, fills = execute(account, pd.Series(rng.dirichlet(np.ones(count)), index=symbols), board, RATES, lot)

    at = np.where(np.isnan(traded_at), prices, traded_at)
    before_value = account.cash + (units * at).sum()
    after_units = pd.Series(after.units, index=after.symbols).reindex(symbols, fill_value=0.0).to_numpy()
    assert after.cash >= 0
    assert (after_units >= 0).all()
    assert after.cash + (after_units * at).sum() + fills.cost.sum() == pytest.approx(before_value, rel=1e-12)
    assert fills.cost.sum() == pytest.approx(0.002 * (abs(after_units - units) * at).sum(), rel=1e-9, abs=1e-9)
    if lot is not None:
        bought = (after_units - units) * board.adj_factor
        np.testing.assert_allclose(np.round(bought[bought > 0] / lot) * lot, bought[bought > 0], rtol=1e-9)


def test_a_record_survives_json_bit_for_bit() -> None:
    account = Account(DAY, 0.1 + 0.2, np.array(["A", "B"]), np.array([1 / 3, 1e-17]), np.array([np.pi, 2.0]))
    back = Account.from_record(json.loads(json.dumps(account.to_record())))
    assert (back.session, back.cash) == (account.session, account.cash)
    assert back.symbols.tolist() == account.symbols.tolist()
    assert back.units.tolist() == account.units.tolist()
    assert back.prices.tolist() == account.prices.tolist()
    empty = Account.from_record(open_account(DAY, 1.0).to_record())
    assert empty.equity == 1.0


@pytest.mark.parametrize("change", [{"cash": None}, {"units": [1.0]}, {"units": ["x", "y"]}])
def test_a_broken_record_is_refused(change: dict[str, object]) -> None:
    record = Account(DAY, 0.0, np.array(["A", "B"]), np.ones(2), np.ones(2)).to_record()
    with pytest.raises(SimulationError, match="record"):
        Account.from_record(record | change)
    with pytest.raises(SimulationError, match="session"):
        Account.from_record({})


@pytest.mark.parametrize(
    "weights",
    [
        pd.Series([0.7, 0.4], index=["A", "B"]),
        pd.Series([1.1, -0.1], index=["A", "B"]),
        pd.Series([np.nan, 0.5], index=["A", "B"]),
        pd.Series([0.5, 0.5], index=["A", "A"]),
    ],
)
def test_targets_that_are_no_portfolio_are_refused(weights: pd.Series) -> None:
    with pytest.raises(SimulationError, match="target weights"):
        execute(open_account(DAY, 1.0), weights, quotes(["A", "B"], [1, 1], [1, 1]), RATES)


def test_a_holding_without_a_close_is_refused() -> None:
    account = Account(DAY, 0.0, np.array(["A"]), np.ones(1), np.ones(1))
    with pytest.raises(SimulationError, match="A is held and has no close"):
        mark(account, DAY, quotes(["A"], [np.nan], [1.0]))
