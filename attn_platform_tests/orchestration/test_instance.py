"""The Dagster home: its configuration, what a user may edit, and the environment of Dagster's processes."""

import os
from pathlib import Path

import pytest
import yaml

import attn_platform
from attn_platform.orchestration.batching_event_log import BatchingSqliteEventLogStorage
from attn_platform.orchestration.event_batches import BATCH_VARIABLE
from attn_platform.orchestration.instance import (
    CONFIGURATION,
    DAGSTER_HOME_VARIABLE,
    EVENT_LOG_VARIABLE,
    open_instance,
    prepare,
)
from attn_platform.studies.places import HOME_VARIABLE
from attn_platform_tests.homes import tiny_home

VARIABLES = (HOME_VARIABLE, DAGSTER_HOME_VARIABLE, EVENT_LOG_VARIABLE, BATCH_VARIABLE)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_environment_names_the_home(tmp_path):
    home = tiny_home(tmp_path)
    environment = prepare(home)
    assert environment == {
        HOME_VARIABLE: str(tmp_path),
        DAGSTER_HOME_VARIABLE: str(tmp_path / "dagster"),
        EVENT_LOG_VARIABLE: str(tmp_path / "dagster" / "history" / "runs"),
    }
    assert {name: os.environ[name] for name in environment} == environment
    assert int(os.environ[BATCH_VARIABLE]) > 1


def test_a_users_batch_size_holds(tmp_path, monkeypatch):
    monkeypatch.setenv(BATCH_VARIABLE, "17")
    prepare(tiny_home(tmp_path))
    assert os.environ[BATCH_VARIABLE] == "17"


def test_a_users_configuration_is_left_alone(tmp_path):
    home = tiny_home(tmp_path)
    prepare(home)
    file = home.dagster / CONFIGURATION
    edited = file.read_text(encoding="utf-8") + "\n# mine\n"
    file.write_text(edited, encoding="utf-8")
    prepare(home)
    assert file.read_text(encoding="utf-8") == edited


def test_instance_records_in_the_home(tmp_path):
    home = tiny_home(tmp_path)
    with open_instance(home) as instance:
        assert type(instance.event_log_storage) is BatchingSqliteEventLogStorage
        assert Path(instance.root_directory) == home.dagster
        assert (home.dagster / "history" / "runs" / "index.db").exists()
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        assert not instance.telemetry_enabled
        concurrency = instance.get_concurrency_config()
        assert concurrency.pool_config.default_pool_limit == 1
        assert concurrency.pool_config.pool_granularity.value == "op"
        assert concurrency.run_queue_config.max_concurrent_runs == 2
        assert {"key": "accelerator", "value": "gpu", "limit": 1} in concurrency.run_queue_config.tag_concurrency_limits
        settings = instance.get_settings("run_monitoring")
        assert settings["free_slots_after_run_end_seconds"] == 60


def test_configuration_at_the_top_is_the_packages(tmp_path):
    """`dagster dev` from a checkout reads the file at the top; it must be the one that `attn` copies."""
    package = Path(attn_platform.__file__).parent
    own = (package / "orchestration" / CONFIGURATION).read_text(encoding="utf-8")
    assert (package.parent / CONFIGURATION).read_text(encoding="utf-8") == own
    workspace = yaml.safe_load((package.parent / "workspace.yaml").read_text(encoding="utf-8"))
    module = workspace["load_from"][0]["python_module"]
    assert module == {"module_name": "attn_platform.definitions", "working_directory": "."}
