"""What the platform makes of a delivery, through its command line alone: `attn import contract`, `attn report data`.

A trial keeps all words that were said, so that it can be judged again without being made again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.market.lake import Lake
from attn_platform_tests.faults.delivery import Frames
from attn_platform_tests.faults.planting import Fault, write_fault

ATTN = (sys.executable, "-c", "from attn_platform.cli import main; main()")
REPORT = "reports/data/tables"
SAID = re.compile(r"\w+: .*\d")  # a closing line of an import that speaks of rows of a table
EQUAL_CELLS = 1e-6  # relative: single precision and no more
KEYS = ("date", "index", "symbol", "scheme", "in_date", "report_period", "announced")
FEW = 0.01  # share of a table's rows up to which the quarantine is tried, as the platform's own default

Record = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """What became of a delivery: the line of a refusal, or what the import said and the report found.

    `findings` and `examples` are the rows of the report's tables; `unlike` counts the rows of the fault's tables in the
    lake that the clean copy has not, or with other values; `put_aside` says what a quarantine made of a refusal.
    """

    refusal: str | None
    said: tuple[str, ...] = ()
    findings: tuple[Record, ...] = ()
    examples: tuple[Record, ...] = ()
    unlike: int | None = None
    put_aside: str = ""
    seconds: tuple[float, float] = field(default=(0.0, 0.0))  # import, report

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Trial:
        """Read what `save` wrote."""
        record = json.loads(file.read_text(encoding="utf-8"))
        sequences = {name: tuple(value) for name, value in record.items() if isinstance(value, list)}
        return cls(**{**record, **sequences})


def attn(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run([*ATTN, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False)


def trial(delivery: Path, home: Path, quarantine: bool = False) -> Trial:
    """Import a delivery into a new home and report on its data."""
    started = time.perf_counter()
    done = attn("import", "contract", delivery, "--home", home, *(["--quarantine"] if quarantine else []))
    middle = time.perf_counter()
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return Trial(lines[-1] if lines else "no message", seconds=(middle - started, 0.0))
    said = tuple(line.strip() for line in done.stdout.splitlines() if SAID.match(line.strip()))
    reported = attn("report", "data", "--home", home)
    if reported.returncode:
        raise RuntimeError(f"attn report data failed on {delivery}: {reported.stderr.strip()[-2000:]}")
    tables = (_records(home / REPORT / f"{name}.csv") for name in ("findings", "examples"))
    return Trial(None, said, *tables, seconds=(middle - started, time.perf_counter() - middle))


def try_fault(fault: Fault, frames: Frames, clean_files: Path, clean_home: Path, work: Path) -> Trial:
    """The trial of a planted fault; leaves nothing in `work`."""
    files, home = work / "files", work / "home"
    for folder in (files, home):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        made = trial(write_fault(fault, clean_files, files), home)
        if made.refusal is None:
            return replace(made, unlike=sum(rows_unlike(clean_home, home, table) for table in fault.frames))
        if may_be_put_aside(fault, frames):
            shutil.rmtree(home, ignore_errors=True)
            return replace(made, put_aside=_quarantined(fault, trial(files, home, quarantine=True), home))
        return made
    finally:
        for folder in (files, home):
            shutil.rmtree(folder, ignore_errors=True)


def rows_unlike(clean_home: Path, home: Path, table: str) -> int:
    """Rows of a table in one of two homes' lakes that the other has not, or has with other values."""
    lakes = [Lake(root / "lake") for root in (clean_home, home)]
    held = [lake.read(table).to_pandas(date_as_object=False) for lake in lakes if lake.has(table)]
    if len(held) < len(lakes):
        return sum(map(len, held))
    by = [name for name in KEYS if name in held[0]]
    both = held[0].merge(held[1], on=by, how="outer", suffixes=("", "_other"), indicator=True)
    differs = (both["_merge"] != "both").to_numpy()
    for name in held[0].columns.difference(by):
        first, second = both[name], both[f"{name}_other"]
        if pd.api.types.is_float_dtype(first):
            same = np.isclose(first.to_numpy(), second.to_numpy(), rtol=EQUAL_CELLS, atol=0, equal_nan=True)
        else:
            same = ((first == second) | (first.isna() & second.isna())).to_numpy(dtype=bool)
        differs = differs | ~same
    return int(differs.sum())


def may_be_put_aside(fault: Fault, frames: Frames) -> bool:
    """Whether so few rows are wrong that a quarantine may take them."""
    sizes = fault.rows.groupby("table").size()
    return fault.damage is None and all(count <= FEW * len(frames[str(table)]) for table, count in sizes.items())


def _quarantined(fault: Fault, found: Trial, home: Path) -> str:
    """How many of the planted rows a quarantine put aside, and how many others."""
    if found.refusal is not None:
        return "refused all the same"
    lake = Lake(home / "lake")
    if not lake.has("quarantine"):
        return "nothing put aside"
    aside = lake.read("quarantine").to_pandas(date_as_object=False)
    by = [name for name in ("table", "date", "symbol") if name in fault.rows and name in aside]
    planted, taken = (set(_texts(each, by)) for each in (fault.rows, aside))
    return f"{len(planted & taken)} of {len(planted)} put aside, {len(taken - planted)} others"


def _texts(frame: pd.DataFrame, by: Sequence[str]) -> Iterable[tuple[str, ...]]:
    columns = [frame[name].dt.strftime("%Y-%m-%d") if name == "date" else frame[name].astype(str) for name in by]
    return zip(*columns, strict=True)


def _records(file: Path) -> tuple[Record, ...]:
    return tuple(json.loads(pd.read_csv(file, encoding="utf-8-sig").to_json(orient="records")))
