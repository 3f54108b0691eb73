"""Published figures of the studies and their reader."""

from attn_platform.published.reader import (
    PublishedMonths,
    PublishedRow,
    published_months,
    published_row,
    published_source,
    published_table,
    published_tables,
)

__all__ = [
    "PublishedMonths",
    "PublishedRow",
    "published_months",
    "published_row",
    "published_source",
    "published_table",
    "published_tables",
]
