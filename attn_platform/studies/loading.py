"""Loading a study: one of the package by its name, or a YAML file of the user's, with changes laid over it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from attn_platform.errors import ConfigurationError
from attn_platform.studies.parsing import overlay, parse, read_yaml
from attn_platform.studies.study import StudyConfig
from attn_platform.studies.versions import RENAMED_IN_STUDIES, with_new_names

YAML_SUFFIXES = (".yaml", ".yml")
CHANGES = "changes of the home"
USER_FILES = ("factor_files", "network_files", "portfolio_files", "page_files")


def available_studies() -> tuple[str, ...]:
    """Names of the studies that the package brings along."""
    return tuple(
        sorted(
            file.name.removesuffix(".yaml")
            for file in resources.files(__package__).iterdir()
            if file.name.endswith(".yaml")
        )
    )


def load_study(name: str, changes: dict[str, Any] | None = None) -> StudyConfig:
    """A study of the package, or a YAML file of the user's, with `changes` laid over it (see `overlay`)."""
    if Path(name).suffix in YAML_SUFFIXES:
        content, source = with_paths_from(Path(name).parent, read_yaml(Path(name))), name
    elif name in available_studies():
        content, source = read_yaml(resources.files(__package__).joinpath(f"{name}.yaml")), f"study {name}"
    else:
        raise ConfigurationError(
            f"there is no study '{name}'; there are {', '.join(available_studies())}, or a YAML file of your own"
        )
    content, changes = (
        with_new_names(part, RENAMED_IN_STUDIES, place) for part, place in ((content, source), (changes or {}, CHANGES))
    )
    return parse(StudyConfig, overlay(content, changes), source)


def with_paths_from(folder: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Parts of a study with the paths of its Python files in full; relative ones start at `folder`."""
    return {
        name: [str((folder / file).resolve()) for file in part] if name in USER_FILES and _is_texts(part) else part
        for name, part in content.items()
    }


def _is_texts(part: Any) -> bool:
    return isinstance(part, list) and all(isinstance(each, str) for each in part)
