"""The evaluation in the lake, against plain loops over predictions and prices."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from attn_platform.errors import MissingDataError
from attn_platform.evaluation import store
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.planted import (
    planted_correlations,
    read_planted_correlations,
    write_planted_correlations,
)
from attn_platform.evaluation.store import (
    Predictions,
    earned_table,
    evaluation_origins_table,
    figures_table,
    layers_table,
    predicted_range,
    read_layers,
    sessions_table,
    write_evaluation,
)
from attn_platform.market.dense import load_dense
from attn_platform.market.lake import Lake, from_columns
from attn_platform.studies.settings import Home
from attn_platform.training.labels import LabelConfig
from attn_platform_tests.homes import linked

FIRST, LAST, HORIZON = "2020-12-07", "2021-01-15", 3
HORIZONS = ("3d", "5d")


@pytest.fixture(scope="module")
def home(raw_home, tmp_path_factory):
    """Raw tables and forecasts: 3d knows a little of the future, 5d nothing."""
    made = linked(raw_home, tmp_path_factory.mktemp("evaluation"))
    rng = np.random.default_rng(4)
    for session in made.calendar.between(FIRST, LAST):
        listed = made.lake.read("daily_bar", session, session)["symbol"].to_numpy().astype(str)
        symbols = np.sort(rng.choice(listed, 50, replace=False))
        columns = {name: rng.standard_normal(50) for name in HORIZONS}
        made.lake.write("forecast", from_columns({"date": np.full(50, session), "symbol": symbols, **columns}), session)
    return made


@pytest.fixture(scope="module")
def predictions(home):
    first, last = predicted_range(home.lake, "forecast")
    return Predictions(home.lake, home.calendar, "forecast", LabelConfig(horizons=(3, 5)), first, last, HORIZON + 1)


@pytest.fixture(scope="module")
def figures(home, predictions):
    return write_evaluation(home.lake, predictions, "model", HORIZONS, HORIZON, EvaluationConfig())


@pytest.fixture(scope="module")
def realised(home):
    """(session, symbol) → return from the close of T+1 to that of T+4, where it was traded on both."""
    bars = home.lake.read("daily_bar").to_pylist()
    price = {(bar["date"], bar["symbol"]): bar["close"] * bar["adj_factor"] for bar in bars if not bar["is_suspended"]}
    found = {}
    for session in home.calendar.between(FIRST, LAST):
        buy, sell = (home.calendar.shift(session, count).item() for count in (1, HORIZON + 1))
        for symbol in home.lake.read("forecast", session, session)["symbol"].to_pylist():
            if (buy, symbol) in price and (sell, symbol) in price:
                found[session.item(), symbol] = price[sell, symbol] / price[buy, symbol] - 1
    return found


def test_correlations_are_those_of_scipy_session_by_session(home, figures, realised):
    stored = home.lake.read(sessions_table("model")).to_pandas().set_index(["date", "horizon"])
    sessions = home.calendar.between(FIRST, LAST)
    assert len(stored) == len(HORIZONS) * len(sessions)
    for horizon in HORIZONS:
        rank_ics = []
        for session in sessions:
            rows = home.lake.read("forecast", session, session).to_pylist()
            pairs = [
                (row[horizon], realised[session.item(), row["symbol"]])
                for row in rows
                if (session.item(), row["symbol"]) in realised
            ]
            predicted, returns = zip(*pairs, strict=True)
            rank_ics.append(stats.spearmanr(predicted, np.round(returns, 12)).statistic)  # rounding makes no ranks
            found = stored.loc[(session.item(), horizon)]
            assert found["rank_ic"] == pytest.approx(rank_ics[-1], abs=1e-12)
            assert found["ic"] == pytest.approx(np.corrcoef(predicted, returns)[0, 1], abs=1e-12)
        row = figures.set_index("horizon").loc[horizon]
        assert row["rank_ic_mean"] == pytest.approx(np.mean(rank_ics), abs=1e-12)
        assert row["rank_icir"] == pytest.approx(np.mean(rank_ics) / np.std(rank_ics, ddof=1), rel=1e-9)


def test_planted_signals_are_measured_on_the_stocks_of_the_forecast(home, predictions, realised, tmp_path):
    """A table of all sessions and stocks in one file: those that are forecast count, against the same returns."""
    rng = np.random.default_rng(5)
    bars = home.lake.read("daily_bar", columns=["date", "symbol"]).to_pandas()
    signals = bars.assign(known=rng.standard_normal(len(bars)), constant=1.0)
    lake = Lake(tmp_path / "planted", beneath=home.lake)
    columns = {name: signals[name].to_numpy() for name in ("date", "known", "constant")}
    lake.write("planted", from_columns({**columns, "symbol": signals["symbol"].to_numpy().astype(str)}))
    found = planted_correlations(
        replace(predictions, lake=lake), "3d", "planted", ["known", "constant"], HORIZON, EvaluationConfig()
    )
    value = signals.set_index(["date", "symbol"])["known"]
    pairs = pd.DataFrame({"returns": pd.Series(realised)}).rename_axis(["date", "symbol"])
    pairs["signal"] = value.reindex(pairs.index)
    by_session = [stats.spearmanr(day["signal"], day["returns"]).statistic for _, day in pairs.groupby("date")]
    assert found["known"]["rank_ic_mean"] == pytest.approx(np.mean(by_session), abs=1e-12)
    assert all(np.isnan(value) for value in found["constant"].values())
    of = (["3d", "5d"], "planted", ["known", "constant"], HORIZON, EvaluationConfig())
    write_planted_correlations(lake, replace(predictions, lake=lake), "model", *of)
    read = read_planted_correlations(lake, "model", "3d")
    pd.testing.assert_frame_equal(read, pd.DataFrame(found).T, check_names=False)
    assert read_planted_correlations(lake, "another", "3d").empty


def test_layers_are_read_as_they_were_computed(home, figures, predictions):
    config = EvaluationConfig()
    sessions, read = read_layers(home.lake, "model", "5d", config.layers)
    assert sessions.to_numpy().astype("datetime64[D]").tolist() == home.calendar.between(FIRST, LAST).tolist()
    computed = predictions.layers("5d", config).first_sessions(len(sessions))
    np.testing.assert_allclose(read.layers, computed.layers, rtol=1e-14)
    np.testing.assert_array_equal(read.universe, computed.universe)
    np.testing.assert_array_equal(read.is_earning, computed.is_earning)
    assert read.is_earning.any()
    of_layers, of_universe = computed.annual_returns(config.sessions_per_year)
    np.testing.assert_allclose(read.annual_returns(config.sessions_per_year)[0], of_layers, rtol=1e-12)
    assert read.annual_returns(config.sessions_per_year)[1] == of_universe


def test_figures_are_stored_by_horizon(home, figures):
    stored = home.lake.read(figures_table("model")).to_pandas()
    pd.testing.assert_frame_equal(stored, figures)
    assert stored["horizon"].tolist() == list(HORIZONS)


CONFIG = EvaluationConfig(layer_rebalance_sessions=3)
TABLES = (figures_table, sessions_table, layers_table, earned_table)


def evaluated(home, last, model="grown", config=CONFIG):
    """The evaluation as of a session, which knows no later bar."""
    label = LabelConfig(horizons=(3, 5))
    predictions = Predictions(home.lake, home.calendar, "forecast", label, np.datetime64(FIRST), last, HORIZON + 1)
    return write_evaluation(home.lake, predictions, model, HORIZONS, HORIZON, config)


def known_until(home, copy_of, last, name) -> Home:
    """A home whose lake ends with a session."""
    made = copy_of(home, ["daily_bar", "forecast"], name=name)
    for table in ("daily_bar", "forecast"):
        for session in made.lake.sessions(table):
            if session > last:
                made.lake.path(table, session).unlink()
    return made


def let_through(whole, made, last) -> None:
    """The files of the sessions up to a later one, as they are."""
    for table in ("daily_bar", "forecast"):
        for session in whole.lake.sessions(table):
            path = made.lake.path(table, session)
            if session <= last and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(whole.lake.path(table, session), path)


def first_sessions(monkeypatch) -> list[np.datetime64]:
    """The first session of each market that an evaluation reads from now on."""
    firsts = []

    def noted(lake, calendar, first, last, fields):
        firsts.append(first)
        return load_dense(lake, calendar, first, last, fields)

    monkeypatch.setattr(store, "load_dense", noted)
    return firsts


def assert_whole(home, last, model="grown", config=CONFIG) -> None:
    evaluated(home, last, f"whole_{last}", config)
    for table in TABLES:
        grown, whole = (home.lake.read(table(name)).to_pandas() for name in (model, f"whole_{last}"))
        # Net values are those of before times what is earned since.
        pd.testing.assert_frame_equal(grown, whole, check_exact=table is not layers_table, rtol=1e-12, atol=0)


def test_a_new_week_is_added_to_an_evaluation(home, copy_of, monkeypatch):
    """Whatever it ends with; returns that were not known yet come with it, and a second time nothing is read."""
    sessions = home.calendar.between(FIRST, LAST)
    growing = known_until(home, copy_of, sessions[11], "growing")
    firsts = first_sessions(monkeypatch)
    for at, before in ((11, None), (16, 11), (17, 16), (24, 17), (len(sessions) - 1, 24)):
        let_through(home, growing, sessions[at])
        del firsts[:]
        evaluated(growing, sessions[at])
        if before is None:
            assert set(firsts) == {sessions[0]}
        else:
            known = before - HORIZON - 1  # the last one whose returns were known
            assert all(sessions[known] - np.timedelta64(14, "D") < first <= sessions[known] for first in firsts)
            assert max(firsts) > sessions[0]
        assert_whole(growing, sessions[at])
    del firsts[:]
    evaluated(growing, sessions[-1])
    assert firsts == []


def test_an_evaluation_of_other_bars_or_forecasts_is_made_again_from_there_on(home, copy_of, monkeypatch):
    sessions = home.calendar.between(FIRST, LAST)
    growing = known_until(home, copy_of, sessions[-1], "changed")
    evaluated(growing, sessions[-1])
    firsts = first_sessions(monkeypatch)
    for table, column, at in (("daily_bar", "close", 2), ("forecast", "3d", 14), ("daily_bar", "close", 18)):
        rows = growing.lake.read(table, sessions[at], sessions[at])
        place, values = rows.schema.get_field_index(column), rows[column].to_numpy()
        changed = values[::-1] if table == "forecast" else np.round(values * 1.02, 2)
        growing.lake.write(table, rows.set_column(place, column, pa.array(changed)), sessions[at])
        del firsts[:]
        evaluated(growing, sessions[-1])
        assert (max(firsts) == sessions[0]) == (at == 2)
        assert_whole(growing, sessions[-1])
        shutil.rmtree(growing.lake.root / evaluation_origins_table(f"whole_{sessions[-1]}"))
    del firsts[:]
    other = EvaluationConfig(layer_rebalance_sessions=4)
    evaluated(growing, sessions[-1], config=other)
    assert set(firsts) == {sessions[0]}
    assert_whole(growing, sessions[-1], config=other)


def test_dense_predictions_stand_where_they_belong(home, predictions):
    dense = predictions.dense("5d")
    cells = 0
    for session in home.calendar.between(FIRST, LAST):
        row = dense[predictions.market.position(session)]
        for record in home.lake.read("forecast", session, session).to_pylist():
            assert row[np.searchsorted(predictions.market.symbols, record["symbol"])] == record["5d"]
            cells += 1
    assert np.isfinite(dense).sum() == cells
    assert np.isnan(dense[predictions.market.position(LAST) + 1 :]).all()


def test_returns_are_realised_or_missing(home, predictions, realised):
    returns = predictions.returns(HORIZON)
    dense = predictions.dense("3d")
    for row, column in zip(*np.nonzero(np.isfinite(dense)), strict=True):
        key = (predictions.market.sessions[row].item(), predictions.market.symbols[column])
        assert returns[row, column] == pytest.approx(realised.get(key, np.nan), rel=1e-12, nan_ok=True)


def test_returns_of_the_newest_sessions_are_not_known_yet(home, copy_of):
    """The lake ends with the last prediction: nothing is read beyond it, and what is not known is missing."""
    cut = copy_of(home, ["daily_bar"])
    for session in cut.lake.sessions("daily_bar"):
        if session > np.datetime64(LAST):
            cut.lake.path("daily_bar", session).unlink()
    first, last = predicted_range(cut.lake, "forecast")
    newest = Predictions(cut.lake, cut.calendar, "forecast", LabelConfig(), first, last, HORIZON + 1)
    assert str(newest.market.sessions[-1]) == LAST
    returns = newest.returns(HORIZON)
    assert np.isnan(returns[-HORIZON - 1 :]).all()
    assert np.isfinite(returns[: -HORIZON - 1]).any(axis=1).all()


def test_layers_are_held_from_the_session_after_the_signal(home, predictions):
    """Two layers, formed every fifth session, bought a session later at the close and kept at equal weights."""
    config = EvaluationConfig(layers=2)
    found = predictions.layers("3d", config)
    bars = home.lake.read("daily_bar").to_pylist()
    close = {(bar["date"], bar["symbol"]): bar["close"] * bar["adj_factor"] for bar in bars}
    sessions = predictions.market.sessions
    forecasts = {session: home.lake.read("forecast", session, session).to_pylist() for session in sessions[:-4]}
    top, net_value = None, 1.0
    for row, session in enumerate(sessions):
        bought = row - 2
        if bought >= 0 and bought % 5 == 0 and sessions[bought] in forecasts:
            ranked = sorted(forecasts[sessions[bought]], key=lambda record: -record["3d"])
            top = [record["symbol"] for record in ranked[: len(ranked) // 2]]
        if top is not None:
            keys = [((session.item(), s), (sessions[row - 1].item(), s)) for s in top]
            moves = [close[now] / close[before] - 1 for now, before in keys if now in close and before in close]
            net_value *= 1 + np.mean(moves)
        assert found.layers[row, 0] == pytest.approx(net_value, rel=1e-12)


def test_a_table_without_predictions_is_named(tmp_path):
    with pytest.raises(MissingDataError, match="the lake has no 'forecast'"):
        predicted_range(Lake(tmp_path), "forecast")
