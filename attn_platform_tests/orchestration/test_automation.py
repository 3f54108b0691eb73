"""Looks of the sensor: what is launched on which morning, what it says while it waits, and that nothing runs twice."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.automation import AutomationConfig, Decision, DeliveryConfig
from attn_platform.definitions import build_defs
from attn_platform.orchestration import automation, corrected
from attn_platform.orchestration.alerting import wrong_now
from attn_platform.orchestration.automation import DUTY, SENSOR, decision_now, summary
from attn_platform.orchestration.freshness import FOLDER, Lineage
from attn_platform.orchestration.owed import BEGIN
from attn_platform.orchestration.partitions import TIMEZONE, partitions_of
from attn_platform.portfolio.trading.blotter import Approval, Blotter
from attn_platform.studies.settings import Home
from attn_platform_tests.homes import (
    ENSEMBLE,
    FAMILIES,
    FIRST_WINDOW,
    GRAPH,
    IMPORTED,
    MODEL,
    SECOND_WINDOW,
    SESSION_TABLES,
    STEPS,
    STRATEGY,
    TREES,
    WEEKLY,
    tiny_home,
)
from attn_platform_tests.market.vendor_files import SESSIONS, contract_tables, with_cell, write_files

UNIVERSES = ("universe", f"universe_{TREES}")
PANELS = ("factor_panel", f"factor_panel_{TREES}")
CHECKPOINTS = tuple(f"checkpoint_{model}" for model in (MODEL, GRAPH, STEPS))
PREDICTIONS = tuple(f"prediction_{forecaster}" for forecaster in (MODEL, GRAPH, STEPS, TREES, ENSEMBLE))
PORTFOLIOS = tuple(f"portfolio_{strategy}" for strategy in (STRATEGY, ENSEMBLE))
RAW = (*SESSION_TABLES, *FAMILIES)
BEFORE = "2020-12-10"  # the first rebalance and the first session that is tested


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return tiny_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def new_instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance that has recorded nothing: making its databases takes longer than most tests."""
    folder = tmp_path_factory.mktemp("instance")
    with dg.DagsterInstance.local_temp(str(folder)):
        return folder


@pytest.fixture(scope="module")
def begun_instance(new_instance: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of one with what `attn run` has left on the evening of 2020-12-10, a Thursday and a rebalance."""
    folder = shutil.copytree(new_instance, tmp_path_factory.mktemp("begun") / "instance")
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        materialise(made, RAW, "2020-12-09", BEFORE)
        materialise(made, UNIVERSES, "2020-10-01")
        materialise(made, "sector_adjacency", "2020-01-01")
        materialise(made, (*CHECKPOINTS, f"checkpoint_{TREES}"), FIRST_WINDOW)
        materialise(made, (*PANELS, *PREDICTIONS), "2020-12-09", BEFORE)
        materialise(made, PORTFOLIOS, BEFORE)
        materialise(made, f"portfolio_{WEEKLY}", "2020-12-04")
    return folder


@pytest.fixture
def empty(new_instance: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(shutil.copytree(new_instance, tmp_path / "instance"))) as made:
        yield made


@pytest.fixture
def instance(begun_instance: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(shutil.copytree(begun_instance, tmp_path / "instance"))) as made:
        yield made


def materialise(instance: dg.DagsterInstance, assets: tuple[str, ...] | str, *keys: str) -> None:
    for asset in (assets,) if isinstance(assets, str) else assets:
        for key in keys:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key))


@pytest.fixture
def look(home: Home, instance: dg.DagsterInstance) -> Callable[..., Decision]:
    partitions = partitions_of(home)

    def decide(moment: str, of: Home = home) -> Decision:
        return decision_now(of, partitions, instance, at(moment), no_graph)

    return decide


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(TIMEZONE))


def no_graph() -> Any:
    """Asked for where rows were corrected only: building it takes seconds."""
    raise AssertionError("no rows were corrected")


def launched(decision: Decision) -> list[str]:
    return [duty.name for duty, _ in decision.launched]


def waiting(decision: Decision) -> dict[str, str]:
    return {duty.name: reason for duty, reason in decision.waiting}


def run_of(instance: dg.DagsterInstance, duty: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """A run that the sensor launched, in a state."""
    job, key = duty.split(":")
    return instance.create_run_for_job(
        dg.job(name=job)(lambda: None), tags={DUTY: duty, "dagster/partition": key}, status=status
    )


def test_nothing_is_owed_before_a_history_was_begun(home: Home, empty: dg.DagsterInstance) -> None:
    decision = decision_now(home, partitions_of(home), empty, at("2020-12-16T06:00:00"), no_graph)
    assert (decision.launched, waiting(decision)) == ((), {"session:2020-12-15": BEGIN})
    defs = build_defs(home)
    sensor = defs.resolve_sensor_def(SENSOR)
    context = dg.build_sensor_context(empty, definitions=defs)
    assert sensor.evaluate_tick(context).skip_message == BEGIN


def test_a_session_runs_from_the_midnight_after_it(look, instance) -> None:
    report = f"weekly_report:{BEFORE}"
    assert launched(look("2020-12-11T23:59:00")) == [report]
    assert launched(look("2020-12-12T00:01:00")) == [report, "session:2020-12-11"]


def test_weekends_and_holidays_owe_nothing(look, instance) -> None:
    materialise(instance, RAW, "2020-12-11")
    on_sunday = look("2020-12-13T06:00:00")
    assert not [name for name in (*launched(on_sunday), *waiting(on_sunday)) if name.startswith("session")]


def test_a_day_goes_through_in_order(look, instance) -> None:
    """2020-12-11 ends a week: the strategy that trades weekly rebalances, the others do not."""
    run_of(instance, f"weekly_report:{BEFORE}", dg.DagsterRunStatus.SUCCESS)
    morning = "2020-12-12T06:00:00"
    materialise(instance, RAW, "2020-12-11")
    assert launched(look(morning)) == ["cross_section:2020-12-11"]
    materialise(instance, (*PANELS, *PREDICTIONS), "2020-12-11")
    assert launched(look(morning)) == ["portfolio_every_week:2020-12-11"]
    assert waiting(look(morning))["weekly_report:2020-12-11"] == f"waiting for portfolio_{WEEKLY} of 2020-12-11"
    materialise(instance, f"portfolio_{WEEKLY}", "2020-12-11")
    assert launched(look(morning)) == ["weekly_report:2020-12-11"]
    run_of(instance, "weekly_report:2020-12-11", dg.DagsterRunStatus.SUCCESS)
    rest = look(morning)
    assert launched(rest) == []
    assert all(name.startswith("window") for name in waiting(rest)), "the next windows, trained ahead"


def test_a_week_that_was_sent_is_not_made_again(look, instance, home: Home) -> None:
    """The sensor waits where a week whose orders were sent would have to be made (again), until somebody consents."""
    materialise(instance, RAW, "2020-12-11")
    materialise(instance, (*PANELS, *PREDICTIONS), "2020-12-11")
    week = "portfolio_every_week:2020-12-11"
    assert week in launched(look("2020-12-12T06:00:00"))
    blotter = Blotter(home.root, WEEKLY)
    entry = Approval(at=at("2020-12-11T20:00:00"), by="Li Lei", look=1, changes=())
    blotter.record(np.datetime64("2020-12-11"), lambda _: entry)
    try:
        sent = look("2020-12-12T06:00:00")
        assert week not in launched(sent)
        reason = f"waiting for consent, the orders of {WEEKLY} of 2020-12-11 were sent: attn rebuilds"
        assert waiting(sent)[week] == reason
    finally:
        shutil.rmtree(blotter.folder)


def test_what_corrected_rows_made_stale_is_launched_in_the_order_of_the_chain(home, instance, monkeypatch) -> None:
    """Each key by what of it is stale, and nothing before what it is made from; a new week waits as well."""
    run_of(instance, f"weekly_report:{BEFORE}", dg.DagsterRunStatus.SUCCESS)
    materialise(instance, (*RAW, *PANELS, *PREDICTIONS), "2020-12-11")
    week, other_week = PORTFOLIOS
    family = FAMILIES[0]
    stale = {
        "daily_bar": [BEFORE],
        family: [BEFORE, "2020-12-11"],
        PANELS[0]: [BEFORE, "2020-12-11"],
        f"prediction_{MODEL}": [BEFORE, "2020-12-11"],
        week: [BEFORE],
    }
    monkeypatch.setattr(
        automation,
        "to_be_made_again",
        lambda *_: {asset: pd.Series("corrected", index=keys) for asset, keys in stale.items() if keys},
    )
    graph = build_defs(home).resolve_asset_graph()

    def look() -> Decision:
        return decision_now(home, partitions_of(home), instance, at("2020-12-12T06:00:00"), lambda: graph)

    def asked(decision: Decision) -> dict[str, tuple[str, ...]]:
        return {duty.name: duty.assets for duty, _ in decision.launched}

    first = look()
    assert asked(first) == {f"session:{BEFORE}": ("daily_bar", family)}
    assert all(duty.is_part for duty, _ in first.launched)
    again = waiting(first)
    assert again["session:2020-12-11"] == f"waiting for daily_bar of {BEFORE}, which is made again"
    assert again[f"cross_section:{BEFORE}"] == f"waiting for {family} of {BEFORE}"
    assert again[f"weekly_portfolio:{BEFORE}"] == f"waiting for prediction_{MODEL} of {BEFORE}"
    assert again["portfolio_every_week:2020-12-11"] == f"waiting for prediction_{MODEL} of 2020-12-11"
    for asset in ("daily_bar", family):
        stale[asset] = [key for key in stale[asset] if key != BEFORE]
    assert asked(look()) == {
        f"cross_section:{BEFORE}": (PANELS[0], f"prediction_{MODEL}"),
        "session:2020-12-11": (family,),
    }
    for asset in (family, PANELS[0], f"prediction_{MODEL}"):
        stale[asset] = []
    assert asked(look())[f"weekly_portfolio:{BEFORE}"] == (week,)
    assert other_week not in stale, "which is not made again"
    stale[week] = []
    assert f"weekly_portfolio:{BEFORE}" not in {*asked(look()), *waiting(look())}


def test_what_corrections_made_stale_is_looked_for_where_anything_has_happened(
    instance: dg.DagsterInstance, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs seconds over thousands of partitions, and two sensors ask each half minute."""
    own, day, sent = Home(tmp_path / "own", home.settings), BEFORE, dict[str, set[str]]()
    asked: list[object] = []
    rows = pa.table({"session": [day]})
    monkeypatch.setattr(corrected, "corrected_sessions", lambda lake, since: {"daily_bar": [day]})
    monkeypatch.setattr(corrected, "sent_weeks", lambda home: sent)
    monkeypatch.setattr(
        corrected, "stale_by_data", lambda lineage, changed, current, kept: asked.append(kept) or {"asked": len(asked)}
    )
    own.lake.write(corrected.CORRECTIONS, rows)

    def look() -> object:
        return corrected.to_be_made_again(own, instance, lambda: Lineage(None, instance), BEFORE)["asked"]

    assert [look(), look()] == [1, 1]
    materialise(instance, "daily_bar", day)
    assert [look(), look()] == [2, 2]
    own.lake.write(corrected.CORRECTIONS, pa.concat_tables([rows, rows]))
    assert [look(), look()] == [3, 3]
    sent[PORTFOLIOS[0]] = {BEFORE}
    assert [look(), look()] == [4, 4]
    recipe = Path(instance.root_directory) / FOLDER / "daily_bar.parquet"
    recipe.parent.mkdir(exist_ok=True)
    recipe.write_bytes(b"other versions")
    assert [look(), look()] == [5, 5]


def test_the_report_of_a_week_is_owed_again_once_its_portfolios_were_made_again(look, instance) -> None:
    report = f"weekly_report:{BEFORE}"
    run = run_of(instance, report, dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run)
    run = run_of(instance, report, dg.DagsterRunStatus.STARTED)
    instance.handle_new_event(ended(run))
    assert report not in launched(look("2020-12-11T06:00:00"))
    week = run_of(instance, f"weekly_portfolio:{BEFORE}", dg.DagsterRunStatus.STARTED)
    instance.handle_new_event(ended(week))
    decision = look("2020-12-11T06:00:00")
    assert [number for duty, number in decision.launched if duty.name == report] == [3]


def ended(run: dg.DagsterRun) -> dg.EventLogEntry:
    """The event of a run that ends well now."""
    moment = time.time()
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
    return dg.EventLogEntry(
        error_info=None, level="debug", user_message="", run_id=run.run_id, timestamp=moment, dagster_event=event
    )


@pytest.mark.slow
def test_a_cross_section_says_what_it_waits_for(look, instance) -> None:
    morning, name = "2021-01-05T06:00:00", "cross_section:2021-01-04"
    for asset, key in [
        *((universe, "2021-01-01") for universe in UNIVERSES),
        *((family, "2021-01-04") for family in FAMILIES),
        ("sector_adjacency", "2021-01-01"),
        *((checkpoint, SECOND_WINDOW) for checkpoint in CHECKPOINTS),
        (f"checkpoint_{TREES}", "2020-12-31"),
    ]:
        reason = waiting(look(morning))[name]
        if reason != f"waiting for {asset} of {key}":  # the trees have windows of 8 sessions, in another order
            assert reason.startswith("waiting for checkpoint_")
        materialise(instance, asset, key)
    assert not waiting(look(morning)).get(name, "").startswith("waiting for universe")


def test_missed_days_are_caught_up_in_order_a_few_at_once(look, instance) -> None:
    run_of(instance, f"weekly_report:{BEFORE}", dg.DagsterRunStatus.SUCCESS)
    back = look("2020-12-22T06:00:00")
    assert launched(back) == [f"session:2020-12-{day}" for day in (11, 14, 15, 16)]
    assert waiting(back)["session:2020-12-17"] == "4 runs are under way"
    for name in launched(back):
        run_of(instance, name, dg.DagsterRunStatus.STARTED)
    assert launched(look("2020-12-22T06:01:00")) == []


def test_portfolios_wait_for_the_week_before(look, instance) -> None:
    for key in ("2020-12-17", "2020-12-24"):
        materialise(instance, PREDICTIONS, key)
    decision = look("2020-12-25T06:00:00")
    assert "weekly_portfolio:2020-12-17" in [*launched(decision), *waiting(decision)]
    assert waiting(decision)["weekly_portfolio:2020-12-24"] == f"waiting for {PORTFOLIOS[0]} of 2020-12-17"


def test_windows_train_ahead_of_their_first_session(look, instance) -> None:
    """The second window's test range begins on 2021-01-04; the session before it is 2020-12-31."""
    evening = "2020-12-31T23:00:00"
    assert waiting(look(evening))[f"window:{SECOND_WINDOW}"] == "waiting for factor_panel of 2020-12-31"
    materialise(instance, PANELS, "2020-12-31")
    decision = look("2021-01-01T06:00:00")
    assert f"window:{SECOND_WINDOW}" in [*launched(decision), *waiting(decision)]
    assert not waiting(decision).get(f"window:{SECOND_WINDOW}", "").startswith("waiting")


def test_a_new_period_is_owed_from_its_first_day(look, instance) -> None:
    raw = SESSION_TABLES[0]
    assert "quarter:2021-01-01" not in waiting(look("2020-12-31T23:59:00"))
    new_year = waiting(look("2021-01-01T00:01:00"))
    assert new_year["quarter:2021-01-01"] == f"waiting for {raw} of 2020-12-31"
    assert new_year["year:2021-01-01"] == f"waiting for {raw} of 2020-12-31"


def test_a_run_of_anybody_is_not_doubled(look, instance) -> None:
    selection = frozenset({dg.AssetKey(RAW[0])})
    span = {"dagster/asset_partition_range_start": "2020-12-11", "dagster/asset_partition_range_end": "2020-12-15"}
    status = dg.DagsterRunStatus.STARTED
    instance.add_run(dg.DagsterRun(job_name="any", asset_selection=selection, tags=span, status=status))
    decision = look("2020-12-17T06:00:00")
    assert [duty.name for duty in decision.under_way] == [f"session:2020-12-{day}" for day in (11, 14, 15)]
    assert f"session:{BEFORE}" not in launched(decision)


def test_what_failed_is_tried_again_and_given_up(look, instance, home, monkeypatch) -> None:
    run_of(instance, f"weekly_report:{BEFORE}", dg.DagsterRunStatus.SUCCESS)
    name = "session:2020-12-11"
    failed = run_of(instance, name, dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(failed)
    ended = datetime.fromtimestamp(instance.get_run_record_by_id(failed.run_id).end_time, ZoneInfo(TIMEZONE))

    def after(minutes: float) -> Decision:
        return decision_now(home, partitions_of(home), instance, ended + timedelta(minutes=minutes), no_graph)

    # The clock is the machine's here, so all sessions of the market are over: this one alone is looked at.
    assert waiting(after(9))[name].startswith("attempt 2 at ")
    assert (name, 2) in [(duty.name, number) for duty, number in after(11).launched]
    for _ in range(2):
        instance.report_run_failed(run_of(instance, name, dg.DagsterRunStatus.STARTED))
    assert name in [duty.name for duty in after(1000).given_up]
    assert f"given up: {name}" in summary(after(1000))


def test_new_rows_give_what_was_given_up_another_chance(tmp_path, instance) -> None:
    home = tiny_home(tmp_path / "imported", IMPORTED)
    for session in (BEFORE, "2020-12-11"):
        for table in SESSION_TABLES:
            file = home.lake.path(table, session)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    for _ in range(3):
        instance.report_run_failed(run_of(instance, "session:2020-12-11", dg.DagsterRunStatus.STARTED))
    partitions, now = partitions_of(home), datetime.now(ZoneInfo(TIMEZONE)) + timedelta(days=1)

    def given_up() -> list[str]:
        found = decision_now(home, partitions, instance, now, no_graph)
        return [duty.name for duty in found.given_up]

    assert given_up() == ["session:2020-12-11"]
    later = (now - timedelta(hours=1)).timestamp()
    os.utime(home.lake.path(SESSION_TABLES[0], "2020-12-11"), (later, later))
    assert given_up() == []


def test_a_session_that_nobody_imported_is_named(tmp_path, instance) -> None:
    home = tiny_home(tmp_path / "imported", IMPORTED)
    found = decision_now(home, partitions_of(home), instance, at("2020-12-12T06:00:00"), no_graph)
    tables = ", ".join(SESSION_TABLES)
    assert waiting(found)["session:2020-12-11"] == f"waiting for an import of {tables} of 2020-12-11"
    for table in SESSION_TABLES[1:]:
        home.lake.path(table, "2020-12-11").parent.mkdir(parents=True, exist_ok=True)
        home.lake.path(table, "2020-12-11").touch()
    found = decision_now(home, partitions_of(home), instance, at("2020-12-12T06:00:00"), no_graph)
    assert waiting(found)["session:2020-12-11"] == f"waiting for an import of {SESSION_TABLES[0]} of 2020-12-11"


def test_the_sensor_asks_for_runs_that_can_be_launched(home, instance, monkeypatch) -> None:
    """Job, partition and run key of each request; its partition is one at that moment."""
    monkeypatch.setattr(automation, "exchange_now", lambda: at("2020-12-12T06:00:00"))
    defs = build_defs(home)
    sensor = defs.resolve_sensor_def(SENSOR)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    data = sensor.evaluate_tick(dg.build_sensor_context(instance, definitions=defs))
    assert [(request.run_key, request.job_name, request.partition_key) for request in data.run_requests] == [
        (f"weekly_report:{BEFORE}:1", "weekly_report", None),
        ("session:2020-12-11:1", "session", "2020-12-11"),
    ]
    assert [request.tags[DUTY] for request in data.run_requests] == [f"weekly_report:{BEFORE}", "session:2020-12-11"]


def test_every_job_is_owed_at_some_time(home, instance, monkeypatch) -> None:
    """No job that the sensor forgets; static tables change with imports only."""
    found = decision_now(home, partitions_of(home), instance, at("2021-01-27T06:00:00"), no_graph)
    duties = [*(duty for duty, _ in found.launched), *(duty for duty, _ in found.waiting)]
    assert {duty.job for duty in duties} == {job.name for job in build_defs(home).jobs or ()} - {"static"}


@pytest.fixture
def delivered(tmp_path: Path) -> Home:
    """A home without data, and contract files in the folder that its settings name."""
    files = write_files(tmp_path / "in", contract_tables())
    config = AutomationConfig(deliveries={"nightly": DeliveryConfig(vendor="contract", folder="../in")})
    home = tiny_home(tmp_path / "home", IMPORTED)
    home = home.with_settings(home.settings.model_copy(update={"automation": config, "last_session": None}))
    home.save()
    assert files.is_dir()
    return home


@pytest.mark.slow
def test_what_was_delivered_is_imported_once(delivered: Home, empty: dg.DagsterInstance) -> None:
    now = datetime.now(ZoneInfo(TIMEZONE))
    partitions = partitions_of(delivered)
    decision = decision_now(delivered, partitions, empty, now, no_graph)
    assert set(waiting(decision).values()) == {BEGIN, "files are coming into ../in"}
    later = now + timedelta(minutes=5)
    decision = decision_now(delivered, partitions, empty, later, no_graph)
    (duty,) = [duty for duty, _ in decision.launched]
    assert duty.job == "import_nightly"
    job = build_defs(delivered).resolve_job_def(duty.job)
    assert job.execute_in_process(instance=empty, tags={DUTY: duty.name}).success
    assert delivered.lake.sessions("daily_bar").astype(str).tolist() == list(SESSIONS)
    decision = decision_now(delivered, partitions, empty, later, no_graph)
    assert not decision.launched, "the same files again are nothing new"
    assert summary(decision) == BEGIN, "what was delivered makes nothing yet"
    assert Home.open(delivered.root).settings.automation == delivered.settings.automation

    # A corrected file is another delivery, and its run says what was there otherwise
    corrected = with_cell(contract_tables()["security"], 0, "name", "another name")
    write_files(delivered.root.parent / "in", {"security": corrected})
    decision = decision_now(
        delivered, partitions, empty, datetime.now(ZoneInfo(TIMEZONE)) + timedelta(minutes=5), no_graph
    )
    (again,) = [duty for duty, _ in decision.launched]
    assert (again.job, again.name != duty.name) == (duty.job, True)
    run = job.execute_in_process(instance=empty, tags={DUTY: again.name})
    said = [entry.user_message for entry in empty.all_logs(run.run_id)]
    assert "security: 1 value of 1 row changed (name)" in said


@pytest.mark.slow
def test_files_that_cannot_be_used_are_told_with_the_command(delivered: Home, empty: dg.DagsterInstance) -> None:
    (delivered.root.parent / "in" / "daily_bar.parquet").write_bytes(b"no parquet")
    later = datetime.now(ZoneInfo(TIMEZONE)) + timedelta(minutes=5)
    job = build_defs(delivered).resolve_job_def("import_nightly")
    partitions = partitions_of(delivered)
    for attempt in range(3):
        decision = decision_now(delivered, partitions, empty, later + timedelta(hours=attempt), no_graph)
        (duty,) = [duty for duty, _ in decision.launched]
        assert not job.execute_in_process(instance=empty, tags={DUTY: duty.name}, raise_on_error=False).success
    (alert,) = wrong_now(delivered, partitions, empty, later + timedelta(hours=3), no_graph)
    assert "daily_bar.parquet" in alert.what
    assert alert.remedy == f"attn import contract {delivered.root / '../in'} --home {delivered.root}"


def test_sessions_before_the_first_test_range_have_panels_only(home: Home, empty: dg.DagsterInstance) -> None:
    """Of a home whose history was begun long before: what no window tests has no forecast."""
    materialise(empty, RAW, "2020-11-30", "2020-12-01")
    materialise(empty, UNIVERSES, "2020-10-01")
    materialise(empty, "sector_adjacency", "2020-01-01")
    decision = decision_now(home, partitions_of(home), empty, at("2020-12-02T06:00:00"), no_graph)
    (duty,) = [duty for duty, _ in decision.launched if duty.job == "cross_section"]
    assert (duty.key, duty.assets, duty.is_part) == ("2020-12-01", PANELS, True)
    materialise(empty, PANELS, "2020-12-01")
    decision = decision_now(home, partitions_of(home), empty, at("2020-12-02T06:00:00"), no_graph)
    assert not [duty.name for duty, _ in decision.launched if duty.job == "cross_section"]


def test_a_report_waits_for_the_first_realised_return(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """Three sessions from the close after 2020-12-10, the first forecast: on 2020-12-16."""
    home = tiny_home(tmp_path / "imported", IMPORTED)
    name, moment = f"weekly_report:{BEFORE}", at("2020-12-12T00:01:00")
    for last, reason in (("2020-12-15", "waiting for the first realised return, on 2020-12-16"), ("2020-12-16", None)):
        file = home.lake.path("daily_bar", last)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        decision = decision_now(home, partitions_of(home), instance, moment, no_graph)
        assert waiting(decision).get(name) == reason
        assert (name in launched(decision)) == (reason is None)
