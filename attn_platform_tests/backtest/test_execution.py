import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.backtest.account import Account, open_account
from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.execution import Fills, execute
from attn_platform.backtest.tradability import Restriction
from attn_platform.errors import SimulationError
from attn_platform_tests.backtest.quotes import quotes

RATES, FREE = CostRates(0.002, 0.002), CostRates(0.0, 0.0)
DAY = np.datetime64("2015-01-06")
NAN = float("nan")
STUDY = BacktestConfig()
CARRY = BacktestConfig(unfilled="carry")
WHOLE = BacktestConfig(whole_shares=True)


def holding(
    cash: float, symbols: list[str], units: list[float], prices: list[float], **optional: list[float]
) -> Account:
    columns = (np.array(values, dtype=float) for values in (units, prices))
    extra = {name: np.array(values, dtype=float) for name, values in optional.items()}
    return Account(DAY, cash, np.array(symbols, dtype=str), *columns, **extra)


def trades_of(fills: Fills) -> pd.DataFrame:
    return pd.DataFrame(fills.columns()).set_index("symbol")


def units_of(account: Account) -> dict[str, float]:
    return dict(zip(account.symbols.tolist(), account.units.tolist(), strict=True))


def test_two_stocks_by_hand() -> None:
    """Buy half and half at 10 and 20, then sell A for B at 12 and 20."""
    account = open_account("2015-01-05", 1002.0)
    account, fills = execute(account, pd.Series({"A": 0.5, "B": 0.5}), quotes(["A", "B"], [10, 20]), RATES, STUDY)
    assert account.units == pytest.approx([50, 25], rel=1e-14)
    assert account.cash == pytest.approx(0, abs=1e-11)
    assert fills.cost.sum() == pytest.approx(2.0, rel=1e-13)
    assert fills.turnover == pytest.approx(1000 / 1002, rel=1e-14)

    account, fills = execute(account, pd.Series({"B": 1.0}), quotes(["A", "B"], [12, 20]), RATES, STUDY)
    bought = 600 * (1 - 0.002) / 1.002
    assert account.symbols.tolist() == ["B"]
    assert account.units == pytest.approx([25 + bought / 20], rel=1e-14)
    assert fills.cost == pytest.approx([600 * 0.002, bought * 0.002], rel=1e-12)
    trades = trades_of(fills)
    assert trades["traded_weight"].to_dict() == pytest.approx({"A": -600 / 1100, "B": bought / 1100}, rel=1e-13)
    assert trades["weight"].to_dict() == pytest.approx({"A": 0.0, "B": 1.0}, abs=1e-13)
    assert trades["units"].to_dict() == pytest.approx({"A": -50, "B": bought / 20}, rel=1e-13)
    assert trades["price"].to_dict() == {"A": 12, "B": 20}
    assert trades["amount"].to_dict() == pytest.approx({"A": 600, "B": bought}, rel=1e-13)
    assert trades["fee"].to_dict() == pytest.approx({"A": 1.2, "B": bought * 0.002}, rel=1e-12)
    assert (trades["unfilled_weight"] == 0).all()


def test_blocked_wishes_are_reported_with_their_reason() -> None:
    account = holding(0.0, ["A", "B", "C"], [4, 3, 3], [10, 10, 10])
    codes = [Restriction.SUSPENDED, Restriction.LIMIT_DOWN, Restriction.NONE, Restriction.LIMIT_UP, Restriction.NO_ROW]
    board = quotes(["A", "B", "C", "D", "E"], [NAN, 9, 10, 11, NAN], codes, close=[10, 9, 10, 11, NAN])
    after, fills = execute(account, pd.Series({"C": 0.4, "D": 0.3, "E": 0.3}), board, FREE, STUDY)
    trades = trades_of(fills)
    assert trades.loc[trades["is_blocked"], "restriction"].to_dict() == {
        "A": "suspended",
        "B": "limit_down",
        "D": "limit_up",
        "E": "no_row",
    }
    # Nothing but C can take money, and nothing gave any: C keeps what it has.
    assert units_of(after) == pytest.approx({"A": 4.0, "B": 3.0, "C": 3.0})


def test_a_blocked_holding_keeps_its_units_exactly() -> None:
    account = holding(1.0, ["A", "B"], [1 / 3, 2 / 7], [9.7, 3.1])
    board = quotes(["A", "B"], [NAN, 3], [Restriction.SUSPENDED, Restriction.NONE], close=[9.7, 3])
    after, _ = execute(account, pd.Series({"B": 1.0}), board, RATES, STUDY)
    assert after.units[0] == 1 / 3


def test_a_trade_is_at_most_its_share_of_the_volume() -> None:
    """A tenth of 300 shares of A are sold and a tenth of 200 of B bought; what that leaves stays in cash."""
    account = holding(500.0, ["A"], [50], [10])
    config = BacktestConfig(volume_cap=0.1)
    board = quotes(["A", "B", "C"], [10, 10, 10], volume=[300, 200, 1e6])
    after, fills = execute(account, pd.Series({"B": 0.5, "C": 0.5}), board, FREE, config)
    assert units_of(after) == pytest.approx({"A": 20, "B": 20, "C": 50}, rel=1e-13)
    assert after.cash == pytest.approx(100.0, rel=1e-13)
    trades = trades_of(fills)
    assert trades["restriction"].to_dict() == {"A": "volume_cap", "B": "volume_cap", "C": "none"}
    assert trades["unfilled_weight"].to_dict() == pytest.approx({"A": -0.2, "B": 0.3, "C": 0.0}, rel=1e-12)
    assert not trades["is_blocked"].any()


def test_sales_that_the_cap_cuts_cut_the_purchases() -> None:
    account = holding(0.0, ["A"], [100], [10])
    board = quotes(["A", "B", "C"], [10, 10, 10], volume=[300, 1e6, 1e6])
    after, _ = execute(account, pd.Series({"B": 0.75, "C": 0.25}), board, FREE, BacktestConfig(volume_cap=0.1))
    assert units_of(after) == pytest.approx({"A": 70, "B": 22.5, "C": 7.5}, rel=1e-13)
    assert after.cash == pytest.approx(0.0, abs=1e-10)


def test_what_is_carried_waits_in_cash_and_goes_on() -> None:
    """B is suspended and A's volume is thin: their orders stay, C does not get their money."""
    config = BacktestConfig(unfilled="carry", volume_cap=0.1)
    symbols, suspended = ["A", "B", "C"], [Restriction.NONE, Restriction.SUSPENDED, Restriction.NONE]
    target = pd.Series({"A": 0.5, "B": 0.2, "C": 0.3})
    first = quotes(symbols, [10, NAN, 10], suspended, close=[10, 20, 10], volume=[200, 0, 1e6])
    account, fills = execute(open_account(DAY, 1000.0), target, first, FREE, config)
    assert units_of(account) == pytest.approx({"A": 20, "B": 0, "C": 30}, rel=1e-13)
    assert account.cash == pytest.approx(500.0, rel=1e-13)
    assert account.goals == pytest.approx([50, 10, 30], rel=1e-13)
    unfilled = trades_of(fills)["unfilled_weight"].to_dict()
    assert unfilled == pytest.approx({"A": 0.3, "B": 0.2, "C": 0.0}, rel=1e-12)

    # B trades again, dearer: its ten cost 250; A gets its next 20; C, which went up, is left alone.
    second = quotes(symbols, [10, 25, 12], volume=[200, 1e6, 1e6])
    account, fills = execute(account, None, second, FREE, config)
    assert units_of(account) == pytest.approx({"A": 40, "B": 10, "C": 30}, rel=1e-13)
    assert account.cash == pytest.approx(500 - 200 - 250, rel=1e-12)
    assert sorted(trades_of(fills).index) == ["A", "B"]

    # 50 are left: they pay for five of A's ten, at 10 each.
    third = quotes(symbols, [10, 25, 12], volume=[1e6, 1e6, 1e6])
    account, _ = execute(account, None, third, FREE, config)
    assert units_of(account) == pytest.approx({"A": 45, "B": 10, "C": 30}, rel=1e-13)
    assert account.cash == pytest.approx(0.0, abs=1e-10)
    assert account.has_orders

    # A new target replaces what is left of the old one.
    account, _ = execute(account, pd.Series({"C": 1.0}), third, FREE, config)
    assert list(units_of(account)) == ["C"]
    assert not account.has_orders


def test_a_sale_that_is_carried_pays_for_what_waits_for_its_money() -> None:
    account = holding(0.0, ["A"], [10], [10])
    board = [Restriction.LIMIT_DOWN, Restriction.NONE]
    account, _ = execute(account, pd.Series({"B": 1.0}), quotes(["A", "B"], [9, 10], board), FREE, CARRY)
    assert units_of(account) == pytest.approx({"A": 10, "B": 0})
    account, _ = execute(account, None, quotes(["A", "B"], [8, 10]), FREE, CARRY)
    # Nine of B were ordered; A raised money for eight.
    assert units_of(account) == pytest.approx({"B": 8.0}, rel=1e-13)
    assert account.goals == pytest.approx([9.0], rel=1e-13)


def test_without_anything_left_carrying_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    symbols = [f"{i:06}.SZ" for i in range(8)]
    account = holding(100.0, symbols[:5], rng.uniform(1, 9, 5).tolist(), rng.uniform(1, 50, 5).tolist())
    board = quotes(symbols, rng.uniform(1, 50, 8).tolist())
    target = pd.Series(rng.dirichlet(np.ones(6)), index=symbols[2:])
    dropped, _ = execute(account, target, board, RATES, STUDY)
    carried, _ = execute(account, target, board, RATES, CARRY)
    assert dropped.to_record() == carried.to_record()


@pytest.mark.parametrize("config", [STUDY, CARRY], ids=["drop", "carry"])
def test_stocks_in_the_delisting_period_are_sold_and_not_bought(config: BacktestConfig) -> None:
    account = holding(0.0, ["A", "B"], [10, 10], [10, 10])
    board = quotes(["A", "B", "C"], [10, 10, 10], leaving=["A", "C"])
    target = pd.Series({"A": 0.4, "B": 0.4, "C": 0.2})
    after, fills = execute(account, target, board, FREE, config)
    assert units_of(after) == pytest.approx({"B": 20.0}, rel=1e-13)
    assert trades_of(fills)["restriction"].to_dict() == {
        "A": "delisting_period",
        "B": "none",
        "C": "delisting_period",
    }
    # Between the rebalances too; B, which has no order, is left alone.
    after, _ = execute(account, None, board, FREE, config)
    assert units_of(after) == {"B": 10.0}
    assert after.cash == pytest.approx(100.0)


def test_what_cannot_be_sold_in_the_delisting_period_is_kept() -> None:
    account = holding(0.0, ["A"], [10], [10])
    board = quotes(["A"], [9], [Restriction.LIMIT_DOWN], leaving=["A"])
    after, fills = execute(account, None, board, FREE, STUDY)
    assert units_of(after) == {"A": 10.0}
    assert trades_of(fills)["is_blocked"].all()
    # And not bought at the down limit, where buying would be easy.
    after, fills = execute(open_account(DAY, 100.0), pd.Series({"A": 1.0}), board, FREE, STUDY)
    assert units_of(after) == {}
    assert trades_of(fills)["is_blocked"].all()


def test_whole_lots_by_hand() -> None:
    # 10,000 over two stocks: 5,000 / 30 = 166 shares -> 100; 5,000 / 7 = 714 -> 700.
    symbols = ["600001.SH", "600002.SH"]
    target = pd.Series([0.5, 0.5], index=symbols)
    account, fills = execute(open_account(DAY, 10_000.0), target, quotes(symbols, [30, 7]), RATES, WHOLE)
    assert account.units.tolist() == [100, 700]
    assert account.cash == 10_000 - 3_000 - 4_900 - 6.00 - 9.80
    assert fills.cost.tolist() == [6.00, 9.80]
    # An odd lot of 150 is sold whole; its 4,500 buy 642 shares at 7, that is 600.
    odd = holding(0.0, symbols, [150, 1000], [30, 7], factors=[1, 1])
    after, _ = execute(odd, pd.Series({symbols[1]: 1.0}), quotes(symbols, [30, 7]), FREE, WHOLE)
    assert units_of(after) == {symbols[1]: 1600}
    assert after.cash == 300.0


def test_boards_have_their_own_lots() -> None:
    symbols = ["300001.SZ", "600001.SH", "688001.SH", "688002.SH", "830001.BJ"]
    target = pd.Series([0.255, 0.255, 0.255, 0.11, 0.125], index=symbols)
    account, _ = execute(open_account(DAY, 10_000.0), target, quotes(symbols, [10] * 5), FREE, WHOLE)
    assert units_of(account) == {"300001.SZ": 200, "600001.SH": 200, "688001.SH": 255, "830001.BJ": 125}


def test_sales_that_bring_less_than_planned_cut_the_purchases() -> None:
    """149 of A are to be sold for B and a lot of 100 is: the money for 149 is not there."""
    account = holding(0.0, ["600001.SH"], [300], [10], factors=[1])
    target = pd.Series({"600001.SH": 151 / 300, "688001.SH": 149 / 300})
    after, _ = execute(account, target, quotes(["600001.SH", "688001.SH"], [10, 5]), FREE, WHOLE)
    assert units_of(after) == {"600001.SH": 200, "688001.SH": 200}
    assert after.cash == 0.0


def test_an_account_does_not_change_its_kind_of_shares() -> None:
    board = quotes(["600001.SH"], [10])
    with pytest.raises(SimulationError, match="whole_shares = True do not fit"):
        execute(holding(0.0, ["600001.SH"], [1], [10]), None, board, FREE, WHOLE)
    with pytest.raises(SimulationError, match="whole_shares = False do not fit"):
        execute(holding(0.0, ["600001.SH"], [1], [10], factors=[1]), None, board, FREE, STUDY)


CONFIGS = [
    STUDY,
    CARRY,
    WHOLE,
    BacktestConfig(volume_cap=0.1),
    BacktestConfig(volume_cap=0.1, unfilled="carry"),
    BacktestConfig(volume_cap=0.1, unfilled="carry", whole_shares=True),
]


@given(seed=st.integers(0, 2**32 - 1), config=st.sampled_from(CONFIGS))
def test_cash_holdings_and_costs_add_up(seed: int, config: BacktestConfig) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 10))
    symbols = [f"{i:06d}.SZ" for i in range(count)]
    units = np.floor(rng.exponential(1000, count)) * (rng.random(count) < 0.7)
    prices = np.round(rng.uniform(1, 50, count), 2)
    keep = units > 0
    factors = {"factors": np.ones(int(keep.sum()))} if config.whole_shares else {}
    cash = round(float(rng.exponential(1000)), 2)
    account = Account(DAY, cash, np.array(symbols)[keep], units[keep], prices[keep], **factors)
    restriction = rng.integers(0, 5, count)
    traded_at = np.where(restriction < Restriction.SUSPENDED, prices * rng.uniform(0.9, 1.1, count), NAN)
    board = quotes(symbols, traded_at.tolist(), restriction.tolist(), volume=rng.exponential(3000, count).tolist())
    target = pd.Series(rng.dirichlet(np.ones(count)), index=symbols)
    after, fills = execute(account, target, board, RATES, config)

    at = np.where(np.isnan(traded_at), prices, traded_at)
    before_value = account.cash + (units * at).sum()
    after_units = pd.Series(after.units, index=after.symbols).reindex(symbols, fill_value=0.0).to_numpy()
    assert after.cash >= 0
    assert (after_units >= 0).all()
    rounding = 0.01 * count if config.whole_shares else 0.0  # half a fen for each amount and each cost
    assert after.cash + (after_units * at).sum() + fills.cost.sum() == pytest.approx(
        before_value, rel=1e-12, abs=rounding
    )
    traded = (abs(after_units - units) * at).sum()
    assert fills.cost.sum() == pytest.approx(0.002 * traded, rel=1e-9, abs=max(rounding, 1e-9))
    if config.volume_cap is not None:
        assert (abs(after_units - units) <= 0.1 * board.volume * (1 + 1e-9) + 1e-6).all()


def test_targets_that_are_no_portfolio_are_refused() -> None:
    account = open_account(DAY, 1.0)
    board = quotes(["A", "B"], [1, 1])
    for weights, message in (
        ({"A": 0.7, "B": 0.4}, "sum is 1.1"),
        ({"A": -0.1, "B": 0.4}, "least -0.1"),
        ({"A": NAN, "B": 0.4}, "finite"),
    ):
        with pytest.raises(SimulationError, match=message):
            execute(account, pd.Series(weights), board, FREE, STUDY)
    with pytest.raises(SimulationError, match="name A twice"):
        execute(account, pd.Series([0.2, 0.3], index=["A", "A"]), board, FREE, STUDY)
