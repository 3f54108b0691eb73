"""What goes wrong on the pipeline stops it with one clear error, and leaves everything else as it was."""

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from dagster._core.errors import DagsterMaxRetriesExceededError

from attn_platform.cli import main
from attn_platform.definitions import build_defs
from attn_platform.errors import (
    CheckpointError,
    MissingDataError,
    PlatformError,
    PortfolioError,
    StaleDataError,
    TrainingError,
)
from attn_platform.factors import panel
from attn_platform.factors.panel import PANEL
from attn_platform.market.lake import Lake
from attn_platform.market.origins import origins_of, with_origins
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.assets import training as training_assets
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import Stage, plan, run_stage
from attn_platform.studies.pages import page_file
from attn_platform.studies.settings import Home
from attn_platform.training.checkpoints import load_checkpoint, weights_file
from attn_platform.workflows import factors as factor_workflows
from attn_platform_tests.homes import (
    FIRST_WINDOW,
    IMPORTED,
    MODEL,
    SECOND_WINDOW,
    STRATEGY,
    THIRD_WINDOW,
    linked,
    tiny_home,
)

PREDICTION, PORTFOLIO, ACCOUNT = f"prediction_{MODEL}", f"portfolio_{STRATEGY}", f"account_{STRATEGY}"
WEEKLY = (PORTFOLIO, ACCOUNT, f"limits_{STRATEGY}")
CHECKPOINT = f"checkpoint_{MODEL}"
FIRST, LAST = "2021-01-06", "2021-01-12"


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def files(lake: Lake, *tables: str) -> dict[str, bytes]:
    """Every file of some tables, as it is."""
    paths = [path for table in tables for path in sorted((lake.root / table).rglob("*")) if path.is_file()]
    return {str(path.relative_to(lake.root)): path.read_bytes() for path in paths}


@pytest.fixture
def spoiled_panel(monkeypatch):
    """From now on the panel of one session has missing values, as a fault in the pre-processing would leave them."""
    original = panel.write_panel

    def spoilt(lake, *arguments):
        coverage = original(lake, *arguments)
        held = lake.read(PANEL, LAST, LAST)
        values = held["ret_5d"].to_numpy(zero_copy_only=False).copy()
        values[3] = np.nan
        lake.write(PANEL, held.set_column(held.column_names.index("ret_5d"), "ret_5d", [values]), LAST)
        return coverage

    monkeypatch.setattr(factor_workflows, "write_panel", spoilt)


def test_a_corrupted_panel_stops_the_predictions_of_its_run(pipeline, copy_of, instance, spoiled_panel):
    home = copy_of(pipeline.home, [PANEL, PREDICTION])
    before = files(home.lake, PREDICTION)
    stage = Stage("panel and predictions", (PANEL, PREDICTION), FIRST, LAST)
    with pytest.raises(
        PlatformError, match=f"^check finite of factor_panel failed: {LAST}: ret_5d has missing values$"
    ):
        run_stage(build_defs(home), instance, stage)
    assert files(home.lake, PREDICTION) == before
    assert not instance.get_materialized_partitions(dg.AssetKey(PREDICTION))
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(dg.AssetKey(PANEL), name) for name in ("finite", "no_empty_session")]
    )
    statuses = {key.name: record.status.value for key, record in checks.items()}
    assert statuses == {"finite": "FAILED", "no_empty_session": "SUCCEEDED"}


def test_a_corrupted_panel_stops_the_job_that_forecasts(pipeline, copy_of, instance, spoiled_panel):
    """The same in production, where the daemon runs the job: no forecast is made of what cannot be trusted."""
    made = assets_made_at(pipeline.home)
    home = copy_of(pipeline.home, [*made[MadeAt.PANELS], PREDICTION])
    before = files(home.lake, PREDICTION)
    job = build_defs(home).resolve_job_def("cross_section")
    result = job.execute_in_process(instance=instance, partition_key=LAST, raise_on_error=False)
    assert not result.success
    assert files(home.lake, PREDICTION) == before
    assert {event.step_key for event in result.all_events if event.is_step_failure} == {PANEL}
    assert PREDICTION not in {event.step_key for event in result.all_events if event.is_step_start}


def test_the_command_line_says_it_in_one_line(pipeline, copy_of, spoiled_panel, monkeypatch, capsys):
    home = copy_of(pipeline.home, [PANEL])
    home.save()
    for name in ("ATTN_HOME", "DAGSTER_HOME", "ATTN_EVENT_LOG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit) as exit_:
        main(["materialize", PANEL, "--partitions", f"{FIRST}...{LAST}", "--home", str(home.root)])
    assert exit_.value.code == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("attn:")]
    assert said == [f"attn: check finite of factor_panel failed: {LAST}: ret_5d has missing values"]


def weights_of(home: Home, window: str) -> Path:
    folder = home.checkpoints / MODEL / window
    return weights_file(folder, load_checkpoint(folder).manifest)


def test_a_missing_checkpoint_is_named_before_anything_is_predicted(pipeline, copy_of, instance):
    home = copy_of(pipeline.home, [PREDICTION, MODEL])
    shutil.rmtree(home.checkpoints / MODEL / SECOND_WINDOW)
    before = files(home.lake, PREDICTION)
    stage = Stage("predictions", (PREDICTION,), "2020-12-30", LAST)
    with pytest.raises(CheckpointError, match=f"window {SECOND_WINDOW} has no checkpoint"):
        run_stage(build_defs(home), instance, stage)
    assert files(home.lake, PREDICTION) == before


def test_a_damaged_checkpoint_is_named(pipeline, copy_of, instance):
    home = copy_of(pipeline.home, [PREDICTION, MODEL])
    weights = weights_of(home, SECOND_WINDOW)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.unlink()
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights-\w+\.safetensors is damaged"):
        run_stage(build_defs(home), instance, Stage("predictions", (PREDICTION,), FIRST, LAST))


def of_another_factor(home: Home, table: str) -> None:
    """The table's last session, as it was before the source of ret_5d changed."""
    held = home.lake.read(table, LAST, LAST)
    origins = origins_of(home.lake, table, np.datetime64(LAST))
    assert origins is not None
    home.lake.write(table, with_origins(held, {**origins, "ret_5d": "another"}), LAST)


@pytest.mark.parametrize(
    ("table", "stage"),
    [
        ("factor_reversal", Stage("panel", (PANEL,), FIRST, LAST)),
        (PANEL, Stage("predictions", (PREDICTION,), FIRST, LAST)),
        (PANEL, Stage("training", (CHECKPOINT,), THIRD_WINDOW, THIRD_WINDOW)),
    ],
    ids=["panel", "predictions", "training"],
)
def test_rows_of_a_factor_that_has_changed_since_are_named(pipeline, copy_of, instance, monkeypatch, table, stage):
    home = copy_of(pipeline.home, ["factor_reversal", PANEL, PREDICTION, MODEL])
    monkeypatch.setattr(training_assets, "RETRIES", dg.RetryPolicy(max_retries=0))
    of_another_factor(home, table)
    before, weights = files(home.lake, PANEL, PREDICTION), weights_of(home, THIRD_WINDOW).read_bytes()
    with pytest.raises(StaleDataError, match=rf"^'{table}' of {LAST} \(1 of \d+ sessions\) .* change of ret_5d;"):
        run_stage(build_defs(home), instance, stage)
    assert files(home.lake, PANEL, PREDICTION) == before
    assert weights_of(home, THIRD_WINDOW).read_bytes() == weights


def test_a_gap_in_the_weeks_is_named(pipeline, copy_of, instance):
    home = copy_of(pipeline.home, WEEKLY)
    for table in WEEKLY:
        home.lake.path(table, "2021-01-08").unlink()
    before = files(home.lake, *WEEKLY)
    with pytest.raises(PortfolioError, match=f"{STRATEGY} has no portfolio of 2021-01-08"):
        run_stage(build_defs(home), instance, Stage("weeks", (PORTFOLIO,), "2021-01-15", "2021-01-22"))
    assert files(home.lake, *WEEKLY) == before


def test_raw_tables_that_were_never_imported_are_named(tmp_path, instance):
    home = tiny_home(tmp_path, IMPORTED)
    with pytest.raises(MissingDataError, match="security"):
        run_stage(build_defs(home), instance, Stage("static", ("security",)))
    with pytest.raises(MissingDataError, match="daily_bar"):
        run_stage(build_defs(home), instance, Stage("bars", ("daily_bar",), FIRST, LAST))


def test_a_failed_stage_leaves_other_partitions_and_runs_again(pipeline, copy_of, instance, monkeypatch):
    """The machine fails in the middle of a range: files and records of other sessions are as they were."""
    home = copy_of(pipeline.home, ["factor_reversal"])
    defs = build_defs(home)
    run_stage(defs, instance, Stage("before", ("factor_reversal",), "2021-01-04", "2021-01-05"))
    recorded = instance.get_materialized_partitions(dg.AssetKey("factor_reversal"))
    before = files(home.lake, "factor_reversal")
    stage = Stage("range", ("factor_reversal",), FIRST, LAST)

    original, written = Lake.write, []

    def fails_after_two(self, table, data, session=None):
        if table == "factor_reversal" and len(written) == 2:
            raise OSError("no space left on device")
        written.append(session)
        return original(self, table, data, session)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "write", fails_after_two)
        with pytest.raises(OSError, match="no space left"):
            run_stage(defs, instance, stage)
    assert instance.get_materialized_partitions(dg.AssetKey("factor_reversal")) == recorded
    assert files(home.lake, "factor_reversal") == before, "what was written is what had been there, and nothing is half"
    run_stage(defs, instance, stage)
    assert files(home.lake, "factor_reversal") == before


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (TrainingError("the loss of all seeds stopped being finite"), 1),
        (RuntimeError("CUDA error: device lost"), 3),
    ],
)
def test_only_failures_of_the_machine_are_tried_again(pipeline, instance, monkeypatch, error, attempts):
    """What is wrong with the data stays wrong; a lost card may come back."""
    tried = []

    def fails(*arguments):
        tried.append(arguments)
        raise error

    monkeypatch.setattr("attn_platform.training.train_windows", fails)
    monkeypatch.setattr(training_assets, "RETRIES", dg.RetryPolicy(max_retries=training_assets.RETRIES.max_retries))
    defs = build_defs(pipeline.home)
    with pytest.raises((TrainingError, DagsterMaxRetriesExceededError), match=str(error)):
        run_stage(defs, instance, Stage("training", (CHECKPOINT,), FIRST_WINDOW, FIRST_WINDOW))
    assert len(tried) == attempts


def test_a_failed_training_leaves_the_checkpoint_that_was_there(pipeline, copy_of, instance, monkeypatch):
    home = copy_of(pipeline.home, [MODEL])
    before = weights_of(home, FIRST_WINDOW).read_bytes()
    monkeypatch.setattr(training_assets, "RETRIES", dg.RetryPolicy(max_retries=0))
    monkeypatch.setattr("attn_platform.training.window_training.train_together", lambda *_: 1 / 0)
    with pytest.raises(DagsterMaxRetriesExceededError, match="ZeroDivisionError"):
        run_stage(build_defs(home), instance, Stage("training", (CHECKPOINT,), FIRST_WINDOW, FIRST_WINDOW))
    assert weights_of(home, FIRST_WINDOW).read_bytes() == before


@pytest.mark.slow
def test_the_pipeline_runs_without_an_absent_table_and_says_what_is_missing(raw_home, tmp_path, instance):
    """Imported data without analysts: the expectation family is off, its factors are 0, and the report tells."""
    reason = "the vendor has no analysts"
    source = {**IMPORTED, "absent_tables": {"consensus": reason}}
    raw = linked(tiny_home(raw_home.root, source), tmp_path / "home")
    (raw.lake.root / "consensus").unlink()
    home = tiny_home(raw.root, source)
    defs = build_defs(home)
    for stage in plan(home, partitions_of(home), [FIRST_WINDOW]):
        if stage.title != "raw tables":  # they are there
            run_stage(defs, instance, stage)
    assert not home.lake.has("factor_expectation")
    frame = home.lake.read(PANEL).to_pandas()
    assert (frame[["con_eps_g", "con_roe_g", "con_np_g"]] == 0).all(axis=None)
    assert (frame["ret_5d"] != 0).any()
    metadata = instance.get_latest_materialization_event(dg.AssetKey(PANEL)).asset_materialization.metadata
    assert {"con_eps_g", "con_roe_g", "con_np_g"} <= set(metadata["factors missing for everybody"].value.split(", "))
    assert reason in page_file(home, STRATEGY).read_text(encoding="utf-8")
