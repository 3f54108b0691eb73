"""Bringing a home of an older version up to date: its settings, and Dagster's configuration."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from attn_platform.orchestration.instance import CONFIGURATION, packaged_configuration
from attn_platform.studies.places import SETTINGS_FILE
from attn_platform.studies.settings import Home
from attn_platform.studies.versions import SCHEMA_VERSION
from attn_platform.writing import write_atomically

BACKUP = "backup-version-{version}"
# Beginnings of SHA-256 of the configurations that earlier versions wrote: those that nobody has edited
EARLIER_CONFIGURATIONS = frozenset({"1fc9c7e9a116594c", "fa8d3161b74722f9"})


def migrate(home: Home) -> Iterator[str]:
    """Bring a home up to date; yields what was done, a line each. One that is up to date is left alone.

    Each file that is replaced is copied before, and replaced whole. Killed in between, it goes on where it was.
    """
    version = home.settings.schema_version
    if version == SCHEMA_VERSION:
        yield f"{home.root} is up to date (schema version {version})"
        return
    backup = home.root / BACKUP.format(version=version)
    yield from _dagster(home, backup)
    if home.has_settings:
        _keep(home.root / SETTINGS_FILE, backup)
        home.with_settings(home.settings.model_copy(update={"schema_version": SCHEMA_VERSION})).save()
    yield f"{home.root}: schema version {version} → {SCHEMA_VERSION}; what was replaced is in {backup}"


def _dagster(home: Home, backup: Path) -> Iterator[str]:
    """The configuration of the Dagster home, where it is one of an earlier version as it was written."""
    file = home.dagster / CONFIGURATION
    if not file.exists():
        return
    content = file.read_bytes()
    wanted = packaged_configuration()
    if content == wanted.encode():
        return
    if sha256(content).hexdigest()[:16] in EARLIER_CONFIGURATIONS:
        _keep(file, backup)
        write_atomically(file, wanted)
        yield f"{file}: as this version writes it"
    else:
        yield f"{file} was edited and is left as it is; compare it with the package's orchestration/{CONFIGURATION}"


def _keep(file: Path, backup: Path) -> None:
    """Copy a file into the backup; one that is there already is from a migration that did not end."""
    backup.mkdir(exist_ok=True)
    if not (backup / file.name).exists():
        shutil.copy2(file, backup / file.name)
