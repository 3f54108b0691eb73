"""Minute bars against daily bars: what differs is named with both figures, and bars that are missing are counted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.intraday import bar_ends, label_of
from attn_platform.market.lake import Lake
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.examine import examine
from attn_platform.market.quality.findings import Finding
from attn_platform.market.quality.minute_bars import CHECKS
from attn_platform_tests.market.quality.markets import Frames, as_table, write

CALENDAR = exchange_calendar()
SESSIONS = np.array(["2023-02-01", "2023-02-02"], dtype="datetime64[D]")
SYMBOLS = [f"{600000 + at}.SH" for at in range(22)]


def market(length: int = 15) -> Frames:
    """Bars of two sessions, and daily bars that a plain loop sums of them."""
    random = np.random.default_rng(length)
    bars, days = [], []
    for session in SESSIONS:
        for symbol in SYMBOLS:
            of_day = []
            for end in bar_ends(length):
                low, open_, close, high = np.round(np.sort(random.uniform(9, 11, 4)), 2)
                volume = 100.0 * random.integers(1, 50)
                of_day.append((session, symbol, label_of(int(end)), open_, high, low, close, volume, volume * 10.0))
            bars += of_day
            prices = (of_day[0][3], max(bar[4] for bar in of_day), min(bar[5] for bar in of_day), of_day[-1][6])
            days.append((session, symbol, *prices, sum(bar[7] for bar in of_day), sum(bar[8] for bar in of_day)))
    names = ["date", "symbol", "minute", "open", "high", "low", "close", "volume", "amount"]
    daily = pd.DataFrame(days, columns=[name for name in names if name != "minute"])
    return {
        "security": pd.DataFrame({"symbol": SYMBOLS, "board": "main"}),
        "daily_bar": daily.assign(adj_factor=1.0, is_suspended=False, trading_status="normal"),
        "minute_bar": pd.DataFrame(bars, columns=names).assign(bar_minutes=length),
    }


def found(folder: Path, frames: Frames, config: QualityConfig | None = None) -> list[Finding]:
    return examine(write(Lake(folder), frames), CALENDAR, config=config, checks=CHECKS)


@pytest.mark.parametrize("length", [pytest.param(1, marks=pytest.mark.slow), 5, 15, 30, 60])
def test_bars_that_come_to_their_days_are_silent(tmp_path: Path, length: int) -> None:
    assert found(tmp_path, market(length)) == []


@pytest.mark.parametrize(
    ("column", "change", "figures"),
    [("volume", 5000.0, "volume"), ("amount", 50_000.0, "amount"), ("high", 1.0, "high"), ("close", -3.0, "close")],
)
def test_what_differs_is_named_with_both_figures(tmp_path: Path, column: str, change: float, figures: str) -> None:
    frames = market()
    daily = frames["daily_bar"]
    wrong = (daily["symbol"] == SYMBOLS[3]) & (daily["date"] == SESSIONS[1])
    of_bars = float(daily.loc[wrong, column].iloc[0])
    frames["daily_bar"] = daily.assign(**{column: daily[column] + change * wrong})
    [finding] = found(tmp_path, frames)
    assert (finding.severity, finding.count, finding.examined) == ("warning", 1, 44)
    assert f"1 of 44 (2.3 %) stock-days on 2023-02-02, in {figures} (1); worst: 600003.SH {column}" in finding.text
    assert finding.examples == (
        {"date": "2023-02-02", "symbol": "600003.SH", "what": column}
        | {"of bars": pytest.approx(of_bars), "of day": pytest.approx(of_bars + change)},
    )


def test_the_worst_come_first_and_a_wrong_unit_is_an_error(tmp_path: Path) -> None:
    frames = market()
    bars = frames["minute_bar"]
    frames["minute_bar"] = bars.assign(volume=bars["volume"] / np.where(bars["symbol"] == SYMBOLS[7], 1000, 100))
    [finding] = found(tmp_path, frames)
    assert (finding.severity, finding.count) == ("error", 44)
    assert [example["symbol"] for example in finding.examples[:2]] == [SYMBOLS[7]] * 2
    assert "in volume (44); worst: 600007.SH volume" in finding.text


def test_differences_of_rounding_are_none(tmp_path: Path) -> None:
    frames = market()
    bars = frames["minute_bar"]
    frames["minute_bar"] = bars.assign(volume=bars["volume"] - 5, amount=bars["amount"] * 1.0015, high=bars["high"])
    assert found(tmp_path, frames) == []
    narrow = QualityConfig(minute_sum_within=1e-6, minute_sum_slack=1.0)
    [finding] = found(tmp_path, frames, narrow)
    assert finding.count == 44


def test_missing_bars_are_counted(tmp_path: Path) -> None:
    """Two bars of a stock and all of another are gone; their volumes were nothing."""
    frames = market()
    bars = frames["minute_bar"]
    gone = (bars["symbol"] == SYMBOLS[1]) & bars["minute"].isin(["10:00", "14:00"]) & (bars["date"] == SESSIONS[0])
    bars.loc[gone, ["volume", "amount"]] = 0.0
    daily = frames["daily_bar"]
    sums = bars.groupby(["date", "symbol"])[["volume", "amount"]].sum().reset_index()
    daily[["volume", "amount"]] = sums[["volume", "amount"]]
    for name, function in (("high", "max"), ("low", "min")):
        daily[name] = bars[~gone].groupby(["date", "symbol"])[name].agg(function).to_numpy()
    frames["minute_bar"] = bars[~gone & ~((bars["symbol"] == SYMBOLS[2]) & (bars["date"] == SESSIONS[1]))]
    fewer, none = found(tmp_path, frames)
    assert (fewer.severity, fewer.count, fewer.examined) == ("note", 1, 43)
    assert "1 of 43 (2.3 %), 2 bars missing on 2023-02-01" in fewer.text
    assert (none.severity, none.count, none.examined) == ("note", 1, 44)
    assert "stocks traded and have no bars at all" in none.text


def test_a_session_that_was_cut_is_named(tmp_path: Path) -> None:
    frames = market()
    bars = frames["minute_bar"]
    frames["minute_bar"] = bars[~((bars["date"] == SESSIONS[1]) & (bars["minute"] > "14:30"))]
    findings = found(tmp_path, frames)
    [cut] = [finding for finding in findings if "hardly any stock" in finding.text]
    assert (cut.severity, cut.count, cut.examined) == ("warning", 1, 2)
    assert "the bar of 14:45, 15:00 on 2023-02-02" in cut.text
    assert findings[0].severity == "error", "the sums do not come to their days either"


@pytest.mark.slow
def test_the_closing_auction_has_no_bars_of_its_minutes(tmp_path: Path) -> None:
    """Between 14:57 and 15:00 nothing trades: vendors leave these bars out. Before 2018-08-20 Shanghai had them."""
    frames = market(1)
    bars = frames["minute_bar"]
    quiet = bars["minute"].isin(["14:58", "14:59"])
    sums = bars[~quiet].groupby(["date", "symbol"]).agg({"volume": "sum", "amount": "sum", "high": "max", "low": "min"})
    frames["daily_bar"][["volume", "amount", "high", "low"]] = sums.reset_index()[["volume", "amount", "high", "low"]]
    frames["minute_bar"] = bars[~quiet]
    assert found(tmp_path / "now", frames) == []
    then = {
        name: frame.assign(date=frame["date"] - np.timedelta64(5 * 364, "D")) if "date" in frame else frame
        for name, frame in frames.items()
    }
    texts = [finding.text for finding in found(tmp_path / "then", then)]
    assert any("88 bars missing" in text for text in texts), texts


def test_a_stock_that_is_nowhere_else_is_named(tmp_path: Path) -> None:
    frames = market()
    one = frames["minute_bar"][frames["minute_bar"]["symbol"] == SYMBOLS[0]]
    frames["minute_bar"] = pd.concat([frames["minute_bar"], one.assign(symbol="601999.SH")])
    [finding] = found(tmp_path, frames)
    assert (finding.severity, finding.count, finding.examined) == ("warning", 1, 23)
    assert "stand neither in daily_bar nor in security, on 2 sessions from 2023-02-01 to 2023-02-02: 601999.SH" in (
        finding.text
    )


def test_bars_in_another_order_are_summed_as_well(tmp_path: Path) -> None:
    frames = market()
    lake = write(Lake(tmp_path), frames)
    for session in SESSIONS:
        bars = frames["minute_bar"][frames["minute_bar"]["date"] == session]
        lake.write("minute_bar", as_table("minute_bar", bars.sample(frac=1.0, random_state=1)), session)
    assert examine(lake, CALENDAR, checks=CHECKS) == []


def test_it_reads_one_session_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = write(Lake(tmp_path), market())
    asked: list[tuple[object, object]] = []
    read = Lake.read

    def noted(self: Lake, table: str, first: object = None, last: object = None, columns: object = None) -> object:
        if table == "minute_bar":
            asked.append((first, last))
        return read(self, table, first, last, columns)

    monkeypatch.setattr(Lake, "read", noted)
    examine(lake, CALENDAR, checks=CHECKS)
    assert asked == [(session, session) for session in SESSIONS]
