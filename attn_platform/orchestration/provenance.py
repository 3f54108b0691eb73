"""What an asset was made by and from: code versions of the packages behind it, and small tables for its page."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import BaseModel

from attn_platform.market.lake import Lake

# A picture is stored with every partition of a run, so only runs of few partitions carry one.
PICTURED_PARTITIONS = 10


@cache
def code_version(*packages: str) -> str:
    """Hash over the source files of packages or modules: a new one marks what they made as stale."""
    digest = hashlib.blake2b(digest_size=8)
    for name in packages:
        file = Path(importlib.import_module(name).__file__ or "")
        for source in sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]:
            digest.update(source.name.encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()


def with_files(version: str, files: Sequence[Path]) -> str:
    """A code version that changes with the content of files outside of the package, too."""
    if not files:
        return version
    digest = hashlib.blake2b(version.encode(), digest_size=8)
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def fingerprint(*configurations: BaseModel | Sequence[str]) -> str:
    """Hash over typed configurations (or lists of names)."""
    digest = hashlib.blake2b(digest_size=16)
    for part in configurations:
        digest.update((part.model_dump_json() if isinstance(part, BaseModel) else "\n".join(part)).encode())
    return digest.hexdigest()


def data_version(lake: Lake, table: str, sessions: np.ndarray | None = None) -> dg.DataVersion:
    """Hash over the files of a raw table, of its `sessions` where given.

    Dagster derives the version of what is computed from code and inputs; of raw data only the content tells that it
    has changed, and so marks everything made from it as stale.
    """
    digest = hashlib.blake2b(digest_size=16)
    for session in [None] if sessions is None else sessions:
        path = lake.path(table, session)
        digest.update(path.read_bytes() if path.exists() else b"")
    return dg.DataVersion(digest.hexdigest())


def column_schema(columns: Mapping[str, tuple[str, str]]) -> dict[str, dg.TableSchema]:
    """Columns of an asset's table, by name with type and meaning, as metadata of its definition.

    Of the definition and not of each materialisation: a run writes one event a partition, each with all its metadata.
    """
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, kind, description) for name, (kind, description) in columns.items()]
        )
    }


KEY_COLUMNS = {"date": ("date", "session"), "symbol": ("string", "stock")}


def table_metadata(frame: pd.DataFrame, digits: int = 4) -> dg.MarkdownMetadataValue:
    """A small frame as a table on the asset's page: `digits` significant digits, a dash for a missing value."""

    def cell(value: object) -> str:
        if isinstance(value, float | np.floating):
            return "–" if np.isnan(value) else f"{value:.{digits}g}"
        return "–" if value is None else str(value)

    header = "| " + " | ".join(map(str, frame.columns)) + " |\n|" + "---|" * len(frame.columns)
    rows = "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in frame.itertuples(index=False))
    return dg.MetadataValue.md(f"{header}\n{rows}")


def named_values(values: Mapping[str, object], names: tuple[str, str]) -> dg.MarkdownMetadataValue:
    """A mapping as a two-column table."""
    return table_metadata(pd.DataFrame({names[0]: list(values), names[1]: list(values.values())}))


def session_keys(context: dg.AssetExecutionContext) -> np.ndarray:
    """The run's partition keys, ascending, as datetime64[D]."""
    return np.array(sorted(context.partition_keys), dtype="datetime64[D]")
