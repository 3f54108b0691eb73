"""What pages consist of, and their rendering: one HTML file that opens without a network, by mail, on paper or a phone.

plotly.js is inlined once, figures are JSON that it draws, and every table is plain HTML. The same input gives the same
bytes.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from attn_platform.reports import drawing, tables
from attn_platform.reports.configuration import ReportConfig
from attn_platform.writing import write_atomically


@dataclass(frozen=True)
class Plot:
    """A figure as a page shows it: `identifier` is its element's id, `summary` its text for who cannot see it."""

    identifier: str
    title: str
    summary: str
    figure: go.Figure

    @property
    def json(self) -> Markup:
        """The figure for a script element."""
        return Markup(drawing.figure_json(self.figure))

    @property
    def height(self) -> int:
        """Height in pixels, reserved before the script draws."""
        return int(self.figure.layout.height)


@dataclass(frozen=True)
class Part:
    """Something a section shows under its own heading: text, a plot or a table, in this order.

    Where the page is wide enough, a part with `width` "main" has the next one, "side", at its right. Links lead to a
    part that has an `identifier`.
    """

    heading: str | None = None
    paragraphs: tuple[str, ...] = ()
    plot: Plot | None = None
    table: tables.Table | None = None
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
    """Render a template of this package; text in `context` is escaped, plotly.js and the style sheet are inlined."""
    return _environment().get_template(template).render(config=config, plotly_js=_plotly_js(), **context)


def write_page(path: Path, template: str, config: ReportConfig, **context: object) -> None:
    """Render a template and write it atomically."""
    write_atomically(path, render_page(template, config, **context))


def has_values(values: pd.Series | pd.DataFrame) -> bool:
    """Whether any value is a number."""
    return bool(np.isfinite(values.to_numpy(dtype=np.float64)).any())


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("attn_platform.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _plotly_js() -> Markup:
    return Markup(get_plotlyjs())
