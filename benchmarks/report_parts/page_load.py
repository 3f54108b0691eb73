"""How long a page takes to load in Chromium, asked by its own protocol (Chrome DevTools Protocol).

The times of the page are wall time since it was asked for (Navigation Timing and Paint Timing of the W3C), those of the
browser CPU time of the page's main thread, so that a busy machine does not spoil them.
"""

import asyncio
import json
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websockets

from attn_platform.reports.exports import browser

OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")
WINDOW = "--window-size=1280,900"
LOADED = "document.readyState + '|' + document.querySelectorAll('.js-plotly-plot').length"
TIMES = """JSON.stringify({
  load: performance.getEntriesByType('navigation')[0].loadEventEnd,
  paint: performance.getEntriesByType('paint')[0].startTime,
})"""
POLL_SECONDS, PATIENCE_POLLS = 0.05, 1_200


@dataclass(frozen=True)
class PageLoad:
    """Seconds to the first paint and to the load event; CPU seconds of the main thread until the figures in sight are
    drawn."""

    paint: float
    load: float
    cpu: float


def page_loads(page: Path, times: int) -> list[PageLoad]:
    """The loads of a page one after the other in one browser: the first one has plotly.js to compile."""
    return asyncio.run(_page_loads(page, times))


async def _page_loads(page: Path, times: int) -> list[PageLoad]:
    with tempfile.TemporaryDirectory() as profile:
        command = [browser(), *OPTIONS, WINDOW, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            async with websockets.connect(_address(process), max_size=None) as socket:
                tab = _Tab(socket)
                await tab.call("Page.enable")
                await tab.call("Performance.setTimeDomain", timeDomain="threadTicks")
                await tab.call("Performance.enable")
                return [await _loaded(tab, page) for _ in range(times)]
        finally:
            process.terminate()
            process.wait()


async def _loaded(tab: "_Tab", page: Path) -> PageLoad:
    await tab.call("Page.navigate", url="about:blank")
    before = await tab.cpu_seconds()
    await tab.call("Page.navigate", url=page.resolve().as_uri())
    for _ in range(PATIENCE_POLLS):
        state, _, drawn = str(await tab.value(LOADED)).partition("|")
        if state == "complete" and int(drawn):
            break
        await asyncio.sleep(POLL_SECONDS)
    times = json.loads(await tab.value(TIMES))
    return PageLoad(times["paint"] / 1e3, times["load"] / 1e3, await tab.cpu_seconds() - before)


def _address(process: "subprocess.Popen[str]") -> str:
    """Of the browser's first tab; the browser says its port."""
    assert process.stderr is not None
    port = next(found[1] for line in process.stderr if (found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line)))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
        return str(next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page"))


class _Tab:
    """A tab of the browser, which answers one call after the other."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.calls = socket, 0

    async def call(self, method: str, **parameters: object) -> Mapping[str, Any]:
        self.calls += 1
        await self.socket.send(json.dumps({"id": self.calls, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await self.socket.recv())
            if answer.get("id") == self.calls:
                return dict(answer["result"])

    async def value(self, expression: str) -> Any:
        return (await self.call("Runtime.evaluate", expression=expression))["result"]["value"]

    async def cpu_seconds(self) -> float:
        metrics = (await self.call("Performance.getMetrics"))["metrics"]
        return next(float(each["value"]) for each in metrics if each["name"] == "ThreadTime")
