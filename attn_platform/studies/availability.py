"""What a home's source lacks for the factors of its catalogue, and why."""

from __future__ import annotations

from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.input_columns import TABLE_OF
from attn_platform.factors.inputs import ROW_FIELD
from attn_platform.market.contract import DAILY_BAR
from attn_platform.studies.settings import Home


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


def _absent(home: Home, name: str) -> str | None:
    table, source = TABLE_OF[name], home.settings.source
    if table in source.absent_tables:
        return f"table {table} is absent ({source.absent_tables[table]})"
    column = f"{table}.{name}"
    # Of the daily bars an importer works out what the vendor leaves out; the reason then says how.
    if column in source.absent_columns and table != DAILY_BAR.name:
        return f"column {column} is absent ({source.absent_columns[column]})"
    return None
