"""A tab of the machine's Chromium or Chrome, driven by playwright."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attn_platform.reports.exports import browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

WINDOW: Any = {"width": 1280, "height": 900}


@contextmanager
def browser_tab() -> Iterator[Page]:
    """An empty page; `BrowserError` where there is no browser."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox"] if os.geteuid() == 0 else []  # which Chromium refuses to root
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser(), args=options) as running,
    ):
        yield running.new_page(viewport=WINDOW)
