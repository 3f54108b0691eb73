"""A stage in several processes: the same tables, runs of their own, mistakes as they were raised."""

import shutil

import dagster as dg
import pytest

from attn_platform.definitions import build_defs
from attn_platform.errors import MissingDataError, PlatformError
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import Stage, plan
from attn_platform.orchestration.processes import independent_parts, run_in_processes, usual_workers
from attn_platform.studies.pages import page_file
from attn_platform.studies.settings import Home
from attn_platform_tests.homes import ENSEMBLE, GRAPH, MODEL, STRATEGY, WEEKLY, CopyOf
from attn_platform_tests.pipelines import Pipeline, instance_of

PORTFOLIOS, REPORTS = "portfolios every 5 sessions", "evaluation, backtests and reports"
WEEK_ENDS = "portfolios every week"
TABLES_OF_STRATEGIES = ("portfolio_", "account_", "limits_", "backtest_")


def nothing() -> None:
    """A set-up that needs nothing."""


def defs_of_a_killed_process(home: Home) -> dg.Definitions:
    """Definitions whose only asset ends its process."""

    @dg.asset
    def first() -> None:
        import os

        os._exit(9)

    return dg.Definitions([first])


def defs_of_a_defect(home: Home) -> dg.Definitions:
    """Definitions whose only asset raises what cannot be sent to another process."""

    class UnsendableError(Exception):
        def __init__(self, number: int, text: str) -> None:
            super().__init__(text)

    @dg.asset
    def first() -> None:
        raise UnsendableError(7, "a defect of ours")

    return dg.Definitions([first])


def divisible_stages(home: Home) -> dict[str, Stage]:
    partitions = partitions_of(home)
    stages = plan(home, partitions, partitions.windows.get_partition_keys())
    return {stage.title: stage for stage in stages if stage.divisible}


def test_parts_that_read_of_each_other_stay_together() -> None:
    @dg.asset
    def raw() -> None: ...

    @dg.asset(deps=[raw])
    def left() -> None: ...

    @dg.asset(deps=[raw])
    def right() -> None: ...

    @dg.asset(deps=[right])
    def report_of_right() -> None: ...

    @dg.asset(deps=[report_of_right, "far"])
    def summary() -> None: ...

    @dg.asset
    def far() -> None: ...

    defs = dg.Definitions([raw, left, right, report_of_right, summary, far])
    stage = Stage("all", ("summary", "left", "report_of_right", "right", "far"), "2021-01-04", "2021-01-05")
    parts = independent_parts(defs, stage)
    assert [part.assets for part in parts] == [("summary", "report_of_right", "right", "far"), ("left",)]
    assert {(part.title, part.first, part.last) for part in parts} == {("all", "2021-01-04", "2021-01-05")}


def test_strategies_are_parts_of_the_pipeline(pipeline: Pipeline) -> None:
    stages = divisible_stages(pipeline.home)
    assert list(stages) == [PORTFOLIOS, WEEK_ENDS, REPORTS]
    portfolios = [part.assets for part in independent_parts(pipeline.defs, stages[PORTFOLIOS])]
    assert portfolios == [(f"portfolio_{STRATEGY}",), (f"portfolio_{ENSEMBLE}",)]
    parts = independent_parts(pipeline.defs, stages[REPORTS])
    assert sorted(asset for part in parts for asset in part.assets) == sorted(stages[REPORTS].assets)
    part_of = {asset: part.assets for part in parts for asset in part.assets}
    for strategy, forecaster in ((STRATEGY, MODEL), (ENSEMBLE, ENSEMBLE)):
        together = {f"evaluation_{forecaster}", f"backtest_{strategy}", f"report_{strategy}"}
        assert together <= set(part_of[f"report_{strategy}"])
    assert part_of[f"report_{STRATEGY}"] != part_of[f"report_{ENSEMBLE}"]
    assert f"evaluation_{GRAPH}" not in part_of[f"report_{STRATEGY}"]


def test_few_strategies_are_not_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [usual_workers(count) for count in (0, 1, 7, 8, 12, 30)] == [1, 1, 1, 2, 3, 4]


@pytest.mark.slow
def test_two_processes_make_what_one_does(pipeline: Pipeline, copy_of: CopyOf) -> None:
    own = [folder.name for folder in pipeline.home.lake.root.iterdir() if folder.name.startswith(TABLES_OF_STRATEGIES)]
    assert len(own) >= 2 * len(TABLES_OF_STRATEGIES)
    home = copy_of(pipeline.home, own)
    for table in own:
        shutil.rmtree(home.lake.root / table)
    stages = divisible_stages(home)
    with instance_of(home) as instance:
        for stage in stages.values():
            assert run_in_processes(build_defs, home, stage, workers=2, set_up=nothing) > 0
        runs = instance.get_runs()
        assert len(runs) == sum(len(independent_parts(pipeline.defs, stage)) for stage in stages.values())
        assert all(run.is_success for run in runs)
        for strategy in (STRATEGY, ENSEMBLE, WEEKLY):
            weeks = instance.get_materialized_partitions(dg.AssetKey(f"portfolio_{strategy}"))
            assert len(weeks) == len(pipeline.home.lake.sessions(f"portfolio_{strategy}"))
    for table in own:
        if table.endswith("_origins"):  # which tell files apart, by the time at which they were written
            continue
        assert home.lake.read(table).equals(pipeline.home.lake.read(table)), table
    for strategy in (STRATEGY, ENSEMBLE, WEEKLY):
        assert page_file(home, strategy).exists()


@pytest.mark.slow
def test_a_mistake_in_a_process_comes_out_as_it_was_raised(pipeline: Pipeline, copy_of: CopyOf) -> None:
    home = copy_of(pipeline.home, [f"prediction_{ENSEMBLE}", f"portfolio_{ENSEMBLE}"])
    shutil.rmtree(home.lake.root / f"prediction_{ENSEMBLE}")
    stage = divisible_stages(home)[PORTFOLIOS]
    with instance_of(home), pytest.raises(MissingDataError, match=f"prediction_{ENSEMBLE}"):
        run_in_processes(build_defs, home, stage, workers=2, set_up=nothing)


@pytest.mark.slow
def test_a_process_that_is_killed_and_a_defect_are_told(pipeline: Pipeline, copy_of: CopyOf) -> None:
    home = copy_of(pipeline.home)
    with instance_of(home):
        with pytest.raises(PlatformError, match=r"a process of first ended by itself.*fewer --workers"):
            run_in_processes(defs_of_a_killed_process, home, Stage("first", ("first",)), workers=2, set_up=nothing)
        with pytest.raises(RuntimeError, match="a defect of ours"):
            run_in_processes(defs_of_a_defect, home, Stage("first", ("first",)), workers=2, set_up=nothing)
