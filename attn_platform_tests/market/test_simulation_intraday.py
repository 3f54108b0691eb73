"""The simulated market's intraday tables against its daily bars, read as any user would, mostly in plain loops."""

import dataclasses
import datetime
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from attn_platform.errors import MissingDataError
from attn_platform.indicators import IndicatorConfig, compute_indicators, indicators_with, write_indicators
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.conform import conform
from attn_platform.market.contract import TABLES
from attn_platform.market.lake import Lake
from attn_platform.market.simulation import (
    IntradaySimulation,
    SignalStrengths,
    SimulatedMarket,
    SimulationConfig,
    simulated_tables,
)
from attn_platform.market.simulation.config import EventRates
from attn_platform.market.simulation.trades import Day, Hours, draw_trades
from attn_platform.market.sources import SimulatedSource
from attn_platform.studies.parsing import read_yaml
from attn_platform.studies.settings import SourceConfig
from attn_platform_tests.market.test_simulation_signals import spearman

CALENDAR = exchange_calendar()
INTRADAY = ("minute_bar", "transaction", "book_snapshot")
SMALL = SimulationConfig(
    seed=11,
    start=datetime.date(2019, 10, 8),
    initial_stocks=60,
    events=EventRates(listings_per_year=40, short_suspension=0.01),
    intraday=IntradaySimulation(trades_a_day=60, book_seconds=60),
)
SESSIONS = CALENDAR.between("2019-10-08", "2020-03-31")
AUCTION, OPEN, CLOSING_CALL, CLOSE = (60_000 * (60 * h + m) for h, m in ((9, 25), (9, 30), (14, 57), (15, 0)))


def market_of(sessions=16, config=SMALL, **intraday):
    changes = {"intraday": config.intraday.model_copy(update=intraday)}
    return SimulatedMarket(config.model_copy(update=changes), SESSIONS[:sessions])


def rows_of(table):
    """Rows as dictionaries by (date, symbol), in their order; times in milliseconds since midnight."""
    if "time" in table.column_names:
        at = table.column_names.index("time")
        table = table.set_column(at, "time", table["time"].cast(pa.int32()))
    found = defaultdict(list)
    for row in table.to_pylist():
        found[row["date"], row["symbol"]].append(row)
    return found


def fen(price):
    whole = round(price * 100)
    assert abs(price * 100 - whole) < 1e-6
    return whole


@pytest.fixture(scope="module")
def market():
    return market_of()


@pytest.fixture(scope="module")
def bars(market):
    return {key: rows[0] for key, rows in rows_of(market.table("daily_bar")).items()}


@pytest.fixture(scope="module")
def trades(market):
    return rows_of(market.table("transaction"))


def test_trades_give_the_daily_bar_to_the_share_and_the_cent(bars, trades):
    assert {key for key, bar in bars.items() if not bar["is_suspended"]} == trades.keys()
    assert any(bar["is_suspended"] for bar in bars.values())
    assert any(bar["high"] == bar["low"] for bar in bars.values() if not bar["is_suspended"])
    for key, rows in trades.items():
        bar, prices = bars[key], [row["price"] for row in rows]
        assert sum(int(row["volume"]) for row in rows) == bar["volume"]
        assert all(row["volume"] % 1 == 0 for row in rows)
        amount = sum(Fraction(fen(row["price"]) * int(row["volume"]), 100) for row in rows)
        assert abs(float(amount - Fraction(bar["amount"]))) < 0.01
        assert (prices[0], max(prices), min(prices), prices[-1]) == tuple(
            bar[name] for name in ("open", "high", "low", "close")
        )


def test_trades_lie_in_their_session(trades):
    counts = []
    for rows in trades.values():
        times = [row["time"] for row in rows]
        assert times == sorted(times)
        assert times[0] == AUCTION
        assert times[-1] == CLOSE
        assert all(
            time in (AUCTION, CLOSE) or (OPEN <= time < CLOSING_CALL and not 11.5 <= time / 3_600_000 < 13)
            for time in times
        )
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
        counts.append(len(rows))
    assert 55 < np.mean(counts) < 65
    early = [sum(OPEN <= row["time"] < OPEN + 1_800_000 for row in rows) for rows in trades.values()]
    noon = [sum(abs(row["time"] / 3_600_000 - 11.25) < 0.25 for row in rows) for rows in trades.values()]
    assert sum(early) > 1.8 * sum(noon)


def test_the_later_order_is_the_aggressor(trades):
    """Numbers rise with the time at which orders came, no order is on both sides, and flags say who came later."""
    several, waited = 0, 0
    for rows in trades.values():
        buys, sells = ({row[f"{side}_order"] for row in rows} for side in ("buy", "sell"))
        assert min(buys | sells) > 0
        assert not buys & sells
        aggressors, prices = [], defaultdict(set)
        for row in rows:
            if row["time"] in (AUCTION, CLOSE):
                assert row["side"] is None
                continue
            assert row["side"] == ("buy" if row["buy_order"] > row["sell_order"] else "sell")
            aggressors.append((max(row["buy_order"], row["sell_order"]), row["time"], row["side"]))
            prices[min(row["buy_order"], row["sell_order"])].add(row["price"])
        assert aggressors == sorted(aggressors, key=lambda entry: entry[0])
        assert len({order for order, *_ in aggressors}) == len(set(aggressors)), "an order has one time and one side"
        several += len(aggressors) - len(set(aggressors))
        waited += sum(min(row["buy_order"], row["sell_order"]) in prices for row in rows) - len(prices)
        assert all(len(found) == 1 for found in prices.values()), "a waiting order has one price"
    assert several > 1_000
    assert waited > 1_000


def test_few_orders_are_large(trades):
    """The largest tenth of a day's orders has about half of the amount."""
    shares = []
    for rows in trades.values():
        amount = defaultdict(float)
        for row in rows:
            amount[row["buy_order"]] += row["price"] * row["volume"]
            amount[row["sell_order"]] += row["price"] * row["volume"]
        ordered = sorted(amount.values(), reverse=True)
        shares.append(sum(ordered[: len(ordered) // 10]) / sum(ordered))
    assert 0.35 < np.mean(shares) < 0.7


def test_minute_bars_sum_the_trades_up(market, trades):
    found = rows_of(market.table("minute_bar", *market.sessions[[2, 4]]))
    assert found.keys() == {key for key in trades if market.sessions[2] <= np.datetime64(key[0]) <= market.sessions[4]}
    ends = [571 + k if k < 120 else 661 + k for k in range(240)]
    for key, rows in found.items():
        assert [row["minute"] for row in rows] == [f"{end // 60:02d}:{end % 60:02d}" for end in (565, *ends)]
        by_bar = defaultdict(list)
        for trade in trades[key]:
            minute = trade["time"] // 60_000
            by_bar["09:25" if minute < 570 else rows[-1]["minute"] if minute == 900 else _label(minute + 1)].append(
                trade
            )
        price = None
        for row in rows:
            inside = by_bar.pop(row["minute"], [])
            prices = [trade["price"] for trade in inside] or [price]
            price = prices[-1]
            assert tuple(row[name] for name in ("open", "high", "low", "close")) == (
                prices[0], max(prices), min(prices), prices[-1],
            )  # fmt: skip
            assert (row["trades"], row["bar_minutes"]) == (len(inside), 1)
            assert row["volume"] == sum(trade["volume"] for trade in inside)
            assert row["amount"] == pytest.approx(sum(t["price"] * t["volume"] for t in inside), abs=1e-4)
        assert not by_bar


def _label(minute):
    return f"{minute // 60:02d}:{minute % 60:02d}"


@pytest.mark.slow
def test_books_agree_with_trades_and_limits(market, bars, trades):
    seen = {"up": 0, "down": 0, "buy": 0, "sell": 0}
    at_limit = [
        Counter(key[0] for key, bar in bars.items() if bar["close"] == bar[f"{way}_limit"]) for way in ("up", "down")
    ]
    days = {counted.most_common(1)[0][0] for counted in at_limit}
    tables = [market.table("book_snapshot", np.datetime64(day), np.datetime64(day)) for day in days]
    for key, rows in rows_of(pa.concat_tables(tables)).items():
        bar, told = bars[key], trades[key]
        times = [row["time"] for row in rows]
        assert times[0] == 60_000 * 555
        assert set(np.diff(times)) == {60_000, 60_000 * 90}  # midday
        assert times[-1] == CLOSE
        at = -1
        for row in rows:
            while at + 1 < len(told) and told[at + 1]["time"] <= row["time"]:
                at += 1
            bid, ask = ([row[f"{side}_price_{level}"] for level in range(1, 6)] for side in ("bid", "ask"))
            for side, prices in (("bid", bid), ("ask", ask)):
                volumes = [row[f"{side}_volume_{level}"] for level in range(1, 6)]
                assert [price > 0 for price in prices] == [volume > 0 for volume in volumes]
                given = [price for price in prices if price > 0]
                assert given == prices[: len(given)]
                assert given == sorted(given, reverse=side == "bid")
                assert len(set(given)) == len(given)
                assert all(
                    bar["down_limit"] is None or bar["down_limit"] <= price <= bar["up_limit"] for price in given
                )
            if at < 0:
                assert row["time"] < AUCTION
                assert bid == ask == [0.0] * 5
                continue
            last, side = told[at]["price"], told[at]["side"]
            if last == bar["up_limit"]:
                assert (bid[0], ask[0]) == (last, 0.0)
                seen["up"] += 1
            elif last == bar["down_limit"]:
                assert (bid[0], ask[0]) == (0.0, last)
                seen["down"] += 1
            else:
                assert 0 < bid[0] <= last <= ask[0]
                assert bid[0] < ask[0]
                if side is not None:
                    assert last == (ask[0] if side == "buy" else bid[0])
                    seen[side] += 1
    assert min(seen.values()) > 10, seen


@pytest.mark.parametrize("name", INTRADAY)
def test_tables_obey_the_contract(market, name):
    table = market.table(name)
    assert conform(table, TABLES[name], f"simulated {name}", CALENDAR).equals(table)


def of_symbols(table, symbols):
    return table.filter(pc.is_in(table["symbol"], pa.array(symbols)))


@pytest.mark.slow
@pytest.mark.parametrize("name", INTRADAY)
def test_what_is_asked_for_does_not_change_what_comes(market, name):
    """Any session by itself, a longer market, fewer stocks and tables, a book that ends early: the same rows."""
    whole = market.table(name)
    day = market.sessions[5]
    of_day = whole.filter(pc.equal(whole["date"], pa.scalar(day.item())))
    assert of_day.num_rows > 0
    assert market.table(name, day, day).equals(of_day)
    assert market_of(18).table(name, end=market.sessions[-1]).equals(whole)
    symbols = sorted(set(market.table("daily_bar", market.sessions[0], market.sessions[0])["symbol"].to_pylist()))[:7]
    fewer = market_of(
        stocks=7, tables=(name,), first_session=day.item(), last_session=day.item(), book_until="10:00"
    ).table(name)
    expected = of_symbols(of_day, symbols)
    if name == "book_snapshot":
        expected = expected.filter(pc.less_equal(expected["time"].cast(pa.int32()), 36_000_000))
    assert expected.num_rows > 0
    assert fewer.equals(expected)
    assert not market_of(config=SMALL.model_copy(update={"seed": 12})).table(name).equals(whole)


def test_daily_tables_keep_their_values_but_average_prices_at_the_edge_of_the_range(market):
    """Trades touch high and low, so the average price is neither; nothing else of a daily bar knows of trades."""
    without = SimulatedMarket(SMALL.model_copy(update={"intraday": None}), market.sessions)
    assert simulated_tables(without.config).isdisjoint(INTRADAY)
    assert simulated_tables(market.config) - simulated_tables(without.config) == set(INTRADAY)
    with pytest.raises(MissingDataError, match=r"'minute_bar' is not simulated.*`intraday` of the simulation adds it"):
        without.table("minute_bar")
    own, other = (each.table("daily_bar").to_pandas() for each in (market, without))
    untouched = [name for name in own.columns if name not in ("vwap", "amount")]
    pd.testing.assert_frame_equal(own[untouched], other[untouched])
    place = (other["vwap"] - other["low"]) / (other["high"] - other["low"])
    moved = (own["vwap"] != other["vwap"]) & own["vwap"].notna()
    assert 0 < moved.sum() < 0.05 * len(own)
    assert ((place[moved] < 0.05) | (place[moved] > 0.95)).all()


NORMAL_HOURS, UNTIL_THE_CLOSE = Hours(900, 897), Hours(900, 900)
HARD_DAYS = {
    "fewest shares": Day(1000, 1040, 1000, 1040, 103_800, 100, 900, 1100, 0.0),
    "fewest shares, a fen of range": Day(1000, 1001, 1000, 1000, 100_005, 100, 900, 1100, 0.0),
    "average at the edge": Day(1100, 1100, 1000, 1100, 109_500, 812_345, 900, 1100, 0.0),
    "open and close between": Day(1050, 1100, 1000, 1049, 100_500, 2_500, 0, 0, 2.0),
    "a wide range": Day(180_000, 195_000, 170_000, 171_234, 17_600_001, 31_234_567, 162_000, 198_000, -3.0),
    "one price": Day(1100, 1100, 1100, 1100, 110_000, 7_777, 900, 1100, 1.0),
    "a penny stock": Day(1, 2, 1, 1, 150, 1_000_001, 1, 2, 0.0),
}


@pytest.mark.parametrize("hours", [NORMAL_HOURS, UNTIL_THE_CLOSE, Hours(599, 599)], ids=["auction", "none", "halted"])
@pytest.mark.parametrize("name", HARD_DAYS)
def test_trades_of_hard_days(name, hours):
    for seed in range(40):
        check_day(HARD_DAYS[name], hours, seed)


def test_trades_of_any_day():
    """Days of all sizes, with an average price as near to high and low as daily bars have it (a twentieth)."""
    random = np.random.default_rng(5)
    for seed in range(500):
        low = int(random.integers(1, 10 ** random.integers(1, 6)))
        high = low + int(random.integers(0, max(low // 5, 2)))
        open_, close = random.integers(low, high + 1, 2).tolist()
        margin = -(-5 * (high - low))
        vwap = int(random.integers(100 * low + margin, 100 * high - margin + 1))
        volume = int(100 * 10 ** random.uniform(0, 6))
        check_day(Day(open_, high, low, close, vwap, volume, 0, high, 0.0), NORMAL_HOURS, seed)


def check_day(day, hours, seed):
    trades = draw_trades(np.random.default_rng(seed), day, hours, 200.0)
    price, volume = trades.price.tolist(), trades.volume.tolist()
    assert (price[0], max(price), min(price), price[-1]) == (day.open, day.high, day.low, day.close)
    assert sum(volume) == day.volume
    assert min(volume) > 0
    amount = sum(p * v for p, v in zip(price, volume, strict=True))
    assert abs(Fraction(day.vwap * day.volume, 100) - amount) < 1
    assert (np.diff(trades.time) >= 0).all()
    assert trades.time[-1] <= hours.end * 60_000
    later = np.sign(trades.buy_order - trades.sell_order)
    assert (later[trades.side != 0] == trades.side[trades.side != 0]).all()
    assert {len(array) for array in dataclasses.astuple(trades)} == {len(price)}


@pytest.mark.parametrize(("start", "end"), [("2017-06-01", "15:00"), ("2016-01-04", "13:34"), ("2016-01-07", "09:59")])
def test_sessions_without_closing_auction_or_cut_short(start, end):
    """Shanghai had no closing auction before August 2018, and two sessions of 2016 ended early."""
    config = SMALL.model_copy(update={"start": datetime.date.fromisoformat(start)})
    market = SimulatedMarket(config, CALENDAR.between(start, start))
    for name in INTRADAY:
        table = market.table(name)
        assert conform(table, TABLES[name], name, CALENDAR).equals(table)
    assert max(market.table("minute_bar")["minute"].to_pylist()) == end
    bars = market.table("daily_bar").to_pandas().set_index("symbol")
    shanghai = 0
    limit = 60_000 * (60 * int(end[:2]) + int(end[3:]))
    for (_, symbol), rows in rows_of(market.table("transaction")).items():
        assert rows[-1]["price"] == bars["close"][symbol]
        assert sum(row["volume"] for row in rows) == bars["volume"][symbol]
        if symbol.endswith("SH") or limit < CLOSE:
            shanghai += 1
            assert rows[-1]["time"] < limit
            assert rows[-1]["side"] is not None
        else:
            assert rows[-1]["time"] == CLOSE
    assert shanghai > 10


def test_sessions_without_intraday_tables_are_left_out(tmp_path):
    market, lake = (
        market_of(4, stocks=5, first_session=SESSIONS[1].item(), last_session=SESSIONS[2].item()),
        Lake(tmp_path),
    )
    source = SimulatedSource(market, lake, CALENDAR)
    rows = source.provide_sessions("transaction", SESSIONS[:4])
    assert list(rows) == [str(day) for day in SESSIONS[1:3]]
    assert lake.sessions("transaction").tolist() == SESSIONS[1:3].tolist()
    nothing = market.table("minute_bar", SESSIONS[3], SESSIONS[3])
    assert nothing.num_rows == 0
    assert nothing.schema.equals(TABLES["minute_bar"].schema)


YAML = """
simulation:
  preset: demo
  signals: {informed: 8.0}
  intraday: {stocks: 100, first_session: 2022-01-04, tables: [transaction, book_snapshot], book_until: 10:00}
"""


def test_settings_name_the_intraday_tables(tmp_path):
    """YAML reads 10:00 without quotes as a number."""
    (tmp_path / "source.yaml").write_text(YAML, encoding="utf-8")
    source = SourceConfig.model_validate(read_yaml(tmp_path / "source.yaml"))
    assert source.simulation.intraday == IntradaySimulation(
        stocks=100,
        first_session=datetime.date(2022, 1, 4),
        tables=("transaction", "book_snapshot"),
        book_until="10:00",
    )
    assert source.simulation.signals == SignalStrengths(informed=8.0)
    assert simulated_tables(source.simulation) >= {"transaction", "book_snapshot", "daily_bar"}
    assert "minute_bar" not in simulated_tables(source.simulation)


@pytest.mark.parametrize(
    ("intraday", "message"),
    [
        ({"stocks": 61}, "intraday.stocks 61 is more than initial_stocks 60"),
        ({"first_session": "2020-02-01", "last_session": "2020-01-31"}, "lies before first_session"),
        ({"tables": ["order"]}, "minute_bar"),
        ({"book_until": "15:01"}, "book_until"),
        ({"book_until": "9:45"}, "book_until"),
        ({"levels": 10}, "levels"),
    ],
)
def test_wrong_settings_are_named(intraday, message):
    with pytest.raises(ValidationError, match=message):
        SimulationConfig.model_validate({**SMALL.model_dump(), "intraday": intraday})


def test_informed_buying_lasts_and_spreads_as_it_says():
    config = SimulationConfig.preset("demo").model_copy(update={"initial_stocks": 150})
    sessions = CALENDAR.between(np.datetime64(config.start), "2020-01-23")
    informed = SimulatedMarket(config, sessions).signals()["informed"]
    known = informed[:, np.isfinite(informed).all(axis=0)]
    assert known.shape[1] > 120
    for at in (0, 100, len(sessions) - 1):
        assert 0.85 < known[at].std() < 1.15
        assert abs(known[at].mean()) < 0.25
    for lag in (1, 10):
        assert np.corrcoef(known[:-lag].ravel(), known[lag:].ravel())[0, 1] == pytest.approx(0.95**lag, abs=0.03)


class Opening:
    """A market of 60 stocks in which nothing foretells returns but informed buying, with the opening's large orders."""

    FACTORS = ("opening_large_net_buy", "opening_large_buy_steadiness")

    def __init__(self, strength, root):
        signals = SignalStrengths(linear=0, interaction=0, sector=0, path=0, informed=strength)
        config = SMALL.model_copy(
            update={
                "seed": 1,
                "signals": signals,
                "events": EventRates(listings_per_year=0),
                "intraday": IntradaySimulation(tables=("transaction",)),
            }
        )
        market, lake = SimulatedMarket(config, SESSIONS[:75]), Lake(root)
        SimulatedSource(market, lake, CALENDAR).provide_sessions("transaction", market.sessions)
        known, choices, days = indicators_with(()), IndicatorConfig(), market.sessions
        write_indicators(lake, known, "order_size", days, choices, days)
        wanted = [known.definition(name) for name in self.FACTORS]
        found = [compute_indicators(lake, known, wanted, day, choices, days)[0] for day in days]
        bars = market.table("daily_bar").to_pandas()
        bars["adjusted"] = bars["close"] * bars["adj_factor"]
        self.close, self.turnover = (
            bars.pivot(index="date", columns="symbol", values=name) for name in ("adjusted", "turnover_rate")
        )
        self.factors = {
            name: pd.DataFrame([pd.Series(day[name], day["symbol"]) for day in found], self.close.index)
            .rolling(20, min_periods=10)
            .mean()
            for name in self.FACTORS
        }
        self.informed = pd.DataFrame(market.signals()["informed"], self.close.index, market.symbols)

    def t_value(self, factor):
        """Of the RankIC with the next five sessions' return, on every fifth session, so that no two returns overlap."""
        later = self.close.shift(-5) / self.close - 1
        rank_ic = spearman(factor, later).iloc[20:-5:5].dropna()
        return rank_ic.mean() / rank_ic.std() * np.sqrt(len(rank_ic))


@pytest.mark.slow
def test_large_orders_of_the_opening_find_the_informed_and_daily_bars_hardly_do(tmp_path):
    market = Opening(40.0, tmp_path)
    for name, factor in market.factors.items():
        assert market.t_value(factor) > 3, name
        assert spearman(factor, market.informed).iloc[20:].mean() > 0.4, name
    for factor in (market.turnover.rolling(20).mean(), market.close.pct_change(fill_method=None).rolling(20).std()):
        assert abs(spearman(factor, market.informed).iloc[20:].mean()) < 0.2
    # Past returns show what it has earned already, and less of it than the orders do.
    earned = spearman(market.close / market.close.shift(20) - 1, market.informed).iloc[20:].mean()
    found = spearman(market.factors["opening_large_net_buy"], market.informed).iloc[20:].mean()
    assert 0 < earned < 0.7 * found


@pytest.mark.slow
def test_informed_of_strength_zero_foretell_nothing(tmp_path):
    market = Opening(0.0, tmp_path)
    for name, factor in market.factors.items():
        assert abs(market.t_value(factor)) < 2.5, name
        assert spearman(factor, market.informed).iloc[20:].mean() > 0.4, name
