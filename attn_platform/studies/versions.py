"""Homes outlive versions of the platform: what a home says of its layout, and what settings were called before.

`schema_version` of settings.yaml counts layouts of a home. An older home is read as it is, `attn migrate` brings it up
to date; a newer one is refused. A setting that got another name is understood for some time under the former one, with
a warning that names the new one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attn_platform.errors import ConfigurationError

SCHEMA_VERSION = 3
"""2: `schema_version` itself; runs of the UI wait a second at most (dagster.yaml). 3: partitions go on to the
calendar's horizon, and the end of imported data is the lake's: an import no longer writes it into the settings."""
END_OF_DATA_IN_THE_LAKE = 3
CLOSED = frozenset({"ashare"})  # vendors of a history that was over before version 3
RANGE = r", \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d$"
FIRST_VERSION = 1  # of homes that do not say one
VERSION_KEY = "schema_version"

Renamed = Mapping[tuple[str, ...], str]
"""New names of settings by their former path; lists are passed through: ("strategies", "turnover_limit")."""
RENAMED_IN_SETTINGS: Renamed = {}
RENAMED_IN_STUDIES: Renamed = {}

_log = logging.getLogger(__name__)


def readable(content: dict[str, Any], source: str) -> dict[str, Any]:
    """Content of a settings.yaml as this version understands it; `ConfigurationError` where a newer one wrote it."""
    version = content.get(VERSION_KEY, FIRST_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{source}: a home of schema version {version}, made by a newer attn_platform; this one knows versions up "
            f"to {SCHEMA_VERSION}. Install the newer one, or choose another --home"
        )
    content = {**with_new_names(content, RENAMED_IN_SETTINGS, source), VERSION_KEY: version}
    is_earlier = isinstance(version, int) and version < END_OF_DATA_IN_THE_LAKE
    return _without_end_of_data(content) if is_earlier else content


def _without_end_of_data(content: dict[str, Any]) -> dict[str, Any]:
    """Settings of an imported home without the end of its data, which each import used to write in two places."""
    held = content.get("source")
    if not isinstance(held, dict) or held.get("kind") != "imported" or not held.get("vendor"):
        return content
    kept = {**content, "source": {**held, "description": re.sub(RANGE, "", str(held.get("description", "")))}}
    if held["vendor"] not in CLOSED:
        kept.pop("last_session", None)
    return kept


def with_new_names(content: Any, renamed: Renamed, source: str) -> Any:
    """Settings under their names of today, with a warning for each that has a former one; others are left alone.

    `ConfigurationError` where a setting has both.
    """
    for path, name in renamed.items():
        content = _renamed(content, path, name, f"{source}: {'.'.join(path)}")
    return content


def _renamed(content: Any, path: Sequence[str], name: str, former: str) -> Any:
    if isinstance(content, list):
        return [_renamed(item, path, name, former) for item in content]
    if not isinstance(content, dict) or path[0] not in content:
        return content
    key, *inner = path
    if inner:
        return {**content, key: _renamed(content[key], inner, name, former)}
    if name in content:
        raise ConfigurationError(f"{former} is now called {name}, which is there as well; leave one of them")
    _log.warning("%s is now called %s; rename it, the former name will be forgotten", former, name)
    return {(name if each == key else each): value for each, value in content.items()}
