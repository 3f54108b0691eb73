"""What is found wrong with a live home, and what its sensor puts on record."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pytest

from attn_platform.alerts import AlertBook, Kind
from attn_platform.definitions import build_defs
from attn_platform.orchestration import alerting, automation
from attn_platform.orchestration.alerting import SENSOR, wrong_now
from attn_platform.orchestration.automation import DUTY
from attn_platform.orchestration.partitions import TIMEZONE, partitions_of
from attn_platform.studies.settings import Home
from attn_platform.workflows.unusual import Aspect, Remark
from attn_platform_tests.homes import FAMILIES, IMPORTED, SESSION_TABLES, STRATEGY, tiny_home
from attn_platform_tests.orchestration.test_automation import no_graph

DUTY_NAME = "session:2020-12-11"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With raw rows up to 2020-12-10, the first rebalance."""
    made = tiny_home(tmp_path / "home", IMPORTED)
    for table in SESSION_TABLES:
        for day in ("2020-12-09", "2020-12-10"):
            bring(made, table, day)
    return made


@pytest.fixture(scope="module")
def begun_instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instance")
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        for asset in (*SESSION_TABLES, *FAMILIES):
            for day in ("2020-12-09", "2020-12-10"):
                made.report_runless_asset_event(dg.AssetMaterialization(asset, partition=day))
    return folder


@pytest.fixture
def instance(begun_instance: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(shutil.copytree(begun_instance, tmp_path / "instance"))) as made:
        yield made


def bring(home: Home, table: str, day: str) -> None:
    file = home.lake.path(table, day)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(TIMEZONE))


def found(home: Home, instance: dg.DagsterInstance, moment: str) -> dict[tuple[str, str], str]:
    wrong = wrong_now(home, partitions_of(home), instance, at(moment), no_graph)
    assert all(alert.since <= at(moment) for alert in wrong)
    return {(str(alert.kind), alert.asset): alert.what for alert in wrong}


def test_each_deadline_passes_by_itself(home: Home, instance: dg.DagsterInstance) -> None:
    assert found(home, instance, "2020-12-10T20:00:00") == {}
    rebalance = {("lateness", f"portfolio_{name}"): "not there: 2020-12-10" for name in (STRATEGY, "tiny_ensemble")}
    assert found(home, instance, "2020-12-11T08:29:00") == {}
    assert found(home, instance, "2020-12-11T08:30:00") == rebalance
    pages = {**rebalance, ("lateness", "weekly_report"): "not there: 2020-12-10"}
    assert found(home, instance, "2020-12-11T09:00:00") == pages
    evening = found(home, instance, "2020-12-11T18:00:00")
    assert evening == {**pages, **{("lateness", table): "not there: 2020-12-11" for table in SESSION_TABLES}}
    for table in SESSION_TABLES[1:]:
        bring(home, table, "2020-12-11")
    monday = found(home, instance, "2020-12-14T18:00:00")
    assert monday["lateness", SESSION_TABLES[0]] == "not there: 2 keys from 2020-12-11 to 2020-12-14"
    assert monday["lateness", SESSION_TABLES[1]] == "not there: 2020-12-14"


def test_a_portfolio_that_was_made_is_not_late(home: Home, instance: dg.DagsterInstance) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(f"portfolio_{STRATEGY}", partition="2020-12-10"))
    late = found(home, instance, "2020-12-11T08:30:00")
    assert ("lateness", f"portfolio_{STRATEGY}") not in late
    assert ("lateness", "portfolio_tiny_ensemble") in late


def test_work_that_was_given_up_comes_with_reason_and_remedy(home: Home, instance: dg.DagsterInstance) -> None:
    for table in SESSION_TABLES:
        bring(home, table, "2020-12-11")
    for _ in range(3):
        run = instance.create_run_for_job(dg.job(name="session")(lambda: None), tags={DUTY: DUTY_NAME})
        instance.report_run_failed(run, "the disk is full")
    wrong = wrong_now(home, partitions_of(home), instance, datetime.now(ZoneInfo(TIMEZONE)), no_graph)
    (failure,) = [alert for alert in wrong if alert.kind == Kind.FAILURE and alert.partition == "2020-12-11"]
    assert failure.what == "the disk is full"
    assert failure.remedy.startswith(f"attn materialize {SESSION_TABLES[0]},")
    assert failure.remedy.endswith(f"--partitions 2020-12-11 --home {home.root}")
    assert "/runs/" in failure.link


def test_remarks_on_the_newest_week(home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(home, f"portfolio_{STRATEGY}", "2020-12-10")
    asked = []

    def remarks(home, config, session, usual):
        asked.append((config.name, str(session)))
        return [Remark(Aspect.RELAXED, "portfolio_x", "one"), Remark(Aspect.RELAXED, "portfolio_x", "two")]

    monkeypatch.setattr(alerting, "remarks", remarks)
    assert found(home, instance, "2020-12-11T08:00:00") == {("relaxed limit", "portfolio_x"): "one; two"}
    assert asked == [(STRATEGY, "2020-12-10")]
    assert found(home, instance, "2021-04-01T08:00:00").keys() & {("relaxed limit", "portfolio_x")} == set()


def test_models_outside_of_their_band_are_one_alert_each(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [Remark(Aspect.FORECAST, "evaluation_m", text) for text in ("RankIC (3d) …", "RankIC (5d) …")]
    monkeypatch.setattr(alerting, "forecast_remarks", lambda home, session, usual: told)
    wrong = wrong_now(home, partitions_of(home), instance, at("2020-12-10T20:00:00"), no_graph)
    (alert,) = [each for each in wrong if each.kind == Kind.FORECAST]
    assert (alert.asset, alert.partition, alert.what) == ("evaluation_m", None, "RankIC (3d) …; RankIC (5d) …")
    assert alert.link.endswith("/assets/evaluation_m")


def test_the_sensor_keeps_the_book(home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    defs = build_defs(home)
    sensor = defs.resolve_sensor_def(SENSOR)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED

    def look(moment: str) -> str | None:
        monkeypatch.setattr(alerting, "exchange_now", lambda: at(moment))
        return sensor.evaluate_tick(dg.build_sensor_context(instance, definitions=defs)).skip_message

    assert look("2020-12-10T20:00:00") == "wrong now: 0"
    assert look("2020-12-11T08:30:00") == "wrong now: 2"
    assert [alert.since for alert in AlertBook(home.root).open()] == [at("2020-12-11T08:30:00")] * 2
    instance.report_runless_asset_event(dg.AssetMaterialization(f"portfolio_{STRATEGY}", partition="2020-12-10"))
    assert look("2020-12-11T08:45:00") == "wrong now: 1"
    assert [alert.asset for alert in AlertBook(home.root).open()] == ["portfolio_tiny_ensemble"]


def test_both_sensors_go_by_the_exchange_clock() -> None:
    now = automation.exchange_now()
    assert str(now.tzinfo) == TIMEZONE
    assert abs(np.datetime64(now.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)) - np.datetime64("now")) < (
        np.timedelta64(1, "m")
    )
