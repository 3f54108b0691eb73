"""What commands print: tables, lines and JSON on stdout, messages on stderr; and frames as files."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from attn_platform.errors import BadInputError

if TYPE_CHECKING:
    import pandas as pd

console = Console()


def show(content: RenderableType, soft_wrap: bool = False, highlight: bool | None = None) -> None:
    """A table, or a line with rich's markup, on stdout."""
    console.print(content, soft_wrap=soft_wrap, highlight=highlight)


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


def print_frame(frame: pd.DataFrame, title: str) -> None:
    """A frame as a table; a missing value is an empty cell."""
    table = Table(*frame.columns, title=title)
    for row in frame.itertuples(index=False):
        table.add_row(
            *("" if cell != cell else f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row)
        )
    show(table)


def set_up_messages() -> None:
    """Warnings and worse go to stderr, a line each."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Dagster announces its beta parameters at every start; the platform's tests pin what it uses of them.
    warnings.filterwarnings("ignore", module="dagster")
    warnings.filterwarnings("ignore", message=".*(beta|preview|Pandas4Warning).*")
