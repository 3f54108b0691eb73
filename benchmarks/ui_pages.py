"""Seconds until pages of the UI are there, in a browser, on a home of many partitions.

Run: python benchmarks/ui_pages.py [HOME] [--out FILE]: HOME (default: ./data) is one that `attn run` or an import has
made. The UI is started on it, and each page is opened twice: the first time Dagster may have to sum up an asset's
partitions. A page is there when its own text stands on it and half a second has passed without a request, which is not
counted. It needs Chromium or Chrome, and playwright.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from browser_tab import browser_tab
from ui_parts.served import PATIENCE_SECONDS, ui

from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.places import home_folder, is_home
from attn_platform.studies.settings import Home
from attn_platform.writing import write_atomically

if TYPE_CHECKING:
    from playwright.sync_api import Page

GOAL = 5.0  # seconds
LOOKS = 2
QUIET_SECONDS = 0.5  # of playwright's "networkidle"
LOCATION = "attn_platform.definitions"
ASSETS = "{ assetNodes { assetKey { path } partitionKeys } }"


@dataclass(frozen=True)
class Look:
    """A page of the UI: its path, and a text that stands on it when it is there."""

    name: str
    path: str
    text: str


def looks(home: Home) -> Iterator[Look]:
    """The pages that an operator opens, those of assets with the most partitions among them."""
    strategy = home.study.strategies[0].name
    yield Look("catalog", "/assets", "Asset name")
    yield Look("lineage of all groups", "/asset-groups", "Materialize all")
    yield Look("group of factors", f"/locations/{LOCATION}/asset-groups/factors", "factor_reversal")
    for asset in ("daily_bar", "factor_reversal", "factor_panel"):
        yield Look(f"{asset}, overview", f"/assets/{asset}", "Latest materialization")
        yield Look(f"{asset}, partitions", f"/assets/{asset}?view=partitions", "Partitions")
    yield Look("factor_panel, lineage", "/assets/factor_panel?view=lineage", "factor_reversal")
    yield Look("portfolio, partitions", f"/assets/portfolio_{strategy}?view=partitions", "Partitions")
    yield Look("runs", "/runs", "Target")
    yield Look("jobs", "/jobs", "weekly_portfolio")
    yield Look("automation", "/automation", "owed_work")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, nargs="?", default=home_folder())
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    if not is_home(arguments.home):
        print(f"there is no home at {arguments.home} to start on; make run makes one")
        return
    lines = list(table(Home.open(arguments.home)))
    print("\n".join(lines))
    if arguments.out:
        write_atomically(arguments.out, "\n".join(lines) + "\n")


def table(home: Home) -> Iterator[str]:
    """Lines of the table."""
    with ui(home) as served, browser_tab() as tab:
        nodes = served.ask(ASSETS)["assetNodes"]
        most = max(len(node["partitionKeys"]) for node in nodes)
        sessions = len(partitions_of(home).sessions.get_partition_keys())
        yield f"{len(nodes)} assets, up to {most} partitions ({sessions} sessions), {os.cpu_count()} cores"
        yield ""
        yield f"{'':28}{'first look':>12}{'second':>10}{'goal':>8}"
        opened(tab, served.address, Look("front page", "/", "Overview"))  # the application itself is loaded once
        for look in looks(home):
            seconds = [opened(tab, served.address, look) for _ in range(LOOKS)]
            yield f"{look.name:28}{seconds[0]:12.1f}{seconds[1]:10.1f}{GOAL:8.0f}"


def opened(tab: Page, address: str, look: Look) -> float:
    """Seconds until a page is there."""
    patience = PATIENCE_SECONDS * 1e3
    started = time.perf_counter()
    tab.goto(f"{address}{look.path}")
    tab.get_by_text(look.text).first.wait_for(timeout=patience)
    tab.wait_for_load_state("networkidle", timeout=patience)
    if urlsplit(tab.url).path != urlsplit(look.path).path and look.path != "/":
        raise RuntimeError(f"{look.path} has led to {tab.url}")
    return time.perf_counter() - started - QUIET_SECONDS


if __name__ == "__main__":
    main()
