"""The vendors whose files can be imported, by the names that `attn import` takes.

A new vendor is one file: an `Importer` under `@vendor("its_name")`. Every module of this package belongs to the
register, and so does every module that an installed package names under the entry-point group `attn_platform.vendors`.
A file of a user's own is given in place of the name: `attn import my_vendor.py FOLDER`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from attn_platform.errors import ConfigurationError
from attn_platform.market.vendors.base import Importer
from attn_platform.register import Register, origin_of

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
        return origin_of(self.importer, self.file)


REGISTER = Register[_Vendor](
    "vendor",
    option="the vendor of attn import",
    remedy='registers no vendor; decorate its importer with @vendor("its_name")',
    group="attn_platform.vendors",
    modules="attn_platform.market.vendors",
)


def vendor(name: str) -> Callable[[_ImporterType], _ImporterType]:
    """Register an importer under `name`: lower-case letters, digits and underscores."""
    if not NAME_PATTERN.fullmatch(name) or name == PREDICTIONS:
        raise ConfigurationError(
            f"vendor {name!r}: a name is lower-case letters, digits and underscores, and not {PREDICTIONS}; rename it"
        )

    def register(importer: _ImporterType) -> _ImporterType:
        REGISTER.enter(importer, lambda file: _Vendor(name, importer, file))
        return importer

    return register


def importers() -> dict[str, Importer]:
    """The importers of the platform and of installed packages, by the names of their vendors."""
    known = REGISTER.everybodys()
    return {name: known[name].importer for name in sorted(known)}


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
    found = REGISTER.of_file(file)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ConfigurationError(f"{file}: registers vendors {names}; give each a file of its own")
    return REGISTER.with_files([file])[found[0].name].importer
