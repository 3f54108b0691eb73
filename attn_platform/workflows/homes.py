"""Making a home: a folder with settings of a profile and a study, which it keeps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from attn_platform.errors import ConfigurationError
from attn_platform.studies.loading import YAML_SUFFIXES
from attn_platform.studies.settings import DEFAULT_PROFILE, PROFILE_VARIABLE, Home, profile_settings


def make_home(
    root: Path | None = None,
    profile: str | None = None,
    study: str | None = None,
    models: Sequence[str] | None = None,
) -> Home:
    """The home at `root` (default: ATTN_HOME, else ./data), with settings of a profile where it has none yet.

    A home is never turned into another: `ConfigurationError` where it has another profile or study than the one asked
    for. Which `models` of the study it has is another matter: those asked for (none: all) are the home's from now on.
    """
    home, wanted = Home.open(root), study_name(study)
    if home.has_settings:
        require_same(home, profile=profile, study=wanted)
        settings = home.settings
    else:
        settings = profile_settings(profile or os.environ.get(PROFILE_VARIABLE, DEFAULT_PROFILE), wanted)
    if models is not None:
        settings = settings.model_copy(update={"models": tuple(models)})
    if home.has_settings and settings == home.settings:
        return home
    home = home.with_settings(settings)
    _ = home.study  # one that cannot be read must not get into the settings
    home.save()
    return home


def study_name(study: str | None) -> str | None:
    """The study as the settings keep it: a file by its full path, so that the home finds it from anywhere."""
    return str(Path(study).resolve()) if study is not None and Path(study).suffix in YAML_SUFFIXES else study


def require_same(home: Home, **asked: str | None) -> None:
    """`ConfigurationError` where the home was made for another profile or study than the one asked for."""
    for what, name in asked.items():
        if name is not None and name != (held := getattr(home.settings, what)):
            raise ConfigurationError(f"{home.root} is a home of {what} {held}, not {name}; choose another --home")
