"""A register of the things of one kind that can be chosen by name: factors, networks, vendors, functions of portfolios.

Things join it under a decorator. Those of the platform's own modules, and of the modules that installed packages name
under an entry-point group, are everybody's. Those of a user's file (`user_files`) belong to those who name the file and
to nobody else, so two homes of one process may have things of the same name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Generic, Protocol, TypeVar

from attn_platform.errors import ConfigurationError
from attn_platform.user_files import MODULE_PREFIX, registered_in


class Entry(Protocol):
    """What a register holds: a thing, the name that it is chosen by, and the user's file that defines it."""

    @property
    def name(self) -> str:
        """By which it is chosen."""

    @property
    def file(self) -> Path | None:
        """The user's file that defines it; None of one of the platform or of an installed package."""

    @property
    def origin(self) -> str:
        """Where it is defined, for messages (`origin_of`)."""


E = TypeVar("E", bound=Entry)


def origin_of(defined: object, file: Path | None) -> str:
    """Where a function or class is defined: the user's file and the name in it, or module and name."""
    name = getattr(defined, "__qualname__", repr(defined))
    return f"{file} ({name})" if file else f"{getattr(defined, '__module__', '')}.{name}"


def by_name(kind: str, entries: Iterable[E]) -> dict[str, E]:
    """The entries by name, in their order; `ConfigurationError` names both places where two have one name."""
    named: dict[str, E] = {}
    for entry in entries:
        _add(kind, named, entry)
    return named


class Register(Generic[E]):
    """The things of one kind by name.

    Args:
        kind: what one of them is called in messages.
        option: the setting that names a user's file of them.
        remedy: what is said of a file that registers none; empty where a file may register none.
        group: the entry-point group under which installed packages name their modules.
        modules: the platform's own: a module, or a package all whose modules belong to it.
        entries: what is everybody's, by name, as far as it is known from the start; the register keeps it up to date.
    """

    def __init__(
        self,
        kind: str,
        *,
        option: str,
        remedy: str,
        group: str,
        modules: str | None = None,
        entries: dict[str, E] | None = None,
    ) -> None:
        self.kind, self.option, self.remedy, self.group, self.modules = kind, option, remedy, group, modules
        self._entries = {} if entries is None else entries
        self._is_loaded = False
        self._running: ContextVar[tuple[Path, dict[str, E]] | None] = ContextVar(kind, default=None)

    def enter(self, defined: object, entry_of: Callable[[Path | None], E]) -> None:
        """Enter what a decorator was given; `entry_of` makes its entry, knowing the user's file that defines it.

        It replaces one of the same origin, as where a module is reloaded or a notebook's cell run again.
        `ConfigurationError` for a name that is taken.
        """
        file, entries = self._place_of(defined)
        entry = entry_of(file)
        known = entries.get(entry.name)
        if file is None and known is not None and known.origin == entry.origin:
            del entries[entry.name]
        _add(self.kind, entries, entry)

    def everybodys(self) -> Mapping[str, E]:
        """What the platform and installed packages have, by name."""
        self._load()
        return self._entries

    def of_file(self, file: str | Path) -> tuple[E, ...]:
        """What a user's file registers, in its order.

        `ConfigurationError` names the file, and the line where there is one: no such file, no valid Python, an error
        while it runs, nothing registered, or a name that is taken within it.
        """
        return registered_in(file, self.option, self._filling, self.remedy)

    def with_files(self, files: Iterable[str | Path]) -> dict[str, E]:
        """What is everybody's, and what these files register, by name; `ConfigurationError` as for a file alone."""
        own = [entry for file in dict.fromkeys(Path(file).resolve() for file in files) for entry in self.of_file(file)]
        return by_name(self.kind, (*self.everybodys().values(), *own))

    def keep_files(self, files: Iterable[str | Path]) -> None:
        """Enter what these files register for the whole process, in place of what an earlier text of each had."""
        for file in dict.fromkeys(Path(file).resolve() for file in files):
            entries = self.of_file(file)
            others = [entry for entry in self._entries.values() if entry.file != file]
            kept = by_name(self.kind, (*others, *entries))
            self._entries.clear()
            self._entries.update(kept)

    def _place_of(self, defined: object) -> tuple[Path | None, dict[str, E]]:
        """The user's file that runs, and its entries; no file, and everybody's entries, where none runs.

        What a file defines that is run for things of another kind goes into entries that nobody reads.
        """
        if (running := self._running.get()) is not None:
            return running
        module = getattr(defined, "__module__", "")
        if module.startswith(MODULE_PREFIX):
            return Path(str(sys.modules[module].__file__)), {}
        return None, self._entries

    @contextmanager
    def _filling(self, file: Path) -> Iterator[Mapping[str, E]]:
        """What is registered inside belongs to `file` and goes into the mapping given."""
        self._load()  # what a package registers when it is imported first must not count as the file's
        entries: dict[str, E] = {}
        token = self._running.set((file, entries))
        try:
            yield entries
        finally:
            self._running.reset(token)

    def _load(self) -> None:
        if self._is_loaded:
            return
        if self.modules is not None:
            package = import_module(self.modules)
            for module in iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
                import_module(module.name)
        for entry_point in entry_points(group=self.group):
            entry_point.load()
        self._is_loaded = True


def _add(kind: str, entries: dict[str, E], entry: E) -> None:
    known = entries.get(entry.name)
    if known is not None:
        raise ConfigurationError(
            f"{kind} {entry.name} is defined by {known.origin} and by {entry.origin}; rename one of them"
        )
    entries[entry.name] = entry
