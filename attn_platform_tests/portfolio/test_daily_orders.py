"""Orders spread over days: by hand, and on any market valid each day, within the cash, and in sum the whole orders."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.tradability import Restriction
from attn_platform.errors import ConfigurationError
from attn_platform.portfolio.trading.daily_orders import DailyOrders, daily_orders
from attn_platform.portfolio.trading.days import LONGEST, WholeOrders, days_within, largest_amount, spread
from attn_platform.portfolio.trading.orders import OrderConfig, OrderList, make_orders
from attn_platform_tests.portfolio.test_orders import (
    BSE,
    CHINEXT,
    FLAT,
    FREE,
    MAIN,
    NOTHING,
    OTHER,
    STAR,
    assert_valid_buy,
    assert_valid_sale,
    desks,
    positions_of,
    quotes_of,
)

FIRST = np.datetime64("2022-06-13")


def over(listed: OrderList, days: int) -> DailyOrders:
    return daily_orders(listed, [FIRST + day for day in range(days)])


def shares_of(daily: DailyOrders) -> dict[str, list[int]]:
    """Shares of each day by symbol."""
    table = daily.orders.pivot(index="symbol", columns="day", values="shares")
    days = daily.days["day"]
    return {
        str(symbol): row.reindex(days, fill_value=0).fillna(0).astype(int).tolist() for symbol, row in table.iterrows()
    }


def list_by_hand() -> OrderList:
    """100,000 CNY, of which 10,340 and 170 are sold off and 11,500 are bought."""
    return make_orders(
        pd.Series({STAR: 0.065, BSE: 0.03, CHINEXT: 0.02}),
        positions_of(s600000_SH=1034, s000001_SZ=34),
        cash=100_000 - 1034 * 10 - 34 * 5,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0, STAR: 10.0, BSE: 10.0, CHINEXT: 20.0}),
        rates=FREE,
    )


def test_three_days_by_hand():
    listed = list_by_hand()
    assert listed.orders.set_index("symbol")["shares"].to_dict() == {
        MAIN: 1034,
        OTHER: 34,
        STAR: 650,
        BSE: 300,
        CHINEXT: 100,
    }
    daily = over(listed, 3)
    assert shares_of(daily) == {
        MAIN: [400, 300, 334],  # ten lots, and the odd 34 shares with the last of them
        OTHER: [0, 0, 34],  # an odd lot alone is sold on the last day
        STAR: [216, 217, 217],  # share by share, each order of 200 or more
        BSE: [100, 100, 100],
        CHINEXT: [100, 0, 0],  # one lot, on the day that buys least: 3,160 CNY against 3,170 on the others
    }
    assert daily.orders.columns.tolist() == ["day", *listed.orders.columns]
    assert daily.orders["day"].is_monotonic_increasing
    main = daily.orders[daily.orders["symbol"] == MAIN]
    assert main["held_shares"].tolist() == [1034, 634, 334]
    assert main["lots"].tolist() == [4.0, 3.0, 3.34]
    assert main["amount"].tolist() == [4000.0, 3000.0, 3340.0]
    assert main["weight_after"].tolist() == pytest.approx([0.0634, 0.0334, 0.0])
    days = daily.days
    assert days["session"].tolist() == ["2022-06-13", "2022-06-14", "2022-06-15"]
    assert days["sales"].tolist() == [4000.0, 3000.0, 3510.0]
    assert days["buys"].tolist() == [5160.0, 3170.0, 3170.0]
    assert days["one_way_turnover"].tolist() == pytest.approx([0.0458, 0.03085, 0.0334])
    assert days["cash_after"].tolist() == [88_330.0, 88_160.0, 88_500.0]
    assert days[["sell_orders", "buy_orders"]].to_numpy().tolist() == [[1, 3], [1, 2], [2, 2]]


def test_one_day_is_the_whole_list():
    listed = list_by_hand()
    daily = over(listed, 1)
    pd.testing.assert_frame_equal(daily.orders.drop(columns="day"), listed.orders)
    assert daily.days["cash_after"].tolist() == [listed.summary.cash_after]


def test_a_star_order_below_twice_the_least_is_not_cut():
    listed = make_orders(pd.Series({STAR: 1.0}), NOTHING, 3990.0, quotes_of({STAR: 10.0}), FREE)
    assert listed.orders["shares"].tolist() == [399]
    assert shares_of(over(listed, 2)) == {STAR: [0, 399]}


def test_what_closed_at_the_limit_against_it_begins_on_the_second_day():
    listed = make_orders(
        pd.Series({CHINEXT: 0.5, OTHER: 0.5}),
        positions_of(s600000_SH=6000, s600001_SH=4000),
        cash=0.0,
        quotes=quotes_of(
            {MAIN: 10.0, "600001.SH": 10.0, OTHER: 5.0, CHINEXT: 20.0},
            s600000=Restriction.LIMIT_DOWN,
            s600001=Restriction.LIMIT_UP,
            s000001=Restriction.LIMIT_UP,
            s300001=Restriction.LIMIT_DOWN,
        ),
        rates=FREE,
    )
    # In equal parts the ChiNext stock would have 900, 800 and 800 shares, and the other one 5,000 on each of two days.
    # But the first day sells for 14,000 CNY only, seven lots at 2,000; so the second has two more, 45,000 CNY to buy
    # with the 43,000 of its sales: four lots at 500 of the larger buy wait.
    assert shares_of(over(listed, 3)) == {
        MAIN: [0, 3000, 3000],
        "600001.SH": [1400, 1300, 1300],  # a sale at the upper limit may trade at once
        OTHER: [0, 4600, 5400],
        CHINEXT: [700, 1000, 800],
    }


def test_shares_of_yesterday_are_sold_from_the_second_day_on():
    """All is sold off but the STAR stock, and nothing is bought.

    Of the main-board stock 300 shares may be sold on the first day: 3,000 CNY, and 4,000 and 3,334 are left. Of the one
    at 5 CNY none may, and its 20 lots go half and half. Of the BSE stock all may: its three parts are equal. The STAR
    stock goes from 1,000 to 600 shares; of the 400 a part of 150 is no order, so the two of 200 are later ones.
    """
    positions = positions_of(s600000_SH=1034, s000001_SZ=2000, s830001_BJ=303, s688001_SH=1000)
    positions["sellable"] = positions["symbol"].map({MAIN: 300, OTHER: 0, BSE: 303, STAR: 150})
    quotes = quotes_of({MAIN: 10.0, OTHER: 5.0, BSE: 10.0, STAR: 100.0})
    money = 1034 * 10 + 2000 * 5 + 303 * 10 + 1000 * 100
    one_day = make_orders(pd.Series({STAR: 60_000 / money}), positions, 0.0, quotes, FREE)
    assert one_day.orders.set_index("symbol")["shares"].to_dict() == {MAIN: 300, BSE: 303}
    assert set(one_day.left_out["symbol"]) == {MAIN, OTHER, STAR}
    several = make_orders(pd.Series({STAR: 60_000 / money}), positions, 0.0, quotes, FREE, days=3)
    assert several.left_out.empty
    assert shares_of(over(several, 3)) == {
        MAIN: [300, 400, 334],
        OTHER: [0, 1000, 1000],
        BSE: [101, 101, 101],
        STAR: [0, 200, 200],
    }


def test_buys_wait_for_the_money_of_sales():
    """Nothing can be sold on the first day, and there is no cash: the buys of that day are those of the second."""
    listed = make_orders(
        pd.Series({OTHER: 1.0}),
        positions_of(s600000_SH=1000),
        cash=0.0,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0}, s600000=Restriction.LIMIT_DOWN),
        rates=FREE,
    )
    daily = over(listed, 2)
    assert shares_of(daily) == {MAIN: [0, 1000], OTHER: [0, 2000]}
    assert daily.days["cash_after"].tolist() == [0.0, 0.0]


def test_an_odd_lot_goes_with_the_last_part_even_where_another_day_trades_less():
    """The larger sale leaves 4,000, 3,000 and 3,340 CNY on the days; the smaller is one part, 100 shares and 34."""
    listed = make_orders(
        pd.Series({CHINEXT: 0.5}),
        positions_of(s600000_SH=1034, s000001_SZ=134),
        cash=1e5,
        quotes=quotes_of({MAIN: 10.0, OTHER: 5.0, CHINEXT: 20.0}),
        rates=FREE,
    )
    shares = shares_of(over(listed, 3))
    assert shares[MAIN] == [400, 300, 334]
    assert shares[OTHER] == [0, 0, 134]


def test_a_star_order_waits_whole_where_a_part_would_be_none():
    """The cash of the first day is 100 CNY short of 250 STAR shares at 100: one share less would do, were it an order.

    The sale waits for the second day, and the larger buy, one lot, takes the last day.
    """
    whole = WholeOrders(
        shares=np.array([500, 100, 250]),
        is_sale=np.array([True, False, False]),
        least=np.array([100.0, 100.0, 200.0]),
        increment=np.array([100, 100, 1]),
        at_first=np.array([0, 100, 250]),
        amount=np.array([50_000_00.0, 30_000_00.0, 25_000_00.0]),
        flow=np.array([50_000_00.0, -30_000_00.0, -25_000_00.0]),
        cash=24_900_00.0,
    )
    assert spread(whole, 2).T.tolist() == [[0, 500], [0, 100], [0, 250]]
    assert spread(replace(whole, cash=25_000_00.0), 2).T.tolist() == [[0, 500], [0, 100], [250, 0]]


def test_fractions_of_a_fen_are_paid_with_the_last_part():
    """200 shares at 3.77 cost 0.2 % of 754 CNY, 1.508, as an order 1.51: half of it are 75.5 fen."""
    listed = make_orders(pd.Series({MAIN: 1.0}), NOTHING, 755.51, quotes_of({MAIN: 3.77}), FLAT)
    assert listed.orders["cost"].tolist() == [1.51]
    daily = over(listed, 2)
    assert daily.orders["cost"].tolist() == [0.75, 0.76]
    assert daily.days["cash_after"].tolist() == [377.76, 0.0]


def test_no_part_pays_more_than_its_share_of_the_least_commission():
    """A lot of 1,000 CNY pays 2 CNY of commission, of which 5 are the least: no part below three lots."""
    config = OrderConfig(minimum_cost=5.0)
    listed = make_orders(pd.Series({MAIN: 1.0}), NOTHING, 10_020.0, quotes_of({MAIN: 10.0}), FLAT, config)
    daily = over(listed, 5)
    assert sorted(shares_of(daily)[MAIN], reverse=True) == [400, 300, 300, 0, 0]
    assert sorted(daily.orders["cost"]) == [6.0, 6.0, 8.0]
    small = make_orders(pd.Series({MAIN: 1.0}), NOTHING, 2005.0, quotes_of({MAIN: 10.0}), FLAT, config)
    assert sorted(shares_of(over(small, 2))[MAIN]) == [0, 200]
    no_rate = make_orders(pd.Series({MAIN: 1.0}), NOTHING, 10_005.0, quotes_of({MAIN: 10.0}), FREE, config)
    assert sorted(shares_of(over(no_rate, 2))[MAIN]) == [0, 1000]
    duty = CostRates(buy=0.003, sell=0.003, buy_charges=0.001, sell_charges=0.001)  # no part of the commission
    charged = make_orders(pd.Series({MAIN: 1.0}), NOTHING, 10_030.0, quotes_of({MAIN: 10.0}), duty, config)
    assert sorted(shares_of(over(charged, 5))[MAIN], reverse=True) == [400, 300, 300, 0, 0]


def test_days_that_keep_an_amount_by_hand():
    """Bought are 40 lots of 1,000 CNY and one of 15,000: the day with the large lot can trade no less than that."""
    listed = make_orders(
        pd.Series({MAIN: 40 / 55, OTHER: 15 / 55}), NOTHING, 55_000.0, quotes_of({MAIN: 10.0, OTHER: 150.0}), FREE
    )
    whole = listed.whole
    in_fen = 100
    assert whole.amount.tolist() == [40_000 * in_fen, 15_000 * in_fen]
    assert days_within(whole, np.inf) == 1
    assert days_within(whole, 55_000 * in_fen) == 1
    assert days_within(whole, 54_999 * in_fen) == 2
    assert largest_amount(whole, spread(whole, 2)) == 35_000 * in_fen
    assert days_within(whole, 35_000 * in_fen) == 2
    assert days_within(whole, 34_999 * in_fen) == 3
    assert days_within(whole, 14_999 * in_fen) is None


def test_no_orders_need_one_day():
    nothing = make_orders(pd.Series({MAIN: 1.0}), positions_of(s600000_SH=100), 0.0, quotes_of({MAIN: 10.0}), FREE)
    assert nothing.orders.empty
    assert days_within(nothing.whole, 1.0) == 1
    daily = over(nothing, 2)
    assert daily.orders.empty
    assert daily.days["cash_after"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("days", [0, LONGEST + 1])
def test_days_that_are_none_are_refused(days):
    with pytest.raises(ConfigurationError, match=f"over {days} days; choose 1 to {LONGEST}"):
        over(list_by_hand(), days)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(desks(), st.integers(2, 7))
def test_each_day_is_valid_and_within_the_cash_and_they_sum_to_the_whole(desk, days):
    target, positions, cash, quotes, config, _ = desk
    listed = make_orders(target, positions, cash, quotes, FLAT, config, days)
    daily = over(listed, days)
    sellable = positions.set_index("symbol")["sellable"]
    whole = listed.orders.set_index(["symbol", "side"])
    sums = daily.orders.groupby(["symbol", "side"])[["shares", "amount", "cost"]].sum()
    pd.testing.assert_frame_equal(
        sums.sort_index(), whole[["shares", "amount", "cost"]].sort_index(), check_dtype=False, atol=1e-6, rtol=0
    )
    holdings = positions.set_index("symbol")["shares"].to_dict()
    money = worst = Decimal(f"{cash:.2f}")
    buffer = Decimal(str(config.price_buffer))
    for figures in daily.days.itertuples():
        for row in daily.orders[daily.orders["day"] == figures.day].itertuples():
            held = holdings.get(row.symbol, 0)
            assert row.held_shares == held
            if row.side == "buy":
                assert_valid_buy(row.symbol, row.shares)
            else:
                assert_valid_sale(row.symbol, row.shares, held)
            sign = -1 if row.side == "buy" else 1
            holdings[row.symbol] = held - sign * row.shares
            against = Restriction.LIMIT_UP if row.side == "buy" else Restriction.LIMIT_DOWN
            assert figures.day > 1 or row.side == "buy" or row.shares <= sellable[row.symbol]
            assert figures.day > 1 or quotes.loc[row.symbol, "restriction"] != against
            amount, cost = Decimal(f"{row.amount:.2f}"), Decimal(f"{row.cost:.2f}")
            assert cost >= 0
            money += sign * amount - cost
            worst += sign * amount * (1 - sign * buffer) - cost
        assert money == Decimal(f"{figures.cash_after:.2f}")
        assert money >= 0
        # The dearest and cheapest prices are whole fen, and the costs of such fills are larger by as much
        assert worst >= -Decimal("0.05") - Decimal("0.003") * Decimal(str(listed.summary.buys + listed.summary.sales))
    assert holdings == {
        **positions.set_index("symbol")["shares"].to_dict(),
        **listed.holdings.set_index("symbol")["shares"].reindex(list(holdings), fill_value=0).to_dict(),
    }
    assert float(money) == pytest.approx(listed.summary.cash_after, abs=1e-6)
