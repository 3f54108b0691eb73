"""Small static pictures as Markdown with an embedded PNG, for the metadata of Dagster assets.

Plain functions on frames; the same input gives the same bytes. Dagster keeps metadata in its event log, hence the
small size: all pictures stay below `MAX_BYTES`.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:  # loaded with the first picture: assets import this module, and most runs draw none
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BYTES = 40_000
_WIDTH_INCHES = 4.8
_HEIGHT_INCHES = 2.0
# The first resolution that keeps the picture small enough is taken; only dense noise needs the others.
_DOTS_PER_INCH = (100, 80, 60)
_COLOURS = ("#3f83c8", "#dd7f30", "#8b94a3", "#9a63b8", "#3a9d8f")
_MAX_LEVEL_LABELS = 12
_MAX_LABELS = 40
_MAX_LABEL_LENGTH = 24


def net_value_thumbnail(daily: pd.DataFrame) -> str:
    """Net value, benchmark and excess net value of a backtest; `daily` as in `StrategyReportData`."""
    names = {"net_value": "strategy", "benchmark_net_value": "benchmark", "excess_net_value": "excess"}
    return line({names[column]: daily[column] for column in names}, "Net value")


def line(series: Mapping[str, pd.Series], title: str) -> str:
    """Series as lines by legend name; an index of dates gives an axis of dates."""
    figure, axes = _canvas(title)
    for colour, (name, values) in zip(_COLOURS * (len(series) // len(_COLOURS) + 1), series.items(), strict=False):
        axes.plot(values.index.to_numpy(), values.to_numpy(dtype=np.float64), color=colour, linewidth=1.1, label=name)
    if not any(np.isfinite(values.to_numpy(dtype=np.float64)).any() for values in series.values()):
        return _without_data(figure, axes, title)
    if all(isinstance(values.index, pd.DatetimeIndex) for values in series.values()):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=1, maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if len(series) > 1:
        figure.legend(loc="outside lower left", fontsize=7, frameon=False, ncols=3)
    return _markdown(figure, title)


def bars(values: pd.Series, title: str) -> str:
    """One bar a label of the index, upright labels for many, none for very many; missing values leave a gap."""
    figure, axes = _canvas(title)
    heights = values.to_numpy(dtype=np.float64)
    if not np.isfinite(heights).any():
        return _without_data(figure, axes, title)
    colours = [_COLOURS[1] if height < 0 else _COLOURS[0] for height in heights]
    axes.bar(range(len(heights)), np.nan_to_num(heights), color=colours)
    labels = [_literal(str(label)[:_MAX_LABEL_LENGTH]) for label in values.index]
    if len(labels) > _MAX_LEVEL_LABELS:
        figure.set_figheight(1.5 * _HEIGHT_INCHES)
        axes.tick_params(axis="x", rotation=90)
    if len(labels) <= _MAX_LABELS:
        axes.set_xticks(range(len(labels)), labels)
    axes.axhline(0.0, color=_COLOURS[2], linewidth=0.8)
    return _markdown(figure, title)


def histogram(values: np.ndarray | pd.Series, title: str, bins: int = 50) -> str:
    """Distribution of the finite values, whatever the shape."""
    figure, axes = _canvas(title)
    flat = np.asarray(values, dtype=np.float64).ravel()
    finite = flat[np.isfinite(flat)]
    if not finite.size:
        return _without_data(figure, axes, title)
    axes.hist(finite, bins=bins, color=_COLOURS[0])
    return _markdown(figure, title)


def _canvas(title: str) -> tuple[Figure, Axes]:
    """An empty picture; no pyplot, whose global state is not safe in the threads of a Dagster run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(_literal(title), fontsize=9, loc="left")
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    axes.set_axisbelow(True)
    return figure, axes


def _without_data(figure: Figure, axes: Axes, title: str) -> str:
    axes.clear()
    axes.set_axis_off()
    axes.set_title(_literal(title), fontsize=9, loc="left")
    axes.text(0.5, 0.5, "no data", ha="center", va="center", fontsize=10, color=_COLOURS[2], transform=axes.transAxes)
    return _markdown(figure, title)


def _literal(text: str) -> str:
    """Keep matplotlib from reading $…$ as mathematics."""
    return text.replace("$", r"\$")


def _markdown(figure: Figure, title: str) -> str:
    alternative = re.sub(r"[\[\]\\\r\n]", " ", title)
    markdown = ""
    for resolution in _DOTS_PER_INCH:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=resolution, metadata={"Software": None})
        markdown = f"![{alternative}](data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')})"
        if len(markdown) <= MAX_BYTES:
            break
    return markdown
