"""Options that several commands have, and what their texts stand for."""

from __future__ import annotations

from collections.abc import Sequence
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attn_platform.errors import ConfigurationError
from attn_platform.studies.places import home_folder, is_named, require_home

if TYPE_CHECKING:
    import numpy as np

    from attn_platform.studies.settings import Home

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of lake, checkpoints, reports. Default: ATTN_HOME, else ./data.")
]
StudyOption = Annotated[
    str | None, typer.Option(help="For a new home: a study of the package (ai69), or a YAML file of your own.")
]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Who does it, as it goes on record. Default: the name you are logged in by.")
]
DateOption = Annotated[str, typer.Option("--date", help="Session, as YYYY-MM-DD.")]


def open_home(root: Path | None, is_needed: bool = True) -> Home:
    """The home that the command works on; `ConfigurationError` where there is none.

    Where none `is_needed`, that is a mistake only of a home that was named: the others are the profile's.
    """
    if is_needed or is_named(root):
        require_home(home_folder(root))
    from attn_platform.studies.settings import Home

    return Home.open(root)


def session_of(home: Home, date: str) -> np.datetime64:
    """The session of a date."""
    calendar = home.calendar
    return calendar.sessions[calendar.position(date)]


def who(by: str | None) -> str:
    """The name under which something goes on record; `ConfigurationError` where there is none."""
    try:
        name = getuser() if by is None else by.strip()
    except OSError:  # a container may run under a number that has no name
        name = ""
    if not name:
        raise ConfigurationError("say who you are: --by NAME")
    return name


def keys_between(text: str | None, keys: Sequence[str], what: str) -> Sequence[str]:
    """The keys in a range KEY or FIRST...LAST, all without one; `ConfigurationError` where there is none."""
    if text is None:
        return keys
    first, _, last = text.partition("...")
    chosen = [key for key in keys if first <= key <= (last or first)]
    if not chosen:
        known = f"{keys[0]} to {keys[-1]}" if keys else "none"
        raise ConfigurationError(f"'{text}' holds no {what}; there are {known}")
    return chosen
