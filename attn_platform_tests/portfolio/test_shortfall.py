"""Implementation shortfall against a hand-made week, and against its definition: paper less what happened."""

import numpy as np
import pytest

from attn_platform.market.dense import DenseMarket
from attn_platform.portfolio.trading.shortfall import order_shortfall, week_shortfall
from attn_platform_tests.backtest.markets import sessions_of
from attn_platform_tests.portfolio.sent_weeks import fill, look, week_of

DAYS = sessions_of(4)
NAMES = [str(day) for day in DAYS]
A, B, C = "000001.SZ", "600000.SH", "688001.SH"


def market(close: np.ndarray, vwap: np.ndarray, factor: np.ndarray | None = None) -> DenseMarket:
    """Of A, B and C: arrays [session, stock]."""
    fields = {"close": close, "vwap": vwap, "adj_factor": np.ones_like(close) if factor is None else factor}
    return DenseMarket(DAYS, np.array([A, B, C]), fields)


def test_a_week_by_hand():
    """A buy that is filled by half above the close, a sale that is filled below it, one that is not filled at all."""
    close = np.array([[10.0, 20.0, 50.0], [10.4, 19.0, 51.0], [10.5, 18.0, 52.0], [0.0, 0.0, 0.0]])
    vwap = np.array([[0.0] * 3, [10.2, 19.5, 50.5], [10.4, 18.5, 51.5], [0.0] * 3])
    orders = [(A, "buy", 1000, 10.0), (B, "sell", 400, 20.0), (C, "buy", 200, 50.0)]
    sent = look({B: 400}, 1e5, orders, NAMES[1], NAMES[2])
    fills = [
        fill(NAMES[1], A, "buy", 300, 10.3, 5.0),
        fill(NAMES[2], A, "buy", 200, 10.35, 6.0),
        fill(NAMES[1], B, "sell", 400, 19.4, 10.0),
    ]
    found = order_shortfall(market(close, vwap), week_of(NAMES[0], sent, fills), sent).set_index("symbol")
    assert found["ordered"].to_dict() == {A: 1000, B: 400, C: 200}
    assert found["filled"].to_dict() == {A: 500, B: 400, C: 0}
    assert found.loc[A, "price"] == pytest.approx(10.32)
    assert found["close_slippage"].to_dict() == pytest.approx({A: 300 * 0.3 + 200 * 0.35, B: 400 * 0.6, C: 0})
    assert found["vwap_slippage"].to_dict() == pytest.approx({A: 300 * 0.1 - 200 * 0.05, B: 400 * 0.1, C: 0})
    assert found["missed"].to_dict() == pytest.approx({A: 500 * 0.5, B: 0, C: 200 * 2})
    assert found["unfilled_value"].to_dict() == pytest.approx({A: 5000, B: 0, C: 10_000})
    week = week_shortfall(found)
    ordered, filled = 10_000 + 8000 + 10_000, 5000 + 8000
    assert week == pytest.approx(
        {
            "orders": 3,
            "ordered_value": ordered,
            "filled_share": filled / ordered,
            "close_slippage": 400 / filled,
            "vwap_slippage": 60 / filled,
            "fee_rate": 21 / filled,
            "missed": 650 / ordered,
            "shortfall": (400 + 21 + 650) / ordered,
            "unfilled_value": 15_000,
        }
    )


@pytest.mark.parametrize("seed", range(10))
def test_it_is_paper_less_what_happened(seed):
    """Perold: the orders at the signal's closes for nothing, less the fills and their fees, both at the last closes."""
    rng = np.random.default_rng(seed)
    close, vwap = (rng.uniform(5, 50, (4, 3)) for _ in range(2))
    orders = [(name, str(rng.choice(["buy", "sell"])), int(rng.integers(2, 20)) * 100, 0.0) for name in (A, B, C)]
    sent = look({}, 1e6, orders, NAMES[1], NAMES[2])
    fills, paper, real = [], 0.0, 0.0
    for stock, (name, side, shares, _) in enumerate(orders):
        sign = 1 if side == "buy" else -1
        paper += sign * shares * (close[3, stock] - close[0, stock])
        for session in rng.choice([1, 2, 3], 2):
            count, price, fees = int(rng.integers(1, shares // 2 + 1)), rng.uniform(5, 50), rng.uniform(0, 30)
            fills.append(fill(NAMES[session], name, side, count, price, fees))
            real += sign * count * (close[3, stock] - price) - fees
    fills.append(fill(NAMES[3], A, orders[0][1], 1, close[3, 0]))  # so that the last session is the market's
    found = order_shortfall(market(close, vwap), week_of(NAMES[0], sent, fills), sent)
    assert found[["close_slippage", "fees", "missed"]].to_numpy().sum() == pytest.approx(paper - real)


def test_an_ex_right_is_no_slippage():
    """Ten for ten before the fill: a buy at half the close, on its session's basis, has cost nothing."""
    close = np.array([[10.0, 1.0, 1.0], [5.0, 1.0, 1.0], [5.0, 1.0, 1.0], [5.0, 1.0, 1.0]])
    factor = np.ones_like(close)
    factor[1:, 0] = 2.0
    sent = look({}, 1e5, [(A, "buy", 1000, 10.0)], NAMES[1])
    week = week_of(NAMES[0], sent, [fill(NAMES[1], A, "buy", 400, 5.0)])
    found = order_shortfall(market(close, close, factor), week, sent).iloc[0]
    assert (found["close_slippage"], found["vwap_slippage"], found["missed"]) == (0.0, 0.0, 0.0)
    assert (found["price"], found["unfilled_value"]) == (10.0, 600 * 5.0)


def test_a_session_without_a_vwap_does_not_count_beside_it():
    close = np.full((4, 3), 10.0)
    vwap = np.full((4, 3), 9.9)
    vwap[1, 1] = np.nan
    sent = look({}, 1e5, [(A, "buy", 100, 10.0), (B, "buy", 900, 10.0)], NAMES[1])
    week = week_of(NAMES[0], sent, [fill(NAMES[1], A, "buy", 100, 10.0), fill(NAMES[1], B, "buy", 900, 12.0)])
    figures = week_shortfall(order_shortfall(market(close, vwap), week, sent))
    assert figures["vwap_slippage"] == pytest.approx(0.1 / 10)
    assert figures["close_slippage"] == pytest.approx(1800 / 10_000)
