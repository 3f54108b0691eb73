"""Pages of reports that declare themselves: a name, what they are made of, and the function that writes them.

A page is a function under `@page`, and pages of one kind, one for each of some things, are one under `@page_of_each`:
in a module of `workflows/pages/`, in one that an installed package names under the entry-point group
`attn_platform.pages`, or in a Python file that a study names in its `page_files`. From that come the asset
`report_<name>`, `attn report <name>`, and the page's folder among the home's reports. All pages of a home are made so,
but for the comparison of two strategies: which two is said when it is asked for (`attn compare`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_platform.errors import ConfigurationError, PlatformError
from attn_platform.register import Register, by_name, origin_of

if TYPE_CHECKING:
    from attn_platform.studies.settings import Home

INDEX = "index.html"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")  # the name of a folder and of an asset
# What `attn report` calls a choice of pages, and folders of the reports that no page has
RESERVED = frozenset({"all", "assets", "comparisons", "factor"})


class MadeWith(StrEnum):
    """The part of a run of the whole pipeline that makes a page."""

    RESULTS = auto()  # what it shows: evaluations and backtests
    SUMMARIES = auto()  # after all results
    SCHEDULE = auto()  # none: only the job of the reports makes it


@dataclass(frozen=True)
class Aside:
    """What of a page only its asset shows, and the terminal does not: a text, a number, or a picture in Markdown."""

    value: str | int | float
    is_markdown: bool = False


Summary = Mapping[str, Any]
"""What is said of a page beside it: short texts and numbers by name, and what only its asset shows, data frames and
`Aside`."""
Write = Callable[["Home", Path], Summary | None]
"""Writes `index.html`, and what belongs to it, into the folder given."""
Reads = Callable[["Home"], Iterable[str]]
"""Names of the assets that a page is made of."""
WriteOne = Callable[["Home", Path, Any], Summary | None]
ReadsOne = Callable[["Home", Any], Iterable[str]]
Configuration = Callable[["Home"], Iterable[object]]
ConfigurationOfOne = Callable[["Home", Any], Iterable[object]]


@dataclass(frozen=True)
class Page:
    """A page of a home.

    `code` are the packages and modules that decide what it shows (its own among them, unless a user's `file` declares
    it), and `configuration` the settings that do, typed ones or whatever JSON can hold.
    """

    name: str
    description: str
    reads: tuple[str, ...]
    write: Write
    code: tuple[str, ...]
    configuration: tuple[object, ...]
    made_with: MadeWith
    origin: str
    file: Path | None


@dataclass(frozen=True)
class Declaration:
    """Pages of one kind: one for each of the things that a home has of it, by the page's name."""

    name: str
    description: str
    each: Callable[[Home], Mapping[str, Any]]
    reads: ReadsOne
    write: WriteOne
    code: tuple[str, ...]
    configuration: ConfigurationOfOne
    made_with: MadeWith
    absent: str
    """Why a home has none of it, where it has none."""
    origin: str
    file: Path | None

    def pages(self, home: Home) -> list[Page]:
        """The pages that a home has of it."""
        return [self._page(home, name, thing) for name, thing in self.each(home).items()]

    def _page(self, home: Home, name: str, thing: Any) -> Page:
        return Page(
            name=name,
            description=self.description,
            reads=tuple(dict.fromkeys(self.reads(home, thing))),
            write=lambda home, folder: self.write(home, folder, thing),
            code=self.code,
            configuration=tuple(self.configuration(home, thing)),
            made_with=self.made_with,
            origin=self.origin,
            file=self.file,
        )


REGISTER = Register[Declaration](
    "page",
    option="page_files",
    remedy="declares no page; decorate a function with @page(…)",
    group="attn_platform.pages",
    modules="attn_platform.workflows.pages",
)


def page(
    name: str,
    *,
    description: str,
    reads: Reads,
    code: tuple[str, ...] = (),
    configuration: Configuration = lambda home: (),
    made_with: MadeWith = MadeWith.SCHEDULE,
) -> Callable[[Write], Write]:
    """Declare a page: (home, folder) → what is said of it, or None; it writes `index.html` into the folder."""

    def declare(write: Write) -> Write:
        _enter(
            write,
            name=name,
            description=description,
            each=lambda home: {name: None},
            reads=lambda home, _: reads(home),
            write=lambda home, folder, _: write(home, folder),
            code=code,
            configuration=lambda home, _: configuration(home),
            made_with=made_with,
            absent="",
        )
        return write

    return declare


def page_of_each(
    name: str,
    *,
    each: Callable[[Home], Mapping[str, Any]],
    description: str,
    reads: ReadsOne,
    code: tuple[str, ...] = (),
    configuration: ConfigurationOfOne = lambda home, thing: (),
    made_with: MadeWith = MadeWith.SCHEDULE,
    absent: str = "there is nothing that it could show",
) -> Callable[[WriteOne], WriteOne]:
    """Declare a page for each thing of a home: (home, folder, thing) → what is said of it, or None.

    `each` has the things by the name of their page; where a home has none, `absent` says why. `attn report` with the
    `name` of the declaration makes them all.
    """

    def declare(write: WriteOne) -> WriteOne:
        _enter(
            write,
            name=name,
            description=description,
            each=each,
            reads=reads,
            write=write,
            code=code,
            configuration=configuration,
            made_with=made_with,
            absent=absent,
        )
        return write

    return declare


def _enter(declared: Callable[..., Any], *, name: str, code: tuple[str, ...], **parts: Any) -> None:
    if not NAME_PATTERN.fullmatch(name) or name in RESERVED:
        raise ConfigurationError(
            f"page {name!r}: a name is lower-case letters, digits and underscores, and none of "
            f"{', '.join(sorted(RESERVED))}; rename it"
        )

    def declaration(file: Path | None) -> Declaration:
        own = () if file else (declared.__module__,)
        return Declaration(name=name, code=(*code, *own), origin=origin_of(declared, file), file=file, **parts)

    REGISTER.enter(declared, declaration)


def pages_of(home: Home) -> dict[str, Page]:
    """The pages of the platform, of installed packages, and of the home's own files, by name."""
    declarations = REGISTER.with_files(home.study.page_files).values()
    return by_name(REGISTER.kind, (each for declaration in declarations for each in declaration.pages(home)))


def pages_called(home: Home, name: str) -> list[Page]:
    """The page of a name, those that are declared together under it, or those of all strategies under the study's name.

    `ConfigurationError` where nothing is called so.
    """
    found = pages_of(home)
    if name in found:
        return [found[name]]
    declaration = REGISTER.with_files(home.study.page_files).get(name)
    if declaration is not None:
        if together := declaration.pages(home):
            return together
        raise ConfigurationError(f"study {home.study.name} has no page '{name}': {declaration.absent}")
    traded = [found[each.name] for each in home.study.traded if name == home.study.name]
    return traded or [found[home.study.strategy(name).name]]


def page_file(home: Home, name: str) -> Path:
    """Where the page of a name lies."""
    return home.reports / name / INDEX


def write_page(home: Home, page: Page) -> tuple[Path, Summary]:
    """Write a page of a home; its file, and what is said of it.

    `PlatformError` names a user's page whose function fails, and a function that writes no `index.html`.
    """
    file = page_file(home, page.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        summary = page.write(home, file.parent)
    except PlatformError:
        raise
    except Exception as error:
        if page.file is None:
            raise
        raise PlatformError(f"page {page.name}: {type(error).__name__}: {error}; correct {page.origin}") from error
    if not file.exists():
        raise PlatformError(f"page {page.name}: wrote no {file}; correct {page.origin}")
    return file, summary or {}
