"""Predictions that a user brings along go the way of the platform's own: the same portfolios, the same figures.

`pipeline` holds the forecasts of a tiny model, and what the assets have made of them; they come back in as a file.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.backtest.store import PARTS, backtest_table
from attn_platform.errors import BadInputError, ConfigurationError, PlatformError
from attn_platform.evaluation.performance import performance_figures
from attn_platform.evaluation.store import figures_table
from attn_platform.market.lake import Lake, days
from attn_platform.portfolio.strategy import account_table, limits_table, portfolio_table
from attn_platform.published import published_table
from attn_platform.studies.settings import Home
from attn_platform.workflows import prediction_backtest
from attn_platform.workflows.prediction_backtest import PredictionBacktest, backtest_predictions, name_of
from attn_platform_tests.homes import FIRST_WINDOW, KNOWN_UNTIL, LAST_SESSION, MODEL, STRATEGY, CopyOf
from attn_platform_tests.market.vendor_files import tree
from attn_platform_tests.pipelines import Pipeline
from attn_platform_tests.test_cli import Attn

HORIZON = "3d+5d"
OWN_NAMES = {portfolio_table(STRATEGY), account_table(STRATEGY), limits_table(STRATEGY)}


@pytest.fixture
def home(pipeline: Pipeline, copy_of: CopyOf) -> Home:
    """The pipeline's home, into which a test may write backtests."""
    home = copy_of(pipeline.home)
    home.save()
    return home


@pytest.fixture
def predictions(pipeline: Pipeline, tmp_path: Path) -> Path:
    """The model's own predictions as a file."""
    data = pipeline.home.lake.read(f"prediction_{MODEL}", columns=["date", "symbol", HORIZON])
    file = tmp_path / "my predictions.parquet"
    data.rename_columns(["date", "symbol", "prediction"]).to_pandas().to_parquet(file)
    return file


def made_lake(home: Home, name: str) -> Lake:
    return Lake(home.backtests / name / "lake")


def test_predictions_of_ones_own_give_what_the_assets_give(home: Home, predictions: Path) -> None:
    """Row by row and bit by bit, but for the strategy's name."""
    before = tree(home.lake.root)
    found = backtest_predictions(home, predictions, STRATEGY)
    made = made_lake(home, "my_predictions")
    for table in sorted(OWN_NAMES | {backtest_table(STRATEGY, part) for part in (None, *PARTS)}):
        assert made.read(table.replace(STRATEGY, "my_predictions")) == home.lake.read(table), table
    daily = home.lake.read(backtest_table(STRATEGY)).to_pandas()
    assert found.figures == performance_figures(daily.assign(date=pd.to_datetime(daily["date"])))
    assert (found.strategy, found.benchmark, str(found.first_session)) == (STRATEGY, "csi500", FIRST_WINDOW)
    assert found.weeks == len(home.lake.sessions(portfolio_table(STRATEGY)))
    accounts = home.lake.read(account_table(STRATEGY)).to_pandas()
    assert found.relaxed_weeks == (accounts["status"] == "relaxed").sum()
    own = made.read(figures_table("my_predictions")).to_pandas().drop(columns="horizon").iloc[0]
    theirs = home.lake.read(figures_table(MODEL)).to_pandas().set_index("horizon").loc[HORIZON]
    pd.testing.assert_series_equal(own, theirs, check_names=False, rtol=1e-12)
    page = found.page.read_text(encoding="utf-8")
    assert f"Imported predictions under the limits of {STRATEGY}, Tiny study" in page
    assert f"{found.figures['information_ratio']:.2f}".replace("-", "−") in page
    assert tree(home.lake.root) == before


def test_json_has_the_figures_under_the_published_names(attn: Attn, home: Home, predictions: Path) -> None:
    assert attn("backtest", predictions, "--strategy", STRATEGY, "--home", home.root, "--json") == 0
    found = json.loads(attn.out)
    columns = published_table("ai69_exhibit11_performance").columns.drop(["model", "horizon"])
    assert [name for name in found if name in set(columns)] == list(columns)
    assert {name: found[name] for name in found if name not in set(columns)} == {
        "strategy": STRATEGY,
        "benchmark": "csi500",
        "first_session": FIRST_WINDOW,
        "last_session": LAST_SESSION,
        "weeks": 9,
        "relaxed_weeks": found["relaxed_weeks"],
        "untraded": found["untraded"],
        "report": str(home.backtests / "my_predictions" / "reports" / "my_predictions" / "index.html"),
    }
    daily = made_lake(home, "my_predictions").read(backtest_table("my_predictions")).to_pandas()
    assert found["untraded"]["unrecovered_net_value"] == daily["unrecovered_net_value"].iloc[-1]
    assert found["untraded"]["final_net_value"] == daily["net_value"].iloc[-1]
    assert Path(found["report"]).exists()
    assert attn("backtest", predictions, "--strategy", STRATEGY, "--home", home.root) == 0
    text = " ".join(attn.out.split())
    assert f"{STRATEGY} against csi500, {FIRST_WINDOW} to {LAST_SESSION}: 9 weeks" in text
    assert f"{found['sharpe']:.4f}" in text


def with_predictions_known(home: Home, predictions: Path, folder: Path) -> PredictionBacktest:
    frame = pd.read_parquet(predictions)
    known = frame[pd.to_datetime(frame["date"]) <= pd.Timestamp(KNOWN_UNTIL)]
    file = folder / "known.parquet"
    known.to_parquet(file)
    return backtest_predictions(home, file, STRATEGY, last=LAST_SESSION)


def test_nothing_that_comes_later_changes_what_was_done(
    home: Home, noisy_home: Home, copy_of: CopyOf, predictions: Path, tmp_path: Path
) -> None:
    """The same forecasts on a market that is another one after the day that is known."""
    noisy = copy_of(noisy_home, name="noisy")
    for each in (home, noisy):
        with_predictions_known(each, predictions, tmp_path)
    lakes = [made_lake(each, "known") for each in (home, noisy)]
    for table in (portfolio_table("known"), limits_table("known"), account_table("known")):
        assert lakes[0].read(table) == lakes[1].read(table), table
        assert lakes[0].sessions(table)[-1] <= KNOWN_UNTIL
    daily = [lake.read(backtest_table("known")) for lake in lakes]
    known = [table.filter(pa.array(days(table["date"]) <= KNOWN_UNTIL)) for table in daily]
    assert known[0] == known[1]
    assert known[0].num_rows > 10
    assert daily[0] != daily[1], "the market after it is another one"
    assert daily[0].num_rows > known[0].num_rows


def test_a_strategy_of_the_package_brings_its_benchmark_costs_and_styles(home: Home, predictions: Path) -> None:
    found = backtest_predictions(home, predictions, "csi1000_ai_enhanced", "small")
    assert (found.strategy, found.benchmark, found.missing_styles) == ("csi1000_ai_enhanced", "csi1000", {})
    made = made_lake(home, "small")
    weeks = made.read(portfolio_table("small")).to_pandas()
    weights = home.lake.read("index_weight").to_pandas()
    csi1000 = weights[weights["index"] == "csi1000"].set_index(["date", "symbol"])["weight"]
    benchmark = weeks.set_index(["date", "symbol"])["benchmark_weight"]
    expected = csi1000.reindex(benchmark.index, fill_value=0.0)
    np.testing.assert_allclose(benchmark, expected, atol=1e-12)
    active = weeks["weight"] - weeks["benchmark_weight"]
    accounts = made.read(account_table("small")).to_pandas().set_index("date")
    within = weeks["date"].map(accounts["status"]) == "optimal"
    assert within.any()
    for style, limit in {"log_total_mv": 0.2, "bp_lf": 0.0, "mid_size": 0.8, "ret_1m": 0.8, "profit_g_q": 0.8}.items():
        exposure = (active * weeks[f"style_{style}"].fillna(0.0))[within].groupby(weeks["date"]).sum()
        assert exposure.abs().max() <= limit + 1e-6, style
    trades = made.read(backtest_table("small", "trades")).to_pandas()
    np.testing.assert_allclose(trades["cost"], 0.0015 * trades["traded_weight"].abs(), rtol=1e-9)


def test_styles_that_the_home_has_no_table_of_are_computed(home: Home, raw_home: Home, copy_of: CopyOf,
                                                           predictions: Path) -> None:  # fmt: skip
    bare = copy_of(raw_home, name="bare")
    for each in (home, bare):
        backtest_predictions(each, predictions, "csi500_ai_enhanced", "styled")
    portfolios = [made_lake(each, "styled").read(portfolio_table("styled")) for each in (home, bare)]
    assert portfolios[0] == portfolios[1]
    assert "factor_reversal" in made_lake(bare, "styled").tables()
    assert "factor_reversal" not in made_lake(home, "styled").tables()


def test_start_end_and_every_choose_the_rebalances(home: Home, predictions: Path) -> None:
    calendar = home.calendar
    first = calendar.shift(FIRST_WINDOW, 2)
    end = calendar.shift(FIRST_WINDOW, 20)
    found = backtest_predictions(home, predictions, STRATEGY, "part", first, end, every=7)
    made = made_lake(home, "part")
    expected = [calendar.shift(first, count) for count in (0, 7, 14)]
    assert made.sessions(portfolio_table("part")).tolist() == [day.item() for day in expected]
    assert (found.first_session, found.last_session) == (first, end)
    assert made.read(backtest_table("part"))["date"].to_pylist()[-1] == end.item()
    assert "csi500 enhanced, every 7 sessions" in found.page.read_text(encoding="utf-8")


def test_a_strategy_of_months_trades_on_their_last_sessions(home: Home, predictions: Path, tmp_path: Path) -> None:
    found = backtest_predictions(home, predictions, STRATEGY, "monthly", every="month")
    made = made_lake(home, "monthly")
    assert made.sessions(portfolio_table("monthly")).astype(str).tolist() == ["2020-12-31", "2021-01-29"]
    assert found.weeks == 2
    frame = pd.read_parquet(predictions)
    file = tmp_path / "early.csv"
    frame[frame["date"].astype(str) < "2020-12-30"].to_csv(file, index=False)
    with pytest.raises(BadInputError, match=r"early\.csv: no session .* is the last one of its month"):
        backtest_predictions(home, file, STRATEGY, every="month")


def test_a_single_session_can_be_traded_up_to_a_later_one(home: Home, predictions: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(predictions)
    file = tmp_path / "one.csv"
    frame[frame["date"].astype(str) == FIRST_WINDOW].to_csv(file, index=False)
    with pytest.raises(BadInputError, match=rf"one\.csv: nothing can be traded between {FIRST_WINDOW}, .*\(--end\)"):
        backtest_predictions(home, file, STRATEGY)
    found = backtest_predictions(home, file, STRATEGY, last="2020-12-20")
    assert (found.weeks, str(found.last_session)) == (1, "2020-12-18"), (
        "a day that is no session ends on the one before"
    )
    assert found.figures["annual_two_sided_turnover"] > 0


def test_a_run_that_fails_leaves_what_an_earlier_one_made(
    home: Home, predictions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backtest_predictions(home, predictions, STRATEGY)
    before = tree(home.backtests)

    def fails(*arguments: object) -> None:
        raise PlatformError("no report today")

    with monkeypatch.context() as patch:
        patch.setattr(prediction_backtest, "write_page", fails)
        with pytest.raises(PlatformError, match="no report today"):
            backtest_predictions(home, predictions, STRATEGY, last="2021-01-04")
    assert tree(home.backtests) == before
    backtest_predictions(home, predictions, STRATEGY, last="2021-01-04")
    assert tree(home.backtests) != before
    assert [folder.name for folder in home.backtests.iterdir()] == ["my_predictions"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Alpha 101.parquet", "alpha_101"),
        ("2021-预测.csv", "prediction_2021"),
        ("动量.csv", "prediction"),
        ("gat.v2.csv", "gat_v2"),
    ],
)
def test_a_backtest_is_called_after_its_file(file: str, name: str) -> None:
    assert name_of(Path("folder") / file) == name


def test_mistakes_are_one_line_and_change_nothing(attn: Attn, home: Home, predictions: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(predictions)
    frame.drop(columns="prediction").to_csv(tmp_path / "bare.csv", index=False)
    place = ("--home", home.root)
    assert "bare.csv: column 'prediction' of table predictions is missing" in attn.mistake(
        "backtest", tmp_path / "bare.csv", *place
    )
    assert "there is no strategy 'none'; there are: tiny_" in attn.mistake(
        "backtest", predictions, "--strategy", "none", *place
    )
    assert "'My own' cannot be a backtest's name" in attn.mistake("backtest", predictions, "--name", "My own", *place)
    assert "'soon' is no date" in attn.mistake("backtest", predictions, "--start", "soon", *place)
    assert "no such file" in attn.mistake("backtest", "none.csv", *place)
    assert "there is no home at " in attn.mistake("backtest", predictions, "--home", tmp_path / "new")
    assert not home.backtests.exists()
    assert not (tmp_path / "new").exists()


def test_names_are_checked_before_anything_is_read(home: Home) -> None:
    with pytest.raises(ConfigurationError, match="it has small letters, digits and _"):
        backtest_predictions(home, Path("none.csv"), name="../elsewhere")
