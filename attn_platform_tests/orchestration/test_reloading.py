"""Definitions are loaded again where what they are made of has changed: asked of a webserver, and across a New Year."""

import importlib.metadata
import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest
import yaml

from attn_platform.definitions import build_defs
from attn_platform.errors import ConfigurationError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.reloading import (
    HOLIDAYS,
    WEBSERVER_VARIABLE,
    ask_to_reload,
    build_sensor,
    what_changed,
)
from attn_platform.studies.settings import SETTINGS_FILE, Home
from attn_platform_tests.homes import tiny_home

PUBLISHED = importlib.metadata.version(HOLIDAYS)
LAST, FIRST_OF_NEXT_YEAR = "2020-12-31", "2021-01-04"


@pytest.fixture
def home(tmp_path):
    """A home whose calendar is a file that ends with 2020, and whose sessions go on as far as that is known."""
    made = tiny_home(tmp_path / "home", windows={**WINDOWS, "first_test": "2020-12-01"})
    write_calendar(made.root, until=LAST)
    settings = made.settings.model_copy(update={"calendar_file": "days.txt", "last_session": None})
    made.with_settings(settings).save()
    return Home.open(made.root)


WINDOWS = {"train": 40, "valid": 8, "test": 16}


def write_calendar(root, until):
    sessions = exchange_calendar().between("2018-01-02", until).astype(str)
    root.mkdir(parents=True, exist_ok=True)
    (root / "days.txt").write_text("\n".join(sessions) + "\n", encoding="utf-8")


def keys(home, now):
    partitions = partitions_of(home)
    return [
        definition.get_partition_keys(now)[-1]
        for definition in (partitions.sessions, partitions.quarters, partitions.years)
    ]


def test_nothing_has_changed_where_nothing_has(home):
    assert what_changed(home, PUBLISHED) is None


def test_a_new_years_holidays_are_a_change_and_its_sessions_partitions(home):
    new_year = datetime(2021, 1, 5, 1, tzinfo=UTC)
    assert keys(home, new_year) == [LAST, "2020-10-01", "2020-01-01"]
    write_calendar(home.root, until="2021-12-31")
    assert what_changed(home, PUBLISHED) == "the calendar"
    assert keys(Home.open(home.root), new_year) == [FIRST_OF_NEXT_YEAR, "2021-01-01", "2021-01-01"]


def test_a_session_becomes_a_partition_with_its_day_and_without_a_change(home):
    sessions = partitions_of(home).sessions
    midnight = datetime(2020, 12, 30, 16, tzinfo=UTC)  # on the exchange's clock, of the 31st
    assert sessions.get_partition_keys(midnight - timedelta(seconds=1))[-1] == "2020-12-29"
    assert sessions.get_partition_keys(midnight)[-1] == "2020-12-30"


def test_newer_holidays_of_the_package_are_a_change_but_for_a_calendar_of_the_users(home):
    assert what_changed(home, "0.0") is None
    of_the_exchange = home.settings.model_copy(update={"calendar_file": None})
    home.with_settings(of_the_exchange).save()
    assert what_changed(Home.open(home.root), "0.0") == HOLIDAYS


def edit(home, **entries):
    file = home.root / SETTINGS_FILE
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**content, **entries}), encoding="utf-8")


def test_settings_are_a_change_once_they_can_be_used(home):
    edit(home, last_session="2020-12-30")
    assert what_changed(home, PUBLISHED) == "settings.yaml"
    edit(home, last_session="2020-12-30", first_session="tomorrow")
    assert what_changed(home, PUBLISHED) is None
    edit(home, first_session="2020-12-30", last_session="2020-01-02")
    assert what_changed(home, PUBLISHED) is None


def test_a_study_of_the_users_is_a_change_once_it_can_be_used(home, tmp_path):
    study = tmp_path / "study.yaml"
    content = yaml.safe_load((home.root / home.settings.study).read_text(encoding="utf-8"))
    study.write_text(yaml.safe_dump(content), encoding="utf-8")
    edit(home, study=str(study))
    loaded = Home.open(home.root)
    assert loaded.study.title
    assert what_changed(loaded, PUBLISHED) is None
    study.write_text(yaml.safe_dump({**content, "title": "another title"}), encoding="utf-8")
    assert what_changed(loaded, PUBLISHED) == f"study {study}"
    study.write_text("title: [", encoding="utf-8")
    assert what_changed(loaded, PUBLISHED) is None
    shutil.move(study, tmp_path / "elsewhere.yaml")
    assert what_changed(loaded, PUBLISHED) is None


@pytest.fixture
def webserver():
    """A webserver that answers as Dagster's does, and what it was asked."""
    asked, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(question["variables"])
            content = json.dumps({"data": {"reloadRepositoryLocation": answers.pop(0)}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked, answers
    server.shutdown()
    server.server_close()


def entry(kind, **more):
    return {"__typename": "WorkspaceLocationEntry", "locationOrLoadError": {"__typename": kind, **more}}


def test_a_webserver_is_asked_by_the_name_of_the_location(webserver):
    address, asked, answers = webserver
    answers += [entry("RepositoryLocation"), entry("PythonError", message="no such table")]
    ask_to_reload(address, "attn_platform.definitions")
    assert asked == [{"repositoryLocationName": "attn_platform.definitions"}]
    with pytest.raises(ConfigurationError, match=r"definitions could not be loaded again: no such table"):
        ask_to_reload(address, "attn_platform.definitions")


def test_a_webserver_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match=r"no webserver answers at http://127.0.0.1:9"):
        ask_to_reload("http://127.0.0.1:9", "attn_platform.definitions")


def test_without_an_address_the_sensor_says_what_to_do(home, monkeypatch):
    monkeypatch.delenv(WEBSERVER_VARIABLE, raising=False)
    sensor = build_sensor(home)
    with dg.instance_for_test() as instance, dg.build_sensor_context(instance) as context:
        assert sensor(context).skip_message == "the definitions are up to date"
        write_calendar(home.root, until="2021-12-31")
        assert sensor(context).skip_message.startswith("the calendar has changed: reload the definitions; with")


def test_the_sensor_is_on_by_itself(home):
    sensor = build_defs(home).resolve_sensor_def("definitions_up_to_date")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
