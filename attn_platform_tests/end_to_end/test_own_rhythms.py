"""Strategies that rebalance, and models that are trained anew, at other times than the study's: the whole way.

On the tiny home the trees are trained anew every 8 sessions, the networks every 16, as 63 and 126 would be on a study;
`WEEKLY` is part of the pipeline and of the point-in-time battery. A monthly strategy and an ensemble of members with
different windows are made here.
"""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import yaml

from attn_platform.backtest.store import backtest_table
from attn_platform.definitions import build_defs
from attn_platform.market.lake import days
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import Stage, plan, run_stage
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import prediction_table, report_asset
from attn_platform.studies.pages import page_file
from attn_platform.studies.settings import Home
from attn_platform.training import load_checkpoint
from attn_platform.workflows.forecasts import forecast
from attn_platform.workflows.training import checkpoint_folder, model_training
from attn_platform_tests.homes import FIRST_WINDOW, LAST_SESSION, MODEL, STRATEGY, STUDY, TREES, WEEKLY, CopyOf
from attn_platform_tests.pipelines import Pipeline
from attn_platform_tests.test_cli import Attn

MONTHLY, MIXED = "tiny_monthly", "tiny_mixed"
MONTH_ENDS = ["2020-12-31", "2021-01-29"]


@pytest.fixture
def home(pipeline: Pipeline, copy_of: CopyOf) -> Home:
    """The pipeline's home, whose study has a monthly strategy, too, on an ensemble of a network and the trees."""
    made = copy_of(pipeline.home)
    members = [{"model": MODEL, "horizon": "3d"}, {"model": TREES, "horizon": "3d"}]
    monthly = {"name": MONTHLY, "model": MIXED, "horizon": "ensemble", "rebalance_every": "month"}
    content = {
        **STUDY,
        "ensembles": [*STUDY["ensembles"], {"name": MIXED, "members": members}],
        "strategies": [*STUDY["strategies"], monthly],
    }
    Path(made.settings.study).write_text(yaml.safe_dump(content), encoding="utf-8")
    made = Home(made.root, made.settings)
    made.save()
    return made


def rebalanced(home: Home, strategy: str) -> list[str]:
    return home.lake.sessions(portfolio_table(strategy)).astype(str).tolist()


def title_of(home: Home, strategy: str) -> str:
    page = page_file(home, strategy).read_text(encoding="utf-8")
    return page.partition("<title>")[2].partition("</title>")[0]


def test_a_monthly_strategy_on_models_of_different_windows(home: Home, attn: Attn) -> None:
    defs, partitions = build_defs(home), partitions_of(home)
    stages = {stage.title: stage for stage in plan(home, partitions, partitions.windows.get_partition_keys())}
    assert stages["portfolios every month"] == Stage(
        "portfolios every month", (portfolio_table(MONTHLY),), *MONTH_ENDS, divisible=True
    )
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(defs, instance, Stage("forecasts", (prediction_table(MIXED),), FIRST_WINDOW, LAST_SESSION))
        run_stage(defs, instance, stages["portfolios every month"])
        pages = (f"evaluation_{MIXED}", backtest_table(MONTHLY), report_asset(MONTHLY))
        run_stage(defs, instance, Stage("pages", pages))
    means = home.lake.read(prediction_table(MIXED)).to_pandas().set_index(["date", "symbol"])["ensemble"]
    of_members = [
        home.lake.read(prediction_table(each)).to_pandas().set_index(["date", "symbol"])["3d"].astype(float)
        for each in (MODEL, TREES)
    ]
    assert means.groupby("date").size().gt(0).all()
    assert len(means.index.unique("date")) == len(home.calendar.between(FIRST_WINDOW, LAST_SESSION))
    expected = sum(member.reindex(means.index) for member in of_members) / 2
    np.testing.assert_allclose(means, expected, rtol=1e-6)
    assert rebalanced(home, MONTHLY) == MONTH_ENDS
    traded = home.lake.read(backtest_table(MONTHLY, "trades"))
    first_days = [home.calendar.shift(day, 1) for day in MONTH_ENDS]
    assert set(first_days) <= set(days(traded["date"])), "what is decided at a month's end is traded the session after"
    daily = home.lake.read(backtest_table(MONTHLY)).to_pandas()
    assert str(daily["date"].iloc[-1]) == LAST_SESSION
    assert "csi500 enhanced, every month" in title_of(home, MONTHLY)
    assert attn("portfolio", MONTHLY, "--date", MONTH_ENDS[1], "--home", home.root) == 0
    mistake = attn.mistake("portfolio", MONTHLY, "--date", "2021-01-15", "--home", home.root)
    assert f"2021-01-15 is no rebalance; the nearest: {' and '.join(MONTH_ENDS)}" in mistake


def test_the_pipeline_rebalanced_each_strategy_at_its_own_times(pipeline: Pipeline) -> None:
    home = pipeline.home
    tested = home.calendar.between(FIRST_WINDOW, LAST_SESSION)
    weeks = pd.Series(pd.DatetimeIndex(tested))
    ends = weeks.groupby(weeks.dt.to_period("W-SUN")).max()
    assert rebalanced(home, WEEKLY) == [str(day.date()) for day in ends]
    assert rebalanced(home, STRATEGY) == tested[::5].astype(str).tolist()
    assert "csi500 enhanced, every week" in title_of(home, WEEKLY)
    assert "csi500 enhanced, every 5 sessions" in title_of(home, STRATEGY)


@pytest.mark.parametrize(("model", "length"), [(MODEL, 16), (TREES, 8)])
def test_each_model_forecasts_by_the_window_that_tests_the_session(
    pipeline: Pipeline, copy_of: CopyOf, model: str, length: int
) -> None:
    """Trained anew after so many sessions, each time on as many sessions before."""
    table = prediction_table(model)
    home = copy_of(pipeline.home, [table])
    tested = home.calendar.between(FIRST_WINDOW, LAST_SESSION)
    task = model_training(home, home.study.model(model))
    keys = sorted(path.name for path in checkpoint_folder(home, model).iterdir())
    assert keys == tested[::length].astype(str).tolist()
    for key in keys:
        window = load_checkpoint(checkpoint_folder(home, model) / key).manifest.window
        at = home.calendar.position(key)
        lengths = task.windows
        sets = [window.train.first, window.train.last, window.valid.first, window.valid.last]
        places = [at - lengths.train - lengths.valid, at - lengths.valid - 1, at - lengths.valid, at - 1]
        assert [str(day) for day in sets] == home.calendar.sessions[places].astype(str).tolist()
    before = home.lake.read(table)
    made_by = forecast(home, home.study.model(model), tested)
    assert made_by == {str(day): str(tested[at // length * length]) for at, day in enumerate(tested)}
    assert home.lake.read(table).equals(before)
