"""Published figures of the studies and their reader."""

from attn_platform.published.reader import (
    PublishedRow,
    published_row,
    published_source,
    published_table,
    published_tables,
)

__all__ = ["PublishedRow", "published_row", "published_source", "published_table", "published_tables"]
