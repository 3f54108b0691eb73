import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.fen import to_fen
from attn_platform.backtest.whole_shares import in_lots, settle, within_cash, without_noise, worthwhile

RATES = CostRates(0.002, 0.001)
INF = float("inf")


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [(1.005, 1.01), (0.285, 0.29), (2.675, 2.68), (1.0049, 1.0), (1234.25 * 0.002, 2.47), (1e9 + 0.015, 1e9 + 0.02)],
)
def test_half_a_fen_is_rounded_up_though_floats_fall_short_of_it(amount: float, rounded: float) -> None:
    assert to_fen(amount) == rounded
    assert to_fen(np.array([amount])).tolist() == [rounded]


@given(fen=st.integers(0, 10**13))
def test_whole_fen_stay_what_they_are(fen: int) -> None:
    assert to_fen(fen / 100) == fen / 100


def test_a_sale_that_costs_what_it_brings_is_not_made() -> None:
    rates = CostRates(0.001, 0.001, minimum=5.0)
    traded = np.array([-100.0, -2.0, 100.0, -3.0])
    prices = np.array([10.0, 2.5, 0.01, 2.5])
    assert worthwhile(traded, prices, rates).tolist() == [-100.0, 0.0, 100.0, -3.0]
    assert settle(traded, prices, rates).fee.tolist() == [5.0, 5.0, 5.0, 5.0]


def test_purchases_leave_the_cash_for_their_least_commissions() -> None:
    """Three times 1,000 and 15 of commission each, for 3,000: less two fen each, 2,954.94 of the 3,003 that they cost
    at the flat rate are 245.998 of 250 shares."""
    boards = np.array(["star", "star", "star"])
    rates = CostRates(0.001, 0.001, minimum=15.0)
    wanted, units = np.full(3, 250.0), np.zeros(3)
    bought = within_cash(wanted, np.full(3, 4.0), units, boards, 3000.0, rates)
    assert bought.tolist() == [245.0, 245.0, 245.0]
    assert settle(bought, np.full(3, 4.0), rates).spent == 3 * (245 * 4 + 15)
    assert within_cash(wanted, np.full(3, 4.0), units, boards, 40.0, rates).tolist() == [0.0, 0.0, 0.0]


def test_shares_next_to_a_whole_number_are_whole() -> None:
    shares = without_noise(np.array([1233.9999999999, 1234.0000000001, 1233.999, INF, -INF]))
    assert shares.tolist() == [1234.0, 1234.0, 1233.999, INF, -INF]


def test_orders_keep_to_lots_and_caps() -> None:
    boards = np.array(["main", "main", "star", "main", "main"])
    change = np.array([350.0, -350.0, 350.0, -1e9, 0.0])
    units, most = np.array([0.0, 1000.0, 0.0, 130.0, 500.0]), np.array([250.0, 220.0, INF, INF, INF])
    assert in_lots(change, units, most, boards).tolist() == [200, -200, 350, -130, 0]


def test_money_of_trades_by_hand() -> None:
    money = settle(np.array([300.0, -200.0, 0.0]), np.array([10.123, 9.999, np.nan]), RATES)
    assert money.amount.tolist() == [3036.90, -1999.80, 0.0]
    assert money.fee.tolist() == [6.07, 2.00, 0.0]
    assert money.spent == 1045.17


@given(seed=st.integers(0, 2**32 - 1))
def test_purchases_never_overdraw_the_cash(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    boards = rng.choice(["main", "chinext", "star", "bse"], count)
    units = rng.integers(0, 3000, count).astype(float)
    prices = rng.uniform(0.5, 2000, count)
    wanted = in_lots(rng.normal(0, 3000, count), units, np.full(count, INF), boards)
    cash = round(float(rng.exponential(1e5)), 2)
    traded = within_cash(wanted, prices, units, boards, cash, RATES)
    assert settle(traded, prices, RATES).spent <= cash
    sold = wanted < 0
    assert traded[sold].tolist() == wanted[sold].tolist()
    assert ((traded >= 0) & (traded <= wanted))[~sold].all()
    assert in_lots(traded, units, np.full(count, INF), boards).tolist() == traded.tolist()
    if settle(wanted, prices, RATES).spent <= cash:
        assert traded.tolist() == wanted.tolist()


def test_money_that_just_suffices_is_spent() -> None:
    boards = np.array(["main"])
    wanted = np.array([300.0])
    assert within_cash(wanted, np.array([10.0]), np.zeros(1), boards, 3006.00, RATES).tolist() == [300]
    assert within_cash(wanted, np.array([10.0]), np.zeros(1), boards, 3005.99, RATES).tolist() == [200]
