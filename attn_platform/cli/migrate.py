"""`attn migrate`: a home made by an older version, brought up to date."""

from __future__ import annotations

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home


def migrate(home: HomeOption = None) -> None:
    """Bring a home of an older version up to date; what is replaced stays in a folder `backup-…` of the home.

    Example: attn migrate --home data
    """
    from attn_platform.orchestration.migration import migrate as migrated

    target = open_home(home)
    for line in migrated(target):
        printing.show(line)
