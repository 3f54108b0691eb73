"""The geometry and colours that the figures of all reports share.

A figure holds data and geometry only. The page gives it the colours of text, grid and background for light, dark and
print; the colours of the series below are legible on both grounds.
"""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
from plotly.subplots import make_subplots

MAIN_COLOUR = "#3f83c8"
QUIET_COLOUR = "#8b94a3"
# Of several series in one figure, in order.
SERIES_COLOURS = (MAIN_COLOUR, "#9a63b8", QUIET_COLOUR, "#dd7f30", "#3a9d8f")
DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
LINE_WIDTH = 1.7
THIN_LINE_WIDTH = 1.1
MARKER_SIZE = 4
# With fewer points a line is a few joints: mark them, and put a tick under each date.
FEW_DATES = 8
_SPARSE_POINTS = 20
_FILL_OPACITY = 0.28
_PANEL_GAP = 26  # pixels
_TITLED_PANEL_GAP = 42


@dataclass(frozen=True)
class Palette:
    """Colours of gains and losses, as (red, green, blue)."""

    gain: tuple[int, int, int]
    loss: tuple[int, int, int]

    @property
    def gain_colour(self) -> str:
        """Opaque colour of gains."""
        return rgba(self.gain, 1.0)

    @property
    def loss_colour(self) -> str:
        """Opaque colour of losses."""
        return rgba(self.loss, 1.0)


@dataclass(frozen=True)
class Look:
    """How a line is told from others: its colour, and how it is dashed."""

    colour: str
    dash: str


def series_looks(count: int) -> list[Look]:
    """A look for each of `count` series, no two alike: all colours in solid lines first, then dotted, dashed …

    `ValueError` where there are more series than looks.
    """
    looks = [Look(colour, dash) for dash in DASHES for colour in SERIES_COLOURS]
    if count > len(looks):
        raise ValueError(f"{count} series in one figure; {len(looks)} can be told apart")
    return looks[:count]


PALETTES = {
    "neutral": Palette(gain=(63, 131, 200), loss=(221, 127, 48)),
    "a_share": Palette(gain=(211, 77, 77), loss=(46, 155, 107)),
}


def plain_figure(figure: go.Figure) -> dict[str, Any]:
    """A figure as JSON has it."""
    plain: dict[str, Any] = json.loads(pio.to_json(figure, validate=False, engine="json"))
    return plain


def escape(text: str) -> str:
    """Escape text for a plotly label."""
    return html.escape(text, quote=False)


def panels(heights: Sequence[float], height: int, titles: Sequence[str] = ()) -> go.Figure:
    """Panels under each other on one axis, in the geometry that all figures of a report share."""
    gap = _TITLED_PANEL_GAP if titles else _PANEL_GAP
    figure = make_subplots(
        rows=len(heights),
        cols=1,
        shared_xaxes=True,
        row_heights=list(heights),
        vertical_spacing=gap / height,
        subplot_titles=titles or None,
    )
    figure.update_layout(
        template=None,
        height=height,
        margin={"l": 58, "r": 14, "t": 34, "b": 34},
        hovermode="x unified",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
    )
    figure.update_annotations(x=0, xanchor="left", font_size=12)
    return figure


def with_date_axis(figure: go.Figure, index: pd.Index) -> go.Figure:
    """Make the shared axis one of dates; a handful of dates get one tick each, lest plotly resort to hours."""
    figure.update_xaxes(type="date", hoverformat="%Y-%m-%d")
    if len(index) <= FEW_DATES:
        figure.update_xaxes(tickmode="array", tickvals=dates(index), tickformat="%m-%d")
    return figure


def line(values: pd.Series, name: str, colour: str) -> go.Scatter:
    """A series over dates."""
    return go.Scatter(
        x=dates(values.index),
        y=numbers(values),
        name=name,
        mode="lines+markers" if len(values) <= _SPARSE_POINTS else "lines",
        line={"color": colour, "width": LINE_WIDTH},
    )


def area(values: pd.Series, name: str, colour: tuple[int, int, int]) -> go.Scatter:
    """A series of shares over dates, filled down to zero."""
    trace = line(values, name, rgba(colour, 1.0))
    trace.fill = "tozeroy"
    trace.fillcolor = rgba(colour, _FILL_OPACITY)
    trace.line.width = THIN_LINE_WIDTH
    trace.hovertemplate = "%{y:.2%}"
    return trace


def dates(index: pd.Index) -> list[str]:
    """Dates of an axis."""
    return list(pd.DatetimeIndex(index).strftime("%Y-%m-%d"))


def numbers(values: pd.Series) -> np.ndarray:
    """Single precision: half the bytes of the page, and finer than any screen."""
    return values.to_numpy(dtype=np.float32)


def colour_bar(ticks: Sequence[float], tick_format: str | None = None, length: float = 0.6) -> dict[str, object]:
    """The legend of a heatmap: a thin bar above the panel, over `length` of its width, marked at `ticks`."""
    return {
        "orientation": "h", "tickformat": tick_format, "tickvals": list(ticks), "tickangle": 0, "thickness": 10,
        "len": length, "y": 1.0, "yanchor": "bottom", "ypad": 6, "outlinewidth": 0,
    }  # fmt: skip


def diverging_scale(palette: Palette) -> list[list[object]]:
    """Colours of a heatmap whose middle is zero: loss below, gain above."""
    return [
        [0.0, palette.loss_colour],
        [0.5, rgba(palette.loss, 0.0)],
        [0.5, rgba(palette.gain, 0.0)],
        [1.0, palette.gain_colour],
    ]


def rgba(colour: tuple[int, int, int], opacity: float) -> str:
    """A colour as plotly takes it."""
    return f"rgba({colour[0]},{colour[1]},{colour[2]},{opacity:g})"


def sign_colours(values: pd.Series, palette: Palette) -> list[str]:
    """Colour of each value: that of gains, or of losses where it is negative."""
    return [palette.loss_colour if value < 0 else palette.gain_colour for value in values]
