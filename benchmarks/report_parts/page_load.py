"""How long a page takes to load in Chromium.

The times of the page are wall time since it was asked for (Navigation Timing and Paint Timing of the W3C), those of the
browser CPU time of the page's main thread, so that a busy machine does not spoil them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browser_tab import browser_tab

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

DRAWN = "document.readyState === 'complete' && document.querySelectorAll('.js-plotly-plot').length > 0"
TIMES = """({
  load: performance.getEntriesByType('navigation')[0].loadEventEnd,
  paint: performance.getEntriesByType('paint')[0].startTime,
})"""


@dataclass(frozen=True)
class PageLoad:
    """Seconds to the first paint and to the load event; CPU seconds of the main thread until the figures in sight are
    drawn."""

    paint: float
    load: float
    cpu: float


def page_loads(page: Path, times: int) -> list[PageLoad]:
    """The loads of a page one after the other in one browser: the first one has plotly.js to compile."""
    with browser_tab() as tab, _measured(tab) as protocol:
        return [_loaded(tab, protocol, page) for _ in range(times)]


@contextmanager
def _measured(tab: Page) -> Iterator[CDPSession]:
    """The browser's own protocol, counting CPU time."""
    protocol = tab.context.new_cdp_session(tab)
    protocol.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    protocol.send("Performance.enable")
    yield protocol
    protocol.detach()


def _loaded(tab: Page, protocol: CDPSession, page: Path) -> PageLoad:
    tab.goto("about:blank")
    before = _cpu_seconds(protocol)
    tab.goto(page.resolve().as_uri())
    tab.wait_for_function(DRAWN)
    times: dict[str, Any] = tab.evaluate(TIMES)
    return PageLoad(times["paint"] / 1e3, times["load"] / 1e3, _cpu_seconds(protocol) - before)


def _cpu_seconds(protocol: CDPSession) -> float:
    metrics = protocol.send("Performance.getMetrics")["metrics"]
    return next(float(each["value"]) for each in metrics if each["name"] == "ThreadTime")
