"""What a factor may name as its inputs, and the table that each comes from.

A column of the data contract goes by its own name (`close`). Of any other table with a row a stock and session it is
`table.column`: the daily indicators of intraday data (`indicator_bar_shape.realised_skewness`).
"""

import re
from difflib import get_close_matches

from attn_platform.errors import ConfigurationError
from attn_platform.factors.inputs import MARKET_RETURN
from attn_platform.indicators.catalogue import TABLE_PREFIX as INDICATORS
from attn_platform.market.contract import TABLES
from attn_platform.market.schema import DATE

KEYS = ("date", "symbol")
# Whatever has a row a stock and session, then what reaches factors in a form of its own
INPUT_TABLES = (*(table.name for table in TABLES.values() if table.is_panel), "fundamental", "index_bar")
QUALIFIED = re.compile(rf"{INDICATORS}[a-z0-9_]+\.[a-z0-9_]+")


def _inputs_of(table: str) -> tuple[str, ...]:
    if table == "index_bar":
        return (MARKET_RETURN,)  # all that a factor reads of the indices
    return tuple(c.name for c in TABLES[table].columns if c.name not in KEYS and c.type != DATE)


TABLE_OF = {name: table for table in reversed(INPUT_TABLES) for name in _inputs_of(table)}
"""Raw table by input; a name that two tables have is the column of the one named first."""


def table_of(name: str) -> str:
    """The table that an input comes from."""
    return name.partition(".")[0] if is_qualified(name) else TABLE_OF[name]


def is_qualified(name: str) -> bool:
    """Whether an input is `table.column` of a table that is no raw one."""
    return QUALIFIED.fullmatch(name) is not None


def require_input(factor: str, name: str) -> None:
    """`ConfigurationError` where no table can have the column; it names the nearest that there are."""
    if name not in TABLE_OF and not is_qualified(name):
        near = get_close_matches(name, TABLE_OF, cutoff=0.0)
        raise ConfigurationError(
            f"factor {factor}: no raw table has a column '{name}' (docs/data-contract.md); the nearest are "
            f"{', '.join(near)}"
        )
