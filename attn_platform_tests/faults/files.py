"""Faults of files: cut short, in two encodings, a message of an error saved as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from attn_platform_tests.faults.delivery import Frames, month_of
from attn_platform_tests.faults.planting import Fault, changed, keys, kind

CHINESE = "平安银行"


def one_month(frames: Frames, table: str, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A month's file and the mask of its rows."""
    month = month_of(frames[table]).to_numpy()
    chosen = str(rng.choice(np.unique(month)))
    return chosen, month == chosen


def cut(file: Path, share: float) -> None:
    """Keep the first part of a file's bytes."""
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])


@kind("a Parquet file cut short", "daily_bar")
def parquet_cut(frames: Frames, rng: np.random.Generator) -> Fault:
    """A download that broke off."""
    month, where = one_month(frames, "daily_bar", rng)
    share = rng.uniform(0.5, 0.99)
    return Fault(
        {"daily_bar": frames["daily_bar"]},
        keys("daily_bar", frames["daily_bar"], where),
        damage=lambda folder: cut(folder / "daily_bar" / f"{month}.parquet", share),
    )


@kind("a CSV file cut short within a line", "valuation")
def csv_cut(frames: Frames, rng: np.random.Generator) -> Fault:
    """A download that broke off."""
    month, where = one_month(frames, "valuation", rng)
    share = rng.uniform(0.5, 0.99)
    return Fault(
        {"valuation": frames["valuation"]},
        keys("valuation", frames["valuation"], where),
        csv=("valuation",),
        damage=lambda folder: cut(folder / "valuation" / f"{month}.csv", share),
    )


@kind("a CSV file cut short at a line's end", "valuation", ("date", "symbol"))
def csv_cut_at_a_line(frames: Frames, rng: np.random.Generator) -> Fault:
    """A disk that was full between two writes: whole lines lack."""
    month, where = one_month(frames, "valuation", rng)
    kept = rng.uniform(0.5, 0.9)

    def cut_lines(folder: Path) -> None:
        file = folder / "valuation" / f"{month}.csv"
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[: int(len(lines) * kept)]))

    rows = keys("valuation", frames["valuation"], where)
    lost = rows.iloc[int((len(rows) + 1) * kept) - 1 :]
    return Fault({"valuation": frames["valuation"]}, lost, csv=("valuation",), damage=cut_lines)


@kind("two encodings in a file", "security", "name")
def encodings_mixed(frames: Frames, rng: np.random.Generator) -> Fault:
    """The first half is UTF-8, the second GBK."""
    named = np.zeros(len(frames["security"]), dtype=bool)
    named[-3:] = True
    fault = changed(frames, "security", named, name=CHINESE)

    def recode(folder: Path) -> None:
        file = folder / "security.csv"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        half = len(lines) // 2
        file.write_bytes("".join(lines[:half]).encode() + "".join(lines[half:]).encode("gb18030"))

    return Fault(fault.frames, fault.rows, damage=recode)


@kind("an error's message saved as a file", "valuation")
def error_saved(frames: Frames, rng: np.random.Generator) -> Fault:
    """What a server answered instead of data."""
    month, where = one_month(frames, "valuation", rng)

    def save_error(folder: Path) -> None:
        file = folder / "valuation" / f"{month}.csv"
        file.write_text("<html><head><title>502 Bad Gateway</title></head></html>\n", encoding="utf-8")

    return Fault(
        {"valuation": frames["valuation"]},
        keys("valuation", frames["valuation"], where),
        csv=("valuation",),
        damage=save_error,
    )
