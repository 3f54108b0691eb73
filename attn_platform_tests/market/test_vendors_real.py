"""The `ashare` importer on real data: figures that were published or counted elsewhere."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import Lake
from attn_platform.market.vendors import ImportReport
from attn_platform.market.vendors.ashare import import_ashare

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
CALENDAR = exchange_calendar()
HALF_FEN = 0.005
STATIC = ("security.parquet", "index_member.parquet", "index_bar.parquet", "sw_industry.parquet", "sw_sector_map.csv")
# One whole year, and of others the sessions that are asked about with enough before them.
RANGES = {
    2015: ("2015-01-01", "2015-12-31"),
    2016: ("2016-01-01", "2016-01-08"),
    2020: ("2020-01-01", "2020-02-03"),
    2021: ("2021-12-01", "2021-12-31"),
}


@dataclass(frozen=True)
class Imported:
    lake: Lake
    report: ImportReport


@pytest.fixture(scope="module")
def imported(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    folder = tmp_path_factory.mktemp("real")
    (folder / "files" / "daily").mkdir(parents=True)
    for name in STATIC:
        (folder / "files" / name).symlink_to(real_data / name)
    for year, (first, last) in RANGES.items():
        data = pq.read_table(real_data / "daily" / f"{year}.parquet")
        inside = pc.and_(
            pc.greater_equal(data["date"], datetime.date.fromisoformat(first)),
            pc.less_equal(data["date"], datetime.date.fromisoformat(last)),
        )
        pq.write_table(data.filter(inside), folder / "files" / "daily" / f"{year}.parquet")
    lake = Lake(folder / "lake")
    return Imported(lake, import_ashare(folder / "files", lake, CALENDAR))


@pytest.fixture(scope="module")
def year(imported: Imported) -> DenseMarket:
    """2015, whole."""
    fields = ("open", "high", "low", "close", "vwap", "pre_close", "adj_factor", "volume", "down_limit", "is_suspended")
    return load_dense(imported.lake, CALENDAR, "2015-01-05", "2015-12-31", fields)


def bars(imported: Imported, session: str) -> pd.DataFrame:
    return imported.lake.read("daily_bar", session, session).to_pandas().set_index("symbol")


def test_the_report_names_what_the_set_lacks(imported: Imported) -> None:
    assert set(imported.report.absent_tables) == {
        "consensus", "fundamental", "minute_bar", "transaction", "book_snapshot",
    }  # fmt: skip
    assert list(imported.report.absent_columns) == ["valuation.pcf_ocf_ttm", "index_weight.weight"]
    assert imported.report.rows["security"] == 4762


def test_moutai_closes_at_2050_on_the_last_day_of_2021(imported: Imported) -> None:
    assert bars(imported, "2021-12-31").loc["600519.SH", "close"] == 2050.00


S_SHARE = "600182.SH"
"""The last share without reform, limited to 5 % all its life: on 2020-02-03 a one-price board at 15.21 after 16.01."""


@pytest.mark.parametrize(
    ("session", "traded", "fell", "at_limit"),
    [("2015-06-26", 2360, 2019, 2026), ("2016-01-07", 2553, 1527, 1332), ("2020-02-03", 3760, 2971, 3212)],
)
def test_limit_down_days(imported: Imported, session: str, traded: int, fell: int, at_limit: int) -> None:
    """Counted in the raw files, less the second code of companies that stand there under two.

    `fell` is the number of returns of -9.9 % or less, `at_limit` of closes at the lower limit.
    """
    day = bars(imported, session)
    day = day[~day["is_suspended"]]
    assert len(day) == traded
    assert (day["close"] / day["pre_close"] - 1 <= -0.099).sum() == fell
    assert ((day["close"] - day["down_limit"]).abs() < HALF_FEN).sum() == at_limit
    # Whole fen, half up: nine tenths of the reference for a main-board stock without special treatment.
    listed = imported.lake.read("security").to_pandas().set_index("symbol")["list_date"].reindex(day.index)
    old = day.index.str.match("60|000") & (listed < datetime.date.fromisoformat(session))
    normal = day[old & (day["trading_status"] == "normal") & day["pre_close"].notna()].drop(S_SHARE, errors="ignore")
    fen = (normal["pre_close"] * 100).round().astype(int)
    np.testing.assert_array_equal((normal["down_limit"] * 100).round(), (fen * 9 + 5) // 10)


def test_vwap_lies_within_the_day_and_closes_carry_through_suspensions(year: DenseMarket) -> None:
    traded, halted = year["is_suspended"] == 0, year["is_suspended"] == 1
    assert np.all((year["vwap"] >= year["low"])[traded] & (year["vwap"] <= year["high"])[traded])
    assert np.isnan(year["vwap"][halted]).all()
    assert (year["volume"][halted] == 0).all()
    rows, stocks = np.nonzero(halted[1:])
    np.testing.assert_array_equal(year["close"][rows + 1, stocks], year["close"][rows, stocks])
    np.testing.assert_array_equal(year["adj_factor"][rows + 1, stocks], year["adj_factor"][rows, stocks])
    # The halts of July 2015: half of the market.
    assert 1200 < halted[year.position("2015-07-08")].sum() < 1500


def test_reference_prices_differ_from_the_last_close_on_ex_right_days_only(year: DenseMarket) -> None:
    both = ~np.isnan(year["pre_close"][1:]) & ~np.isnan(year["close"][:-1])
    differs = both & (np.abs(year["pre_close"][1:] - year["close"][:-1]) > HALF_FEN)
    adjusted = both & (year["adj_factor"][1:] != year["adj_factor"][:-1])
    assert differs.sum() > 1000  # most stocks pay a dividend a year
    assert (differs & adjusted).sum() / differs.sum() > 0.99
    # pre_close × the new factor is the adjusted close before: within the rounding of the reference to fen.
    ratio = year["close"][:-1] * year["adj_factor"][:-1] / (year["pre_close"][1:] * year["adj_factor"][1:])
    assert np.abs(ratio[differs] - 1).max() < 0.02
    assert np.median(np.abs(ratio[differs] - 1)) < 5e-4


def test_weights_reproduce_the_indexs_daily_return(imported: Imported, year: DenseMarket) -> None:
    frame = imported.lake.read("index_weight", "2015-01-05", "2015-12-31").to_pandas()
    sums = frame.groupby(["index", "date"])["weight"].sum()
    assert np.abs(sums - 1).max() < 1e-9
    members = frame[frame["index"] == "csi500"]
    row = np.searchsorted(year.sessions, members["date"].to_numpy().astype("datetime64[D]"))
    column = np.searchsorted(year.symbols, members["symbol"].to_numpy(dtype=str))
    weight = np.zeros(year.shape)
    weight[row, column] = members["weight"]
    # Stocks suspended since the year before have no row yet, as this set begins in 2015.
    assert ((weight > 0).sum(axis=1) >= 460).all()
    # The index's return of a day is that of the day before's weights over prices that know of ex-rights.
    returns = np.nan_to_num(year["close"][1:] / year["pre_close"][1:] - 1)
    portfolio = (weight[:-1] * returns).sum(axis=1) / weight[:-1].sum(axis=1)
    bar = imported.lake.read("index_bar", "2015-01-05", "2015-12-31").to_pandas()
    close = bar[bar["index"] == "csi500"].sort_values("date")["close"].to_numpy()
    assert np.corrcoef(portfolio, close[1:] / close[:-1] - 1)[0, 1] > 0.99


def test_indices_enter_when_they_are_published_and_their_members_known(imported: Imported) -> None:
    weights = imported.lake.read("index_weight", columns=["date", "index"]).to_pandas()
    first = weights.groupby("index")["date"].min().astype(str).to_dict()
    # Of csi1000 the set knows three members before 2015-05-29.
    assert first == {"csi300": "2015-01-05", "csi500": "2015-01-05", "csi1000": "2015-05-29"}
    counts = weights.groupby(["index", "date"]).size()
    assert counts["csi1000"].between(985, 1002).all()
    assert counts["csi300"].between(290, 300).all()


def test_industries_hold_by_interval_and_have_sectors(imported: Imported) -> None:
    frame = imported.lake.read("industry").to_pandas()
    moutai = frame[frame["symbol"] == "600519.SH"]
    assert moutai["name"].iloc[-1] == "食品饮料"
    assert set(frame["sector"]) == {"consumption", "cyclical", "growth", "financial", "stable"}
    assert frame["sector"].notna().all()
    gaps = frame["out_date"].shift().ne(frame["in_date"]) & frame["symbol"].eq(frame["symbol"].shift())
    assert not gaps.any()
    assert (frame.groupby("symbol")["out_date"].apply(lambda dates: dates.isna().sum()) == 1).all()


def test_gone_stocks_have_no_rows_after_their_last_trade(imported: Imported, year: DenseMarket) -> None:
    security = imported.lake.read("security").to_pandas().set_index("symbol")
    gone = security["delist_date"].dropna()
    gone = gone[(gone > datetime.date(2015, 1, 5)) & (gone < datetime.date(2016, 1, 1))]
    assert len(gone) >= 5
    for symbol, delisted in gone.items():
        if symbol in year.symbols:
            held = ~np.isnan(year["close"][:, np.searchsorted(year.symbols, symbol)])
            assert year.sessions[held][-1] == np.datetime64(delisted) - 1
