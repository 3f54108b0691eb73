"""What commands print: tables, lines and JSON on stdout, messages on stderr; and frames as files."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement, measure_renderables
from rich.segment import Segments
from rich.table import Column, Table
from rich.text import Text

from attn_platform.errors import BadInputError
from attn_platform.reports.ranked_table import RankedTable, by_importance

if TYPE_CHECKING:
    import pandas as pd

console = Console()

PROSE = 20  # characters that a column of sentences has at least
LONGEST_NAME = 32  # a longer word in a sentence is a path or a hash, which may be folded
BORDER, PADDING = 1, 3  # of a table, and of each of its columns, with the line beside it
UNLIMITED = 100_000  # characters; where stdout is no terminal, nothing has to fit
JSON, JSON_OR_FILE = "--json", "--json or --out FILE"  # where a command has everything


def show(content: str | Table, highlight: bool | None = None, everything: str = JSON) -> None:
    """A table, or a line with rich's markup, on stdout.

    In a terminal a line is wrapped between words, and a table shows the columns that fit, the most important ones, with
    a line that names the others and the options that have `everything`. Elsewhere nothing is wrapped or left out.
    """
    width = console.width if console.is_terminal else UNLIMITED
    if isinstance(content, str):
        for row in _rows(console.render_str(content, highlight=highlight), width):
            console.print(row, soft_wrap=True)
        return
    left_out = fit_columns(content, width)
    console.print(Segments(console.render(content, console.options.update(width=UNLIMITED))), crop=False)
    if left_out:
        show(f"[dim]not shown in {width} characters: {', '.join(left_out)}; all with {everything}[/dim]")


def _rows(line: Text, width: int) -> Iterator[Text]:
    """A line broken between words; a word longer than `width`, as a path, stays whole."""
    first, *words = line.split(" ", allow_blank=True)
    row = first
    for word in words:
        if row.cell_len + len(" ") + word.cell_len > width:
            yield row
            row = word
        else:
            row = Text(" ").join([row, word])
    yield row


def fit_columns(table: Table, width: int) -> list[str]:
    """Take the least important columns out of a table until the others fit into `width`; the names of those taken.

    What stays is whole: columns of sentences (`overflow="fold"`) alone are narrower than their cells, where they must.
    """
    ranked = by_importance(table)
    sizes = [_size(table, column) for column in ranked]
    least = [
        min(size.maximum, max(PROSE, min(size.minimum, LONGEST_NAME))) if column.overflow == "fold" else size.maximum
        for column, size in zip(ranked, sizes, strict=True)
    ]
    ends = list(accumulate((each + PADDING for each in least), initial=BORDER))[1:]
    count = max(sum(end <= width for end in ends), 1)
    spare = max(width - ends[count - 1], 0)
    for column, narrow, size in zip(ranked[:count], least, sizes, strict=False):
        more = min(size.maximum - narrow, spare)
        column.width = narrow + more
        spare -= more
    left_out = [column for column in table.columns if any(column is each for each in ranked[count:])]
    table.columns = [column for column in table.columns if not any(column is each for each in left_out)]
    return [str(column.header) for column in left_out]


def _size(table: Table, column: Column) -> Measurement:
    """Widths of a column's longest word and of its widest cell."""
    header = [column.header] if table.show_header else []
    return measure_renderables(console, console.options.update(width=UNLIMITED), [*header, *column.cells])


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame to a Parquet or CSV file, whole or not at all."""
    from attn_platform.writing import replacing

    if path.suffix not in (".parquet", ".csv"):
        raise BadInputError(f"{path}: neither .parquet nor .csv; choose one of them")
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, index=False)


def print_json(values: Mapping[str, object]) -> None:
    """One JSON object; a figure that there is none of is null."""
    shown = {name: None if value != value else value for name, value in values.items()}
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of a frame for JSON; a missing number is null."""
    rows = frame.to_dict("records")
    return [{str(name): None if cell != cell else cell for name, cell in row.items()} for row in rows]


def print_frame(frame: pd.DataFrame, title: str, importance: Sequence[str] = (), everything: str = JSON) -> None:
    """A frame as a table, shown by `show`; a missing value is an empty cell."""
    texts = {str(name): [_text(cell) for cell in frame[name]] for name in frame.columns}
    columns = [Column(name, overflow="fold" if _has_sentences(cells) else "ellipsis") for name, cells in texts.items()]
    table = RankedTable(*columns, title=title, importance=importance)
    for row in zip(*texts.values(), strict=True):
        table.add_row(*map(escape, row))
    show(table, everything=everything)


def _text(cell: object) -> str:
    return "" if cell != cell else f"{cell:.4f}" if isinstance(cell, float) else str(cell)


def _has_sentences(cells: Sequence[str]) -> bool:
    return any(" " in cell for cell in cells)


def set_up_messages() -> None:
    """Warnings and worse go to stderr, a line each."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Dagster announces its beta parameters at every start; the platform's tests pin what it uses of them.
    warnings.filterwarnings("ignore", module="dagster")
    warnings.filterwarnings("ignore", message=".*(beta|preview|Pandas4Warning).*")
