"""Draws the exhibits of docs/results/study.md from the tables in docs/results/study.

python docs/make_study_pictures.py

As the studies draw them: cumulative RankIC (AI-69 exhibit 36, AI-55 exhibits 22 to 28), the outer layers' net value
relative to the universe (AI-69 exhibits 16 to 18) and the excess net value (AI-69 exhibits 19 to 21, AI-55 exhibit 30).
A dotted line grows by what AI-69 printed of `multi_task_baseline` as the mean, from the first session on: its slope is
to be compared.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from make_study_page import FOLDER, WHOLE_PICTURES, curves_of, published_figure, whole_trials
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

WIDTH, HEIGHT, DOTS_PER_INCH = 9.0, 3.8, 100
COLOURS = ("#3f83c8", "#dd7f30", "#3a9d8f", "#9a63b8", "#c2504d", "#5a6fb0", "#b59a2d", "#7d9a3c")
QUIET = "#8b94a3"
DAYS_A_YEAR = 365.25
PUBLISHED = "AI-69, published mean"


def main() -> None:
    """Draw what there are tables of."""
    names = whole_trials()
    rank_ics, excess_values, layers = (FOLDER / picture for picture in WHOLE_PICTURES)
    draw_rank_ics({name: _dated(FOLDER / "sessions" / f"{name}.csv") for name in names}, rank_ics)
    curves = {name: curve for name in names if (curve := curves_of(name)) is not None}
    if curves:
        draw_excess(curves, excess_values)
        draw_layers(curves, layers)


def draw_rank_ics(sessions: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Sums of RankIC and weighted RankIC over the tested sessions."""
    figure, left, right = _canvas()
    for axes, column, title in (
        (left, "rank_ic", "Cumulative RankIC"),
        (right, "weighted_rank_ic", "Cumulative weighted RankIC"),
    ):
        lines = {name: frame[column].cumsum() for name, frame in sessions.items()}
        longest = max(lines.values(), key=len)
        mean = published_figure("factor", f"{column}_mean")
        lines[PUBLISHED] = pd.Series(mean * np.arange(1, len(longest) + 1), longest.index)
        _draw(axes, lines, title)
    _save(figure, left, path)


def draw_excess(curves: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Excess net value and its drawdown."""
    figure, left, right = _canvas()
    lines = {name: curve["excess_net_value"] for name, curve in curves.items()}
    drawdowns = {name: values / values.cummax() - 1.0 for name, values in lines.items()}
    longest = max(lines.values(), key=len).index
    years = (longest - longest[0]).days / DAYS_A_YEAR
    annual = published_figure("performance", "excess_annual_return")
    _draw(left, {**lines, PUBLISHED: pd.Series((1.0 + annual) ** years, longest)}, "Excess net value")
    _by_factors(left)
    _draw(right, drawdowns, "Drawdown of the excess net value")
    right.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    _save(figure, left, path)


def draw_layers(curves: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Net values of the top and the bottom layer over that of the universe."""
    figure, left, right = _canvas()
    for axes, column in ((left, "top_layer"), (right, "bottom_layer")):
        lines = {name: curve[column] for name, curve in curves.items()}
        _draw(axes, lines, f"{column.replace('_', ' ').capitalize()} over the universe")
        _by_factors(axes)
    _save(figure, left, path)


def _canvas() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    return figure, left, right


def _draw(axes: Axes, lines: Mapping[str, pd.Series], title: str) -> None:
    for number, (name, values) in enumerate(lines.items()):
        colour, style = (QUIET, ":") if name == PUBLISHED else (COLOURS[number % len(COLOURS)], "-")
        axes.plot(values.index.to_numpy(), values.to_numpy(), color=colour, linestyle=style, linewidth=1.2, label=name)
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)


def _by_factors(axes: Axes) -> None:
    """A logarithmic axis with plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")


def _save(figure: Figure, labelled: Axes, path: Path) -> None:
    handles, names = labelled.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", fontsize=8, frameon=False, ncols=4)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _dated(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, parse_dates=["date"]).set_index("date")


if __name__ == "__main__":
    main()
