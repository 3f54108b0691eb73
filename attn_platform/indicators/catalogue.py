"""The open catalogue of daily indicators: each is a function of one session of intraday rows, [stock] values.

An indicator is registered by `@indicator`, as a factor is by `@factor`. Its values are stored by session, and a factor
reads them as `indicator_<family>.<name>`, like `close`. Every module of `families/` belongs to the catalogue, and so
does every module that an installed package names under the entry-point group `attn_platform.indicators`. A user's own
stand in the files of a study's `factor_files`, beside the factors that read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from attn_platform.errors import ConfigurationError
from attn_platform.indicators.inputs import IndicatorInputs
from attn_platform.indicators.rows import FloatArray
from attn_platform.market.contract import INTRADAY_TABLES, TABLES
from attn_platform.register import Register, by_name, origin_of

KIND = "indicator"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")
_COLUMNS = {table: tuple(column.name for column in TABLES[table].columns[2:]) for table in INTRADAY_TABLES}
_TAKEN = {column.name for table in TABLES.values() for column in table.columns}

TABLE_PREFIX = "indicator_"

IndicatorFunction = Callable[[IndicatorInputs], FloatArray]


def indicator_table(family: str) -> str:
    """Name of the family's table, which is also its asset's."""
    return f"{TABLE_PREFIX}{family}"


@dataclass(frozen=True)
class IndicatorDefinition:
    """One daily indicator: what it is, what it reads, and the function that computes it."""

    name: str
    family: str
    inputs: tuple[str, ...]  # table.column of the intraday tables
    formula: str
    source: str
    function: IndicatorFunction
    longest_bar: int | None = None  # minutes; longer bars say nothing about it
    history: tuple[str, ...] = ()  # indicators of the sessions before that it reads
    file: Path | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """The intraday tables that it reads."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.inputs))

    @property
    def reads(self) -> str:
        """The inputs as text."""
        return ", ".join((*self.inputs, *(f"{name} before" for name in self.history)))

    @property
    def origin(self) -> str:
        """Where its function stands: the user's file and the name in it, or module and name."""
        return origin_of(self.function, self.file)


def qualified_names(indicators: Iterable[IndicatorDefinition]) -> dict[str, IndicatorDefinition]:
    """Indicators by the names that factors read them under, `table.column`."""
    return {f"{indicator_table(each.family)}.{each.name}": each for each in indicators}


class IndicatorCatalogue:
    """Indicators by name, in a fixed order; immutable. `ConfigurationError` where two have one name."""

    def __init__(self, definitions: Iterable[IndicatorDefinition]) -> None:
        self._by_name = by_name(KIND, definitions)

    def __iter__(self) -> Iterator[IndicatorDefinition]:
        return iter(self._by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @property
    def families(self) -> tuple[str, ...]:
        """The names of the families, those first whose indicators another one's read of the sessions before."""
        return tuple(dict.fromkeys(definition.family for definition in self))

    def family(self, name: str) -> tuple[IndicatorDefinition, ...]:
        """The indicators of one family."""
        members = tuple(definition for definition in self if definition.family == name)
        if not members:
            raise ConfigurationError(f"no indicator family {name!r}; there are {', '.join(self.families)}")
        return members

    def definition(self, name: str) -> IndicatorDefinition:
        """The indicator of that name."""
        if name not in self._by_name:
            near = ", ".join(get_close_matches(name, self._by_name)) or ", ".join(self._by_name)
            raise ConfigurationError(f"no indicator {name!r}; there are: {near}")
        return self._by_name[name]


REGISTER = Register[IndicatorDefinition](
    KIND,
    option="factor_files",
    remedy="",
    group="attn_platform.indicators",
    modules="attn_platform.indicators.families",
)


def indicator(
    *,
    name: str,
    family: str,
    inputs: tuple[str, ...],
    formula: str,
    source: str,
    longest_bar: int | None = None,
    history: tuple[str, ...] = (),
) -> Callable[[IndicatorFunction], IndicatorFunction]:
    """Register a daily indicator under `name` in `family`.

    `inputs` are columns of intraday tables, as `minute_bar.volume`; `longest_bar` is the length of bars in minutes up
    to which it makes sense; `history` are indicators whose values of earlier sessions it reads. The function returns
    [S], NaN = missing; a stock's value depends on that stock's rows alone.
    """
    for what, word in (("name", name), ("family", family)):
        if not NAME_PATTERN.fullmatch(word):
            raise ConfigurationError(f"indicator {name!r}: a {what} is lower-case letters, digits and underscores")
    if name in _TAKEN:
        raise ConfigurationError(f"indicator {name}: a column of the data contract has that name; choose another")
    if not inputs or isinstance(inputs, str):
        raise ConfigurationError(f'indicator {name}: inputs are a tuple, as in inputs=("minute_bar.volume",)')
    for given in inputs:
        table, _, column = given.partition(".")
        if column not in _COLUMNS.get(table, ()):
            known = [f"{table}.{column}" for table, columns in _COLUMNS.items() for column in columns]
            near = get_close_matches(given, known, cutoff=0.0)
            raise ConfigurationError(
                f"indicator {name}: no intraday table has '{given}'; the nearest are {', '.join(near)}"
            )

    def register(function: IndicatorFunction) -> IndicatorFunction:
        REGISTER.enter(
            function,
            lambda file: IndicatorDefinition(
                name, family, inputs, formula, source, function, longest_bar, history, file
            ),
        )
        return function

    return register


def indicators_with(files: Iterable[str | Path]) -> IndicatorCatalogue:
    """The indicators of this process, and those of a user's `files` after them.

    `ConfigurationError` names the file for a name that is taken, and for a history that there is none of.
    """
    known = IndicatorCatalogue(REGISTER.with_files(files).values())
    for definition in known:
        for name in definition.history:
            if name not in known or known.definition(name).history:
                raise ConfigurationError(
                    f"indicator {definition.name}: its history {name} must be an indicator that reads no history itself"
                )
    return known
