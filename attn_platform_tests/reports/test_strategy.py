"""What the report of a strategy shows is what lies in the lake: recomputed from the files, table by table."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.store import backtest_table
from attn_platform.errors import MissingDataError
from attn_platform.evaluation.store import figures_table, sessions_table
from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS, PortfolioLimits
from attn_platform.reports.contents import DataKind, DataSource
from attn_platform.reports.strategy import Subject, gather, published_factor_figures, published_performance, relaxed_by
from attn_platform.training.checkpoints import load_checkpoint
from attn_platform.workflows.evaluation import measured_predictions
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.reports import report_page, write_report
from attn_platform.workflows.training import checkpoint_folder
from attn_platform_tests.homes import ENSEMBLE, FIRST_WINDOW, MODEL, SECOND_WINDOW, STEPS, STRATEGY, THIRD_WINDOW

HORIZON = "3d+5d"
PORTFOLIO, ACCOUNT = f"portfolio_{STRATEGY}", f"account_{STRATEGY}"


@pytest.fixture(scope="module")
def home(pipeline):
    return pipeline.home


@pytest.fixture(scope="module")
def subject(home):
    return Subject(
        strategy=resolve(home, home.study.strategy(STRATEGY)),
        study="tiny",
        study_title="Tiny study",
        model=MODEL,
        universe="all of them",
        data_source=DataSource(DataKind.SIMULATED, "simulated market, tiny"),
        evaluation_horizon=3,
        checkpoints={MODEL: checkpoint_folder(home, MODEL)},
        notes=["Missing: nothing"],
    )


def gathered(home, subject):
    return gather(home.lake, subject, measured_predictions(home, home.study.model(MODEL)), home.study.evaluation)


@pytest.fixture(scope="module")
def data(home, subject):
    return gathered(home, subject)


def stored(home, table: str) -> pd.DataFrame:
    frame = home.lake.read(table).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]))


def test_heading_says_what_it_is_about(data):
    assert (data.strategy, data.model, data.horizon, data.benchmark) == (STRATEGY, MODEL, HORIZON, "csi500")
    assert data.study == "Tiny study"
    assert data.notes == ("Missing: nothing",)
    assert data.published_performance is None
    assert data.published_factor_figures is None


def test_daily_values_are_the_backtests_with_the_index_beside_them(home, data):
    daily = stored(home, backtest_table(STRATEGY)).set_index("date")
    assert data.daily.index.tolist() == daily.index[1:].tolist()
    assert (data.daily["net_value"] == daily["net_value"].iloc[1:]).all()
    index, value = [], 1.0
    for move in daily["benchmark_return"].iloc[1:]:
        value *= 1 + move
        index.append(value)
    np.testing.assert_allclose(data.daily["benchmark_net_value"], index, rtol=1e-12)


def test_performance_is_that_of_the_daily_returns(data):
    excess = data.daily["excess_return"].to_numpy()
    net = np.prod(1 + excess)
    assert data.performance["excess_annual_return"] == pytest.approx(net ** (252 / len(excess)) - 1, rel=1e-9)
    months = (1 + data.daily["excess_return"]).groupby([data.daily.index.year, data.daily.index.month]).prod() - 1
    january = data.month_table.set_index("year").loc[2021, "01"]
    assert january == pytest.approx(months[(2021, 1)], rel=1e-9)


def test_factor_figures_are_those_of_the_strategys_horizon(home, data):
    figures = home.lake.read(figures_table(MODEL)).to_pandas().set_index("horizon").loc[HORIZON]
    assert data.factor_figures == figures.to_dict()
    sessions = stored(home, sessions_table(MODEL))
    expected = sessions[sessions["horizon"] == HORIZON].set_index("date")["rank_ic"]
    pd.testing.assert_series_equal(data.rank_ic, expected)
    assert data.factor_figures["rank_ic_mean"] == pytest.approx(expected.mean(), abs=1e-12)


def test_exposures_are_summed_over_the_stocks_of_a_week(home, data):
    portfolios = stored(home, PORTFOLIO)
    for date, week in portfolios.groupby("date"):
        active = week["weight"] - week["benchmark_weight"]
        for industry, total in active.groupby(week["industry"]).sum().items():
            assert data.industry_exposures.loc[date, industry] == pytest.approx(total, abs=1e-12)
        for style in ("log_float_mv", "bp_lf"):
            total = sum(a * z for a, z in zip(active, week[f"style_{style}"], strict=True))
            assert data.style_exposures.loc[date, style] == pytest.approx(total, abs=1e-12)
    assert data.limits.styles == {"log_float_mv": 0.01, "bp_lf": 0.01}
    assert (data.limits.industry, data.limits.one_way_turnover) == (0.01, 0.15)


def test_rebalances_stand_with_the_trades_that_executed_them(home, data):
    accounts = stored(home, ACCOUNT).set_index("date")
    portfolios = stored(home, PORTFOLIO)
    daily = stored(home, backtest_table(STRATEGY))
    trades = stored(home, backtest_table(STRATEGY, "trades"))
    assert data.rebalances.index.tolist() == accounts.index.tolist()
    for date, row in data.rebalances.iterrows():
        week = portfolios[portfolios["date"] == date]
        assert row["holdings"] == (week["weight"] > 0).sum()
        later = daily[daily["date"] > date]
        if len(later):
            session = later.iloc[0]
            assert row["cost"] == session["cost"]
            blocked = trades[(trades["date"] == session["date"]) & trades["is_blocked"]]
            missed = (blocked["target_weight"] - blocked["weight"]).abs().sum()
            assert row["unfilled"] == pytest.approx(missed, abs=1e-12)
        else:
            assert np.isnan(row["cost"])
        turnover = accounts.loc[date, "turnover"]
        assert row["one_way_turnover"] == pytest.approx(turnover, nan_ok=True)
        limits = {entry["limit"] for entry in json.loads(accounts.loc[date, "relaxed"])}
        assert {name.split(" ")[0] for name in row["relaxed"].split(", ") if name} == limits


def test_holdings_are_those_of_the_newest_week(home, data):
    portfolios = stored(home, PORTFOLIO)
    newest = portfolios[portfolios["date"] == portfolios["date"].max()]
    held = newest[newest["weight"] > 0].reset_index(drop=True)
    assert data.holdings_date == newest["date"].iloc[0]
    assert data.holdings["symbol"].tolist() == held["symbol"].tolist()
    np.testing.assert_allclose(data.holdings["active_weight"], held["weight"] - held["benchmark_weight"])
    names = home.lake.read("security").to_pandas().set_index("symbol")["name"]
    assert data.holdings["name"].tolist() == [names[symbol] for symbol in held["symbol"]]


def test_limits_are_those_of_the_weeks(home, data):
    """Every price and reason, counted again from the tables of the walk."""
    states, portfolios = stored(home, f"limits_{STRATEGY}"), stored(home, PORTFOLIO)
    weeks = sorted(portfolios["date"].unique())
    assert sorted(data.limit_states["date"].unique()) == weeks
    assert "budget" in set(states["kind"])
    assert "budget" not in set(data.limit_states["kind"])
    for row in data.binding_limits.itertuples():
        prices = states[(states["kind"] == row.kind) & (states["name"] == row.name)]["price"]
        assert (row.weeks, row.at_upper, row.at_lower) == (len(prices), (prices > 0).mean(), (prices < 0).mean())
        assert row.mean_price == pytest.approx(sum(abs(price) for price in prices) / len(prices))
    assert (data.binding_limits["mean_price"] > 0).any()
    held = portfolios[portfolios["weight"] > 0]
    assert data.stock_reasons.sum(axis=1).to_dict() == held.groupby("date").size().to_dict()
    newest = held[held["date"] == held["date"].max()].set_index("symbol")
    holdings = data.holdings.set_index("symbol")
    at_upper = newest.index[(newest["weight"] > newest["upper"] - 1e-7) & newest["tradable"] & newest["score"].notna()]
    assert (holdings.loc[at_upper, "reason"] == "at its upper limit").all()
    assert data.stock_reasons.iloc[-1].to_dict() == {
        **dict.fromkeys(data.stock_reasons.columns, 0), **holdings["reason"].value_counts().to_dict()
    }  # fmt: skip


def test_layers_start_at_one_and_end_with_the_predictions(home, data):
    sessions = home.lake.sessions(f"prediction_{MODEL}")
    assert data.layers.index.to_numpy().astype("datetime64[D]").tolist() == sessions.tolist()
    assert (data.layers.iloc[0] == 1).all()
    assert data.layers.shape[1] == len(data.layer_annual_returns) == 10
    figures = home.lake.read(figures_table(MODEL)).to_pandas().set_index("horizon").loc[HORIZON]
    assert data.layer_annual_returns["layer_1"] == pytest.approx(figures["top_annual_return"], rel=1e-9)
    assert data.layer_annual_returns["layer_10"] == pytest.approx(figures["bottom_annual_return"], rel=1e-9)


def test_checkpoints_are_listed_by_window(home, data):
    assert data.checkpoint_windows["window"].tolist() == [FIRST_WINDOW, SECOND_WINDOW, THIRD_WINDOW]
    manifest = load_checkpoint(checkpoint_folder(home, MODEL) / THIRD_WINDOW).manifest
    assert data.checkpoint_windows["valid"].iloc[-1] == f"{manifest.window.valid.first} to {manifest.window.valid.last}"
    assert data.fingerprints["training data"] == manifest.data_fingerprint
    assert data.fingerprints["newest checkpoint"] == manifest.fingerprint
    assert "model" not in data.checkpoint_windows.columns


@pytest.mark.parametrize(
    ("limit", "allowed", "reached", "by"),
    [("industry", 0.01, -0.025, 0.015), ("turnover", 0.15, 0.2, 0.05), ("members", 0.8, 0.7, 0.1)],
)
def test_a_limit_is_relaxed_by_the_distance_on_its_own_side(limit, allowed, reached, by):
    entry = {"limit": limit, "name": "", "allowed": allowed, "reached": reached}
    assert relaxed_by(entry) == pytest.approx(by)


def test_checkpoints_of_an_ensemble_are_those_of_its_members(home, subject):
    folders = {model: checkpoint_folder(home, model) for model in (MODEL, STEPS)}
    data = gathered(home, replace(subject, checkpoints=folders))
    windows = [FIRST_WINDOW, SECOND_WINDOW, THIRD_WINDOW]
    assert list(zip(data.checkpoint_windows["model"], data.checkpoint_windows["window"], strict=True)) == [
        (model, window) for model in (MODEL, STEPS) for window in windows
    ]
    for model, folder in folders.items():
        manifest = load_checkpoint(folder / THIRD_WINDOW).manifest
        assert data.fingerprints[f"{model} newest checkpoint"] == manifest.fingerprint


def test_planted_signals_are_those_of_the_settings_and_measured_on_the_forecasts_stocks(home, subject):
    strengths = home.settings.source.simulation.signals
    data = gathered(home, replace(subject, planted=strengths))
    assert data.planted.signals["strength"].to_dict() == strengths.model_dump()
    planted = home.lake.read("planted_signals").to_pandas().set_index(["date", "symbol"])
    bars = home.lake.read("daily_bar").to_pandas()
    price = (bars["close"] * bars["adj_factor"])[~bars["is_suspended"]].set_axis(
        pd.MultiIndex.from_frame(bars.loc[~bars["is_suspended"], ["date", "symbol"]])
    )
    forecasts = home.lake.read(f"prediction_{MODEL}").to_pandas()
    rank_ics = []
    for date, day in forecasts.groupby("date"):
        buy, sell = (home.calendar.shift(np.datetime64(date), ahead) for ahead in (1, 4))
        if sell > home.last_session:
            continue
        buy, sell = buy.item(), sell.item()
        returns = price.loc[sell].reindex(day["symbol"]) / price.loc[buy].reindex(day["symbol"]) - 1
        composite = planted.loc[date]["composite"].reindex(day["symbol"])
        rank_ics.append(composite.corr(returns, method="spearman"))
    assert data.planted.known["rank_ic_mean"] == pytest.approx(np.nanmean(rank_ics), abs=1e-9)
    assert gathered(home, subject).planted is None


def test_a_home_that_kept_no_planted_signals_still_names_them(pipeline, subject, copy_of):
    home = copy_of(pipeline.home, ["planted_signals"])
    home.lake.path("planted_signals").unlink()
    data = gathered(home, replace(subject, planted=home.settings.source.simulation.signals))
    assert (data.planted.signals["strength"] > 0).all()
    assert data.planted.signals["rank_ic_mean"].isna().all()
    assert data.planted.known == {}


def test_page_of_an_ensemble_reads_its_own_predictions(home):
    data = write_report(home, home.study.strategy(ENSEMBLE))
    assert (data.strategy, data.model, data.horizon) == (ENSEMBLE, ENSEMBLE, "ensemble")
    figures = home.lake.read(figures_table(ENSEMBLE)).to_pandas().set_index("horizon").loc["ensemble"]
    assert data.factor_figures["rank_ic_mean"] == figures["rank_ic_mean"]
    assert set(data.checkpoint_windows["model"]) == {MODEL, STEPS}
    assert data.explanation is None
    assert report_page(home, ENSEMBLE).exists()


@pytest.mark.parametrize(
    ("study", "model", "horizon", "limits", "performance", "figures"),
    [
        ("ai69", "multi_task_baseline", "10d", PortfolioLimits(), "exhibit 11", "exhibit 10"),
        ("ai69", "multi_task_baseline", "10d+20d", PortfolioLimits(), "exhibit 11", "exhibit 10"),
        ("ai69", "lstm", "10d", PortfolioLimits(), "exhibit 23", "exhibit 22"),
        ("ai69", "lstm", "10d", RELAXED_LIMITS, "exhibit 24", "exhibit 22"),
        ("ai69", "multi_task_baseline", "10d", RELAXED_LIMITS, None, "exhibit 10"),
        ("ai69", "ensemble", "ensemble", PortfolioLimits(), "exhibit 35", "exhibit 34"),
        ("ai55", "gat_mask", "10d", PortfolioLimits(), "exhibit 21", "exhibit 20"),
        ("ai55", "nn_neutralize_industry", "10d", PortfolioLimits(), "exhibit 35", None),
        ("ai55", "xgboost", "10d", PortfolioLimits(), "exhibit 21", "exhibit 20"),
    ],
)
def test_published_figures_are_those_of_the_same_limits(study, model, horizon, limits, performance, figures):
    rows = published_performance(study, model, horizon, limits), published_factor_figures(study, model, horizon)
    for row, expected in zip(rows, (performance, figures), strict=True):
        assert (row and row.source.split(", ")[1]) == expected


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (backtest_table(STRATEGY), backtest_table(STRATEGY)),
        (PORTFOLIO, PORTFOLIO),
        (figures_table(MODEL), figures_table(MODEL)),
    ],
)
def test_what_was_not_made_is_named(pipeline, subject, copy_of, table, named):
    home = copy_of(pipeline.home)
    (home.lake.root / table).unlink()
    with pytest.raises(MissingDataError, match=named):
        gathered(home, subject)


def test_a_model_that_was_never_trained_is_named(home, subject, tmp_path):
    with pytest.raises(MissingDataError, match="has no checkpoint; train the model first"):
        gathered(home, replace(subject, checkpoints={MODEL: tmp_path / "nowhere"}))
