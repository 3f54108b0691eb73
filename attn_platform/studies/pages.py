"""Pages of reports that declare themselves: a name, what they are made of, and the function that writes them.

A page is a function under `@page`: in a module of `workflows/pages/`, in one that an installed package names under the
entry-point group `attn_platform.pages`, or in a Python file that a study names in its `page_files`. From that come its
asset `report_<name>`, `attn report <name>`, and its folder among the home's reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_platform.errors import ConfigurationError, PlatformError
from attn_platform.register import Register, origin_of

if TYPE_CHECKING:
    from attn_platform.studies.settings import Home

INDEX = "index.html"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")  # the name of a folder and of an asset
# What `attn report` calls its other pages, and folders of those
RESERVED = frozenset({"all", "assets", "comparisons", "factor", "factors", "overview", "study"})

Summary = Mapping[str, Any]
"""What is said of a page beside it: short texts and numbers by name, and data frames, which only its asset shows."""
Write = Callable[["Home", Path], Summary | None]
"""Writes `index.html`, and what belongs to it, into the folder given."""
Reads = Callable[["Home"], Iterable[str]]
"""Names of the assets that a page is made of."""


@dataclass(frozen=True)
class Page:
    """A page: `code` are the packages and modules, beside its own, that decide what it shows."""

    name: str
    description: str
    reads: Reads
    write: Write
    code: tuple[str, ...] = ()
    file: Path | None = None

    @property
    def origin(self) -> str:
        """The user's file and the name in it, or module and name."""
        return origin_of(self.write, self.file)


REGISTER = Register[Page](
    "page",
    option="page_files",
    remedy="declares no page; decorate a function with @page(…)",
    group="attn_platform.pages",
    modules="attn_platform.workflows.pages",
)


def page(name: str, *, description: str, reads: Reads, code: tuple[str, ...] = ()) -> Callable[[Write], Write]:
    """Declare a page: (home, folder) → what is said of it, or None; it writes `index.html` into the folder."""
    if not NAME_PATTERN.fullmatch(name) or name in RESERVED:
        raise ConfigurationError(
            f"page {name!r}: a name is lower-case letters, digits and underscores, and none of "
            f"{', '.join(sorted(RESERVED))}; rename it"
        )

    def declare(write: Write) -> Write:
        REGISTER.enter(write, lambda file: Page(name, description, reads, write, code, file))
        return write

    return declare


def pages_of(home: Home) -> dict[str, Page]:
    """The pages of the platform, of installed packages, and of the home's own files, by name."""
    return REGISTER.with_files(home.study.page_files)


def page_file(home: Home, page: Page) -> Path:
    """Where a page lies."""
    return home.reports / page.name / INDEX


def write_page(home: Home, page: Page) -> tuple[Path, Summary]:
    """Write a page of a home; its file, and what is said of it.

    `PlatformError` names a user's page whose function fails, and a function that writes no `index.html`.
    """
    file = page_file(home, page)
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
