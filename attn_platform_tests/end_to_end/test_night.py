"""What is drawn for a night, what is read off it, and the clock; the night itself is `make night`."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform_tests.end_to_end.compressed_clock import CompressedClock, MissingProgramError
from attn_platform_tests.end_to_end.night_log import Run, Work, markdown, problems, summary
from attn_platform_tests.end_to_end.night_plan import Happening, plan_night
from attn_platform_tests.homes import FIRST_WINDOW, tiny_home

START = datetime(2020, 12, 14, 10, tzinfo=UTC)


@pytest.fixture
def sessions(tmp_path) -> list[str]:
    return tiny_home(tmp_path).calendar.between(FIRST_WINDOW, "2021-01-08").astype(str).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_each_session_is_delivered_once_on_its_day_or_a_later_one(sessions, seed) -> None:
    ends = datetime(2021, 1, 9, 12, tzinfo=EXCHANGE_ZONE)
    plan = plan_night(sessions, ends, seed)
    assert plan == sorted(plan_night(sessions, ends, seed))
    deliveries = {happening.key: happening.at for happening in plan if happening.action == "deliver"}
    assert sorted(deliveries) == sessions
    late = [key for key, at in deliveries.items() if str(at.date()) > key]
    assert late
    assert all(at.strftime("%Y-%m-%d") >= key for key, at in deliveries.items())
    (stopped,) = [happening.at for happening in plan if happening.action == "stop daemon"]
    (started,) = [happening.at for happening in plan if happening.action == "start daemon"]
    assert started > stopped
    corrected = [happening for happening in plan if happening.action == "correct"]
    assert all(happening.at > deliveries[happening.key] for happening in corrected)
    assert len(corrected) == 1
    assert any(happening.action == "kill run" for happening in plan)


def run(duty: str, minutes: float, status: str = "SUCCESS") -> Run:
    at = START + timedelta(minutes=minutes)
    return Run(duty, f"{duty} {minutes}", status, at, at, at + timedelta(minutes=5))


def test_a_night_is_right_where_each_key_has_one_success() -> None:
    once = Work("session:2020-12-11", START, None, (run("session:2020-12-11", 1), run("session:2020-12-11", 9)))
    never = Work("session:2020-12-14", START, None, (run("session:2020-12-14", 1, "FAILURE"),))
    assert problems([once, never], {}) == [
        "session:2020-12-11 has 2 successful runs",
        "session:2020-12-14 was owed and has no successful run",
    ]
    again = START + timedelta(minutes=7)
    assert problems([once], {"2020-12-11": again}) == []
    assert problems([once], {"2020-12-14": again}), "it was corrected after the key"
    assert problems([once], {"2020-12-11": START}), "it was made after the correction"


def test_the_table_of_a_night() -> None:
    week = "weekly_portfolio:2020-12-11"
    work = [
        Work(week, START, START + timedelta(minutes=10), (run(week, 1, "FAILURE"), run(week, 20))),
        Work("weekly_portfolio:2020-12-17", START, START + timedelta(minutes=10), (run(week, 2),)),
    ]
    (row,) = summary(work).to_dict("records")
    assert (row["owed"], row["launched"], row["finished"], row["runs that failed"]) == (2, 3, 2, 1)
    assert (row["longest wait"], row["deadlines kept"], row["latest (time of day)"]) == (
        "0 h 25 min",
        "1 of 2",
        "18:25",
    )
    assert markdown(summary(work)).splitlines()[2].startswith("| weekly_portfolio | 2 | 3 |")


def test_a_process_is_told_the_fast_clock_and_sleeps_by_the_slow_one(tmp_path) -> None:
    clock = CompressedClock(tmp_path / "clock", START, 3600.0)
    try:
        environment = {**os.environ, **clock.environment()}
    except MissingProgramError as error:
        pytest.skip(str(error))
    code = (
        "import threading, time; print(time.time(), time.monotonic()); time.sleep(0.5); threading.Event().wait(0.5); "
        "print(time.time(), time.monotonic())"
    )
    with clock.running():
        told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert abs((clock.now() - START).total_seconds()) > 3000.0
    (begun, slow_begun), (ended, slow_ended) = (map(float, line.split()) for line in told.stdout.splitlines())
    assert START.timestamp() <= begun < ended
    assert ended - begun > 1800.0
    assert 0.9 < slow_ended - slow_begun < 60.0


def test_what_happens_first_is_first() -> None:
    assert Happening(START, "deliver", "b") < Happening(START + timedelta(seconds=1), "correct", "a")
