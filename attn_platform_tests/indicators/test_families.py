"""Each daily indicator against the same in plain Python, stock by stock, on random sessions and on real ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attn_platform.indicators.catalogue import IndicatorCatalogue, indicator_table, indicators_with
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.indicators.store import compute_indicators
from attn_platform.indicators.trades import agreement
from attn_platform.market.intraday import closing_auction_begins
from attn_platform.market.lake import Lake
from attn_platform_tests.indicators import plain
from attn_platform_tests.indicators.intraday_data import (
    SESSION,
    SYMBOLS,
    random_bars,
    random_book,
    random_trades,
    rows_of,
)

BARS = (
    "realised_skewness",
    "downside_variance_share",
    "close_over_opening",
    "closing_volume_part",
    "outflow_trade_size_ratio",
    "large_trade_return",
)
SIZES = ("order_count", "order_log_mean", "order_log_variance")
EARLIER = np.arange(SESSION - 40, SESSION + 1)
CLOSING = dict(zip(SYMBOLS, closing_auction_begins(np.array(SYMBOLS), SESSION).tolist(), strict=True))


@pytest.fixture(scope="module")
def known() -> IndicatorCatalogue:
    return indicators_with(())


def computed(
    lake: Lake, known: IndicatorCatalogue, family: str, session: np.datetime64 = SESSION, **choices: object
) -> pd.DataFrame:
    config = IndicatorConfig.model_validate(choices)
    values, missing = compute_indicators(lake, known, known.family(family), session, config, EARLIER)
    assert not missing
    return pd.DataFrame(values).set_index("symbol")


def assert_same(found: pd.DataFrame, expected: Mapping[str, Mapping[str, float]]) -> None:
    assert sorted(found.index) == sorted(expected)
    for symbol, values in expected.items():
        for name, value in values.items():
            np.testing.assert_allclose(
                found.loc[symbol, name], value, rtol=1e-9, atol=1e-12, err_msg=f"{symbol} {name}"
            )


@pytest.mark.parametrize("bar_minutes", [1, 5, 15])
@pytest.mark.parametrize("demean", [True, False])
def test_of_bars(tmp_path: Path, known: IndicatorCatalogue, bar_minutes: int, demean: bool) -> None:
    bars, lake = random_bars(bar_minutes, bar_minutes), Lake(tmp_path)
    lake.write("minute_bar", bars, SESSION)
    expected = {
        symbol: plain.bar_indicators(rows_of(bars, symbol), bar_minutes, CLOSING[symbol], demean) for symbol in SYMBOLS
    }
    assert all(set(values) == set(BARS) for values in expected.values())
    assert_same(computed(lake, known, "bar_shape", demean_returns=demean), expected)


def test_bars_worked_by_hand(tmp_path: Path, known: IndicatorCatalogue) -> None:
    """Four bars of 60 minutes: returns ln 1.1, ln(10/11), 0 and ln 0.9 from an open of 10."""
    ends, closes = ("09:45", "10:00", "14:45", "15:00"), (11.0, 10.0, 10.0, 9.0)
    table = random_bars(0, 60, ("600000.SH",)).slice(0, 0)
    rows = [
        {
            "date": SESSION.item(), "symbol": "600000.SH", "minute": minute, "open": 10.0, "high": 11.0, "low": 9.0,
            "close": close, "volume": volume, "amount": 10 * volume, "trades": 1.0, "bar_minutes": 15,
        }
        for minute, close, volume in zip(ends, closes, (1.0, 2.0, 3.0, 4.0), strict=True)
    ]  # fmt: skip
    lake = Lake(tmp_path)
    lake.write("minute_bar", pa.Table.from_pylist(rows, schema=table.schema), SESSION)
    found = computed(lake, known, "bar_shape", demean_returns=False).loc["600000.SH"]
    r = [math.log(1.1), math.log(10 / 11), 0.0, math.log(0.9)]
    squares = sum(value**2 for value in r)
    assert found["downside_variance_share"] == pytest.approx((r[1] ** 2 + r[3] ** 2) / squares)
    assert found["realised_skewness"] == pytest.approx(2 * sum(value**3 for value in r) / squares**1.5)
    assert found["close_over_opening"] == pytest.approx(9 / 10)
    assert found["closing_volume_part"] == pytest.approx(0.7)
    # The bar that ends at 14:45 begins at 14:30; one bar of four is 30 % of them, rounded: the first of largest trades.
    assert found["large_trade_return"] == pytest.approx(-0.1)
    assert found["outflow_trade_size_ratio"] == pytest.approx((60 / 2) / (100 / 4))


@pytest.mark.parametrize("flagged", [0.0, 0.5])
def test_of_order_flow(tmp_path: Path, known: IndicatorCatalogue, flagged: float) -> None:
    trades, book, lake = random_trades(3, flagged), random_book(4), Lake(tmp_path)
    lake.write("transaction", trades, SESSION)
    lake.write("book_snapshot", book, SESSION)
    sizes = computed(lake, known, "order_size")
    assert_same(sizes, {symbol: plain.order_sizes(rows_of(trades, symbol)) for symbol in SYMBOLS})
    thresholds = write_history(lake, days=20)
    found = computed(lake, known, "opening_flow")
    expected = {}
    for symbol in SYMBOLS:
        rows = rows_of(trades, symbol)
        expected[symbol] = {
            **plain.intention(rows, rows_of(book, symbol), CLOSING[symbol]),
            **plain.large_flow(rows, thresholds[symbol]),
        }
    assert sum(abs(values["opening_large_net_buy"]) > 0 for values in expected.values()) == len(SYMBOLS)
    assert_same(found, expected)


def write_history(lake: Lake, days: int) -> dict[str, float]:
    """Order sizes of the sessions before, random; the thresholds that follow, from all orders as one sample."""
    random = np.random.default_rng(9)
    samples: dict[str, list[float]] = {symbol: [] for symbol in SYMBOLS}
    for day in EARLIER[:-1][-days:]:
        logs = {symbol: 9 + 1.2 * random.standard_normal(int(random.integers(5, 50))) for symbol in SYMBOLS}
        for symbol, values in logs.items():
            samples[symbol] += values.tolist()
        columns = {
            "date": pa.array([day.item()] * len(SYMBOLS)),
            "symbol": list(SYMBOLS),
            "order_count": [float(len(values)) for values in logs.values()],
            "order_log_mean": [values.mean() for values in logs.values()],
            "order_log_variance": [values.var() for values in logs.values()],
        }
        lake.write(indicator_table("order_size"), pa.table(columns), day)
    return {symbol: float(np.mean(values) + np.std(values)) for symbol, values in samples.items()}


def test_the_threshold_of_large_orders_knows_the_days_before_and_nothing_else(
    tmp_path: Path, known: IndicatorCatalogue
) -> None:
    lake = Lake(tmp_path)
    lake.write("transaction", random_trades(3), SESSION)
    lake.write("book_snapshot", random_book(4), SESSION)
    write_history(lake, days=9)
    few = computed(lake, known, "opening_flow")
    assert few["opening_large_net_buy"].isna().all(), "of nine sessions no threshold is taken, where ten are asked for"
    write_history(lake, days=20)
    before = computed(lake, known, "opening_flow")
    assert before["opening_large_net_buy"].notna().all()
    table = indicator_table("order_size")
    today = lake.read(table, EARLIER[-2], EARLIER[-2])
    lake.write(table, today.set_column(3, "order_log_mean", pa.array([99.0] * len(SYMBOLS))), SESSION)
    pd.testing.assert_frame_equal(computed(lake, known, "opening_flow"), before)


@pytest.mark.parametrize("levels", [1, 3])
def test_more_levels_of_the_book_are_summed(tmp_path: Path, known: IndicatorCatalogue, levels: int) -> None:
    """With no trade but one a stock, what is left is the change of what is offered."""
    trades, book, lake = random_trades(3), random_book(4, SYMBOLS[:1]), Lake(tmp_path)
    rows = trades.filter(pa.compute.equal(trades["symbol"], SYMBOLS[0]))
    lake.write("transaction", rows, SESSION)
    lake.write("book_snapshot", book, SESSION)
    write_history(lake, days=20)
    deep = computed(lake, known, "opening_flow", book_levels=levels)
    for row in (dicts := rows_of(book, SYMBOLS[0])):
        for side in ("bid", "ask"):
            amount = sum(row[f"{side}_price_{at}"] * row[f"{side}_volume_{at}"] for at in range(1, levels + 1))
            row[f"{side}_volume_1"] = amount
            row[f"{side}_price_1"] = 1.0
    expected = plain.intention(rows_of(rows, SYMBOLS[0]), dicts, CLOSING[SYMBOLS[0]])
    assert_same(deep, {SYMBOLS[0]: expected})


def test_order_flow_imbalance_worked_by_hand() -> None:
    """Best bid 10 × 100 rises to 10.1 × 50, then loses 20; best ask 10.2 × 100 stays, falls to 10.15 × 30."""
    from attn_platform.indicators import kernels

    bid_price, bid_volume = np.array([10.0, 10.1, 10.1]), np.array([100.0, 50.0, 30.0])
    ask_price, ask_volume = np.array([10.2, 10.2, 10.15]), np.array([100.0, 100.0, 30.0])
    minute, offsets = np.array([570, 570, 571]), np.array([0, 3])
    flow = kernels.order_flow_imbalance(bid_price, bid_volume, ask_price, ask_volume, minute, offsets, 570, 2)
    np.testing.assert_allclose(flow, [[10.1 * 50, -10.1 * 20 - 10.15 * 30]])


def test_blocks_of_stocks_leave_no_trace(tmp_path: Path, known: IndicatorCatalogue) -> None:
    """A file of many row groups, read in many blocks, gives the bits of one that is read at once."""
    trades, book, lake = random_trades(3), random_book(4), Lake(tmp_path)
    lake.write("book_snapshot", book, SESSION)
    write_history(lake, days=20)
    found = []
    for group in (100_000, 97):
        lake.write("transaction", trades, SESSION)
        pq.write_table(trades, lake.path("transaction", SESSION), row_group_size=group)
        definitions = [*known.family("opening_flow"), *known.family("order_size")]
        values, _ = compute_indicators(lake, known, definitions, SESSION, IndicatorConfig(), EARLIER, block_rows=300)
        found.append(pd.DataFrame(values))
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_a_stock_is_the_same_alone_and_among_others(tmp_path: Path, known: IndicatorCatalogue) -> None:
    bars, lake = random_bars(1), Lake(tmp_path)
    lake.write("minute_bar", bars, SESSION)
    together = computed(lake, known, "bar_shape")
    for symbol in SYMBOLS:
        lake.write("minute_bar", bars.filter(pa.compute.equal(bars["symbol"], symbol)), SESSION)
        alone = computed(lake, known, "bar_shape")
        pd.testing.assert_frame_equal(alone, together.loc[[symbol]], check_exact=True)


def test_what_a_session_cannot_give_is_said(tmp_path: Path, known: IndicatorCatalogue) -> None:
    bars, lake = random_bars(1, 30), Lake(tmp_path)
    none = pa.nulls(bars.num_rows, pa.float64())
    lake.write("minute_bar", bars.set_column(bars.column_names.index("trades"), "trades", none), SESSION)
    values, missing = compute_indicators(lake, known, known.family("bar_shape"), SESSION, IndicatorConfig(), EARLIER)
    assert set(missing) == set(BARS) - {"close_over_opening", "closing_volume_part"}
    assert "30 minutes are too long" in missing["realised_skewness"]
    assert np.isfinite(values["close_over_opening"]).sum() >= 3
    assert np.isnan(values["realised_skewness"]).all()
    _, missing = compute_indicators(lake, known, known.family("order_size"), SESSION, IndicatorConfig(), EARLIER)
    assert missing["order_count"] == f"transaction has no rows on {SESSION}"


@pytest.mark.parametrize(("day", "known_share"), [("2016-01-07", False), ("2016-01-08", True)])
def test_a_session_that_a_circuit_breaker_ended_has_no_closing_share(
    tmp_path: Path, known: IndicatorCatalogue, day: str, known_share: bool
) -> None:
    session, lake, bars = np.datetime64(day), Lake(tmp_path), random_bars(1)
    lake.write("minute_bar", bars, session)
    share = computed(lake, known, "bar_shape", session)["closing_volume_part"]
    assert share.notna().all() if known_share else share.isna().all()


def test_agreement_of_aggressors_is_a_share_of_the_amount(tmp_path: Path) -> None:
    from attn_platform.indicators.trades import TradeRows

    columns = {
        "time": np.array([570, 571, 572, 573]) * 60_000,
        "price": np.array([10.0, 10.1, 10.0, 10.0]),
        "volume": np.array([100.0, 100.0, 200.0, 100.0]),
        "buy_order": np.array([5, 9, 3, 0]),
        "sell_order": np.array([4, 8, 7, 6]),
        "side": np.array([1, -1, -1, 0], dtype=np.int8),
    }
    trades = TradeRows("transaction", np.array([0, 4]), columns, "given", np.array([900]))
    found = agreement(trades)
    assert found["flag and order_number"] == pytest.approx((1000 + 2000) / (1000 + 1010 + 2000))
    assert found["flag and tick_rule"] == pytest.approx(2000 / (1010 + 2000))
    assert found["order_number and tick_rule"] == pytest.approx(1.0)


@pytest.mark.real_data
def test_real_stock_days(tmp_path: Path, known: IndicatorCatalogue, real_data: Path) -> None:
    """The nine stock-days of trades, and the whole day of snapshots of 600519.SH, each beside plain Python."""
    ticks = pq.read_table(real_data.parent / "ticks" / "transactions.parquet").to_pandas()
    ticks["symbol"] = ticks["code"].str[2:] + "." + ticks["code"].str[:2]
    ticks["side"] = ticks["bs"].map({"B": "buy", "S": "sell"})
    named = ticks.rename(columns={"qty": "volume", "buy_no": "buy_order", "sell_no": "sell_order"})
    for day, rows in named.groupby("date"):
        lake, session = Lake(tmp_path / str(day)), np.datetime64(day, "D")
        trades = trades_of(rows)
        lake.write("transaction", trades, session)
        found = computed(lake, known, "order_size", session)
        for symbol in found.index:
            expected = plain.order_sizes(rows_of(trades, symbol))
            np.testing.assert_allclose(found.loc[symbol, list(expected)].to_numpy(float), list(expected.values()))
    assert len(named.groupby(["date", "symbol"])) == 9


def trades_of(rows: pd.DataFrame) -> pa.Table:
    """Trades in the contract's form."""
    rows = rows.sort_values(["symbol", "time"], kind="stable").reset_index(drop=True)
    millis = (pd.to_timedelta(rows["time"]).dt.total_seconds() * 1000).round().astype("int32")
    return pa.table(
        {
            "date": pa.array(rows["date"]),
            "symbol": pa.array(rows["symbol"]),
            "time": pa.array(millis).cast(pa.time32("ms")),
            "price": rows["price"],
            "volume": rows["volume"].astype(float),
            "buy_order": rows["buy_order"],
            "sell_order": rows["sell_order"],
            "side": pa.array([side if isinstance(side, str) else None for side in rows["side"]], pa.string()),
        }
    )
