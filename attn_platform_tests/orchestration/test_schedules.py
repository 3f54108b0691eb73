"""Ticks of the schedules: what they ask for on which morning, and what they say when they wait."""

import shutil
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._utils.schedules import cron_string_iterator

from attn_platform.definitions import build_defs, partitions_of
from attn_platform.orchestration import jobs
from attn_platform.orchestration.partitions import TIMEZONE
from attn_platform_tests.homes import (
    ENSEMBLE,
    FAMILIES,
    FIRST_WINDOW,
    GRAPH,
    MODEL,
    SECOND_WINDOW,
    STEPS,
    STRATEGY,
    TREES,
    WEEKLY,
    tiny_home,
)

UNIVERSES = ("universe", f"universe_{TREES}")
CHECKPOINTS = tuple(f"checkpoint_{model}" for model in (MODEL, GRAPH, STEPS, TREES))
PREDICTIONS = tuple(f"prediction_{forecaster}" for forecaster in (MODEL, GRAPH, STEPS, TREES, ENSEMBLE))
PORTFOLIOS = tuple(f"portfolio_{strategy}" for strategy in (STRATEGY, ENSEMBLE))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tiny_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def defs(home):
    return build_defs(home)


@pytest.fixture(scope="module")
def new_instance(tmp_path_factory):
    """The folder of an instance that has recorded nothing: making its databases takes longer than most tests."""
    folder = tmp_path_factory.mktemp("instance")
    with dg.DagsterInstance.local_temp(str(folder)):
        return folder


@pytest.fixture
def instance(new_instance, tmp_path):
    folder = shutil.copytree(new_instance, tmp_path / "instance")
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def repository(defs):
    return defs.get_repository_def()


@pytest.fixture
def tick(defs, repository, instance):
    """Evaluates a schedule at a local time of the exchange."""

    def evaluate(name: str, moment: str, zone: str = TIMEZONE):
        at = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(TIMEZONE)).astimezone(ZoneInfo(zone))
        context = dg.build_schedule_context(instance, scheduled_execution_time=at, repository_def=repository)
        return defs.resolve_schedule_def(name).evaluate_tick(context)

    return evaluate


def materialise(instance: dg.DagsterInstance, *partitions: tuple[str | tuple[str, ...], str]) -> None:
    for assets, key in partitions:
        for asset in (assets,) if isinstance(assets, str) else assets:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key))


def requested(data) -> list[tuple[str, str | None]]:
    """Run key and partition of what a tick asks for."""
    return [(request.run_key, request.partition_key) for request in data.run_requests]


def waits(data) -> str:
    assert not data.run_requests
    return data.skip_message


def test_schedules_belong_to_their_jobs(defs):
    schedules = {schedule.name: schedule for schedule in defs.schedules}
    assert {name: schedule.job_name for name, schedule in schedules.items()} == {
        "every_quarter": jobs.QUARTER_JOB,
        "every_year": jobs.YEAR_JOB,
        "every_window": jobs.WINDOW_JOB,
        "every_window_8": "window_8",
        "every_session": jobs.SESSION_JOB,
        "every_cross_section": jobs.CROSS_SECTION_JOB,
        "every_rebalance": jobs.WEEK_JOB,
        "every_rebalance_week": "portfolio_every_week",
        "every_report": jobs.REPORT_JOB,
    }
    for schedule in schedules.values():
        assert schedule.execution_timezone == TIMEZONE
        assert schedule.description
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_portfolios_are_ready_before_the_call_auction(defs):
    """The exchange's call auction begins at 9:15; a page may be made while it trades."""
    midnight = datetime(2021, 1, 4, tzinfo=ZoneInfo(TIMEZONE)).timestamp()
    for schedule in defs.schedules:
        ticks = cron_string_iterator(midnight, schedule.cron_schedule, schedule.execution_timezone)
        times = [next(ticks).astimezone(ZoneInfo(TIMEZONE)).time() for _ in range(40)]
        assert min(times) >= time(5, 30)
        assert max(times) < (time(10, 0) if schedule.name == "every_report" else time(9, 0))


def test_a_session_runs_on_the_morning_after_it(tick, instance):
    materialise(instance, (UNIVERSES, "2020-10-01"), ("sector_adjacency", "2020-01-01"), (CHECKPOINTS, FIRST_WINDOW))
    materialise(instance, (FAMILIES, "2020-12-15"))
    for zone in (TIMEZONE, "UTC", "America/New_York"):
        for schedule in ("every_session", "every_cross_section"):
            data = tick(schedule, "2020-12-16T06:00:00", zone)
            assert requested(data) == [("2020-12-15", "2020-12-15")]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2020-12-13T06:00:00", "2020-12-12"),  # a Saturday
        ("2021-01-02T06:00:00", "2021-01-01"),  # a holiday
        ("2020-12-14T06:15:00", "2020-12-13"),  # Monday morning: Friday's run was on Saturday
    ],
)
def test_no_session_no_run(tick, moment, day):
    assert waits(tick("every_session", moment)) == f"{day} was no session"


def test_a_cross_section_waits_for_lists_factors_and_its_checkpoint(tick, instance):
    moment = "2021-01-06T06:00:00"
    assert waits(tick("every_cross_section", moment)) == "waiting for universe of 2021-01-01"
    for table, following in zip(
        UNIVERSES, (f"{UNIVERSES[1]} of 2021-01-01", f"{FAMILIES[0]} of 2021-01-05"), strict=True
    ):
        materialise(instance, (table, "2021-01-01"))
        assert waits(tick("every_cross_section", moment)) == f"waiting for {following}"
    materialise(instance, (FAMILIES, "2021-01-05"))
    assert waits(tick("every_cross_section", moment)) == "waiting for sector_adjacency of 2021-01-01"
    materialise(instance, ("sector_adjacency", "2021-01-01"), (CHECKPOINTS, FIRST_WINDOW))
    for checkpoint in CHECKPOINTS:
        assert waits(tick("every_cross_section", moment)) == f"waiting for {checkpoint} of {SECOND_WINDOW}"
        materialise(instance, (checkpoint, SECOND_WINDOW))
    assert requested(tick("every_cross_section", moment)) == [("2021-01-05", "2021-01-05")]


def test_a_session_before_the_first_test_range_needs_no_checkpoint(tick, instance):
    materialise(instance, (UNIVERSES, "2020-10-01"), ("sector_adjacency", "2020-01-01"), (FAMILIES, "2020-11-17"))
    assert requested(tick("every_cross_section", "2020-11-18T06:00:00")) == [("2020-11-17", "2020-11-17")]


def test_there_is_no_panel_before_the_first_universe(home, tick):
    partitions = partitions_of(home)
    first = partitions.quarters.get_partition_keys()[0]
    assert partitions.cross_sections.get_partition_keys()[0] >= first
    before = [key for key in partitions.sessions.get_partition_keys() if key < first]
    assert before
    assert not partitions.cross_sections.has_partition_key(before[-1])
    graph = build_defs(home).resolve_asset_graph()
    for asset in ("factor_panel", *PREDICTIONS):
        keys = graph.get(dg.AssetKey(asset)).partitions_def.get_partition_keys()
        assert keys == partitions.cross_sections.get_partition_keys()
    for key in (keys[0], keys[-1]):
        lists = graph.get_parent_partition_keys_for_child(key, dg.AssetKey("universe"), dg.AssetKey("factor_panel"))
        assert not lists.required_but_nonexistent_subset.get_partition_keys(), "it can be launched"


def test_portfolios_follow_a_rebalance_with_predictions_and_the_week_before(home, tick, instance):
    first, second = partitions_of(home).rebalances.get_partition_keys()[:2]
    assert (first, second) == ("2020-12-10", "2020-12-17")
    assert waits(tick("every_rebalance", "2020-12-12T06:00:00")) == "2020-12-11 was no rebalance"
    for prediction in PREDICTIONS:
        assert waits(tick("every_rebalance", "2020-12-11T06:00:00")) == f"waiting for {prediction} of {first}"
        materialise(instance, (prediction, first), (prediction, second))
    assert requested(tick("every_rebalance", "2020-12-11T06:15:00")) == [(first, first)]
    for portfolio in PORTFOLIOS:
        assert waits(tick("every_rebalance", "2020-12-18T06:00:00")) == f"waiting for {portfolio} of {first}"
        materialise(instance, (portfolio, first))
    assert requested(tick("every_rebalance", "2020-12-18T06:15:00")) == [(second, second)]


def test_a_strategy_with_a_frequency_of_its_own_has_its_own_ticks(tick, instance):
    """The last session of the week: 2020-12-31 is a Thursday before a holiday, 2021-01-08 a Friday."""
    materialise(instance, *((prediction, day) for prediction in PREDICTIONS for day in ("2020-12-31", "2021-01-08")))
    last, before = "2021-01-09T06:00:00", "2020-12-31"
    assert waits(tick("every_rebalance_week", "2021-01-08T06:00:00")) == "2021-01-07 was no rebalance"
    assert waits(tick("every_rebalance_week", last)) == f"waiting for portfolio_{WEEKLY} of {before}"
    materialise(instance, (f"portfolio_{WEEKLY}", before))
    assert requested(tick("every_rebalance_week", last)) == [("2021-01-08", "2021-01-08")]


def test_a_report_waits_for_the_strategies_of_the_day_alone(tick, instance):
    """2020-12-18 ends a week and is no rebalance of the study; 2020-12-31 is one, and ends a week, too."""
    assert waits(tick("every_report", "2020-12-19T07:00:00")) == f"waiting for portfolio_{WEEKLY} of 2020-12-18"
    materialise(instance, (f"portfolio_{WEEKLY}", "2020-12-18"), (PORTFOLIOS, "2020-12-31"))
    assert requested(tick("every_report", "2020-12-19T07:15:00")) == [("2020-12-18", None)]
    assert waits(tick("every_report", "2021-01-01T07:00:00")) == f"waiting for portfolio_{WEEKLY} of 2020-12-31"


def test_a_model_trained_more_often_has_its_own_ticks(tick, instance):
    assert waits(tick("every_window", "2020-12-23T05:30:00")) == "2020-12-22 is no partition of job window"
    assert requested(tick("every_window_8", "2020-12-23T05:30:00")) == [("2020-12-22", "2020-12-22")]
    materialise(instance, (UNIVERSES, "2020-10-01"), ("sector_adjacency", "2020-01-01"), (FAMILIES, "2020-12-23"))
    materialise(instance, (CHECKPOINTS, FIRST_WINDOW))
    moment = "2020-12-24T06:00:00"
    assert waits(tick("every_cross_section", moment)) == f"waiting for checkpoint_{TREES} of 2020-12-22"
    materialise(instance, (f"checkpoint_{TREES}", "2020-12-22"))
    assert requested(tick("every_cross_section", moment)) == [("2020-12-23", "2020-12-23")]


def test_reports_follow_the_portfolios(tick, instance):
    assert waits(tick("every_report", "2020-12-15T07:00:00")) == "2020-12-14 was no rebalance"
    for portfolio in PORTFOLIOS:
        assert waits(tick("every_report", "2020-12-11T07:00:00")) == f"waiting for {portfolio} of {FIRST_WINDOW}"
        materialise(instance, (portfolio, FIRST_WINDOW))
    assert requested(tick("every_report", "2020-12-11T07:15:00")) == [(FIRST_WINDOW, None)]


@pytest.mark.parametrize(
    ("schedule", "new_key", "first_day", "former_key"),
    [
        ("every_quarter", "2021-01-01", "2021-01-01", "2020-10-01"),
        ("every_year", "2021-01-01", "2021-01-01", "2020-01-01"),
        ("every_window", SECOND_WINDOW, "2021-01-05", None),
    ],
)
def test_a_new_period_runs_under_one_run_key(defs, tick, schedule, new_key, first_day, former_key):
    """Dagster launches a run key once, so every tick of a period must ask for the same one, and no other period for it.

    A window is asked for on the morning after its first session only; the others on every morning, lest one be missed.
    """
    definition = defs.resolve_schedule_def(schedule)
    start = datetime(2020, 12, 28, tzinfo=ZoneInfo(TIMEZONE)).timestamp()
    times = cron_string_iterator(start, definition.cron_schedule, definition.execution_timezone)
    moments = [next(times).astimezone(ZoneInfo(TIMEZONE)).replace(tzinfo=None) for _ in range(14)]
    asked = {str(moment.date()): requested(tick(schedule, moment.isoformat())) for moment in moments}
    assert list(asked) == [f"2020-12-{day}" for day in range(28, 32)] + [f"2021-01-{day:02}" for day in range(1, 11)]
    for day, requests in asked.items():
        if former_key is None:
            assert requests == ([(new_key, new_key)] if day == first_day else []), day
        else:
            key = new_key if day >= first_day else former_key
            assert requests == [(key, key)], day


@pytest.mark.parametrize(
    ("schedule", "moment", "key"),
    [("every_quarter", "2021-02-03T05:30:00", "2021-01-01"), ("every_year", "2020-07-01T05:30:00", "2020-01-01")],
)
def test_a_period_can_be_asked_for_until_it_ends(tick, schedule, moment, key):
    assert requested(tick(schedule, moment)) == [(key, key)]


@pytest.mark.parametrize(
    ("schedule", "moment", "text"),
    [
        ("every_window", "2021-01-06T05:30:00", "2021-01-05 is no partition of job window"),
        ("every_quarter", "2020-05-04T05:30:00", "2020-04-01 is no partition of job quarter"),
        ("every_year", "2019-12-31T05:30:00", "2019-01-01 is no partition of job year"),
    ],
)
def test_no_new_period_no_run(tick, schedule, moment, text):
    assert waits(tick(schedule, moment)) == text


def test_requested_partitions_exist_when_they_are_asked_for(home, tick, instance):
    """A run is launched at the moment of its tick: its key must be a key then, not only later."""
    partitions = partitions_of(home)
    for definition, key, moment in (
        (partitions.quarters, "2021-01-01", datetime(2020, 12, 31, 21, 30, tzinfo=UTC)),
        (partitions.years, "2021-01-01", datetime(2020, 12, 31, 21, 30, tzinfo=UTC)),
        (partitions.sessions, "2021-01-05", datetime(2021, 1, 5, 22, 0, tzinfo=UTC)),
        (partitions.windows, SECOND_WINDOW, datetime(2021, 1, 4, 21, 30, tzinfo=UTC)),
        (partitions.rebalances, "2020-12-17", datetime(2020, 12, 17, 22, 0, tzinfo=UTC)),
    ):
        with partition_loading_context(effective_dt=moment):
            assert definition.has_partition_key(key)
