"""Checkpoints in Dagster: what a run records of several windows, and what is left of it where one of them fails."""

import inspect
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from attn_platform.definitions import build_defs
from attn_platform.errors import CheckpointError, MissingDataError, TrainingError
from attn_platform.factors.families import reversal
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.source_identity import source_identity
from attn_platform.training import epochs
from attn_platform.training.checkpoints import load_checkpoint
from attn_platform.workflows.training import model_training
from attn_platform_tests.homes import FIRST_WINDOW, GRAPH, MODEL, SECOND_WINDOW, STEPS, THIRD_WINDOW, TREES

WINDOWS = [FIRST_WINDOW, SECOND_WINDOW, THIRD_WINDOW]
TOGETHER = Stage("training", (f"checkpoint_{STEPS}",), FIRST_WINDOW, THIRD_WINDOW)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


class Replaced:
    """In place of training: the pipeline's checkpoints come back, or the errors in `failing`."""

    def __init__(self, home):
        self.home = home
        self.asked: list[list[str]] = []
        self.failing: dict[str, Exception] = {}

    def __call__(self, task, windows):
        keys = [window.key for window in windows]
        self.asked.append(keys)
        folder = self.home.checkpoints / task.model
        return {key: self.failing.get(key) or load_checkpoint(folder / key) for key in keys}


@pytest.fixture
def trained(pipeline, monkeypatch):
    replaced = Replaced(pipeline.home)
    monkeypatch.setattr("attn_platform.training.train_windows", replaced)
    return replaced


def recorded(instance, asset: str) -> dict[str, dg.AssetMaterialization]:
    """The newest materialisation of each window."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return {record.partition_key: record.asset_materialization for record in reversed(records)}


def fingerprint_of(home, model: str, key: str) -> str:
    return load_checkpoint(home.checkpoints / model / key).manifest.fingerprint


def test_windows_of_a_run_are_trained_at_once_and_recorded_each_with_its_own_figures(pipeline, instance, trained):
    run_stage(build_defs(pipeline.home), instance, TOGETHER)
    assert trained.asked == [WINDOWS]
    found = recorded(instance, f"checkpoint_{STEPS}")
    assert list(found) == WINDOWS
    for key, materialization in found.items():
        manifest = load_checkpoint(pipeline.home.checkpoints / STEPS / key).manifest
        assert materialization.metadata["test"].value.startswith(key)
        assert materialization.metadata["data fingerprint"].value == manifest.data_fingerprint
        assert "best epoch" in materialization.metadata["seeds"].value


def test_a_window_that_fails_leaves_the_others(pipeline, instance, trained):
    trained.failing[SECOND_WINDOW] = TrainingError("the loss stopped being finite")
    with pytest.raises(
        TrainingError,
        match=rf"^1 of 3 windows could not be trained \({SECOND_WINDOW}: the loss stopped being finite\)$",
    ):
        run_stage(build_defs(pipeline.home), instance, TOGETHER)
    assert instance.get_runs()[0].is_failure
    found = recorded(instance, f"checkpoint_{STEPS}")
    assert set(found) == {FIRST_WINDOW, THIRD_WINDOW}
    assert instance.get_materialized_partitions(dg.AssetKey(f"checkpoint_{STEPS}")) == set(found)
    for key, materialization in found.items():
        assert materialization.metadata["test"].value.startswith(key)
        assert materialization.tags[DATA_VERSION_TAG] == fingerprint_of(pipeline.home, STEPS, key)
    del trained.failing[SECOND_WINDOW]
    run_stage(build_defs(pipeline.home), instance, Stage("again", TOGETHER.assets, SECOND_WINDOW, SECOND_WINDOW))
    assert instance.get_materialized_partitions(dg.AssetKey(f"checkpoint_{STEPS}")) == set(WINDOWS)
    again = recorded(instance, f"checkpoint_{STEPS}")[SECOND_WINDOW]
    assert again.tags[DATA_VERSION_TAG] == fingerprint_of(pipeline.home, STEPS, SECOND_WINDOW)


def test_one_window_fails_with_its_own_error(pipeline, instance, trained):
    trained.failing[FIRST_WINDOW] = MissingDataError("the lake has no sector_adjacency of 2020")
    stage = Stage("training", (f"checkpoint_{MODEL}",), FIRST_WINDOW, FIRST_WINDOW)
    with pytest.raises(MissingDataError, match=r"^the lake has no sector_adjacency of 2020$"):
        run_stage(build_defs(pipeline.home), instance, stage)
    assert not instance.get_materialized_partitions(dg.AssetKey(f"checkpoint_{MODEL}"))


def test_a_warm_start_says_where_it_started(pipeline, instance, trained):
    for key in WINDOWS[:2]:
        run_stage(build_defs(pipeline.home), instance, Stage("training", (f"checkpoint_{GRAPH}",), key, key))
    found = recorded(instance, f"checkpoint_{GRAPH}")
    assert found[FIRST_WINDOW].metadata["started from the weights of"].value == "none"
    assert found[SECOND_WINDOW].metadata["started from the weights of"].value == FIRST_WINDOW


def test_trees_speak_of_rounds(pipeline, instance, trained):
    run_stage(build_defs(pipeline.home), instance, Stage("trees", (f"checkpoint_{TREES}",), FIRST_WINDOW, FIRST_WINDOW))
    metadata = recorded(instance, f"checkpoint_{TREES}")[FIRST_WINDOW].metadata
    assert "best round" in metadata["seeds"].value
    assert "epoch" not in metadata["seeds"].value
    assert "data:image" in metadata["validation loss by round"].value
    assert metadata["device"].value == "cpu"


def test_forecasts_of_a_checkpoint_that_is_not_the_model_are_refused(pipeline, copy_of, instance, monkeypatch):
    """The code of a factor that it was trained on is another one now; the loop that trained it may be."""
    home = copy_of(pipeline.home, [f"prediction_{MODEL}"])
    stage = Stage("predictions", (f"prediction_{MODEL}",), "2020-12-29", "2020-12-30")
    before = home.lake.path(f"prediction_{MODEL}", "2020-12-29").read_bytes()

    def edited(module, old: str, new: str):
        text = inspect.getsource(module)
        assert old in text
        monkeypatch.setattr(module, "__loader__", SimpleNamespace(get_source=lambda _: text.replace(old, new, 1)))
        source_identity.cache_clear()

    try:
        edited(epochs, "def run_epochs(", "LIMIT = 1\n\n\ndef run_epochs(")
        edited(epochs, "while stacks and state", "while stacks and True and state")
        run_stage(build_defs(home), instance, stage)
        edited(reversal, "return _return_over(x, SESSIONS_A_WEEK)", "return -_return_over(x, SESSIONS_A_WEEK)")
        with pytest.raises(CheckpointError) as raised:
            run_stage(build_defs(home), instance, stage)
    finally:
        monkeypatch.undo()
        source_identity.cache_clear()
    assert str(raised.value) == (
        f"the checkpoint of {MODEL} for {FIRST_WINDOW} is not what is asked for now (then / now): "
        "factor ret_5d: its source changed; set these back, or train the window again"
    )
    assert home.lake.path(f"prediction_{MODEL}", "2020-12-29").read_bytes() == before


def test_code_of_training_marks_the_checkpoint_as_out_of_date(pipeline):
    """Its own network, labels, loss and loop; each model has a version of its own."""
    graph = build_defs(pipeline.home).resolve_asset_graph()
    versions = {name: graph.get(dg.AssetKey(f"checkpoint_{name}")).code_version for name in (MODEL, GRAPH, TREES)}
    assert len(set(versions.values())) == 3


def test_a_model_is_trained_on_its_own_panel_and_windows(pipeline):
    home = pipeline.home
    tasks = {name: model_training(home, home.study.model(name)) for name in (MODEL, TREES)}
    assert (tasks[MODEL].panel, tasks[TREES].panel) == ("factor_panel", f"factor_panel_{TREES}")
    assert tasks[TREES].features == ("bp_lf", "ret_5d", "std_1m")
    assert [(task.windows.train, task.windows.valid) for task in tasks.values()] == [(48, 16), (32, 16)]
    assert len({task.preprocessing_fingerprint for task in tasks.values()}) == 2
    manifest = load_checkpoint(home.checkpoints / TREES / SECOND_WINDOW).manifest
    assert manifest.window.train.first == home.calendar.shift(SECOND_WINDOW, -48).item()
    assert manifest.features == tasks[TREES].features
