"""What the report of a strategy shows is what lies in the lake: recomputed from the files, table by table."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.store import backtest_table
from attn_platform.errors import MissingDataError
from attn_platform.evaluation.store import figures_table, planted_table, sessions_table
from attn_platform.factors.preprocessing import PreprocessingConfig
from attn_platform.portfolio.extension import Extension, OwnLimit, PortfolioFunction
from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS, PortfolioLimits
from attn_platform.portfolio.strategy import Strategy
from attn_platform.reports.conditions import conditions
from attn_platform.reports.contents import DataKind, DataSource
from attn_platform.reports.strategy import Subject, gather, published_factor_figures, published_performance, relaxed_by
from attn_platform.studies.pages import page_file, pages_of, write_page
from attn_platform.training.checkpoints import load_checkpoint
from attn_platform.universe.adjacency import industry_at
from attn_platform.workflows.pages.strategy import gather_strategy
from attn_platform.workflows.portfolios import resolve
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
        frequency="5 sessions",
    )


def gathered(home, subject):
    return gather(home.lake, subject, home.study.evaluation)


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


def test_exposures_are_those_of_what_is_held_after_each_close(home, data):
    """Share by share: what was held after the last trades, grown by adjusted prices, beside what the session knew."""
    strategy = resolve(home, home.study.strategy(STRATEGY))
    holdings = stored(home, backtest_table(STRATEGY, "holdings"))
    bars, valuation = stored(home, "daily_bar"), stored(home, "valuation").set_index(["date", "symbol"])
    adjusted = bars.assign(price=bars["close"] * bars["adj_factor"]).pivot(
        index="date", columns="symbol", values="price"
    )
    index = stored(home, "index_weight")
    index = index[index["index"] == strategy.benchmark]
    forecasts, industry = stored(home, f"prediction_{MODEL}"), home.lake.read("industry").to_pandas()
    traded = sorted(holdings["date"].unique())
    assert data.industry_exposures.index[0] == data.style_exposures.index[0] == traded[0]
    assert data.industry_exposures.index.tolist() == [date for date in data.daily.index if date >= traded[0]]
    for date in data.industry_exposures.index[::4]:
        last = max(day for day in traded if day <= date)
        bought = holdings[holdings["date"] == last].set_index("symbol")["weight"]
        known = adjusted.loc[:date].ffill()
        value = bought * (known.loc[date] / known.loc[last]).reindex(bought.index).fillna(1.0)
        held = value / (value.sum() + 1 - bought.sum())
        benchmark = index[index["date"] == date].set_index("symbol")["weight"]
        active = held.sub(benchmark, fill_value=0.0)
        names = industry_at(industry, active.index.tolist(), date.to_datetime64(), strategy.industry_scheme)
        by_industry = active.groupby([name or "unknown" for name in names]).sum()
        for name, total in data.industry_exposures.loc[date].items():
            assert total == pytest.approx(by_industry.get(name, 0.0), abs=1e-12)
        members = sorted({*forecasts.loc[forecasts["date"] == date, "symbol"], *active.index})
        today = valuation.loc[date].reindex(members)
        for style, raw in (("log_float_mv", np.log(today["float_mv"])), ("bp_lf", 1 / today["pb_lf"])):
            middle = raw.median()
            width = strategy.preprocessing.mad_multiple * strategy.preprocessing.mad_scale
            width *= (raw - middle).abs().median()
            clipped = raw.clip(middle - width, middle + width)
            z = ((clipped - clipped.mean()) / clipped.std(ddof=0)).fillna(0.0)
            expected = sum(active[symbol] * z[symbol] for symbol in active.index)
            assert data.style_exposures.loc[date, style] == pytest.approx(expected, abs=1e-12)
    assert data.limits.styles == {"log_float_mv": 0.01, "bp_lf": 0.01}
    assert (data.limits.industry, data.limits.one_way_turnover) == (0.01, 0.15)


def test_on_a_rebalance_exposures_are_those_that_the_weekly_problem_started_from(home, data):
    later = [week for week in stored(home, PORTFOLIO).groupby("date") if week[0] in data.style_exposures.index]
    assert later
    for date, week in later:
        active = week["held_weight"] - week["benchmark_weight"]
        for industry, total in active.groupby(week["industry"]).sum().items():
            assert data.industry_exposures.loc[date].get(industry, 0.0) == pytest.approx(total, abs=1e-9)
        for style in ("log_float_mv", "bp_lf"):
            expected = (active * week[f"style_{style}"].fillna(0.0)).sum()
            assert data.style_exposures.loc[date, style] == pytest.approx(expected, abs=1e-9)


def test_what_moved_a_week_adds_up_to_its_excess_return(home, data):
    best, worst = data.best_weeks.iloc[0], data.worst_weeks.iloc[0]
    assert best["excess_return"] >= worst["excess_return"]
    names = home.lake.read("security").to_pandas().set_index("symbol")["name"]
    weeks = data.week_contributors.groupby("last_session")
    assert worst["last_session"] in weeks.groups
    for last, rows in weeks:
        stocks = rows[rows["kind"] == "stock"]
        assert stocks["label"].tolist() == [names[symbol] for symbol in stocks["name"]]
        assert (rows["kind"] == "rest").sum() == 1
        assert last in data.daily.index


def test_what_was_set_is_listed_with_its_value(home, data):
    strategy = resolve(home, home.study.strategy(STRATEGY))
    listed = data.conditions.set_index("setting")["value"]
    assert listed["industry_deviation"] == "1%"
    assert listed["style bp_lf"] == "0.01 s.d."
    assert listed["turnover"] == "15%"
    assert listed["benchmark"] == strategy.benchmark
    assert listed["execution_price"] == strategy.backtest.execution_price
    assert listed["cost_per_side"] == "0.2%"
    assert listed["rebalance"] == "every 5 sessions"
    every = {*PortfolioLimits.model_fields, *type(strategy.backtest).model_fields} - {"style_deviation"}
    assert every - {"style_deviations"} <= set(data.conditions["setting"])
    assert data.conditions["meaning"].str.len().gt(0).all()


def test_a_users_own_limits_and_terms_are_listed():
    def few_banks(problem):
        """No more than three banks."""

    def smooth(w, problem, weight=1.0):
        """Less of what moves together."""

    extension = Extension(
        limits=(OwnLimit(function=PortfolioFunction("few_banks", "limit", few_banks, rank=2)),),
        terms=((PortfolioFunction("smooth", "term", smooth), {"weight": 2.5}),),
    )
    strategy = Strategy(
        name="own", predictions="prediction_own", horizon="10d", benchmark="csi500", limits=PortfolioLimits(),
        styles=(), industry_scheme="citic", preprocessing=PreprocessingConfig(), backtest=BacktestConfig(),
        extension=extension,
    )  # fmt: skip
    rows = conditions(strategy, "5 sessions").to_numpy().tolist()
    assert ["own limit", "few_banks", "on", "No more than three banks."] in rows
    assert ["term of the objective", "smooth", "weight = 2.5", "Less of what moves together."] in rows


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
    # Bars and curves are of the same layers: bought a session after the first signal, they earn from the next one on.
    years = (len(sessions) - 2) / 252
    for layer, annual in data.layer_annual_returns.items():
        relative = ((1 + annual) / (1 + data.universe_annual_return)) ** years
        assert data.layers[layer].iloc[-1] == pytest.approx(relative, rel=1e-9)


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
    home = copy_of(pipeline.home, [planted_table(MODEL)])
    home.lake.path(planted_table(MODEL)).unlink()
    strengths = home.settings.source.simulation.signals
    data = gathered(home, replace(subject, planted=strengths))
    assert data.planted.signals["strength"].to_dict() == strengths.model_dump()
    assert data.planted.signals["rank_ic_mean"].isna().all()
    assert data.planted.known == {}


def test_page_of_an_ensemble_reads_its_own_predictions(home):
    data = gather_strategy(home, home.study.strategy(ENSEMBLE))
    assert (data.strategy, data.model, data.horizon) == (ENSEMBLE, ENSEMBLE, "ensemble")
    figures = home.lake.read(figures_table(ENSEMBLE)).to_pandas().set_index("horizon").loc["ensemble"]
    assert data.factor_figures["rank_ic_mean"] == figures["rank_ic_mean"]
    assert set(data.checkpoint_windows["model"]) == {MODEL, STEPS}
    assert data.explanation is None
    path, said = write_page(home, pages_of(home)[ENSEMBLE])
    assert path == page_file(home, ENSEMBLE)
    assert set(said) == {"data", "net value", "excess annual return", "RankIC"}


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
