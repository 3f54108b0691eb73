"""The scripts of a page that lie in files: plotly.js, once a folder of reports, and the page's own figures beside it.

A page opens from a plain folder without a network: no request is made but for these two files, and the figures are a
script that assigns them, as a browser lets no page read a file of data from a folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from plotly import __version__ as plotly_version
from plotly.offline import get_plotlyjs

from attn_platform.writing import write_atomically

REPORTS, ASSETS = "reports", "assets"
PLOTLY = f"plotly-{plotly_version}.min.js"
DATA_SUFFIX = ".data.js"
# A list of dates that several series of a page have in common is written once; a shorter one costs no more by itself.
_SHARED_FROM = 20
_LINKED = re.compile(r'<script src="([^"<>]+)"></script>')


def plotly_file(page: Path) -> Path:
    """Where plotly.js lies for a page: in the folder of reports that the page is in, else in the page's own folder."""
    folders = [folder for folder in page.parents if folder.name == REPORTS]
    return (folders[0] if folders else page.parent) / ASSETS / PLOTLY


def data_file(page: Path) -> Path:
    """The file of a page's figures."""
    return page.with_name(f"{page.stem}{DATA_SUFFIX}")


def write_plotly(page: Path) -> Path:
    """See to it that plotly.js is where the page looks for it; returns its path."""
    path = plotly_file(page)
    if not path.exists():
        write_atomically(path, plotly_js())
    return path


def relative_link(file: Path, page: Path) -> str:
    """How a page names a file that lies in a folder above it, or in one beside that: "../assets/plotly.js"."""
    up = next(count for count, folder in enumerate(page.parents) if file.is_relative_to(folder))
    return "../" * up + file.relative_to(page.parents[up]).as_posix()


@cache
def plotly_js() -> str:
    """The library's own file; it ships no smaller one."""
    return str(get_plotlyjs())


def data_script(figures: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    """The script that assigns a page's figures and the tables of its choices, by identifier.

    The same input gives the same bytes. Lists of dates that are equal are written once: a series whose `x` is a number
    has that one of `dates`. No character could end a script element, so that the text can stand inside of one.
    """
    dates: dict[tuple[str, ...], int] = {}
    shared = {name: _sharing_dates(figure, dates) for name, figure in figures.items()}
    content = {"dates": [list(each) for each in dates], "figures": shared, "tables": tables}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"window.page = {_without_markup(text)};\n"


def inlined(html: str, read: Callable[[str], str]) -> str:
    """A page as one file: each script that it links, which `read` gives by its link, stands inside of it."""
    return _LINKED.sub(lambda found: f"<script>{read(found[1])}</script>", html)


def _sharing_dates(figure: Mapping[str, Any], dates: dict[tuple[str, ...], int]) -> dict[str, Any]:
    def shared(trace: Mapping[str, Any]) -> dict[str, Any]:
        x = trace.get("x")
        if not isinstance(x, Sequence) or len(x) < _SHARED_FROM or not all(isinstance(each, str) for each in x):
            return dict(trace)
        return {**trace, "x": dates.setdefault(tuple(x), len(dates))}

    return {**figure, "data": [shared(trace) for trace in figure["data"]]}


def _without_markup(text: str) -> str:
    for character in "&<>\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
