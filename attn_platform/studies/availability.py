"""What a home's source lacks for the factors of its catalogue, and for the styles of its strategies, and why."""

from __future__ import annotations

from collections.abc import Iterable

from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.input_columns import is_qualified, table_of
from attn_platform.factors.inputs import ROW_FIELD
from attn_platform.factors.store import family_table
from attn_platform.indicators.catalogue import IndicatorDefinition, qualified_names
from attn_platform.market.contract import DAILY_BAR
from attn_platform.portfolio.styles import BUILT_IN_STYLES
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig

# Optional columns of intraday tables in whose place nothing else can stand
NEEDED_COLUMNS = ("minute_bar.trades",)


def lacking(home: Home, definition: FactorDefinition) -> str | None:
    """The table or column without which the factor cannot be computed, with the reason; None where nothing lacks."""
    for names in ((ROW_FIELD,), *definition.alternatives):
        reasons = [_absent(home, name) for name in names]
        if all(reasons):
            return reasons[0]
    return None


def switched_off(home: Home, family: str) -> str | None:
    """Why a family cannot be computed at all: each of its factors lacks something, the first one this."""
    reasons = [lacking(home, definition) for definition in home.study.catalogue.family(family)]
    return reasons[0] if all(reasons) else None


def families_off(home: Home) -> dict[str, str]:
    """Families of the catalogue that cannot be computed, with the reason."""
    reasons = {family: switched_off(home, family) for family in home.study.catalogue.families}
    return {family: reason for family, reason in reasons.items() if reason is not None}


def families_present(home: Home) -> list[str]:
    """Families of the catalogue that the source has the inputs of."""
    off = families_off(home)
    return [family for family in home.study.catalogue.families if family not in off]


def missing_styles(home: Home, strategy: StrategyConfig) -> dict[str, str]:
    """Styles of a strategy that cannot be computed, with the reason; the strategy does without them."""
    of_catalogue = [style for style in strategy.styles if style not in BUILT_IN_STYLES]
    reasons = {style: lacking(home, home.study.catalogue.definition(style)) for style in of_catalogue}
    return {style: reason for style, reason in reasons.items() if reason is not None}


def style_tables(home: Home, styles: Iterable[str]) -> dict[str, str]:
    """Table of factors that holds each style, but for those of the raw tables."""
    known = home.study.catalogue
    return {style: family_table(known.definition(style).family) for style in styles if style not in BUILT_IN_STYLES}


def absent_input(home: Home, indicator: IndicatorDefinition) -> str | None:
    """The table or column without which an indicator cannot be computed, with the reason; None where nothing lacks."""
    tables, columns = home.absent_tables, home.settings.source.absent_columns
    for table in indicator.tables:
        if table in tables:
            return f"table {table} is absent ({tables[table]})"
    for column in (name for name in indicator.inputs if name in NEEDED_COLUMNS):
        if column in columns:
            return f"column {column} is absent ({columns[column]})"
    return None


def indicator_families_off(home: Home) -> dict[str, str]:
    """Families of indicators that cannot be computed at all: each of theirs lacks a table, the first one this."""
    known = home.study.indicator_catalogue
    reasons = {family: [absent_input(home, each) for each in known.family(family)] for family in known.families}
    return {family: str(lacking[0]) for family, lacking in reasons.items() if all(lacking)}


def _absent(home: Home, name: str) -> str | None:
    if is_qualified(name):
        return absent_input(home, qualified_names(home.study.indicator_catalogue)[name])
    table, source = table_of(name), home.settings.source
    if table in source.absent_tables:
        return f"table {table} is absent ({source.absent_tables[table]})"
    column = f"{table}.{name}"
    # Of the daily bars an importer works out what the vendor leaves out; the reason then says how.
    if column in source.absent_columns and table != DAILY_BAR.name:
        return f"column {column} is absent ({source.absent_columns[column]})"
    return None
