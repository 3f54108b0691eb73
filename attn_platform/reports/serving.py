"""The folder of reports at an address of this machine, so that links of the UI open pages.

A browser opens no file of the disk from a page of the UI. The server answers this machine alone, and only under its own
name: a page of elsewhere cannot read through it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attn_platform.errors import ConfigurationError

REPORTS_PORT = 3001
LOOPBACK = "127.0.0.1"
URL_VARIABLE = "ATTN_REPORTS_URL"
_NAMES = ("localhost", LOOPBACK)


def reports_url() -> str:
    """Where the reports are served: `ATTN_REPORTS_URL`, else where `attn ui` does without a port of its own."""
    return os.environ.get(URL_VARIABLE, local_url(REPORTS_PORT)).rstrip("/")


def local_url(port: int) -> str:
    """The address of the reports at a port of this machine."""
    return f"http://localhost:{port}"


def page_url(reports: Path, page: Path) -> str:
    """The address of a page of the folder `reports`."""
    return f"{reports_url()}/{quote(page.relative_to(reports).as_posix())}"


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """Serve a folder to this machine while the block runs; gives its address.

    `ConfigurationError` where the port is taken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), partial(_Pages, directory=str(folder)))
    except OSError as error:
        raise ConfigurationError(
            f"the reports cannot be served at port {port}: {error.strerror}; choose another one with --reports-port"
        ) from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="reports", daemon=True).start()
    try:
        yield local_url(server.server_port)
    finally:
        server.shutdown()
        server.server_close()


class _Pages(SimpleHTTPRequestHandler):
    """Files of the folder, read anew each time: a page may have been written again."""

    def send_head(self) -> Any:
        host = self.headers.get("Host", "").partition(":")[0]
        if host not in _NAMES:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line a file would drown what Dagster says."""
