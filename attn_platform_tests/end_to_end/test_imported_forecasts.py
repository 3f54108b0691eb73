"""A study without models: its forecasts are imported, and go the pipeline from there on."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import yaml

from attn_platform.backtest.store import backtest_table
from attn_platform.definitions import build_defs
from attn_platform.errors import MissingDataError
from attn_platform.evaluation.store import figures_table
from attn_platform.orchestration import jobs
from attn_platform.orchestration.owed import owed
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import Stage, plan, run_stage
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import OVERVIEW
from attn_platform.studies.pages import page_file
from attn_platform.studies.settings import Home
from attn_platform_tests.homes import (
    FIRST_SESSION,
    FIRST_WINDOW,
    IMPORTED,
    LAST_SESSION,
    MODEL,
    STRATEGY,
    STUDY,
    CopyOf,
)
from attn_platform_tests.pipelines import Pipeline, instance_of
from attn_platform_tests.test_cli import EXIT_BAD_INPUT, Attn

FORECASTS, WEEKLY = "theirs", "on_theirs"
PARTS: dict[str, Any] = {
    "models": [],
    "ensembles": [],
    "forecasts": [{"name": FORECASTS, "horizons": ["10d"]}],
    "strategies": [{"name": WEEKLY, "model": FORECASTS, "horizon": "10d", "styles": ["log_float_mv", "bp_lf"]}],
}


@pytest.fixture
def attn(capsys: pytest.CaptureFixture[str]) -> Attn:
    return Attn(capsys)


@pytest.fixture
def home(raw_home: Home, copy_of: CopyOf) -> Home:
    """An imported market, and a study of nothing but imported forecasts."""
    made = copy_of(raw_home)
    Path(made.settings.study).write_text(yaml.safe_dump({**STUDY, **PARTS}), encoding="utf-8")
    settings = made.settings.model_copy(update={"source": made.settings.source.model_validate(IMPORTED)})
    made = Home(made.root, settings)
    made.save()
    return made


@pytest.fixture
def file(pipeline: Pipeline, tmp_path: Path) -> Path:
    """A model's forecasts, of rebalances alone."""
    sessions = pipeline.home.lake.sessions(portfolio_table(STRATEGY))
    data = pipeline.home.lake.read_sessions(f"prediction_{MODEL}", sessions, ["date", "symbol", "3d+5d"])
    assert data is not None
    path = tmp_path / "forecasts.parquet"
    data.rename_columns(["date", "symbol", "prediction"]).to_pandas().to_parquet(path)
    return path


@pytest.mark.slow
def test_forecasts_of_rebalances_go_the_whole_pipeline(attn: Attn, home: Home, pipeline: Pipeline, file: Path) -> None:
    assert attn("import", "predictions", file, "--name", FORECASTS, "--home", home.root) == 0
    assert f"9 sessions, {FIRST_WINDOW} to " in attn.out
    assert attn("run", "--home", home.root) == 0
    assert str(page_file(home, OVERVIEW)) in attn.out
    expected = pipeline.home.lake.read(portfolio_table(STRATEGY))
    assert home.lake.read(portfolio_table(WEEKLY)) == expected, "the portfolios of the model whose forecasts they are"
    # Without forecasts between the rebalances the backtest ends with the last of them.
    last = home.lake.sessions(f"prediction_{FORECASTS}")[-1]
    daily, whole = (
        each.lake.read(backtest_table(name)).to_pandas() for each, name in ((home, WEEKLY), (pipeline.home, STRATEGY))
    )
    pd.testing.assert_frame_equal(daily, whole[whole["date"] <= last.item()])
    figures = home.lake.read(figures_table(FORECASTS)).to_pandas()
    assert figures["horizon"].tolist() == ["10d"]
    assert np.isfinite(figures["rank_ic_mean"]).all()
    page = page_file(home, WEEKLY).read_text(encoding="utf-8")
    assert "A shares that the forecasts name" in page
    assert not home.checkpoints.exists() or not list(home.checkpoints.iterdir())
    assert not home.lake.has("factor_panel")


def test_the_graph_has_nothing_that_trains(home: Home) -> None:
    defs = build_defs(home)
    dg.Definitions.validate_loadable(defs)
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert not [name for name in keys if name.startswith(("checkpoint_", "factor_panel", "explanation_"))]
    assert {f"prediction_{FORECASTS}", portfolio_table(WEEKLY), figures_table(FORECASTS)} <= keys
    assert jobs.WINDOW_JOB not in {job.name for job in defs.jobs or ()}


def test_a_session_waits_for_the_forecasts_of_its_rebalance(home: Home) -> None:
    now = pd.Timestamp(FIRST_WINDOW, tz="Asia/Shanghai") + pd.Timedelta(days=1, hours=7)
    duties = owed(home, partitions_of(home), lambda asset: {FIRST_SESSION}, now.to_pydatetime(), catch_up=1)
    (duty,) = [duty for duty in duties if duty.job == jobs.CROSS_SECTION_JOB]
    assert duty.key == FIRST_WINDOW
    assert duty.waits_for() == f"waiting for forecasts {FORECASTS} of {FIRST_WINDOW}: attn import predictions"


def test_a_rebalance_without_forecasts_is_named(home: Home, attn: Attn, file: Path) -> None:
    frame = pd.read_parquet(file)
    dates = frame["date"].astype(str)
    frame[dates != sorted(set(dates))[3]].to_parquet(file)
    assert attn("import", "predictions", file, "--name", FORECASTS, "--home", home.root) == 0
    text = f"the lake has no forecasts '{FORECASTS}' of {sorted(set(dates))[3]}, one of 1 rebalances without; import"
    assert attn.mistake("run", "--home", home.root, code=1).startswith(text)
    assert attn.err.endswith("(windows.first_test)\n")
    stage = Stage("predictions", (f"prediction_{FORECASTS}",), FIRST_WINDOW, LAST_SESSION)
    with instance_of(home) as instance, pytest.raises(MissingDataError) as raised:
        run_stage(build_defs(home), instance, stage)
    assert str(raised.value).startswith(text)


def test_imports_that_do_not_fit_are_one_line(attn: Attn, home: Home, file: Path, tmp_path: Path) -> None:
    place = ("--home", home.root)
    assert f"--name says which forecasts these are; study tiny has: {FORECASTS}; to try" in attn.mistake(
        "import", "predictions", file, *place
    )
    assert f"there are no forecasts 'others'; study tiny has: {FORECASTS}" in attn.mistake(
        "import", "predictions", file, "--name", "others", *place
    )
    assert "is a home of study" in attn.mistake(
        "import", "predictions", file, "--name", FORECASTS, "--study", "ai69", *place
    )
    pd.read_parquet(file).rename(columns={"prediction": "20d"}).to_csv(tmp_path / "p.csv", index=False)
    assert "p.csv: column '10d' of table predictions is missing" in attn.mistake(
        "import", "predictions", tmp_path / "p.csv", "--name", FORECASTS, *place
    )
    assert "--name goes with attn import predictions" in attn.mistake(
        "import", "ashare", tmp_path, "--name", "x", *place
    )
    unknown = attn.mistake("import", "wind", tmp_path, *place)
    assert "there is no vendor 'wind'; there are: ashare, contract, exchange_ticks, minute15, predictions" in unknown
    assert not home.lake.has(f"prediction_{FORECASTS}")


def test_without_any_forecasts_the_rest_is_run(attn: Attn, home: Home) -> None:
    """A first run of the study finds nothing to trade on, and says what to bring."""
    assert attn("run", "--plan", "--home", home.root) == 0
    assert f"no forecasts {FORECASTS}: their strategies are left out; bring them with attn import" in attn.out
    assert "factors" in attn.out
    assert "portfolios" not in attn.out
    made = {asset for stage in plan(home, partitions_of(home), [FIRST_WINDOW]) for asset in stage.assets}
    left_out = {f"prediction_{FORECASTS}", portfolio_table(WEEKLY), figures_table(FORECASTS), f"report_{WEEKLY}"}
    assert not made & left_out
    assert {"universe", "factor_reversal", "evaluation_factor_reversal"} <= made


def test_a_part_of_the_file_is_imported(attn: Attn, home: Home, file: Path) -> None:
    last = pd.Timestamp(LAST_SESSION)
    end = str((last - pd.Timedelta(days=30)).date())
    assert attn("import", "predictions", file, "--name", FORECASTS, "--end", end, "--home", home.root) == 0
    held = home.lake.sessions(f"prediction_{FORECASTS}")
    assert str(held[0]) == FIRST_WINDOW
    assert str(held[-1]) <= end
    assert attn("import", "predictions", file, "--name", FORECASTS, "--end", "2019-07-02", "--home", home.root) == (
        EXIT_BAD_INPUT
    )
