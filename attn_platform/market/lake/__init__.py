"""The lake: Parquet files under one folder, one file a session and table, read through DuckDB.

`lake` reads and writes tables, `layout` says where their files lie, `manifest` which of them an import has brought, and
`files` how one of them is written and read. `locks` keeps two imports apart, `leftovers` finds what nobody reads.
"""

from attn_platform.market.lake.files import UNREADABLE, days, first_line, from_columns
from attn_platform.market.lake.lake import Lake, Stage

__all__ = ["UNREADABLE", "Lake", "Stage", "days", "first_line", "from_columns"]
