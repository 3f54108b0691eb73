"""The index beside a backtest: dividends of its members by hand, and weights between the sessions that have some."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.backtest.benchmark import (
    benchmark_returns,
    booked_prices,
    close_returns,
    dividend_yields,
    member_weights,
    price_returns,
)
from attn_platform.backtest.config import BacktestConfig
from attn_platform.errors import MissingDataError
from attn_platform.market.dense import DenseMarket
from attn_platform.market.lake import Lake

SESSIONS = pd.bdate_range("2020-06-01", periods=4).to_numpy().astype("datetime64[D]")
NAMES = np.array(["600000.SH", "600001.SH"])


def market_of(close, factor) -> DenseMarket:
    return DenseMarket(SESSIONS, NAMES, {"close": np.array(close, float), "adj_factor": np.array(factor, float)})


def lake_of(tmp_path, weights, closes=(1000.0, 1010.0, 990.0, 990.0)) -> Lake:
    """An index over the sessions, and weights of it by session."""
    lake = Lake(tmp_path)
    for session, close in zip(SESSIONS, closes, strict=True):
        day = [session.item()]
        lake.write("index_bar", pa.table({"date": day, "index": ["csi500"], "close": [close]}), session)
    for number, row in weights.items():
        session = SESSIONS[number]
        table = {"date": [session.item()] * 2, "index": ["csi500"] * 2, "symbol": NAMES.tolist(), "weight": list(row)}
        lake.write("index_weight", pa.table(table), session)
    return lake


def test_a_total_return_index_by_hand(tmp_path):
    """On the third session the first stock, 60 % of the index at the close before, pays 2 % of its close."""
    market = market_of([[10, 20], [10, 20], [9.8, 20], [9.8, 10]], [[1, 1], [1, 1], [1 / 0.98, 1], [1 / 0.98, 2]])
    lake = lake_of(tmp_path, {0: (0.5, 0.5), 1: (0.6, 0.4), 2: (0.7, 0.3), 3: (0.7, 0.3)})
    price = benchmark_returns(lake, market, "csi500", BacktestConfig())
    total = benchmark_returns(lake, market, "csi500", BacktestConfig(benchmark_return="total_return"))
    np.testing.assert_allclose(price[1:], [0.01, 990 / 1010 - 1, 0.0], atol=1e-15)
    # Two new shares for one on the last session are no dividend.
    np.testing.assert_allclose((total - price)[1:], [0.0, 0.6 * 0.02, 0.0], atol=1e-15)
    assert np.isnan(total[0])
    np.testing.assert_array_equal(price, price_returns(lake, market, "csi500"))


def test_dividends_are_those_of_accounts_of_whole_shares():
    """A step of the factor below the threshold is cash, from it on new shares; a suspension hides it until its end."""
    factor = np.array([[1.0, 1.0, 1.0], [1.05, 1.2, np.nan], [1.05, 1.2, 1.03], [1.0, 1.2, 1.03]])
    found = dividend_yields(factor, 0.1)
    expected = np.zeros((4, 3))
    expected[1, 0], expected[2, 2] = 1 - 1 / 1.05, 1 - 1 / 1.03
    np.testing.assert_allclose(found, expected, atol=1e-15)
    assert dividend_yields(factor, 0.5)[1, 1] == pytest.approx(1 - 1 / 1.2)


def test_weights_drift_between_the_sessions_that_have_some(tmp_path):
    """30 % : 70 % after +10 % and −10 %: 33 : 63."""
    market = market_of([[10, 20], [11, 18], [11, 18], [11, 18]], np.ones((4, 2)))
    found = member_weights(lake_of(tmp_path, {0: (0.3, 0.7), 2: (0.5, 0.5)}), market, "csi500")
    np.testing.assert_allclose(found, [[0.3, 0.7], [33 / 96, 63 / 96], [0.5, 0.5], [0.5, 0.5]], atol=1e-15)


def test_an_index_without_weights_at_the_start_is_named(tmp_path):
    market = market_of(np.ones((4, 2)), np.ones((4, 2)))
    with pytest.raises(MissingDataError, match="index_weight has no weights of csi500 on 2020-06-01"):
        member_weights(lake_of(tmp_path, {1: (0.3, 0.7)}), market, "csi500")


def test_prices_stay_where_a_stock_has_no_row_or_is_delisted():
    market = market_of([[10, np.nan], [np.nan, 20], [11, 21], [12, 22]], [[1, 1], [1, 2], [1, 2], [1, 2]])
    market = dataclasses.replace(market, delist_dates={NAMES[1]: SESSIONS[3], "000001.SZ": SESSIONS[0]})
    prices = booked_prices(market)
    np.testing.assert_array_equal(prices, [[10, np.nan], [10, 40], [11, 42], [12, 42]])
    np.testing.assert_allclose(close_returns(prices)[1:], [[0, 0], [0.1, 0.05], [12 / 11 - 1, 0]], atol=1e-15)


def test_later_sessions_change_nothing(tmp_path):
    weights = {0: (0.3, 0.7), 2: (0.5, 0.5)}
    market = market_of([[10, 20], [11, 18], [10, 19], [11, 18]], [[1, 1], [1, 1.02], [1, 1.02], [1, 1.02]])
    noisy = market_of([[10, 20], [11, 18], [30, 1], [7, 80]], [[1, 1], [1, 1.02], [1.05, 1.9], [3, 2]])
    config = BacktestConfig(benchmark_return="total_return")
    own = benchmark_returns(lake_of(tmp_path / "own", weights), market, "csi500", config)
    lake = lake_of(tmp_path / "noisy", {0: (0.3, 0.7), 2: (0.9, 0.1)}, (1000.0, 1010.0, 2000.0, 1.0))
    np.testing.assert_array_equal(own[:2], benchmark_returns(lake, noisy, "csi500", config)[:2])
