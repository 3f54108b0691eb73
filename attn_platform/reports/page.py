"""What pages consist of, and their rendering: pages that open without a network, from a folder, on paper or a phone.

Every table is plain HTML. The figures are JSON in a file beside the page, which plotly.js draws when they come into
sight; plotly.js lies once in the folder of reports (`scripts`). The same input gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined

from attn_platform.reports import drawing, glossary, tables
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.scripts import (
    data_file,
    data_script,
    inlined,
    plotly_file,
    plotly_js,
    relative_link,
    write_plotly,
)
from attn_platform.writing import write_atomically


@dataclass(frozen=True)
class Plot:
    """A figure as a page shows it: `identifier` is its element's id, `summary` its text for who cannot see it."""

    identifier: str
    title: str
    summary: str
    figure: go.Figure

    @property
    def height(self) -> int:
        """Height in pixels, reserved before the script draws."""
        return int(self.figure.layout.height)


@dataclass(frozen=True)
class Choice:
    """Tables of which the reader chooses one: `rows` by what is chosen, the last one shown first.

    A row is its cells as they are shown. All of them lie in the page's file of data.
    """

    identifier: str
    label: str
    caption: str
    columns: tuple[str, ...]
    rows: Mapping[str, Sequence[Sequence[str]]]
    text_columns: frozenset[int] = frozenset({0})


@dataclass(frozen=True)
class Part:
    """Something a section shows under its own heading: text, a plot, a table or a choice of them, in this order.

    Where the page is wide enough, a part with `width` "main" has the next one, "side", at its right. Links lead to a
    part that has an `identifier`.
    """

    heading: str | None = None
    paragraphs: tuple[str, ...] = ()
    plot: Plot | None = None
    table: tables.Table | None = None
    choice: Choice | None = None
    width: Literal["full", "main", "side"] = "full"
    identifier: str | None = None


@dataclass(frozen=True)
class Section:
    """A chapter of a page; sections without parts are left out."""

    identifier: str
    title: str
    parts: tuple[Part, ...] = field(default=())


@dataclass(frozen=True)
class Card:
    """A headline figure."""

    label: str
    value: str


def render_page(template: str, config: ReportConfig, **context: object) -> str:
    """Render a template of this package as one file, with all its scripts inside; text in `context` is escaped."""
    page = Path("page.html")
    html, data = _rendered(page, template, config, context)
    return inlined(html, lambda link: data if link == data_file(page).name else plotly_js())


def write_page(path: Path, template: str, config: ReportConfig, **context: object) -> None:
    """Render a template and write it atomically, its file of figures first, and plotly.js where it is not there yet."""
    html, data = _rendered(path, template, config, context)
    write_plotly(path)
    write_atomically(data_file(path), data)
    write_atomically(path, html)


def _rendered(page: Path, template: str, config: ReportConfig, context: Mapping[str, object]) -> tuple[str, str]:
    """The page's HTML, which links its scripts, and the script with its figures."""
    sections = context.get("sections", ())
    parts = [part for section in cast(Sequence[Section], sections) for part in section.parts]
    plots = {part.plot.identifier: drawing.plain_figure(part.plot.figure) for part in parts if part.plot}
    choices = {part.choice.identifier: part.choice.rows for part in parts if part.choice}
    html = (
        _environment()
        .get_template(template)
        .render(
            config=config, plotly=relative_link(plotly_file(page), page), data_script=data_file(page).name, **context
        )
    )
    return html, data_script(plots, choices)


def has_values(values: pd.Series | pd.DataFrame) -> bool:
    """Whether any value is a number."""
    return bool(np.isfinite(values.to_numpy(dtype=np.float64)).any())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("attn_platform.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["explanation"] = glossary.explanation
    return environment
