"""Adjustment factors that break: named for a single stock, put on one base where a block of them starts anew."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.market.vendors import ImportReport
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform_tests.market.small_market import Frames, of_sessions, sessions_of, small_market, write_csv

CALENDAR = exchange_calendar()
HALTED = "600003.SH"


@pytest.fixture
def market() -> Frames:
    """Without limits and market values' noise: only the factors matter here."""
    return small_market()


def imported(frames: Frames, folder: Path, lake: Lake) -> ImportReport:
    return import_contract_files(write_csv(frames, folder), lake, CALENDAR)


def factors(lake: Lake) -> pd.DataFrame:
    return lake.read("daily_bar").to_pandas().pivot(index="date", columns="symbol", values="adj_factor")


def rebased(market: Frames, blocks: list[np.ndarray]) -> Frames:
    """The factors as a vendor gives them that sets each stock's newest factor to 1 in every file."""
    bar = market["daily_bar"].copy()
    for block in blocks:
        inside = bar["date"].isin(block)
        newest = bar[inside].sort_values("date").groupby("symbol")["adj_factor"].last()
        bar.loc[inside, "adj_factor"] /= bar.loc[inside, "symbol"].map(newest)
    return market | {"daily_bar": bar}


def test_factors_that_start_anew_in_a_block_go_on_from_the_last_one(market: Frames, tmp_path: Path) -> None:
    days = sessions_of(market)
    blocks = [days[:7], days[7:]]
    whole = Lake(tmp_path / "whole")
    report = imported(rebased(market, blocks), tmp_path / "files", whole)
    right = market["daily_bar"].pivot(index="date", columns="symbol", values="adj_factor")
    right.index = right.index.date
    found = factors(whole)
    # One base a stock: its first factor in the file. What is left is the rounding of reference prices to fen.
    np.testing.assert_allclose(found / found.bfill().iloc[0], right / right.bfill().iloc[0], rtol=2e-3)
    (said,) = [finding for finding in report.findings if finding.check == "factors_rebased"]
    assert said.count > 10
    # Stocks that did not go ex-right on the first session of the new block are exact.
    ex_right = (right.iloc[7] != right.iloc[6]).to_numpy()
    np.testing.assert_allclose((found.iloc[7] / found.iloc[6])[~ex_right].dropna(), 1.0, rtol=1e-11)


def test_a_halted_stock_is_put_on_the_base_when_it_comes_back(market: Frames, tmp_path: Path) -> None:
    days, bar = sessions_of(market), market["daily_bar"]
    left_out = market | {"daily_bar": bar[~bar["is_suspended"]]}
    whole = Lake(tmp_path / "whole")
    imported(rebased(left_out, [days[:7], days[7:]]), tmp_path / "files", whole)
    stock = factors(whole)[HALTED]
    right = bar[bar["symbol"] == HALTED].set_index("date")["adj_factor"]
    np.testing.assert_allclose(stock / stock.iloc[0], right / right.iloc[0], rtol=2e-3)


@pytest.mark.slow
def test_the_base_is_kept_from_one_import_to_the_next(market: Frames, tmp_path: Path) -> None:
    days, bar = sessions_of(market), market["daily_bar"]
    left_out = market | {"daily_bar": bar[~bar["is_suspended"]]}
    frames = rebased(left_out, [days[:7], days[7:]])
    whole, daily = Lake(tmp_path / "whole"), Lake(tmp_path / "daily")
    imported(frames, tmp_path / "files", whole)
    for day in days:
        imported(of_sessions(frames, np.array([day])), tmp_path / str(day), daily)
    for table in ("daily_bar", "adjustment_base"):
        assert daily.read(table).equals(whole.read(table)), table


def test_a_single_factor_that_breaks_is_refused_and_named(market: Frames, tmp_path: Path) -> None:
    bar, lake = market["daily_bar"], Lake(tmp_path / "lake")
    right = bar.pivot(index="date", columns="symbol", values="adj_factor")["600001.SH"]
    ex_right = right.index[int(np.argmax(right.diff().fillna(0.0).to_numpy() > 0))]
    stock = bar["symbol"] == "600001.SH"

    def message(number: int, **changes: pd.Series) -> str:
        with pytest.raises(ContractError, match=r"'pre_close' and 'adj_factor'") as raised:
            imported(market | {"daily_bar": bar.assign(**changes)}, tmp_path / str(number), lake)
        assert f"date {ex_right.date()}, symbol 600001.SH" in str(raised.value)
        return str(raised.value)

    # A split in two on that day, which the factor does not know.
    split = stock & (bar["date"] >= ex_right)
    halved = {name: bar[name].where(~split, bar[name] / 2) for name in ("open", "high", "low", "close", "pre_close")}
    halved |= {
        "vwap": bar["vwap"].where(~split, bar["vwap"] / 2),
        "volume": bar["volume"].where(~split, bar["volume"] * 2),
    }
    halved["turnover_rate"] = bar["turnover_rate"].where(~split, bar["turnover_rate"] * 2)
    lacks = message(0, adj_factor=bar["adj_factor"].mask(stock, 1.0), **halved)
    assert "pre_close is an ex-right reference, but the factor lacks the ex-right" in lacks
    last_close = bar[stock].set_index("date")["close"].shift()
    raw = bar["pre_close"].mask(stock & (bar["date"] == ex_right), last_close[ex_right])
    assert "looks like the raw last close" in message(1, pre_close=raw)
    assert "the factor looks inverted" in message(2, adj_factor=bar["adj_factor"].mask(stock, 1 / bar["adj_factor"]))


def test_a_reference_price_that_is_off_is_noted_and_many_are_refused(market: Frames, tmp_path: Path) -> None:
    bar, lake = market["daily_bar"], Lake(tmp_path / "lake")
    one = market | {"daily_bar": bar.assign(adj_factor=bar["adj_factor"].mask(bar["symbol"] == "600001.SH", 1.0))}
    report = imported(one, tmp_path / "one", lake)
    (said,) = [finding for finding in report.findings if finding.check == "reference_off"]
    assert said.count == 1  # a dividend of 5 % that the factor lacks, or a wrong price
    assert said.examples[0]["symbol"] == "600001.SH"
    with pytest.raises(ContractError, match=r"the factor lacks the ex-right; row \d+ .*more such rows"):
        imported(market | {"daily_bar": bar.assign(adj_factor=1.0)}, tmp_path / "all", lake)


def test_a_price_after_a_halt_may_be_any(market: Frames, tmp_path: Path) -> None:
    bar, days, lake = market["daily_bar"].copy(), sessions_of(market), Lake(tmp_path / "lake")
    back = (bar["symbol"] == HALTED) & (bar["date"] >= days[9])
    for name in ("open", "high", "low", "close", "pre_close", "vwap", "amount"):
        bar.loc[back, name] *= 0.6
    report = imported(market | {"daily_bar": bar}, tmp_path / "files", lake)
    (said,) = [finding for finding in report.findings if finding.check == "reference_off"]
    assert said.count == 1


def test_a_factor_that_restarts_between_two_imports_is_refused(market: Frames, tmp_path: Path) -> None:
    days, lake = sessions_of(market), Lake(tmp_path / "lake")
    imported(of_sessions(market, days[:7]), tmp_path / "first", lake)
    second = of_sessions(market, days[7:])
    bar = second["daily_bar"].copy()
    bar.loc[bar["symbol"] == "688002.SH", "adj_factor"] *= 0.5
    before = lake.read("daily_bar")
    with pytest.raises(ContractError, match=rf"is 0\.5 × the last .*date {days[7]}, symbol 688002\.SH"):
        imported(second | {"daily_bar": bar}, tmp_path / "second", lake)
    assert lake.read("daily_bar").equals(before)


def test_a_missing_reference_price_is_no_break(market: Frames, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    imported(market | {"daily_bar": market["daily_bar"].assign(pre_close=np.nan)}, tmp_path / "files", lake)
    found = lake.read("daily_bar").to_pandas().set_index(["date", "symbol"])["pre_close"]
    given = (
        market["daily_bar"].assign(date=market["daily_bar"]["date"].dt.date).set_index(["date", "symbol"])["pre_close"]
    )
    known = found.dropna()
    assert len(known) == len(found) - 36  # each stock's first row
    np.testing.assert_allclose(known, given.reindex(known.index), atol=0.0051)


def test_over_sessions_that_are_in_no_file_any_factor_may_be_right(market: Frames, tmp_path: Path) -> None:
    days, bar, lake = sessions_of(market), market["daily_bar"].copy(), Lake(tmp_path / "lake")
    bar.loc[(bar["symbol"] == "600001.SH") & (bar["date"] >= days[7]), "adj_factor"] *= 3
    with pytest.raises(ContractError, match=r"600001\.SH"):
        imported(market | {"daily_bar": bar}, tmp_path / "whole", lake)
    gap = of_sessions(market | {"daily_bar": bar}, days[[0, 1, 2, 3, 4, 8, 9, 10]])
    report = imported(gap, tmp_path / "gap", lake)
    assert "factors_rebased" not in {finding.check for finding in report.findings}
