"""The weekly report of a tiny home: rows against a plain computation from the raw rows, and what is said of gaps."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from attn_platform.backtest.store import backtest_table
from attn_platform.cli.app import app
from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.factors.preprocessing import PreprocessingConfig
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.assets.pages import made_at
from attn_platform.published import published_table
from attn_platform.reports.weekly_contents import LONG, LONG_SHORT, SHORT, WeeklyReportData
from attn_platform.studies.loading import load_study
from attn_platform.studies.pages import pages_called, pages_of, write_page
from attn_platform.studies.settings import Home, LayeredHome
from attn_platform.studies.weekly import WeeklyConfig
from attn_platform.workflows import weekly
from attn_platform.workflows.weekly import gather_weekly, week_of
from attn_platform.workflows.weekly_signals import _winsorised
from attn_platform_tests.evaluation.test_factor_legs import plain_account
from attn_platform_tests.evaluation.test_orthogonal import by_lstsq
from attn_platform_tests.homes import STRATEGY, TREES, CopyOf, with_new_code
from attn_platform_tests.reports.sample import read_page

TABLE = "factor_high_frequency"
BEGIN = "2019-12-31"
STYLES = ("log_total_mv", "mid_size", "bp_lf")
ROWS: list[dict[str, Any]] = [
    {"name": "intraday_skewness", "factor": "intraday_skewness", "sign": -1, "start": "2020-02-03"},
    {"name": "improved_reversal", "factor": "improved_reversal", "rebalance_every": "week"},
    {"name": "large_order_driven_return", "factor": "large_order_driven_return"},
    {"name": "trees", "model": TREES, "horizon": "3d", "rebalance_every": "week"},
    {"name": "deep", "model": "deep_gru", "horizon": "5d"},
    {"name": "other_horizon", "model": TREES, "horizon": "10d"},
]
CONFIG: dict[str, Any] = {
    "rows": ROWS,
    "portfolios": [STRATEGY, "csi500_ai_enhanced"],
    "regressor_sets": {
        "regular": {"styles": [{"style": name} for name in STYLES]},
        "with_turnover": {"styles": [{"style": "log_total_mv"}, {"style": "turn_1m", "log": True}]},
    },
    "winsorise": False,
    "min_listed_sessions": 63,
}


def synthetic_factors(bars: pd.DataFrame) -> pa.Table:
    """Two factors of a session's stocks, drawn by a generator of the session, and a third without values."""
    rng = np.random.default_rng(int(pd.Timestamp(bars["date"].iloc[0]).toordinal()))
    values = rng.normal(size=(2, len(bars)))
    values[:, rng.random(len(bars)) < 0.05] = np.nan
    frame = bars[["date", "symbol"]].assign(
        intraday_skewness=values[0], improved_reversal=values[1], large_order_driven_return=np.nan
    )
    return pa.Table.from_pandas(frame, preserve_index=False)


def write_factors(home: Home) -> None:
    for session in home.lake.sessions("daily_bar", BEGIN):
        bars = home.lake.read("daily_bar", session, session, ["date", "symbol"]).to_pandas()
        home.lake.write(TABLE, synthetic_factors(bars), session)


def write_portfolio(home: Home, name: str) -> pd.Series:
    """A backtest of which only the excess return counts; returns it by date."""
    sessions = home.lake.sessions("daily_bar", "2020-06-01")
    excess = np.random.default_rng(5).normal(0, 0.004, len(sessions))
    excess[0] = np.nan  # the base
    frame = pd.DataFrame({"date": [day.item() for day in sessions], "excess_return": excess})
    home.lake.write(backtest_table(name), pa.Table.from_pandas(frame, preserve_index=False))
    return pd.Series(excess[1:], pd.DatetimeIndex(sessions[1:].astype("datetime64[s]")))


@pytest.fixture(scope="module")
def home(raw_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    study = raw_home.study.replace(weekly=WeeklyConfig.model_validate(CONFIG))
    made = LayeredHome(tmp_path_factory.mktemp("weekly"), raw_home, study)
    write_factors(made)
    write_portfolio(made, STRATEGY)
    return made


@pytest.fixture(scope="module")
def report(home: Home) -> WeeklyReportData:
    return gather_weekly(home)


@dataclass
class PlainMarket:
    """Raw rows by session, and from them adjusted prices and what could be traded, one stock at a time."""

    home: Home
    last: str

    def __post_init__(self) -> None:
        lake = self.home.lake
        bars = lake.read("daily_bar", None, self.last).to_pandas()
        self.sessions = np.array(sorted(set(bars["date"])))
        self.symbols = sorted(set(bars["symbol"]))
        self.rows = {(row["date"], row["symbol"]): row for row in bars.to_dict("records")}
        self.industries = lake.read("industry").to_pandas()
        self.listed = lake.read("security").to_pandas().set_index("symbol")["list_date"].to_dict()
        self.gone = lake.read("security").to_pandas().set_index("symbol")["delist_date"].dropna().to_dict()
        values = lake.read("valuation", None, self.last).to_pandas()
        self.valuation = {(row["date"], row["symbol"]): row for row in values.to_dict("records")}
        shape = len(self.sessions), len(self.symbols)
        self.close, self.price = np.full(shape, np.nan), np.full(shape, np.nan)
        self.can_buy, self.can_sell = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for t, day in enumerate(self.sessions):
            for i, symbol in enumerate(self.symbols):
                self._fill(t, i, day, symbol)

    def _fill(self, t: int, i: int, day: Any, symbol: str) -> None:
        row = self.rows.get((day, symbol))
        self.close[t, i] = self.close[t - 1, i] if row is None and t else np.nan
        if symbol in self.gone and day >= self.gone[symbol]:
            self.can_sell[t, i] = True
        if row is None:
            return
        self.close[t, i] = row["close"] * row["adj_factor"]
        if row["is_suspended"]:
            return
        self.price[t, i] = row["vwap"] * row["adj_factor"]
        prices = {round(100 * row[name]) for name in ("open", "high", "low", "close")}
        bounds = [math.nan if row[name] is None else row[name] for name in ("up_limit", "down_limit")]
        up, down = (not math.isnan(bound) and prices == {round(100 * bound)} for bound in bounds)
        self.can_buy[t, i], self.can_sell[t, i] = not up, not down

    def industry(self, symbol: str, day: Any) -> str:
        table = self.industries
        rows = table[(table["symbol"] == symbol) & (table["in_date"] <= day)]
        rows = rows[rows["out_date"].isna() | (rows["out_date"] > day)]
        return str(rows.sort_values("in_date")["name"].iloc[-1]) if len(rows) else "unknown"

    def universe(self, day: Any) -> list[int]:
        """Stocks that are neither ST nor suspended, and have been listed for 63 sessions."""
        chosen = []
        for i, symbol in enumerate(self.symbols):
            row = self.rows.get((day, symbol))
            if row is None or row["is_suspended"] or row["trading_status"] != "normal":
                continue
            if len(self.home.calendar.between(str(self.listed[symbol]), str(day))) >= 63:
                chosen.append(i)
        return chosen


def plain_legs(market: PlainMarket, name: str, sign: int, rebalances: list[Any]) -> dict[str, list[float]]:
    """Daily returns of both legs and of all stocks, by numpy's least squares and an account of single stocks."""
    targets: dict[str, dict[int, dict[int, float]]] = {"top": {}, "bottom": {}, "all": {}}
    for day in rebalances:
        inside = market.universe(day)
        stored = (
            market.home.lake.read(TABLE, np.datetime64(day), np.datetime64(day)).to_pandas().set_index("symbol")[name]
        )
        values = np.array([stored.get(market.symbols[i], math.nan) for i in inside], dtype=float)
        rows = [market.valuation[day, market.symbols[i]] for i in inside]
        size = np.log([row["total_mv"] for row in rows])
        z = (size - size.mean()) / size.std()
        cube = z**3 - np.polyval(np.polyfit(z, z**3, 1), z)
        styles = {"size": size, "mid_size": cube, "bp": 1 / np.array([row["pb_lf"] for row in rows], dtype=float)}
        names = [market.industry(market.symbols[i], day) for i in inside]
        codes = np.array([sorted(set(names)).index(each) for each in names])
        signal = sign * by_lstsq(values, codes, styles)
        order = [inside[k] for k in np.argsort(signal) if math.isfinite(signal[k])]
        # Of sizes that differ, the upper layers are the larger ones
        sizes = [len(part) for part in np.array_split(order, 10)]
        t = int(np.searchsorted(market.sessions, day)) + 1
        for leg, chosen in (("top", order[-sizes[0] :]), ("bottom", order[: sizes[-1]]), ("all", order)):
            targets[leg][t] = dict.fromkeys(chosen, 1 / len(chosen))
    return {leg: plain_account(own, market) for leg, own in targets.items()}


@pytest.fixture(scope="module")
def plain_market(home: Home) -> PlainMarket:
    return PlainMarket(home, "2021-02-05")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sign", "period", "first"),
    [("intraday_skewness", -1, "M", "2020-01-23"), ("improved_reversal", 1, "W-SUN", "2020-01-03")],
)
def test_rows_are_those_of_a_plain_computation(
    home: Home, report: WeeklyReportData, plain_market: PlainMarket, name: str, sign: int, period: str, first: str
) -> None:
    days = pd.Series(pd.DatetimeIndex(home.lake.sessions("daily_bar", first, report.last)))
    ends = days.groupby(days.dt.to_period(period)).max()
    rebalances = [
        day.date() for day in ends if day < days.iloc[-1] and (period != "M" or day < pd.Timestamp("2021-02-01"))
    ]
    expected = plain_legs(plain_market, name, sign, rebalances)
    found = next(row for row in report.factors if row.name == name)
    top, bottom, everything = (np.array(expected[leg]) for leg in ("top", "bottom", "all"))
    for side, values in ((LONG_SHORT, top - bottom), (LONG, top - everything), (SHORT, everything - bottom)):
        own = found.sides[side].daily
        np.testing.assert_allclose(own.to_numpy(), values[np.isfinite(values)], rtol=0, atol=1e-12)
        assert len(own) == np.isfinite(values).sum() > 200


def test_what_has_no_data_says_so(report: WeeklyReportData) -> None:
    absent = {row.name: row.absent for row in report.factors}
    assert absent["intraday_skewness"] == absent["improved_reversal"] == ""
    assert absent["large_order_driven_return"] == "on no rebalance have 10 stocks of the universe a value"
    assert absent["trees"] == f"prediction_{TREES} has not been materialised"
    assert absent["deep"] == "study tiny has no model or forecasts called deep_gru"
    assert absent["other_horizon"] == f"{TREES} has horizons 3d, not 10d"
    assert [row.name for row in report.factors] == [row["name"] for row in ROWS]
    assert report.portfolios[1].absent == "study tiny has no strategy called csi500_ai_enhanced"


def test_a_late_beginning_is_said(home: Home, report: WeeklyReportData) -> None:
    by_name = {row.name: row for row in report.factors}
    assert by_name["intraday_skewness"].late == ""
    begin = by_name["improved_reversal"].sides[LONG].daily.index[0]
    assert by_name["improved_reversal"].late == f"Begin on {begin:%Y-%m-%d}, where their data does, not on 2014-01-02"
    assert str(begin.date()) == "2020-01-06"  # the first session after the first week that has values
    assert by_name["intraday_skewness"].sides[LONG].daily.index[0] == pd.Timestamp("2020-02-03")


def test_nothing_of_a_later_session_is_read(home: Home, report: WeeklyReportData) -> None:
    """An earlier week's report is the later one's beginning, although a delisting or a rename may lie between."""
    earlier = gather_weekly(home, "2020-09-09")
    assert earlier.last == "2020-09-11"
    for before, now in zip(earlier.factors, report.factors, strict=True):
        assert before.sides.keys() == now.sides.keys()
        for side, series in before.sides.items():
            pd.testing.assert_series_equal(series.daily, now.sides[side].daily[: pd.Timestamp("2020-09-11")])


def test_a_portfolio_is_its_backtest(home: Home, report: WeeklyReportData) -> None:
    portfolio = report.portfolios[0]
    stored = home.lake.read(backtest_table(STRATEGY)).to_pandas().set_index("date")["excess_return"]
    week = [value for day, value in stored.items() if str(day) >= "2021-02-01"]
    assert portfolio.excess is not None
    assert portfolio.excess.to_date["week"] == pytest.approx(math.prod(1 + value for value in week) - 1, abs=1e-14)
    assert portfolio.late == "Begin on 2020-06-02, where their data does, not on 2017-01-03"
    earlier = gather_weekly(home, "2020-05-20").portfolios[0]
    assert earlier.absent == "its backtest has no session from 2017-01-01 to 2020-05-22"


def test_regressors_that_lack_are_named(home: Home) -> None:
    config = WeeklyConfig.model_validate({**CONFIG, "regressors": "with_turnover", "rows": ROWS[:1]})
    other = LayeredHome(home.root, home, home.study.replace(weekly=config))
    notes = gather_weekly(other).notes
    assert list(notes) == ["Not orthogonal to ln turn_1m: factor_turnover has not been materialised."]


def test_the_week_is_the_newest_whole_one(home: Home) -> None:
    assert week_of(home).astype(str).tolist() == ["2021-02-01", "2021-02-02", "2021-02-03", "2021-02-04", "2021-02-05"]
    assert week_of(home, "2020-10-01").astype(str).tolist() == ["2020-09-28", "2020-09-29", "2020-09-30"]
    with pytest.raises(MissingDataError, match="2019-07-01 to 2021-02-05, has no session of the week of 2024-08-30"):
        week_of(home, "2024-08-30")


def test_a_week_that_is_not_over_is_reported_as_far_as_it_goes(home: Home, tmp_path: Path) -> None:
    class Cut(LayeredHome):
        """The home as it was on a Wednesday."""

    cut = Cut(tmp_path, home, home.study)
    held = home.lake.sessions("daily_bar", last="2021-01-27")
    with pytest.MonkeyPatch.context() as patch:
        sessions = type(cut.lake).sessions
        patch.setattr(
            type(cut.lake),
            "sessions",
            lambda lake, table, *range_: (
                held if table == "daily_bar" and not range_ else sessions(lake, table, *range_)
            ),
        )
        assert str(week_of(cut)[-1]) == "2021-01-22"
        assert week_of(cut, "2021-01-29").astype(str).tolist() == ["2021-01-25", "2021-01-26", "2021-01-27"]


def test_published_figures_stand_beside_the_week_that_they_are_of(home: Home) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weekly, "PUBLISHED_WEEK", np.datetime64("2021-02-05"))
        published = gather_weekly(home).published
        assert gather_weekly(home, "2021-01-20").published is None
    assert published is not None
    assert published.factors.loc["multi_granularity_10d", "long_short_ytd"] == 0.0769
    assert published.portfolios.loc["csi500_ai_enhanced", "weeks_won"] == "23/34"


@pytest.mark.slow
def test_a_company_goes_on_under_a_new_code(home: Home, raw_home: Home, tmp_path: Path) -> None:
    """Legs are those of the home in which it kept its code."""
    bars = raw_home.lake.read("daily_bar", "2021-02-05", "2021-02-05")["symbol"].to_pylist()
    changed = with_new_code(raw_home, tmp_path / "changed", bars[7], "601999.SH", "2021-01-13")
    layered = LayeredHome(tmp_path / "layer", changed, home.study)
    for session in home.lake.sessions(TABLE):
        rows = home.lake.read(TABLE, session, session).to_pandas()
        if session >= np.datetime64("2021-01-13"):
            rows["symbol"] = rows["symbol"].replace({bars[7]: "601999.SH"})
        layered.lake.write(TABLE, pa.Table.from_pandas(rows, preserve_index=False), session)
    industry = raw_home.lake.read("industry").to_pandas()
    own = industry[industry["symbol"] == bars[7]].assign(symbol="601999.SH")
    schema = raw_home.lake.read("industry").schema
    whole = pd.concat([industry, own]).sort_values(["symbol", "scheme", "in_date"])
    layered.lake.write("industry", pa.Table.from_pandas(whole, schema=schema, preserve_index=False))
    for found, expected in zip(gather_weekly(layered).factors[:2], gather_weekly(home).factors[:2], strict=True):
        for side, series in expected.sides.items():
            np.testing.assert_allclose(found.sides[side].daily, series.daily, rtol=0, atol=1e-12)


@pytest.fixture
def saved(raw_home: Home, copy_of: CopyOf) -> Home:
    """A home with settings that name the rows, and none of their tables."""
    copied = copy_of(raw_home)
    made = copied.with_settings(copied.settings.model_copy(update={"changes": {"weekly": CONFIG}}))
    made.save()
    return made


@pytest.mark.slow
def test_the_command_makes_the_page_of_a_week(saved: Home) -> None:
    write_factors(saved)
    arguments = ["report", "weekly", "--date", "2020-10-14", "--home", str(saved.root)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    path = saved.reports / "weekly" / "2020-10-16.html"
    assert f"{path}: 2020-10-12 to 2020-10-16" in result.stdout
    assert "Intraday skewness: long-short " in result.stdout
    assert "Deep: no data: study tiny has no model or forecasts called deep_gru." in result.stdout
    table = pd.read_csv(path.parent / "2020-10-16_table1_factors.csv")
    printed = published_table("haitong20240830_table1_factors").columns
    assert list(table.columns[: len(printed)]) == list(printed)


def test_the_page_is_made_without_any_factor(saved: Home) -> None:
    path, said = write_page(saved, pages_of(saved)["weekly"])
    assert said["figures"] == "0 of 6 factors"
    page = read_page((path.parent / "2021-02-05.html").read_text(encoding="utf-8"))
    rows = {row[0]: row for row in page.tables["Table 1: Long-short"][1:]}
    assert rows["Intraday skewness"][-1].startswith("no data: table minute_bar is absent")
    weeks = read_page(path.read_text(encoding="utf-8")).tables["Weeks"]
    assert [row[:2] for row in weeks[1:]] == [["2021-02-05", "0 of 6"]]


def test_the_asset_is_made_by_the_job_of_the_reports(home: Home, raw_home: Home) -> None:
    page = pages_of(home)["weekly"]
    assert "report_weekly" in made_at(home)[MadeAt.SUMMARIES]
    assert {backtest_table(STRATEGY), f"prediction_{TREES}", "daily_bar", "valuation"} <= set(page.reads)
    assert TABLE not in page.reads  # the source has no intraday table, so there is no such asset
    assert "weekly" not in pages_of(raw_home)
    with pytest.raises(ConfigurationError, match="has no page 'weekly': its study names no rows"):
        pages_called(raw_home, "weekly")


def test_a_date_is_that_of_the_weekly_report(saved: Home) -> None:
    result = CliRunner().invoke(app, ["report", "overview", "--date", "2020-10-14", "--home", str(saved.root)])
    assert isinstance(result.exception, ConfigurationError)
    assert "attn report weekly --date 2020-10-14" in str(result.exception)


def test_a_strategy_may_be_called_weekly_where_there_is_no_report_of_that_name(raw_home: Home) -> None:
    strategies = [{**each.model_dump(), "name": "weekly"} for each in raw_home.study.strategies[:1]]
    assert raw_home.study.replace(strategies=strategies).traded[0].name == "weekly"
    with pytest.raises(ConfigurationError, match="the weekly report and strategy weekly would both own the report"):
        raw_home.study.replace(strategies=strategies, weekly={**CONFIG, "portfolios": []})


def test_haitongs_rows_are_the_published_ones_with_the_signs_of_the_series() -> None:
    config = load_study("haitong").weekly
    assert [row.name for row in config.rows] == list(published_table("haitong20240830_table1_factors")["factor"])
    assert list(config.portfolios) == list(published_table("haitong20240830_table2_portfolios")["portfolio"])
    falling = {"intraday_skewness", "improved_reversal", "closing_volume_share", "large_order_driven_return"}
    assert {row.name for row in config.rows if row.sign < 0} == falling
    assert [row.rebalance_every for row in config.rows] == ["month"] * 10 + ["week"] * 4
    assert [row.start for row in config.rows] == ["2014-01-01"] * 12 + ["2017-01-01"] * 2


def test_outliers_are_clipped_unless_most_values_are_the_same() -> None:
    values = np.column_stack([np.array([1.0, 2.0, 3.0, 4.0, 100.0, np.nan]), np.array([0.0, 0, 0, 0, 7.0, np.nan])])
    found = _winsorised(values, PreprocessingConfig())
    np.testing.assert_array_equal(found[:, 0], [1.0, 2.0, 3.0, 4.0, 8.0, np.nan])  # median 3, MAD 1
    np.testing.assert_array_equal(found[:, 1], values[:, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [{"name": "a", "factor": "no_such_factor"}]}, "no_such_factor"),
        ({"rows": [{"name": "a"}]}, "row a: name a factor, or a model and its horizon"),
        ({"rows": [{"name": "a", "model": "b"}]}, "row a: name a factor, or a model and its horizon"),
        ({"rows": [ROWS[0], ROWS[0]]}, "row intraday_skewness stands twice"),
        ({"regressors": "none"}, "no regressor set is called none; there are regular, with_turnover"),
        ({"regressor_sets": {"regular": {"styles": [{"style": "beta_9"}]}}}, "beta_9"),
    ],
)
def test_mistakes_in_the_configuration_are_named(raw_home: Home, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        raw_home.study.replace(weekly={**CONFIG, **changes})
