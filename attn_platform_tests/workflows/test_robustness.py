"""Attribution, seeds and all that was tried of a home after the whole pipeline."""

import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.store import backtest_table, backtest_tables, kept_tables
from attn_platform.errors import MissingDataError
from attn_platform.evaluation.backtest_attribution import summed_effects
from attn_platform.evaluation.return_attribution import BOOKINGS, COST, EFFECTS, INDUSTRY, STYLE
from attn_platform.evaluation.store import attribution_table, contributors_table, exposures_table, robustness_tables
from attn_platform.market.dense import load_dense
from attn_platform.market.lake import Lake
from attn_platform.studies.names import prediction_table
from attn_platform.training.seed_predictions import seed_column, seeds_table
from attn_platform.workflows import (
    attribute_returns,
    attribution,
    backtest_strategy,
    forecast_seeds,
    measure_robustness,
    tried,
)
from attn_platform.workflows.attribution_origins import origins_table
from attn_platform_tests.homes import ENSEMBLE, MODEL, STRATEGY, WEEKLY, with_new_code

ORIGINS = origins_table(STRATEGY)
FIGURES = (attribution_table(STRATEGY), exposures_table(STRATEGY), contributors_table(STRATEGY))
ATTRIBUTED = (*FIGURES, ORIGINS)
"""What the attribution of a strategy writes."""


def stored(home, table):
    frame = home.lake.read(table).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]))


@pytest.mark.parametrize("strategy", [STRATEGY, ENSEMBLE])
def test_the_stored_effects_sum_to_the_excess_return(pipeline, strategy):
    home = pipeline.home
    effects = summed_effects(stored(home, attribution_table(strategy)), EFFECTS)
    daily = stored(home, backtest_table(strategy)).set_index("date")
    np.testing.assert_allclose(effects.sum(axis=1), daily["excess_return"].iloc[1:], atol=1e-12)
    np.testing.assert_allclose(effects[BOOKINGS], 0, atol=1e-12)
    assert (effects[COST] <= 0).all()
    assert effects[COST].min() < 0


def test_styles_and_industries_are_the_strategys(pipeline):
    rows = stored(pipeline.home, attribution_table(STRATEGY))
    assert set(rows.loc[rows["effect"] == STYLE, "name"]) == {"log_float_mv", "bp_lf"}
    industries = set(pipeline.home.lake.read("industry").to_pandas()["name"])
    assert set(rows.loc[rows["effect"] == INDUSTRY, "name"]) <= industries | {"unknown"}


def test_a_total_return_benchmark_takes_the_dividends_out(pipeline, copy_of):
    home = copy_of(pipeline.home, own=[*ATTRIBUTED, *backtest_tables(STRATEGY), *kept_tables(STRATEGY)])
    config = home.study.strategy(STRATEGY).model_copy(
        update={"backtest": BacktestConfig(benchmark_return="total_return")}
    )
    before = summed_effects(stored(home, attribution_table(STRATEGY)), EFFECTS)
    backtest_strategy(home, config)
    after = summed_effects(attribute_returns(home, config), EFFECTS)
    assert (after["dividends"] == 0).all()
    np.testing.assert_allclose(after.sum(axis=1), before.sum(axis=1) - before["dividends"], atol=1e-12)
    np.testing.assert_allclose(after["benchmark"], before["benchmark"], atol=1e-12)


def known_rows(home, table, until):
    """Rows of a table up to a session: of weeks, those that are over by then."""
    frame = home.lake.read(table).to_pandas()
    date = "last_session" if "last_session" in frame else "date"
    return frame[pd.to_datetime(frame[date]) <= pd.Timestamp(until)]


@pytest.mark.parametrize("sessions", [1, 5, 11])
def test_new_sessions_are_added_to_what_is_there(pipeline, copy_of, monkeypatch, sessions):
    home = copy_of(pipeline.home, own=ATTRIBUTED)
    config, origins = home.study.strategy(STRATEGY), home.lake.read(ORIGINS)
    until = origins["date"].to_pylist()[-1 - sessions]
    expected = {table: home.lake.read(table).to_pandas() for table in FIGURES}
    for table in FIGURES:
        rows = known_rows(home, table, until)
        home.lake.write(table, pa.Table.from_pandas(rows, schema=home.lake.read(table).schema, preserve_index=False))
    home.lake.write(ORIGINS, origins.slice(0, len(origins) - sessions))
    begun = []

    def recorded(lake, calendar, first, last, fields):
        begun.append(first)
        return load_dense(lake, calendar, first, last, fields)

    monkeypatch.setattr(attribution, "load_dense", recorded)
    attribute_returns(home, config)
    assert len(begun) == 1
    assert origins["date"].to_pylist()[0] < begun[0].item() < until, "the market is read again from a rebalance on"
    for table, frame in expected.items():
        pd.testing.assert_frame_equal(home.lake.read(table).to_pandas(), frame, rtol=0, atol=1e-12)
    assert home.lake.read(ORIGINS).equals(origins)


def test_nothing_is_read_again_where_nothing_changed(pipeline, copy_of, monkeypatch):
    home = copy_of(pipeline.home, own=ATTRIBUTED)
    config = home.study.strategy(STRATEGY)
    monkeypatch.setattr(attribution, "load_dense", None)
    found = attribute_returns(home, config)
    pd.testing.assert_frame_equal(found, stored(home, FIGURES[0]))
    # With other settings nothing is as it was.
    other = config.model_copy(update={"backtest": BacktestConfig(cost_per_side=0.001)})
    with pytest.raises(TypeError):
        attribute_returns(home, other)


@pytest.mark.parametrize("table", ["daily_bar", "valuation", "industry", backtest_table(STRATEGY, "trades")])
def test_what_changed_in_between_is_computed_again_from_then_on(pipeline, copy_of, table):
    home = copy_of(pipeline.home, own=[*ATTRIBUTED, table])
    lake, config = home.lake, home.study.strategy(STRATEGY)
    traded = np.unique(stored(home, backtest_table(STRATEGY, "trades"))["date"]).astype("datetime64[D]")
    changed = traded[len(traded) // 2]
    is_by_session = table in ("daily_bar", "valuation")
    before = lake.read(table, *((changed, changed) if is_by_session else ()))
    frame = before.to_pandas()
    if table == "industry":
        names = frame["name"].to_numpy()
        moved = frame["symbol"].isin(stored(home, backtest_table(STRATEGY, "holdings"))["symbol"])
        later = frame[moved].assign(name=names[::-1][moved.to_numpy()], in_date=changed.item(), out_date=None)
        frame = pd.concat([frame, later])
    else:
        column = {"daily_bar": "adj_factor", "valuation": "float_mv"}.get(table, "fee")
        of_day = pd.to_datetime(frame["date"]) == pd.Timestamp(changed)
        frame.loc[of_day, column] = frame.loc[of_day, column] * np.linspace(0.98, 1.02, of_day.sum())
    key = (changed,) if is_by_session else ()
    lake.write(table, pa.Table.from_pandas(frame, schema=before.schema, preserve_index=False), *key)
    attribute_returns(home, config)
    added = {each: lake.read(each).to_pandas() for each in FIGURES}
    lake.path(ORIGINS).unlink()
    attribute_returns(home, config)
    for each, rows in added.items():
        pd.testing.assert_frame_equal(rows, lake.read(each).to_pandas(), rtol=0, atol=1e-12)
    was = stored(pipeline.home, FIGURES[0])
    assert not added[FIGURES[0]]["value"].equals(was["value"])


def test_a_session_without_published_weights_has_those_that_its_members_drifted_to(pipeline, copy_of):
    """Weights of the simulated index move with the closes of its members: without those of a day nothing changes."""
    home = copy_of(pipeline.home, own=[*ATTRIBUTED, "index_weight"])
    before = {table: home.lake.read(table).to_pandas() for table in FIGURES}
    gap = np.datetime64(np.unique(before[FIGURES[1]]["date"])[6], "D")
    weights = stored(home, "index_weight").query("index == 'csi500'")
    weights = weights.pivot(index="date", columns="symbol", values="weight")
    at = weights.index.get_loc(pd.Timestamp(gap))
    assert abs(weights.iloc[at] - weights.iloc[at - 1]).max() > 1e-6
    home.lake.path("index_weight", gap).unlink()
    attribute_returns(home, home.study.strategy(STRATEGY))
    for table, frame in before.items():
        pd.testing.assert_frame_equal(home.lake.read(table).to_pandas(), frame, rtol=0, atol=1e-12)
    origins = [each.lake.read(ORIGINS)["origin"].to_pylist() for each in (home, pipeline.home)]
    assert [one == other for one, other in zip(*origins, strict=True)].index(False) > 0


def test_a_company_under_a_new_code_is_the_same_company(pipeline, tmp_path):
    """Everywhere under its new code from a session on: nothing but its name among those that moved weeks changes."""
    held = stored(pipeline.home, backtest_table(STRATEGY, "holdings"))
    often = held["symbol"].value_counts()
    former, new = often.index[0], "689999.SH"
    since = np.sort(held.loc[held["symbol"] == former, "date"].unique())[len(held["date"].unique()) // 2]
    home = with_new_code(pipeline.home, tmp_path / "renamed", former, new, str(since.astype("datetime64[D]")))
    renamed = ("index_weight", prediction_table(MODEL), *ATTRIBUTED)
    parts = [backtest_table(STRATEGY, part) for part in ("trades", "holdings")]
    for table in (*renamed, *parts, "industry"):
        (home.lake.root / table).unlink()
        shutil.copytree(pipeline.home.lake.root / table, home.lake.root / table)
    for table in ("index_weight", prediction_table(MODEL)):
        for session in home.lake.sessions(table, since.astype("datetime64[D]")):
            rows = home.lake.read(table, session, session)
            frame = rows.to_pandas().replace({"symbol": {former: new}})
            home.lake.write(table, pa.Table.from_pandas(frame, schema=rows.schema, preserve_index=False), session)
    for table in parts:
        rows = home.lake.read(table)
        frame = rows.to_pandas()
        later = (pd.to_datetime(frame["date"]) >= since) & (frame["symbol"] == former)
        frame.loc[later, "symbol"] = new
        home.lake.write(table, pa.Table.from_pandas(frame, schema=rows.schema, preserve_index=False))
    before = {table: stored(pipeline.home, table) for table in FIGURES[:2]}
    attribute_returns(home, home.study.strategy(STRATEGY))
    for table, frame in before.items():
        found = stored(home, table)
        pd.testing.assert_frame_equal(found.drop(columns="value"), frame.drop(columns="value"))
        np.testing.assert_allclose(found["value"], frame["value"], atol=1e-12)
    weeks, were = (each.lake.read(FIGURES[2]).to_pandas() for each in (home, pipeline.home))
    assert new in set(weeks["name"])
    assert former in set(were["name"])
    pd.testing.assert_frame_equal(weeks, were.replace({"name": {former: new}}))


def test_the_mean_of_the_seeds_is_the_forecast(pipeline):
    home = pipeline.home
    sessions = home.lake.sessions(seeds_table(MODEL))
    held, forecast = (
        home.lake.read_sessions(table, sessions).to_pandas() for table in (seeds_table(MODEL), prediction_table(MODEL))
    )
    assert held["symbol"].equals(forecast["symbol"])
    for horizon in ("3d", "5d"):
        seeds = held[[seed_column(horizon, seed) for seed in (0, 1)]]
        assert (seeds.std(axis=1) > 0).any()
        np.testing.assert_allclose(seeds.mean(axis=1), forecast[horizon], rtol=1e-5, atol=1e-6)


def test_seeds_are_forecast_once_and_again_where_the_model_changed(pipeline, copy_of):
    home = copy_of(pipeline.home, own=[seeds_table(MODEL)])
    model, table = home.study.model(MODEL), seeds_table(MODEL)
    assert len(forecast_seeds(home, model)) == 0
    changed, gone = home.lake.sessions(table)[:2]
    before = home.lake.read(table, changed, changed)
    values = before.to_pandas()
    values[seed_column("3d", 0)] += 0.1
    home.lake.write(table, pa.Table.from_pandas(values, schema=before.schema, preserve_index=False), changed)
    home.lake.path(table, gone).unlink()
    assert forecast_seeds(home, model).tolist() == [changed, gone]
    assert home.lake.read(table, changed, changed).equals(before)


def test_seeds_and_capacity_of_a_strategy(pipeline):
    home = pipeline.home
    seeds, trades = (home.lake.read(table).to_pandas() for table in robustness_tables(STRATEGY))
    assert seeds["seed"].tolist() == ["mean", "0", "1"]
    assert np.isfinite(seeds["rank_ic_mean"]).all()
    done = stored(home, backtest_table(STRATEGY, "trades")).query("traded_weight != 0")
    assert len(trades) == len(done)
    session = np.datetime64(trades["date"].iloc[0])
    bars = home.lake.read("daily_bar", session, session).to_pandas().set_index("symbol")["amount"]
    first = trades.iloc[0]
    assert first["capacity"] == pytest.approx(0.1 * bars[first["symbol"]] / abs(first["traded_weight"]))


def test_an_ensemble_has_no_seeds_of_its_own(pipeline):
    seeds, _ = (pipeline.home.lake.read(table) for table in robustness_tables(ENSEMBLE))
    assert seeds.num_rows == 0


@pytest.mark.parametrize(("measure", "part"), [(attribute_returns, None), (measure_robustness, "trades")])
def test_a_strategy_without_a_backtest_is_named(pipeline, copy_of, measure, part):
    home, table = copy_of(pipeline.home), backtest_table(STRATEGY, part)
    (home.lake.root / table).unlink()
    with pytest.raises(MissingDataError, match=table):
        measure(home, home.study.strategy(STRATEGY))


def test_all_that_was_tried_is_counted(pipeline, copy_of):
    home = copy_of(pipeline.home)
    assert tried(home)["strategy"].tolist() == [STRATEGY, ENSEMBLE, WEEKLY]
    daily = home.lake.read(backtest_table(STRATEGY))
    Lake(home.backtests / "mine" / "lake").write(backtest_table("mine"), daily)
    (home.backtests / "begun").mkdir()
    found = tried(home)
    assert found["strategy"].tolist() == [STRATEGY, ENSEMBLE, WEEKLY, "mine (backtests)"]
    excess = daily["excess_return"].to_numpy()[1:]
    assert found["sharpe"].iloc[3] == found["sharpe"].iloc[0] == pytest.approx(excess.mean() / excess.std(ddof=1))
