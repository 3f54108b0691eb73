"""Orders: by hand, against every combination of lots, and on any market valid, within the cash and to the fen."""

import itertools
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.tradability import Restriction
from attn_platform.errors import ContractError, MissingDataError, PortfolioError
from attn_platform.portfolio.trading.orders import OrderConfig, make_orders

FLAT = CostRates(buy=0.002, sell=0.002)
FREE = CostRates(buy=0.0, sell=0.0)
MAIN, OTHER, STAR, CHINEXT, BSE = "600000.SH", "000001.SZ", "688001.SH", "300001.SZ", "830001.BJ"


def quotes_of(prices: dict[str, float], **restrictions: Restriction) -> pd.DataFrame:
    """Closes by symbol; `restrictions` by code without the exchange, as s600000=…"""
    codes = {name.removeprefix("s"): code for name, code in restrictions.items()}
    return pd.DataFrame(
        {
            "name": [f"name of {symbol}" for symbol in prices],
            "close": list(prices.values()),
            "restriction": [codes.get(symbol[:6], Restriction.NONE) for symbol in prices],
        },
        index=list(prices),
    )


def positions_of(**shares: int | tuple[int, int]) -> pd.DataFrame:
    """Shares, or shares and those of them that may be sold, by symbol as s600000_SH=…"""
    rows = [(name[1:].replace("_", "."), *(n if isinstance(n, tuple) else (n, n))) for name, n in shares.items()]
    return pd.DataFrame(rows, columns=["symbol", "shares", "sellable"]).astype({"shares": int, "sellable": int})


NOTHING = positions_of()


def by_symbol(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("symbol")


def test_a_list_by_hand():
    """100,000 CNY: 60 % in a stock at 10.00 of which 2,000 are held, 40 % in a STAR stock at 33.33; one is sold off."""
    listed = make_orders(
        pd.Series({MAIN: 0.6, STAR: 0.4}),
        positions_of(s600000_SH=2000, s000001_SZ=1234),
        cash=100_000 - 2000 * 10 - 1234 * 5,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0, STAR: 33.33}),
        rates=FLAT,
    )
    # Costs: 0.2 % of 6,170 sold and of some 79,500 bought, so that λ is about 99,827 CNY. Targets 59,896 and 39,931:
    # 3,989 more shares of the one (39 lots, and a 40th is 11 shares too many), 1,198 of the other.
    orders = by_symbol(listed.orders)
    assert orders["side"].to_dict() == {OTHER: "sell", MAIN: "buy", STAR: "buy"}
    assert listed.orders["symbol"].tolist() == [OTHER, STAR, MAIN], "sales first, then the largest amount"
    assert orders.loc[OTHER, ["shares", "amount", "cost", "held_shares"]].tolist() == [1234, 6170.0, 12.34, 1234]
    assert orders.loc[STAR, "shares"] == 1198
    assert orders.loc[STAR, "amount"] == 39_929.34
    assert orders.loc[STAR, "cost"] == 79.86
    assert orders.loc[MAIN, "shares"] == 3900  # 40 lots and the STAR shares would cost 77 CNY more than there is
    assert orders.loc[MAIN, "lots"] == 39
    summary = listed.summary
    assert summary.cash == 73_830
    assert (summary.buys, summary.sales) == (78_929.34, 6170.0)
    assert summary.cost == pytest.approx(12.34 + 79.86 + 78.00, abs=1e-9)
    assert summary.cash_after == pytest.approx(73_830 + 6170 - 78_929.34 - 170.20, abs=1e-9)
    assert summary.equity_after == pytest.approx(100_000 - 170.20, abs=1e-9)
    weights = {MAIN: 59_000 / 99_829.80, STAR: 39_929.34 / 99_829.80}
    assert orders["weight_after"].to_dict() == pytest.approx({**weights, OTHER: 0.0}, abs=1e-12)
    off = [weights[MAIN] - 0.6, weights[STAR] - 0.4]
    in_cash = summary.cash_after / 99_829.80
    assert summary.tracking_difference == pytest.approx((sum(map(abs, off)) + in_cash) / 2, abs=1e-12)
    assert summary.largest_difference == pytest.approx(off[0], abs=1e-12)
    assert summary.largest_difference_symbol == MAIN
    assert summary.one_way_turnover == pytest.approx((78_929.34 + 6170) / 2 / 100_000, abs=1e-12)
    assert listed.left_out.empty


def test_no_trade_where_nothing_is_off_target():
    listed = make_orders(
        pd.Series({MAIN: 0.5, OTHER: 0.5}),
        positions_of(s600000_SH=5000, s000001_SZ=10_000),
        cash=0.0,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0}),
        rates=FLAT,
    )
    assert listed.orders.empty
    assert listed.summary.tracking_difference == 0
    assert listed.summary.cost == 0


def test_shares_that_may_not_be_sold_stay_and_the_buys_are_cut():
    listed = make_orders(
        pd.Series({OTHER: 1.0}),
        positions_of(s600000_SH=(10_000, 300)),
        cash=1000.0,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0}),
        rates=FREE,
    )
    orders = by_symbol(listed.orders)
    assert orders.loc[MAIN, "shares"] == 300
    assert orders.loc[OTHER, "shares"] == 800  # 3,000 CNY from the sale and 1,000 CNY cash
    assert listed.summary.cash_after == 0
    assert by_symbol(listed.left_out)["reason"].to_dict() == {
        MAIN: "shares not sellable yet (T+1)",
        OTHER: "not enough cash",
    }


def test_a_suspended_stock_gets_no_order_and_its_weight_goes_to_the_others():
    listed = make_orders(
        pd.Series({MAIN: 0.5, OTHER: 0.5}),
        NOTHING,
        cash=100_000.0,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0}, s600000=Restriction.SUSPENDED),
        rates=FREE,
    )
    assert by_symbol(listed.orders)["shares"].to_dict() == {OTHER: 20_000}
    assert by_symbol(listed.left_out)["reason"].to_dict() == {MAIN: "suspended"}
    assert listed.summary.tracking_difference == pytest.approx(0.5)


def test_one_price_boards_of_the_close_are_ordered_and_flagged():
    listed = make_orders(
        pd.Series({MAIN: 0.5, OTHER: 0.5}),
        NOTHING,
        cash=100_000.0,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0}, s600000=Restriction.LIMIT_UP, s000001=Restriction.LIMIT_DOWN),
        rates=FREE,
    )
    notes = by_symbol(listed.orders)["note"]
    assert "limit-up" in notes[MAIN]
    assert "limit-down" in notes[OTHER]


def test_a_stock_in_its_delisting_period_is_sold_and_not_bought():
    leaving = Restriction.DELISTING_PERIOD
    listed = make_orders(
        pd.Series({MAIN: 0.5, OTHER: 0.3, CHINEXT: 0.2}),
        positions_of(s600000_SH=2050),
        cash=79_500.0,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0, CHINEXT: 20.0}, s600000=leaving, s300001=leaving),
        rates=FREE,
    )
    orders = by_symbol(listed.orders)
    assert orders.loc[MAIN, ["side", "shares"]].tolist() == ["sell", 2050]
    assert set(orders.index) == {MAIN, OTHER}
    assert "delisting" in orders.loc[MAIN, "note"]
    assert set(by_symbol(listed.left_out)["reason"]) == {"in the delisting-consolidation period"}


def test_cash_that_the_target_keeps_is_kept():
    listed = make_orders(pd.Series({MAIN: 0.9}), NOTHING, 1_000_000.0, quotes_of({MAIN: 10.0}), FLAT)
    assert listed.summary.cash_after / listed.summary.equity_after == pytest.approx(0.1, abs=1.1e-3)
    assert listed.summary.cash_after >= 0.1 * 1_000_000 - 1e-6
    assert listed.summary.tracking_difference < 1.1e-3


def test_a_broker_has_a_least_cost():
    free, dear = (
        make_orders(pd.Series({MAIN: 1.0}), NOTHING, 2000.0, quotes_of({MAIN: 10.0}), FLAT, OrderConfig(minimum_cost=m))
        for m in (0.0, 5.0)
    )
    assert free.orders["cost"].tolist() == [2.0]
    assert dear.orders["cost"].tolist() == [5.0]
    worthless = make_orders(
        pd.Series({MAIN: 1.0}),
        positions_of(s600000_SH=1000, s000001_SZ=3),
        0.0,
        quotes_of({MAIN: 10.0, OTHER: 1.0}),
        FLAT,
        OrderConfig(minimum_cost=5.0),
    )
    assert worthless.orders.empty, "a sale that costs more than it brings"


def test_more_money_is_nearer_to_the_target():
    rng = np.random.default_rng(3)
    symbols = [f"{600000 + k}.SH" for k in range(60)]
    target = pd.Series(rng.dirichlet(np.ones(60)), symbols)
    prices = quotes_of(dict(zip(symbols, rng.uniform(3, 90, 60).round(2), strict=True)))
    off = [make_orders(target, NOTHING, money, prices, FLAT).summary.tracking_difference for money in (1e6, 1e7, 1e9)]
    assert off[0] > 5 * off[1] > 50 * off[2]
    # The mean lot is some 4,600 CNY, the mean difference of a rounded stock a quarter of it
    assert off[1] < 60 * 4600 / 4 / 1e7


@pytest.mark.parametrize("seed", range(6))
def test_hardly_further_from_the_target_than_the_best_of_all_combinations(seed):
    """Three stocks of the main board: every combination of lots that the money suffices for is tried."""
    rng = np.random.default_rng(seed)
    symbols = [MAIN, OTHER, CHINEXT]
    prices = rng.uniform(5, 60, 3).round(2)
    weights, money = rng.dirichlet(np.ones(3) * 3), 60_000.0
    listed = make_orders(
        pd.Series(weights, symbols), NOTHING, money, quotes_of(dict(zip(symbols, prices, strict=True))), FREE
    )
    best = np.inf
    for lots in itertools.product(*(range(int(money / (price * 100)) + 1) for price in prices)):
        values = np.array(lots) * 100 * prices
        if values.sum() <= money:
            off = abs(values / money - weights).sum() + 1 - values.sum() / money
            best = min(best, off / 2)
    assert best - 1e-12 <= listed.summary.tracking_difference <= best + 0.25 * prices.max() * 100 / money


CLOSING_RESTRICTIONS = [code for code in Restriction if code not in (Restriction.NO_ROW, Restriction.VOLUME_CAP)]


@st.composite
def desks(draw):
    """Positions, targets and prices of up to eight stocks on all boards, however little they fit together."""
    boards = {"6000{:02d}.SH": 100, "3000{:02d}.SZ": 100, "6880{:02d}.SH": 200, "8300{:02d}.BJ": 100}
    symbols = [form.format(k) for form in boards for k in range(2)][: draw(st.integers(1, 8))]
    n = len(symbols)
    whole = st.integers(0, 3000)
    shares = draw(st.lists(whole, min_size=n, max_size=n))
    sellable = [min(held, draw(whole)) if draw(st.booleans()) else held for held in shares]
    raw = np.array(draw(st.lists(st.integers(0, 1000), min_size=n, max_size=n))) / 1000
    total = raw.sum()
    weights = raw / total * draw(st.sampled_from([1.0, 0.95])) if total > 0 else np.zeros(n)
    fen = draw(st.lists(st.integers(50, 20_000), min_size=n, max_size=n))
    codes = draw(st.lists(st.sampled_from(CLOSING_RESTRICTIONS), min_size=n, max_size=n))
    return (
        pd.Series(weights, symbols),
        pd.DataFrame({"symbol": symbols, "shares": shares, "sellable": sellable}),
        draw(st.integers(1, 50_000_000)) / 100,
        pd.DataFrame({"name": symbols, "close": np.array(fen) / 100, "restriction": codes}, index=symbols),
        OrderConfig(price_buffer=draw(st.sampled_from([0.0, 0.1])), minimum_cost=draw(st.sampled_from([0.0, 5.0]))),
        draw(st.integers(0, 2**32 - 1)),
    )


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(desks())
def test_orders_are_valid_within_the_cash_and_to_the_fen(desk):
    target, positions, cash, quotes, config, seed = desk
    listed = make_orders(target, positions, cash, quotes, FLAT, config)
    held = positions.set_index("symbol")
    money, filled = Decimal(f"{cash:.2f}"), Decimal(f"{cash:.2f}")
    rng = np.random.default_rng(seed)
    for row in listed.orders.itertuples():
        assert row.shares > 0
        assert quotes.loc[row.symbol, "restriction"] != Restriction.SUSPENDED
        if row.side == "buy":
            assert_valid_buy(row.symbol, row.shares)
            assert target[row.symbol] > 0
            assert quotes.loc[row.symbol, "restriction"] != Restriction.DELISTING_PERIOD
        else:
            assert row.shares <= held.loc[row.symbol, "sellable"]
            assert_valid_sale(row.symbol, row.shares, held.loc[row.symbol, "shares"])
        price = Decimal(f"{quotes.loc[row.symbol, 'close']:.2f}")
        assert Decimal(f"{row.cost:.2f}") == cost_of(row.shares * price, config)
        sign = -1 if row.side == "buy" else 1
        money += sign * row.shares * price - cost_of(row.shares * price, config)
        fill = fill_within(price, config.price_buffer, rng)
        filled += sign * row.shares * fill - cost_of(row.shares * fill, config)
    assert money == Decimal(f"{listed.summary.cash_after:.2f}") >= 0
    assert filled >= 0
    after = by_symbol(listed.holdings)["shares"]
    changes = listed.orders.set_index("symbol").apply(
        lambda row: row["shares"] if row["side"] == "buy" else -row["shares"], axis=1
    )
    expected = held["shares"].add(changes if len(changes) else 0, fill_value=0)
    assert (after.reindex(expected.index, fill_value=0) == expected).all()
    worth = sum(int(n) * Decimal(f"{quotes.loc[symbol, 'close']:.2f}") for symbol, n in after.items())
    assert float(worth + money) == pytest.approx(listed.summary.equity_after, abs=1e-6)
    assert listed.summary.equity - listed.summary.equity_after == pytest.approx(listed.summary.cost, abs=1e-6)
    assert listed.summary.cost == pytest.approx(listed.orders["cost"].sum(), abs=1e-6)


def fill_within(price: Decimal, buffer: float, rng: np.random.Generator) -> Decimal:
    """A fill in whole fen, at most so far from the close; often the furthest."""
    reach = 100 * price * Decimal(str(buffer))
    low = int((100 * price - reach).to_integral_value(ROUND_CEILING))
    high = int((100 * price + reach).to_integral_value(ROUND_FLOOR))
    return Decimal(int(rng.choice([low, high, rng.integers(low, high + 1)]))) / 100


def assert_valid_buy(symbol: str, shares: int) -> None:
    if symbol.startswith("688"):
        assert shares >= 200
    elif symbol.endswith(".BJ"):
        assert shares >= 100
    else:
        assert shares % 100 == 0


def assert_valid_sale(symbol: str, shares: int, held: int) -> None:
    """All there is; or whole lots, with or without the odd part; STAR and BSE from their minimum on."""
    if symbol.startswith("688") or symbol.endswith(".BJ"):
        assert shares == held or shares >= (200 if symbol.startswith("688") else 100)
    else:
        assert shares == held or shares % 100 in (0, held % 100)


def cost_of(amount: Decimal, config: OrderConfig) -> Decimal:
    cost = max(amount * Decimal("0.002"), Decimal(str(config.minimum_cost)))
    return cost.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"target": pd.Series({MAIN: 1.1})}, PortfolioError, "sum is 1.1"),
        ({"target": pd.Series({MAIN: np.nan})}, PortfolioError, "finite"),
        ({"target": pd.Series({MAIN: -0.1, OTHER: 1.0})}, PortfolioError, "at least 0"),
        ({"target": pd.Series([0.5, 0.5], [MAIN, MAIN])}, PortfolioError, f"{MAIN} twice"),
        ({"positions": pd.concat([positions_of(s600000_SH=1)] * 2)}, PortfolioError, "twice"),
        ({"positions": positions_of(s600000_SH=(100, 200))}, PortfolioError, "more shares of 600000.SH are sellable"),
        ({"positions": positions_of(s600000_SH=1).assign(shares=0.5)}, PortfolioError, "whole numbers"),
        ({"cash": -1.0}, PortfolioError, "worth more than the money"),
        ({"cash": 0.0}, PortfolioError, "neither cash nor a position"),
        ({"positions": positions_of(s600001_SH=100)}, MissingDataError, "600001.SH has no close"),
        ({"quotes": quotes_of({MAIN: np.nan})}, MissingDataError, "600000.SH has no close"),
        ({"target": pd.Series({"510300.SH": 1.0}), "quotes": quotes_of({"510300.SH": 4.0})}, ContractError, "510300"),
    ],
)
def test_what_cannot_be_is_refused(change, error, words):
    arguments = {
        "target": pd.Series({MAIN: 1.0}),
        "positions": NOTHING,
        "cash": 1e6,
        "quotes": quotes_of({MAIN: 10.0}),
        "rates": FLAT,
    }
    with pytest.raises(error, match=words):
        make_orders(**{**arguments, **change})
