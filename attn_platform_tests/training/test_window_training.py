"""A rolling window from the lake: samples, checkpoint and predictions, against plain loops over the raw tables."""

import re
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from attn_platform.errors import CheckpointError, MissingDataError
from attn_platform.factors.panel import PANEL
from attn_platform.market.lake import Lake, from_columns
from attn_platform.models.configuration import GatResidualConfig, LossConfig, LSTMConfig, XGBoostConfig
from attn_platform.models.losses import row_weights
from attn_platform.models.registry import build_network
from attn_platform.models.trees import TreeSamples, fit_trees, predict_trees
from attn_platform.training.checkpoints import Checkpoint, load_checkpoint
from attn_platform.training.config import TrainingConfig
from attn_platform.training.fingerprints import samples_fingerprint
from attn_platform.training.identity import ModelIdentity, Part, label_parts, network_parts, training_parts
from attn_platform.training.labels import LabelConfig
from attn_platform.training.resume import SavedState
from attn_platform.training.task import ModelTraining
from attn_platform.training.window_training import train_windows, window_samples, write_predictions
from attn_platform.training.windows import window_of
from attn_platform.universe.store import ADJACENCY
from attn_platform_tests.homes import FIRST_WINDOW, MODEL, SECOND_WINDOW, linked
from attn_platform_tests.training.synthetic import with_features

FEATURES = ("value", "noise", "trend")
LABELS = LabelConfig(horizons=(3, 5))
FIRST_PANEL, LAST_PANEL = "2020-09-03", "2021-01-29"


@pytest.fixture(scope="module")
def home(raw_home, tmp_path_factory):
    """Raw tables and a panel of three random factors, every session another cross-section."""
    made = linked(raw_home, tmp_path_factory.mktemp("windows"))
    rng = np.random.default_rng(2)
    for session in made.calendar.between(FIRST_PANEL, LAST_PANEL):
        symbols = made.lake.read("daily_bar", session, session)["symbol"].to_numpy()
        members = np.sort(rng.choice(symbols, 50, replace=False)).astype(str)
        values = {name: rng.standard_normal(len(members)).astype(np.float32) for name in FEATURES}
        dates = np.full(len(members), session)
        made.lake.write(PANEL, from_columns({"date": dates, "symbol": members, **values}), session)
    return made


def task_of(home, directory, **changes) -> ModelTraining:
    """The tiny home's model on the random panel."""
    model = home.study.model(MODEL)
    settings = {
        "lake": home.lake, "calendar": home.calendar, "panel": PANEL, "model": MODEL, "network": model.network,
        "labels": LABELS, "training": model.training, "seeds": model.seeds, "features": FEATURES,
        "windows": home.study.windows, "preprocessing_fingerprint": "fingerprint of the pre-processing",
        "directory": directory / "checkpoints", "arrays": directory / "arrays",
    }  # fmt: skip
    return asked_for(ModelTraining(**settings | changes, identity=ModelIdentity(parts={})))


def asked_for(task: ModelTraining, **changes) -> ModelTraining:
    """The task with some changes, and the identity that goes with them."""
    made = replace(task, **changes)
    parts = {
        "pre-processing": Part(code=made.preprocessing_fingerprint),
        **network_parts(made.network),
        **label_parts(made.labels),
        **training_parts(made.training, made.network, made.seeds),
    }
    return replace(made, identity=ModelIdentity(parts=parts))


def samples_of(home, window, directory):
    return window_samples(task_of(home, directory), window)


@pytest.fixture(scope="module")
def window(home):
    return window_of(home.calendar, home.study.windows, FIRST_WINDOW)


@pytest.fixture(scope="module")
def samples(home, window, tmp_path_factory):
    return samples_of(home, window, tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def prices(home):
    """Adjusted close of every traded session: (session, symbol) → price."""
    bars = home.lake.read("daily_bar", FIRST_PANEL, LAST_PANEL).to_pylist()
    return {(bar["date"], bar["symbol"]): bar["close"] * bar["adj_factor"] for bar in bars if not bar["is_suspended"]}


def plain_labels(home, window, prices, session) -> dict[str, tuple[float, float]]:
    """AI-69, AI-55 by loops: returns from T+1 to T+h+1, both horizons or none, ranks, z-scores."""
    calendar, returns = home.calendar, {}
    for symbol in home.lake.read(PANEL, session, session)["symbol"].to_pylist():
        ends = [(calendar.shift(session, 1), calendar.shift(session, horizon + 1)) for horizon in LABELS.horizons]
        pairs = [[prices.get((day.item(), symbol)) for day in end] for end in ends]
        if all(None not in pair for pair in pairs):
            returns[symbol] = [after / before - 1 for before, after in pairs]
    scores = [stats.zscore(stats.rankdata(column)) for column in zip(*returns.values(), strict=True)]
    return dict(zip(returns, zip(*scores, strict=True), strict=True))


def test_labels_are_those_of_a_plain_loop(home, window, samples, prices):
    missing = 0
    for part in samples:
        for number, session in enumerate(part.sessions):
            rows = slice(part.offsets[number], part.offsets[number + 1])
            expected = plain_labels(home, window, prices, session)
            assert part.symbols[rows].tolist() == list(expected)
            np.testing.assert_allclose(part.labels[rows], list(expected.values()), atol=1e-6)
            missing += 50 - len(expected)
        assert part.label_names == ("3d", "5d")
    assert missing > 0, "no label is missing; that suspended stocks leave is not shown"


def test_features_are_the_rows_of_the_panel(home, samples):
    part = samples[1]
    session = part.sessions[3]
    rows = slice(part.offsets[3], part.offsets[4])
    panel = home.lake.read(PANEL, session, session).to_pandas().set_index("symbol")
    assert (part.features(rows) == panel.loc[part.symbols[rows], list(FEATURES)].to_numpy()).all()


def test_sets_end_before_their_labels_reach_the_next_one(home, window, samples):
    for part, first, last in zip(
        samples, (window.train_first, window.valid_first), (window.train_last, window.valid_last), strict=True
    ):
        assert part.sessions.tolist() == home.calendar.between(first, home.calendar.shift(last, -6)).tolist()


@pytest.mark.parametrize("table", ["daily_bar", PANEL])
def test_nothing_after_the_last_validation_session_is_read(home, window, samples, copy_of, table, tmp_path):
    cut = copy_of(home, [table])
    for session in cut.lake.sessions(table):
        if session > window.valid_last:
            cut.lake.path(table, session).unlink()
    assert cut.lake.sessions(table)[-1] == window.valid_last
    again = samples_of(cut, window, tmp_path)
    assert samples_fingerprint(*again) == samples_fingerprint(*samples)


def test_a_session_without_cross_section_gives_no_samples_and_moves_no_others(home, window, samples, copy_of, tmp_path):
    hole = copy_of(home, [PANEL])
    empty = samples[0].sessions[10]
    hole.lake.write(PANEL, home.lake.read(PANEL, empty, empty).slice(0, 0), empty)
    training, _ = samples_of(hole, window, tmp_path)
    assert training.sessions.tolist() == [day for day in samples[0].sessions.tolist() if day != empty.item()]
    for part in (training, samples[0]):
        at = int(np.searchsorted(part.sessions, samples[0].sessions[20]))
        rows = part.labels[part.offsets[at] : part.offsets[at + 1]]
        assert rows.tobytes() == samples[0].labels[samples[0].offsets[20] : samples[0].offsets[21]].tobytes()


def test_a_gap_in_the_panel_is_named(home, window, copy_of, tmp_path):
    gap = copy_of(home, [PANEL])
    for session in ("2020-10-14", "2020-10-15"):
        gap.lake.path(PANEL, session).unlink()
    with pytest.raises(MissingDataError, match=r"window 2020-12-10 .*lacks 2020-10-14 and 1 more"):
        samples_of(gap, window, tmp_path)


def test_fingerprint_changes_with_any_number(samples):
    training, validation = samples
    before = samples_fingerprint(training, validation)
    assert samples_fingerprint(training, validation) == before
    labels = training.labels.copy()
    labels[7, 1] = np.nextafter(labels[7, 1], np.float32(9))
    features = validation.features()
    features[-1, 0] = np.nextafter(features[-1, 0], np.float32(9))
    symbols = training.symbols.copy()
    symbols[0] = "999999.SH"
    for changed in (
        (replace(training, labels=labels), validation),
        (training, with_features(validation, features)),
        (replace(training, symbols=symbols), validation),
        (replace(training, sessions=training.sessions - 1), validation),
        (validation, training),
    ):
        assert samples_fingerprint(*changed) != before


@pytest.fixture(scope="module")
def checkpoints(home, tmp_path_factory):
    task = task_of(home, tmp_path_factory.mktemp("trained"))
    windows = [window_of(home.calendar, home.study.windows, key) for key in (FIRST_WINDOW, SECOND_WINDOW)]
    return task, train_windows(task, windows, progress=False)


def test_checkpoint_tells_what_it_was_made_from(home, window, samples, checkpoints):
    task, trained = checkpoints
    stored = load_checkpoint(task.directory / FIRST_WINDOW)
    manifest = stored.manifest
    assert manifest == trained[FIRST_WINDOW].manifest
    for name, tensor in trained[FIRST_WINDOW].weights.items():
        assert stored.weights[name].equal(tensor)
    assert manifest.data_fingerprint == samples_fingerprint(*samples)
    assert manifest.preprocessing_fingerprint == "fingerprint of the pre-processing"
    assert (manifest.features, manifest.labels, manifest.seeds) == (FEATURES, ("3d", "5d"), (0, 1))
    assert (str(manifest.window.train.first), str(manifest.window.train.last)) == ("2020-09-03", "2020-11-17")
    assert (str(manifest.window.valid.first), str(manifest.window.valid.last)) == ("2020-11-18", "2020-12-09")
    assert str(manifest.window.test.first) == FIRST_WINDOW
    assert manifest.window.purge == 6


def plain_forecast(checkpoint, features: np.ndarray) -> np.ndarray:
    """The network on one session, seed by seed, without any of the platform's batching: mean over seeds [n, K]."""
    import torch

    from attn_platform.models.batch import SessionBatch

    manifest = checkpoint.manifest
    network = build_network(manifest.network, len(FEATURES), 2, manifest.seeds)
    network.load_state_dict(dict(checkpoint.weights))
    network.eval()
    seeds = len(manifest.seeds)
    batch = SessionBatch(torch.tensor(features).expand(seeds, -1, -1), ((len(features),),) * seeds)
    with torch.inference_mode():
        return np.mean([network(batch)[seed].numpy() for seed in range(seeds)], axis=0)


def test_predictions_come_from_the_window_that_tests_their_session(home, checkpoints, tmp_path):
    task, trained = checkpoints
    lake = Lake(tmp_path)
    (tmp_path / PANEL).symlink_to(home.lake.root / PANEL, target_is_directory=True)
    sessions = home.calendar.between("2020-12-29", "2021-01-06")
    used = write_predictions(replace(task, lake=lake), sessions, "prediction")
    assert used == {str(day): FIRST_WINDOW if str(day) < SECOND_WINDOW else SECOND_WINDOW for day in sessions}
    assert set(used.values()) == {FIRST_WINDOW, SECOND_WINDOW}
    for session in sessions:
        found = lake.read("prediction", session, session).to_pandas()
        panel = home.lake.read(PANEL, session, session).to_pandas()
        assert found.columns.tolist() == ["date", "symbol", "3d", "5d", "3d+5d"]
        assert found["symbol"].tolist() == panel["symbol"].tolist()
        expected = plain_forecast(trained[used[str(session)]], panel[list(FEATURES)].to_numpy())
        np.testing.assert_allclose(found[["3d", "5d"]], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found["3d+5d"], (found["3d"] + found["5d"]) / 2, rtol=1e-6)


def test_a_session_alone_is_the_session_among_others(home, checkpoints, tmp_path):
    lakes = [Lake(tmp_path / name) for name in ("together", "alone")]
    sessions = home.calendar.between("2020-12-29", "2021-01-06")
    for lake, runs in zip(lakes, ([sessions], [sessions[at : at + 1] for at in range(len(sessions))]), strict=True):
        lake.root.mkdir()
        (lake.root / PANEL).symlink_to(home.lake.root / PANEL, target_is_directory=True)
        for run in runs:
            write_predictions(replace(checkpoints[0], lake=lake), run, "forecast")
    for session in sessions:
        assert len({lake.path("forecast", session).read_bytes() for lake in lakes}) == 1


def test_nothing_is_predicted_without_the_checkpoint_or_the_panel(home, checkpoints, copy_of, tmp_path):
    only_first = tmp_path / "only_first"
    only_first.mkdir()
    (only_first / FIRST_WINDOW).symlink_to(checkpoints[0].directory / FIRST_WINDOW, target_is_directory=True)
    sessions = home.calendar.between("2020-12-29", "2021-01-06")
    gap = copy_of(home, [PANEL])

    def predict(folder):
        write_predictions(replace(checkpoints[0], lake=gap.lake, directory=folder), sessions, "prediction")

    with pytest.raises(CheckpointError, match=f"window {SECOND_WINDOW} has no checkpoint"):
        predict(only_first)
    gap.lake.path(PANEL, "2020-12-30").unlink()
    with pytest.raises(MissingDataError, match="lacks 2020-12-30"):
        predict(checkpoints[0].directory)
    assert not gap.lake.has("prediction")


def test_a_panel_that_is_made_otherwise_is_refused(home, checkpoints):
    other = asked_for(checkpoints[0], preprocessing_fingerprint="neutralised")
    sessions = home.calendar.between("2020-12-29", "2020-12-29")
    with pytest.raises(CheckpointError, match=r"2020-12-10 is not what.*: pre-processing: its code changed; set these"):
        write_predictions(other, sessions, "prediction_refused")
    assert not home.lake.has("prediction_refused")


@pytest.mark.slow
def test_one_window_of_another_model_keeps_all_from_being_predicted(home, checkpoints, tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(checkpoints[0].directory, folder)
    faster = asked_for(checkpoints[0], directory=folder, training=TrainingConfig(learning_rate=3e-3, device="cpu"))
    second = window_of(home.calendar, home.study.windows, SECOND_WINDOW)
    assert isinstance(train_windows(faster, [second], progress=False)[SECOND_WINDOW], Checkpoint)
    sessions = home.calendar.between("2020-12-29", "2021-01-06")
    with pytest.raises(CheckpointError, match=rf"for {SECOND_WINDOW} is.*training.learning_rate 0.003 / 0.001"):
        write_predictions(replace(checkpoints[0], directory=folder), sessions, "prediction_refused")
    assert not home.lake.has("prediction_refused")


def trained(task, home, *keys: str):
    windows = [window_of(home.calendar, home.study.windows, key) for key in keys]
    return train_windows(task, windows, progress=False)


SMALL_NETWORKS = {
    "steps": LSTMConfig(steps=4, hidden=4),
    "neighbours": GatResidualConfig(hidden=4, adjacency="industry"),
    "trees": XGBoostConfig(rounds=5),
}
ONE_TASK = LabelConfig(horizons=(3,))


@pytest.fixture(scope="module")
def grouped(home, tmp_path_factory):
    """The home with an adjacency for both years."""
    made = linked(home, tmp_path_factory.mktemp("grouped"))
    rng = np.random.default_rng(4)
    symbols = np.array(sorted(set(home.lake.read(PANEL)["symbol"].to_pylist())))
    for year in ("2020-01-01", "2021-01-01"):
        groups = rng.integers(0, 4, len(symbols))
        table = from_columns({"symbol": symbols, "sector_group": groups, "industry_group": groups})
        made.lake.write(ADJACENCY, table, np.datetime64(year))
    return made


def small_task(home, directory, kind: str, **changes) -> ModelTraining:
    training = TrainingConfig(max_epochs=2, batch_unit="stock" if kind == "steps" else "session", device="cpu",
                              batch_size=200 if kind == "steps" else 1, **changes)  # fmt: skip
    return task_of(home, directory, network=SMALL_NETWORKS[kind], labels=ONE_TASK, training=training)


@pytest.mark.parametrize("kind", SMALL_NETWORKS)
def test_every_kind_of_model_goes_from_the_panel_to_predictions(grouped, tmp_path, kind):
    task = small_task(grouped, tmp_path, kind)
    outcome = trained(task, grouped, FIRST_WINDOW)[FIRST_WINDOW]
    assert isinstance(outcome, Checkpoint), outcome
    stored = load_checkpoint(task.directory / FIRST_WINDOW)
    assert stored.manifest == outcome.manifest
    assert [path.name for path in task.directory.iterdir()] == [FIRST_WINDOW], "the state of the training is left over"
    sessions = grouped.calendar.between("2020-12-29", "2020-12-31")
    write_predictions(task, sessions, f"prediction_{kind}")
    for session in sessions:
        found = grouped.lake.read(f"prediction_{kind}", session, session).to_pandas()
        panel = grouped.lake.read(PANEL, session, session).to_pandas()
        assert found["symbol"].tolist() == panel["symbol"].tolist()
        assert found.columns.tolist() == ["date", "symbol", "3d"]
        assert found["3d"].notna().all()
        assert found["3d"].nunique() > 1


@pytest.mark.parametrize("half_life", [0.5, 1.0])
def test_trees_weigh_their_rows_by_the_half_life_of_the_loss(grouped, tmp_path, half_life):
    task = small_task(grouped, tmp_path, "trees", loss=LossConfig(half_life=half_life))
    window = window_of(grouped.calendar, grouped.study.windows, FIRST_WINDOW)
    outcome = trained(task, grouped, FIRST_WINDOW)[FIRST_WINDOW]
    _, valid = window_samples(task, window)
    labels = valid.labels[:, 0].astype(float)
    for seed, history in zip(outcome.manifest.seeds, outcome.manifest.histories, strict=True):
        forecasts = predict_trees(outcome.weights, [seed], valid.features(), threads=1)[0, :, 0].astype(float)
        losses = []
        for start, stop in pairwise(valid.offsets):
            size = stop - start
            weights = 0.5 ** ((stats.rankdata(-labels[start:stop]) - 1) / (half_life * size))
            losses.append((weights * (forecasts[start:stop] - labels[start:stop]) ** 2).sum() / size)
        assert history.valid_loss[history.best_epoch - 1] == pytest.approx(np.mean(losses), rel=1e-6)


def test_thinned_trees_see_the_sessions_of_their_seed(grouped, tmp_path):
    task = small_task(grouped, tmp_path, "trees", sessions_every=2)
    outcome = trained(task, grouped, FIRST_WINDOW)[FIRST_WINDOW]
    sets = window_samples(task, window_of(grouped.calendar, grouped.study.windows, FIRST_WINDOW))
    for seed in outcome.manifest.seeds:
        samples = []
        for held, first, step in zip(sets, (seed % 2, 0), (2, 1), strict=True):
            days = np.split(np.arange(len(held)), held.offsets[1:-1])[first::step]
            rows, offsets = np.concatenate(days), np.append(0, np.cumsum([len(day) for day in days]))
            labels = held.labels[rows]
            weights = row_weights(labels, offsets, task.training.loss)[:, 0]
            samples.append(TreeSamples(held.features()[rows], labels[:, 0], weights, offsets))
        boosters, _ = fit_trees(SMALL_NETWORKS["trees"], *samples, [seed], threads=1, progress=False)
        expected, found = (
            predict_trees(weights, [seed], sets[1].features(), threads=1) for weights in (boosters, outcome.weights)
        )
        np.testing.assert_array_equal(found, expected)


def test_time_series_read_the_last_sessions_of_the_stock(grouped, tmp_path):
    task = small_task(grouped, tmp_path, "steps")
    train_set, _ = window_samples(task, window_of(grouped.calendar, grouped.study.windows, FIRST_WINDOW))
    calendar = grouped.calendar
    assert train_set.sessions[0] == calendar.shift(FIRST_PANEL, 3), "the first samples begin when all steps are there"
    frame = grouped.lake.read(PANEL).to_pandas().set_index(["date", "symbol"])[list(FEATURES)]
    session, row = train_set.sessions[5], train_set.offsets[5] + 7
    symbol = train_set.symbols[row]
    for step, day in enumerate(calendar.between(calendar.shift(session, -3), session)):
        key = (day.item(), symbol)
        expected = frame.loc[key].to_numpy() if key in frame.index else np.zeros(3)
        np.testing.assert_array_equal(train_set.features(slice(row, row + 1))[0, step], expected)


@pytest.mark.slow
def test_a_warm_start_begins_with_the_window_before(grouped, tmp_path):
    cold = small_task(grouped, tmp_path / "cold", "neighbours")
    warm = small_task(grouped, tmp_path / "warm", "neighbours", warm_start=True)
    without, with_it = (trained(task, grouped, FIRST_WINDOW, SECOND_WINDOW) for task in (cold, warm))
    assert [with_it[key].manifest.warm_started_from for key in (FIRST_WINDOW, SECOND_WINDOW)] == [None, FIRST_WINDOW]
    assert [without[key].manifest.warm_started_from for key in (FIRST_WINDOW, SECOND_WINDOW)] == [None, None]
    for name, tensor in without[FIRST_WINDOW].weights.items():
        assert with_it[FIRST_WINDOW].weights[name].equal(tensor)
    _, valid = window_samples(warm, window_of(grouped.calendar, grouped.study.windows, SECOND_WINDOW))
    assert len(valid)
    first_losses = [outcome[SECOND_WINDOW].manifest.histories[0].train_loss[0] for outcome in (with_it, without)]
    assert first_losses[0] < first_losses[1]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"network": GatResidualConfig(hidden=6, adjacency="industry")}, "network.gat_residual.hidden 4 / 6"),
        ({"labels": LabelConfig(horizons=(3,), price="vwap")}, 'labels.price "close" / "vwap"'),
    ],
)
def test_weights_of_another_model_are_not_started_from(grouped, tmp_path, changes, difference):
    task = small_task(grouped, tmp_path, "neighbours", warm_start=True)
    trained(task, grouped, FIRST_WINDOW)
    outcome = trained(asked_for(task, **changes), grouped, SECOND_WINDOW)[SECOND_WINDOW]
    assert isinstance(outcome, CheckpointError)
    assert f"for {FIRST_WINDOW} is not what is asked for now (then / now): {difference}" in str(outcome)
    assert [path.name for path in task.directory.iterdir()] == [FIRST_WINDOW]


def test_a_window_that_cannot_be_trained_leaves_the_others(grouped, tmp_path, copy_of):
    broken = copy_of(grouped, [PANEL])
    broken.lake.path(PANEL, FIRST_PANEL).unlink()  # the first window's first session; the second window begins later
    task = task_of(broken, tmp_path)
    outcomes = trained(task, broken, FIRST_WINDOW, SECOND_WINDOW)
    assert isinstance(outcomes[FIRST_WINDOW], MissingDataError)
    assert isinstance(outcomes[SECOND_WINDOW], Checkpoint)
    assert [path.name for path in task.directory.iterdir()] == [SECOND_WINDOW]
    alone = trained(task_of(grouped, tmp_path / "alone"), grouped, SECOND_WINDOW)[SECOND_WINDOW]
    for name, tensor in alone.weights.items():
        np.testing.assert_allclose(outcomes[SECOND_WINDOW].weights[name], tensor, atol=1e-6)


def test_a_killed_window_goes_on(home, tmp_path, monkeypatch):
    write = SavedState.write

    def stop(self, state):
        write(self, state)
        raise KeyboardInterrupt

    task = task_of(home, tmp_path)
    monkeypatch.setattr(SavedState, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        trained(task, home, FIRST_WINDOW)
    assert [path.name.startswith(".training-") for path in task.directory.iterdir()] == [True]
    monkeypatch.setattr(SavedState, "write", write)
    resumed = trained(task, home, FIRST_WINDOW)[FIRST_WINDOW]
    assert [path.name for path in task.directory.iterdir()] == [FIRST_WINDOW]
    whole = trained(task_of(home, tmp_path / "whole"), home, FIRST_WINDOW)[FIRST_WINDOW]
    assert resumed.manifest.fingerprint == whole.manifest.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learning_rate": 3e-3}, r"training\.learning_rate 0\.001 / 0\.003"),
        ({"loss": LossConfig(half_life=1.0)}, r"loss\.half_life 0\.5 / 1;"),
    ],
)
def test_a_killed_window_does_not_go_on_as_another_model(change, said, home, tmp_path, monkeypatch, caplog):
    write = SavedState.write

    def stop(self, state):
        write(self, state)
        raise KeyboardInterrupt

    task = task_of(home, tmp_path)
    monkeypatch.setattr(SavedState, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        trained(task, home, FIRST_WINDOW)
    monkeypatch.setattr(SavedState, "write", write)
    other = asked_for(task, training=task.training.model_copy(update=change))
    outcome = trained(other, home, FIRST_WINDOW)[FIRST_WINDOW]
    assert re.search(rf"is the state of another training \(then / now\): .*{said}", caplog.text)
    fresh = trained(replace(other, directory=tmp_path / "fresh"), home, FIRST_WINDOW)[FIRST_WINDOW]
    assert outcome.manifest.fingerprint == fresh.manifest.fingerprint
