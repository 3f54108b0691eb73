"""The Dagster instance of a home: its folder, its configuration, and the environment that names them."""

from __future__ import annotations

import os
from importlib import resources

import dagster as dg

from attn_platform.orchestration.event_batches import enable_batches
from attn_platform.studies.places import HOME_VARIABLE
from attn_platform.studies.settings import Home
from attn_platform.writing import write_atomically

DAGSTER_HOME_VARIABLE = "DAGSTER_HOME"
EVENT_LOG_VARIABLE = "ATTN_EVENT_LOG"
CONFIGURATION = "dagster.yaml"


def packaged_configuration() -> str:
    """The configuration that a new home gets."""
    return resources.files(__package__).joinpath(CONFIGURATION).read_text(encoding="utf-8")


def prepare(home: Home) -> dict[str, str]:
    """Make the Dagster home with its configuration; returns the environment that Dagster's processes need."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    file = home.dagster / CONFIGURATION
    if not file.exists():
        write_atomically(file, packaged_configuration())
    enable_batches()
    environment = {
        HOME_VARIABLE: str(home.root),
        DAGSTER_HOME_VARIABLE: str(home.dagster),
        EVENT_LOG_VARIABLE: str(home.dagster / "history" / "runs"),
    }
    os.environ.update(environment)
    return environment


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance in which the home's runs are recorded."""
    prepare(home)
    return dg.DagsterInstance.from_config(str(home.dagster))
