"""Where a home lies and whether there is one, told without loading what reads it: a mistyped one is named at once."""

from __future__ import annotations

import os
from pathlib import Path

from attn_platform.errors import ConfigurationError

HOME_VARIABLE = "ATTN_HOME"
DEFAULT_HOME = "data"
SETTINGS_FILE = "settings.yaml"
LAKE = "lake"


def home_folder(root: Path | str | None = None) -> Path:
    """The folder at `root` (default: ATTN_HOME, else ./data)."""
    return Path(root if root is not None else os.environ.get(HOME_VARIABLE, DEFAULT_HOME))


def is_named(root: Path | None) -> bool:
    """Whether somebody says which home is meant: the caller, or ATTN_HOME."""
    return root is not None or HOME_VARIABLE in os.environ


def is_home(folder: Path) -> bool:
    """Whether a folder holds a home: settings, or (of a profile's) tables."""
    return (folder / SETTINGS_FILE).exists() or (folder / LAKE).is_dir()


def require_home(folder: Path) -> None:
    """`ConfigurationError` where the folder holds no home, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file, not a folder; choose another --home")
    if not is_home(folder):
        raise ConfigurationError(f"there is no home at {folder.resolve()}; `attn run` or `attn import` makes one")
