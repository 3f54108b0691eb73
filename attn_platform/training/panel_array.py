"""A factor panel as one memory-mapped array, from which training takes its samples.

Parquet is read at a million rows a second; a backfill would read the same rows for every model and window. So a panel
is copied once into `<folder>/<table>-<id>/`: `factors.npy` [P, F] float32 in stock-major order (`layout`), and the
sessions, symbols and places of its rows. It is a cache: made when it is missing or a session that is asked for has
changed since, and no number is in it that is not in the lake.

Several processes may make and remove copies at once: each copy has a name of its own, its manifest is written last, so
that a folder with one is complete, and whoever has opened a copy keeps it, whatever becomes of its folder.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attn_platform.errors import ContractError
from attn_platform.market.lake import Lake, days
from attn_platform.progress import tqdm
from attn_platform.training.layout import stock_major_rows

_log = logging.getLogger(__name__)

_PARTS = ("sessions", "offsets", "symbols", "stocks", "rows")
_STAMPS = "stamps"
_FACTORS, _MANIFEST = "factors.npy", "manifest.json"
# Sessions whose rows are in memory at once while the array is made
_CHUNK = 252
# Seconds after which a copy without manifest is nobody's work any more; the whole market takes half a minute
_ABANDONED = 24 * 3600


@dataclass(frozen=True)
class PanelArray:
    """T sessions, R rows in (session, symbol) order; row r's factors are factors[rows[r]].

    sessions [T] datetime64[D]; offsets [T + 1]; symbols [N] sorted; stocks [R], their positions in `symbols`;
    rows [R]; factors [P, F] float32, memory-mapped, of which any `lead` rows that end at rows[r] are the last sessions
    of that stock.
    """

    sessions: NDArray[np.datetime64]
    offsets: NDArray[np.int64]
    symbols: NDArray[np.str_]
    stocks: NDArray[np.int32]
    rows: NDArray[np.int64]
    factors: NDArray[np.float32]
    lead: int


def panel_array(
    folder: Path, lake: Lake, table: str, sessions: NDArray, features: Sequence[str], lead: int
) -> PanelArray:
    """The array of `table`, which holds all of `sessions`; made anew where the one in `folder` does not fit any more.

    Raises ContractError if a row stands twice or a factor is not finite.
    """
    for found in _copies(folder, table):
        with suppress(FileNotFoundError):  # another process has made a newer copy meanwhile, and removed this one
            if _fits(found, lake, table, sessions, features, lead):
                return _open(found, json.loads((found / _MANIFEST).read_text(encoding="utf-8"))["lead"])
    return _make(folder, lake, table, features, lead)


def _copies(folder: Path, table: str) -> list[Path]:
    """Folders that hold copies of `table`, or part of one."""
    return sorted(path for path in folder.iterdir() if path.name.rpartition("-")[0] == table) if folder.is_dir() else []


def _stamps(lake: Lake, table: str, sessions: NDArray) -> NDArray[np.int64]:
    """Size and time of change of each session's file [T, 2]."""
    states = (lake.path(table, session).stat() for session in sessions)
    return np.array([(state.st_size, state.st_mtime_ns) for state in states], dtype=np.int64).reshape(-1, 2)


def _fits(found: Path, lake: Lake, table: str, sessions: NDArray, features: Sequence[str], lead: int) -> bool:
    try:
        manifest = json.loads((found / _MANIFEST).read_text(encoding="utf-8"))
        held, stamps = np.load(found / "sessions.npy"), np.load(found / f"{_STAMPS}.npy")
    except (OSError, ValueError):
        return False
    if manifest != {**manifest, "table": table, "features": list(features)} or manifest["lead"] < lead:
        return False
    at = np.searchsorted(held, sessions)
    if at[-1] >= len(held) or (held[at] != sessions).any():
        return False
    # Between the first and the last session no other may have come in: it would part what is one slice here
    between = lake.sessions(table, sessions[0], sessions[-1])
    inside = slice(at[0], at[-1] + 1)
    return np.array_equal(held[inside], between) and np.array_equal(stamps[inside], _stamps(lake, table, between))


def _open(found: Path, lead: int) -> PanelArray:
    parts = {name: np.load(found / f"{name}.npy") for name in _PARTS}
    # Copy on write: torch wants writable memory, and nobody shall change the file
    values = np.load(found / _FACTORS, mmap_mode="c")
    return PanelArray(**parts, factors=values, lead=lead)


def _make(folder: Path, lake: Lake, table: str, features: Sequence[str], lead: int) -> PanelArray:
    sessions = lake.sessions(table)
    stamps = _stamps(lake, table, sessions)
    keys = lake.read(table, columns=["date", "symbol"])
    session = np.searchsorted(sessions, days(keys["date"]))
    symbols, stocks = np.unique(keys["symbol"].to_numpy().astype(np.str_), return_inverse=True)
    order = np.lexsort((stocks, session))
    _refuse_duplicates(table, sessions[session[order]], symbols[stocks[order]])
    places, count = stock_major_rows(session, stocks, lead)
    made = folder / f"{table}-{uuid.uuid4().hex}"
    made.mkdir(parents=True)
    try:
        values = np.lib.format.open_memmap(made / _FACTORS, "w+", np.float32, (count, len(features)))
        _fill(values, lake, table, sessions, features, places)
        values.flush()
        offsets = np.append(0, np.cumsum(np.bincount(session, minlength=len(sessions)))).astype(np.int64)
        parts: dict[str, NDArray] = {
            "sessions": sessions,
            "offsets": offsets,
            "symbols": symbols,
            "stocks": stocks[order].astype(np.int32),
            "rows": places[order],
            _STAMPS: stamps,
        }
        for name, part in parts.items():
            np.save(made / f"{name}.npy", part)
        manifest = {"table": table, "features": list(features), "lead": lead}
        # Before the manifest: from then on another process may remove the copy
        opened = _open(made, lead)
        (made / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    _remove_others(folder, table, made)
    _log.info("%s: %d rows of %d stocks laid out for training in %s", table, len(places), len(symbols), made)
    return opened


def _remove_others(folder: Path, table: str, made: Path) -> None:
    """Remove older copies, and what processes that were killed have left of theirs."""
    for other in _copies(folder, table):
        with suppress(FileNotFoundError):
            is_complete = (other / _MANIFEST).exists()
            if other != made and (is_complete or time.time() - other.stat().st_mtime > _ABANDONED):
                shutil.rmtree(other, ignore_errors=True)


def _fill(
    values: NDArray[np.float32], lake: Lake, table: str, sessions: NDArray, features: Sequence[str], places: NDArray
) -> None:
    """Write each row's factors to its place, some sessions at a time."""
    done = 0
    for start in tqdm(range(0, len(sessions), _CHUNK), desc=f"{table} for training", unit="year", leave=False):
        chunk = sessions[start : start + _CHUNK]
        rows = lake.read(table, chunk[0], chunk[-1], ["date", "symbol", *features])
        block = np.column_stack([rows[name].to_numpy() for name in features]).astype(np.float32, copy=False)
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            row, column = bad[0]
            raise not_finite(features[column], rows["symbol"][int(row)].as_py(), days(rows["date"])[row], len(bad))
        values[places[done : done + len(block)]] = block
        done += len(block)


def not_finite(factor: str, symbol: str, session: np.datetime64, count: int) -> ContractError:
    """What is wrong with a panel that still has missing values."""
    return ContractError(
        f"factor {factor} of {symbol} on {session} is not finite ({count} such values); "
        "pre-process the panel, which fills missing values with 0"
    )


def _refuse_duplicates(table: str, session: NDArray, symbol: NDArray) -> None:
    twice = np.flatnonzero((session[1:] == session[:-1]) & (symbol[1:] == symbol[:-1]))
    if len(twice):
        raise ContractError(f"{table} has {symbol[twice[0]]} on {session[twice[0]]} twice; keep one row a key")
