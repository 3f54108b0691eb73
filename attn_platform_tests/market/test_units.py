"""Units told from what the columns say about each other, each against files that have them wrong."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.market.quality import units
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform_tests.market.small_market import Frames, small_market, write_csv

CALENDAR = exchange_calendar()
Change = Callable[[Frames], None]


def scaled(table: str, **factors: float) -> Change:
    def change(frames: Frames) -> None:
        for name, factor in factors.items():
            frames[table][name] = frames[table][name] * factor

    return change


def prices_in_fen(frames: Frames) -> None:
    scaled("daily_bar", **dict.fromkeys(("open", "high", "low", "close", "pre_close"), 100.0))(frames)


def lots_but_for_star(frames: Frames) -> None:
    bar = frames["daily_bar"]
    bar.loc[~bar["symbol"].str.startswith("688"), "volume"] /= 100


def swapped(frames: Frames) -> None:
    frames["daily_bar"] = frames["daily_bar"].rename(columns={"volume": "amount", "amount": "volume"})


def adjusted_prices(frames: Frames) -> None:
    bar = frames["daily_bar"]
    bar["adj_factor"] *= 7.0
    for name in ("open", "high", "low", "close", "pre_close"):
        bar[name] *= bar["adj_factor"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (scaled("daily_bar", volume=0.01), r"csv: amount / volume is 100 × close: volumes look like lots; multiply "),
        (scaled("daily_bar", amount=1e-3), r"is 0\.001 × close: amounts look like thousands of CNY"),
        (scaled("daily_bar", volume=0.01, amount=1e-3), r"is 0\.1 × close: volumes look like lots and amounts "),
        (scaled("daily_bar", amount=1e-4), r"amounts look like ten thousands of CNY"),
        (prices_in_fen, r"is 0\.01 × close: prices look like fen; divide all prices by 100"),
        (lots_but_for_star, r"csv: on board chinext, main, amount / volume is 100 × close: volumes look like lots"),
        (swapped, r"amount and volume look swapped"),
        (adjusted_prices, r"prices look adjusted; give raw prices"),
    ],
)  # fmt: skip
def test_units_of_volume_amount_and_prices_are_named(tmp_path: Path, change: Change, message: str) -> None:
    frames = small_market()
    frames["daily_bar"] = frames["daily_bar"].drop(columns="vwap")
    change(frames)
    with pytest.raises(ContractError, match=message) as raised:
        import_contract_files(write_csv(frames, tmp_path / "files"), Lake(tmp_path / "lake"), CALENDAR)
    assert re.search(r"; row \d+ \(date 2022-06-01, symbol .* more such rows", str(raised.value))
    assert "inside of low and high" in str(raised.value)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            [scaled("daily_bar", turnover_rate=100.0)],
            [r"turnover_rate looks like percent", "divide turnover_rate by 100"],
        ),
        (
            [scaled("valuation", total_mv=1e-4, float_mv=1e-4)],
            [r"market values look like ten thousands of CNY: volume is 1e\+04 × turnover_rate", "by 10,000"],
        ),
        (
            [scaled("daily_bar", turnover_rate=100.0), scaled("valuation", total_mv=1e-4, float_mv=1e-4)],
            [r"turnover_rate looks like percent", r"market values look like ten thousands of CNY"],
        ),
        ([scaled("valuation", total_mv=1e-4)], [r"in different units: total_mv is 0\.0001 × float_mv"]),
        ([scaled("valuation", float_mv=1e-4)], [r"market values look like ten thousands"]),
        ([scaled("daily_bar", turnover_rate=0.01)], [r"float shares are not shares: volume is 100 × turnover_rate"]),
    ],
)
def test_units_of_turnover_and_market_values_are_named(
    tmp_path: Path, changes: list[Change], messages: list[str]
) -> None:
    frames = small_market()
    # The median turnover of the small market is that of a busy session: 1.4 % of the float.
    for change in changes:
        change(frames)
    with pytest.raises(ContractError, match=r"valuation\.csv and daily_bar of session 2022-06-01: ") as raised:
        import_contract_files(write_csv(frames, tmp_path / "files"), Lake(tmp_path / "lake"), CALENDAR)
    for message in messages:
        assert pd.Series([str(raised.value)]).str.contains(message).all(), raised.value


def test_a_few_bars_that_contradict_themselves_lose_their_vwap_or_are_refused(tmp_path: Path) -> None:
    frames = small_market()
    frames["daily_bar"] = frames["daily_bar"].drop(columns="vwap")
    frames["daily_bar"].loc[3, "amount"] *= 1.2
    lake = Lake(tmp_path / "lake")
    report = import_contract_files(write_csv(frames, tmp_path / "slip"), lake, CALENDAR)
    (said,) = [finding for finding in report.findings if finding.check == "average_price_outside"]
    assert said.count == 1
    assert "amount" in said.examples[0]
    bars = lake.read("daily_bar").to_pandas()
    traded = bars[~bars["is_suspended"]]
    assert traded["vwap"].isna().sum() == 1
    frames["daily_bar"].loc[3, "amount"] *= 3
    with pytest.raises(ContractError, match=r"row 4 .*'amount' and 'volume' and 'low' and 'high': [\d.]+, [\d.]+, "):
        import_contract_files(write_csv(frames, tmp_path / "gross"), lake, CALENDAR)


def test_a_vwap_of_the_vendors_own_lies_in_the_bar(tmp_path: Path) -> None:
    frames = small_market()
    frames["daily_bar"].loc[5, "vwap"] *= 100
    with pytest.raises(ContractError, match=r"row 6 .*'vwap' and 'low' and 'high'.*vwap inside of low and high"):
        import_contract_files(write_csv(frames, tmp_path / "files"), Lake(tmp_path / "lake"), CALENDAR)


def test_rounding_of_amounts_and_of_odd_lots_is_no_fault() -> None:
    # The widest of the real rows whose amount was rounded: 101 shares at 11.50 for 1,162 CNY; 0.26 % below the low.
    low = np.array([11.50, 7.20, 9.99])
    found = units.outside_bar(np.array([1_162.0, 3_685_848.0, 999.0]), np.array([101.0, 513_280.0, 200.0]), low, low)
    assert found.tolist() == [False, False, True]
    # Real rows that contradict themselves: 1.2 %, 5.3 % and 22 % outside.
    amount, volume = np.array([2_204_888.0, 9_000.0, 2_543_053.0]), np.array([186_489.0, 2_000.0, 202_740.0])
    bars = np.array([11.97, 4.75, 16.05])
    assert units.outside_bar(amount, volume, bars, bars).all()
