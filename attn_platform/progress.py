"""Progress of long work: tqdm's bar in a terminal, and a line now and then where a log file or a program reads."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

from tqdm import tqdm as terminal_bar

LOG_SECONDS = 30.0
LOG_FORMAT = "{desc}: {percentage:.0f} % ({n_fmt} of {total_fmt} {unit}s, {elapsed} gone, {remaining} to go)"
"""Of a line in a log; tqdm's default where the total is not known."""


class tqdm(terminal_bar):  # noqa: N801 (used like tqdm's, and taken for it by `source_identity`)
    """tqdm's bar; without a terminal, a line at most every `LOG_SECONDS`, and none of what is done before."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._is_live = sys.stderr is not None and sys.stderr.isatty()
        self._said = time.monotonic()
        if not self._is_live:
            options |= {"file": io.StringIO(), "leave": False, "dynamic_ncols": False}
        super().__init__(*arguments, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show how far it is, where that is due."""
        if self._is_live:
            super().display(msg, pos)
        elif time.monotonic() - self._said >= LOG_SECONDS:
            self._said = time.monotonic()
            line = {**self.format_dict, "bar_format": LOG_FORMAT if self.total else None}
            print(self.format_meter(**line), file=sys.stderr, flush=True)
