"""Published figures of the studies and their reader."""

from attn_platform.published.reader import (
    PublishedMonths,
    PublishedRow,
    published_months,
    published_row,
    published_source,
    published_table,
    published_tables,
    published_test_range,
    study_citation,
)

__all__ = [
    "PublishedMonths",
    "PublishedRow",
    "published_months",
    "published_row",
    "published_source",
    "published_table",
    "published_tables",
    "published_test_range",
    "study_citation",
]
