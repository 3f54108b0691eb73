"""The vendors whose files can be imported, by the names that `attn import` takes.

A new vendor is one file: an `Importer` under `@vendor("its_name")`. Every module of this package belongs to the
register, and so does every module that an installed package names under the entry-point group `attn_platform.vendors`.
A file of a user's own is given in place of the name: `attn import my_vendor.py FOLDER`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import TypeVar

from attn_platform.errors import ConfigurationError
from attn_platform.market.vendors.base import Importer
from attn_platform.user_files import RunningFile, registered_in

ENTRY_POINT_GROUP = "attn_platform.vendors"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")  # settings.yaml lists several with blanks between them
PREDICTIONS = "predictions"  # what `attn import` calls forecasts, beside the vendors

_ImporterType = TypeVar("_ImporterType", bound=Importer)


@dataclass(frozen=True)
class _Vendor:
    """A vendor of one name: its importer, and the user's file that defines it."""

    name: str
    importer: Importer
    file: Path | None

    @property
    def origin(self) -> str:
        """The user's file and the name in it, or module and name."""
        name = getattr(self.importer, "__qualname__", repr(self.importer))
        return f"{self.file} ({name})" if self.file else f"{self.importer.__module__}.{name}"


_registry: dict[str, _Vendor] = {}
_running_file = RunningFile[_Vendor]("vendors")


def vendor(name: str) -> Callable[[_ImporterType], _ImporterType]:
    """Register an importer under `name`: lower-case letters, digits and underscores."""
    if not NAME_PATTERN.fullmatch(name) or name == PREDICTIONS:
        raise ConfigurationError(
            f"vendor {name!r}: a name is lower-case letters, digits and underscores, and not {PREDICTIONS}; rename it"
        )

    def register(importer: _ImporterType) -> _ImporterType:
        file, registered = _running_file.register_for(importer, _registry)
        entry = _Vendor(name, importer, file)
        known = registered.get(name)
        if file is None and known is not None and known.origin == entry.origin:
            del registered[name]  # a module reloaded, a notebook's cell run again
        _require_free(registered, entry)
        registered[name] = entry
        return importer

    return register


def importers() -> dict[str, Importer]:
    """The importers of the platform and of installed packages, by the names of their vendors."""
    _load_vendors()
    return {name: _registry[name].importer for name in sorted(_registry)}


def importer_of(given: str) -> Importer:
    """The importer of a vendor's name, or the only one that a Python file of the user's registers.

    `ConfigurationError` lists the vendors that there are, or names the file, and the line where there is one.
    """
    if Path(given).suffix == ".py":
        return _importer_in(Path(given).resolve())
    known = importers()
    if given not in known:
        raise ConfigurationError(
            f"there is no vendor '{given}'; there are: {', '.join([*known, PREDICTIONS])}, or a Python file of your own"
        )
    return known[given]


def _importer_in(file: Path) -> Importer:
    empty = 'registers no vendor; decorate its importer with @vendor("its_name")'
    found = registered_in(file, "the vendor of attn import", _registering, empty)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ConfigurationError(f"{file}: registers vendors {names}; give each a file of its own")
    _require_free(_registry, found[0])
    return found[0].importer


@contextmanager
def _registering(file: Path) -> Iterator[dict[str, _Vendor]]:
    _load_vendors()
    with _running_file.registering(file) as registered:
        yield registered


def _require_free(registered: dict[str, _Vendor], entry: _Vendor) -> None:
    known = registered.get(entry.name)
    if known is not None:
        raise ConfigurationError(
            f"vendor {entry.name!r} is defined by {known.origin} and by {entry.origin}; rename one of them"
        )


@cache
def _load_vendors() -> None:
    package = import_module("attn_platform.market.vendors")
    for module in iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()
