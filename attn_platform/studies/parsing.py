"""YAML of a user's into typed configuration: read, changed entry by entry, and checked; errors name the place."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from attn_platform.errors import ConfigurationError
from attn_platform.similar import similar_to

EVERY_ENTRY = "*"
_Model = TypeVar("_Model", bound=BaseModel)


def read_yaml(file: Path | Traversable) -> dict[str, Any]:
    """The mapping in a YAML file; `ConfigurationError` names the file, and the line where it is no YAML."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: no such file; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read ({error}); give a YAML file in UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}: no valid YAML ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file}: holds no mapping of settings; see the package's studies for examples")
    return content


def parse(kind: type[_Model], content: dict[str, Any], source: str) -> _Model:
    """`content` as typed configuration; `ConfigurationError` names the entry that is wrong."""
    try:
        return kind.model_validate(content)
    except ConfigurationError as error:  # of a registry: it names what is unknown, and what there is
        raise ConfigurationError(f"{source}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            reason = _no_setting(str(first["loc"][-1]), _settings_at(kind, first["loc"][:-1]))
        else:
            reason = first["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigurationError(f"{source}: {f'{where}: ' if where else ''}{reason}{more}") from None


def _no_setting(name: str, known: Sequence[str]) -> str:
    """That there is no such setting, with those spelt like it, or else all that there are."""
    hint = similar_to(name, known)
    if not hint and known:
        hint = f"; there are: {', '.join(known)}"
    return f"there is no such setting{hint}"


def _settings_at(kind: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Names of the settings at a place of a configuration: keys, positions in lists, and what pydantic calls unions."""
    models = [kind]
    for part in place:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
    return list(dict.fromkeys(name for model in models for name in model.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The configurations that a type consists of: `tuple[Part, ...]`, `Part | None`, `dict[str, Part]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def overlay(base: Any, changes: Any) -> Any:
    """`base` with `changes` laid over it: mappings key by key, everything else replaced.

    Lists of named mappings (models, strategies) are changed entry by entry: by name, all of them by the name '*'; an
    entry with a new name is added.
    """
    if isinstance(base, dict) and isinstance(changes, dict):
        return {
            key: overlay(base.get(key), changes[key]) if key in changes else base[key] for key in {**base, **changes}
        }
    if _all_named(base) and _all_named(changes):
        changed = {item["name"]: item for item in changes}
        of_all = {key: value for key, value in changed.pop(EVERY_ENTRY, {}).items() if key != "name"}
        kept = [overlay(overlay(item, of_all), changed.pop(item["name"], {})) for item in base]
        return [*kept, *changed.values()]
    return changes


def _all_named(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) and "name" in item for item in items)
