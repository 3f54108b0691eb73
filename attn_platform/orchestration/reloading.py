"""The sensor that has a home's definitions loaded again where what they are made of has changed.

An import that brings a table for the first time, holidays of another year (a newer exchange_calendars, or another
calendar file), and an edited study change which assets and partitions there are. Dagster keeps the definitions that it
has loaded until it is asked to load them again; the sensor asks its webserver, so that nothing is restarted and no one
presses a button. New sessions need none of it: their partitions end only with the calendar.
"""

from __future__ import annotations

import importlib.metadata
import os
from urllib.parse import urlsplit

import dagster as dg
import numpy as np

from attn_platform.errors import ConfigurationError, PlatformError
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.settings import Home

SENSOR = "definitions_up_to_date"
SECONDS_BETWEEN_LOOKS = 60
WEBSERVER_VARIABLE = "ATTN_WEBSERVER_URL"
HOLIDAYS = "exchange_calendars"


def build_sensor(home: Home) -> dg.SensorDefinition:
    """The sensor; it is on where nobody has switched it off, as it launches and changes nothing."""
    published = importlib.metadata.version(HOLIDAYS)

    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        changed = what_changed(home, published)
        if changed is None:
            return dg.SkipReason("the definitions are up to date")
        address = os.environ.get(WEBSERVER_VARIABLE)
        if address is None:
            return dg.SkipReason(
                f"{changed} has changed: reload the definitions; with {WEBSERVER_VARIABLE}, the address of Dagster's "
                "webserver, this is done by itself"
            )
        origin = context.code_location_origin
        if origin is None:
            raise ConfigurationError(f"{SENSOR} belongs to no code location; it is Dagster's daemon that runs it")
        ask_to_reload(address, origin.location_name)
        return dg.SkipReason(f"{changed} has changed: {address} was asked to load the definitions again")

    return dg.SensorDefinition(
        name=SENSOR,
        evaluation_fn=look,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has the definitions loaded again when an import, a new year's holidays or an edit changes them.",
    )


def what_changed(home: Home, published: str) -> str | None:
    """What of a home's definitions is no longer as it was loaded into `home`; None where nothing is.

    `published` is the version of the holidays' package at that time. What cannot be used, half an edit, is no change:
    the definitions at work are kept until it can.
    """
    if home.settings.calendar_file is None and importlib.metadata.version(HOLIDAYS) != published:
        return HOLIDAYS
    try:
        now = Home.open(home.root)
        if now.settings != home.settings:
            changed = "settings.yaml"
        elif now.study.model_dump(mode="json") != home.study.model_dump(mode="json"):
            changed = f"study {home.settings.study}"
        elif not np.array_equal(now.calendar.sessions, home.calendar.sessions):
            changed = "the calendar"
        else:
            return None
        partitions_of(now)
    except PlatformError:
        return None
    return changed


def ask_to_reload(address: str, location: str) -> None:
    """Have Dagster's webserver at `address` load a code location again; the daemon follows by itself.

    `ConfigurationError` where it cannot be reached or cannot load it.
    """
    from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError, ReloadRepositoryLocationStatus

    parts = urlsplit(address)
    try:
        client = DagsterGraphQLClient(
            parts.hostname or "localhost", port_number=parts.port, use_https=parts.scheme == "https"
        )
        answer = client.reload_repository_location(location)
    except DagsterGraphQLClientError as error:
        raise ConfigurationError(f"{WEBSERVER_VARIABLE}: no webserver answers at {address} ({error})") from None
    if answer.status != ReloadRepositoryLocationStatus.SUCCESS:
        raise ConfigurationError(f"{location} could not be loaded again: {answer.message}")
