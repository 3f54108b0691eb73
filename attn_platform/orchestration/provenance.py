"""What an asset was made by and from: code versions of the packages behind it, and small tables for its page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from functools import cache
from importlib.util import decode_source, find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import BaseModel

from attn_platform.market.lake import Lake
from attn_platform.orchestration.partition_versions import PartitionVersions
from attn_platform.remembered import package_files, remembered
from attn_platform.reports import formatting
from attn_platform.reports.serving import page_url
from attn_platform.source_identity import modules_identity
from attn_platform.training.fingerprints import content_fingerprint

# A picture is stored with every partition of a run, so only runs of few partitions carry one.
PICTURED_PARTITIONS = 10
PYTHON = ".py"
VERSIONS = "code_versions"  # folder of the Dagster home in which hashes of source are remembered


@cache
def code_version(*packages: str) -> str:
    """Hash over what packages or modules define: a new one marks what they made as stale.

    Of modules it is what counts of their text (`modules_identity`), of templates and style sheets all of it.
    """

    def version() -> str:
        files = [file for name in packages for file in _files(name)]
        texts = {file: file.read_text(encoding="utf-8") for file in files}
        modules = modules_identity(text for file, text in texts.items() if file.suffix == PYTHON)
        return joined(modules, *sorted(text for file, text in texts.items() if file.suffix != PYTHON))

    return remembered(f"modules {' '.join(packages)}", version)


def _files(name: str) -> list[Path]:
    """The file of a module, or all of a package; it is not loaded: only what is made loads what makes it."""
    spec = find_spec(name)
    file = Path((spec and spec.origin) or "")
    return package_files(file.parent) if file.name == "__init__.py" else [file]


def with_files(version: str, files: Sequence[Path]) -> str:
    """A code version that changes with what files outside of the package define, too."""
    if not files:
        return version
    return joined(version, modules_identity(decode_source(file.read_bytes()) for file in files))


def configured(version: str, *configurations: object) -> str:
    """A code version that changes with configurations, too: typed ones, or whatever JSON can hold."""
    plain = [each.model_dump(mode="json") if isinstance(each, BaseModel) else each for each in configurations]
    return joined(version, content_fingerprint(plain))


def joined(*versions: str) -> str:
    """One version of several: it changes with each of them."""
    return hashlib.blake2b("\n".join(versions).encode(), digest_size=16).hexdigest()


def data_version(lake: Lake, *tables: str) -> dg.DataVersion:
    """Hash over the files of tables without sessions."""
    return dg.DataVersion(_content(lake, tables, None))


def data_versions(lake: Lake, sessions: np.ndarray, *tables: str) -> PartitionVersions:
    """For each of `sessions`, which are partition keys, a hash over what the tables hold of it.

    A partition is what it holds: it has the same version whatever run made it, alone or among others, and one that is
    made again as it was leaves what was made from it up to date.
    """
    lake = lake.snapshot()
    return PartitionVersions({str(session): _content(lake, tables, session) for session in sessions})


def _content(lake: Lake, tables: Sequence[str], session: np.datetime64 | None) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in (lake.path(table, session) for table in tables):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def column_schema(columns: Mapping[str, tuple[str, str]]) -> dict[str, dg.TableSchema]:
    """Columns of an asset's table, by name with type and meaning, as metadata of its definition.

    Of the definition and not of each materialisation: a run writes one event a partition, each with all its metadata.
    """
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, kind, description) for name, (kind, description) in columns.items()]
        )
    }


def switched_off(
    name: str, group: str, kinds: Set[str], reason: str, description: str, metadata: Mapping[str, Any] | None = None
) -> dg.AssetSpec:
    """An asset that cannot be made, to be seen with the reason."""
    return dg.AssetSpec(
        name,
        group_name=group,
        kinds=set(kinds),
        description=f"Switched off: {reason}.\n\n{description}",
        metadata={"switched off": reason, **(metadata or {})},
    )


KEY_COLUMNS = {"date": ("date", "session"), "symbol": ("string", "stock")}


def table_metadata(frame: pd.DataFrame, digits: int = 4) -> dg.MarkdownMetadataValue:
    """A small frame as a table on the asset's page, a dash for a missing value.

    A column that pages have a format for has it here, too; other numbers have `digits` significant digits.
    """

    def cell(name: object, value: object) -> str:
        if isinstance(value, float | np.floating):
            if formatting.has_format(str(name)):
                return formatting.figure(str(name), float(value))
            return formatting.MISSING if np.isnan(value) else f"{value:.{digits}g}"
        return formatting.MISSING if value is None else str(value)

    header = "| " + " | ".join(map(str, frame.columns)) + " |\n|" + "---|" * len(frame.columns)
    names = list(frame.columns)
    rows = "\n".join("| " + " | ".join(map(cell, names, row)) + " |" for row in frame.itertuples(index=False))
    return dg.MetadataValue.md(f"{header}\n{rows}")


def figures_metadata(by_column: Mapping[str, Mapping[str, float]]) -> dg.MarkdownMetadataValue:
    """Figures as pages write them, a row a figure and a column for each of their bearers."""
    names = list(dict.fromkeys(name for figures in by_column.values() for name in figures))
    columns = {
        column: [formatting.figure(name, float(figures.get(name, np.nan))) for name in names]
        for column, figures in by_column.items()
    }
    return table_metadata(pd.DataFrame({"figure": [formatting.label(name) for name in names], **columns}))


def page_link(reports: Path, page: Path) -> dict[str, dg.UrlMetadataValue]:
    """A link that opens a page of the folder `reports`, as metadata of an asset's definition.

    Not of a materialisation: the address is that of the UI which shows the link, not of the run that made the page.
    """
    return {"open": dg.MetadataValue.url(page_url(reports, page))}


def page_metadata(page: Path) -> dict[str, dg.PathMetadataValue]:
    """Where a page lies, as metadata of its materialisation."""
    return {"page": dg.MetadataValue.path(str(page))}


def named_values(values: Mapping[str, object], names: tuple[str, str]) -> dg.MarkdownMetadataValue:
    """A mapping as a two-column table."""
    return table_metadata(pd.DataFrame({names[0]: list(values), names[1]: list(values.values())}))


def session_keys(context: dg.AssetExecutionContext) -> np.ndarray:
    """The run's partition keys, ascending, as datetime64[D]."""
    return np.array(sorted(context.partition_keys), dtype="datetime64[D]")
