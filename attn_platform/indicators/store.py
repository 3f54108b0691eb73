"""Families of indicators in the lake: one table a family, a row for every stock with intraday rows on the session.

An indicator that the session's tables cannot give (a column without values, bars that are too long) is null, and the
summary says why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.indicators.catalogue import IndicatorCatalogue, IndicatorDefinition, indicator_table
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.indicators.inputs import IndicatorInputs
from attn_platform.indicators.reading import BLOCK_ROWS, Block, blocks
from attn_platform.indicators.rows import FloatArray
from attn_platform.market.contract import BOOK_SNAPSHOT, MINUTE_BAR
from attn_platform.market.lake import Lake, from_columns
from attn_platform.market.lake.files import UNREADABLE, damaged
from attn_platform.parallel import cores
from attn_platform.progress import tqdm

PART_ROWS = 200_000
"""Rows that one thread computes on at a time: their arrays stay near a core's cache."""


@dataclass
class IndicatorSummary:
    """Stocks written, how many of them have a value by indicator, and why some indicators have none."""

    stocks: int = 0
    values: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def coverage(self) -> dict[str, float]:
        """Share of stocks with a value, by indicator."""
        return {name: count / self.stocks if self.stocks else 0.0 for name, count in self.values.items()}


def write_indicators(
    lake: Lake,
    known: IndicatorCatalogue,
    family: str,
    sessions: np.ndarray,
    config: IndicatorConfig,
    earlier: np.ndarray,
) -> IndicatorSummary:
    """Compute a family for `sessions`, one after the other, and write them; returns a summary.

    `earlier` are all sessions of the exchange, ascending, among which those before a session are found.
    """
    definitions, summary = known.family(family), IndicatorSummary()
    for session in tqdm(sessions, desc=indicator_table(family), unit="session"):
        if not any(lake.path(table, session).exists() for each in definitions for table in each.tables):
            continue
        values, missing = compute_indicators(lake, known, definitions, session, config, earlier)
        symbols = values.pop("symbol")
        columns = {name: np.asarray(cells, dtype=np.float64) for name, cells in values.items()}
        keys = {"date": np.full(len(symbols), session), "symbol": pa.array(symbols.tolist(), pa.string())}
        lake.write(indicator_table(family), from_columns({**keys, **columns}), session)
        summary.stocks += len(symbols)
        summary.missing.update(missing)
        for name, cells in columns.items():
            summary.values[name] = summary.values.get(name, 0) + int(np.isfinite(cells).sum())
    return summary


def compute_indicators(
    lake: Lake,
    known: IndicatorCatalogue,
    definitions: Sequence[IndicatorDefinition],
    session: np.datetime64,
    config: IndicatorConfig,
    earlier: np.ndarray,
    block_rows: int = BLOCK_ROWS,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Indicators of one session: symbol [S] and an array [S] each; and of those without any value, the reason."""
    lake = lake.snapshot()
    missing = {each.name: reason for each in definitions if (reason := unavailable(lake, each, session))}
    present = [each for each in definitions if each.name not in missing]
    if not present:
        empty = {each.name: np.empty(0) for each in definitions}
        return {"symbol": np.array([], dtype=str), **empty}, missing
    columns = _columns(present, config)
    files = {table: (lake.path(table, session), names) for table, names in columns.items()}
    history = _history(lake, known, present, session, config, earlier)

    def of_block(block: Block) -> dict[str, np.ndarray]:
        inputs = IndicatorInputs(session, block.symbols, config, block.tables, _aligned(history, block.symbols))
        return {"symbol": block.symbols, **{each.name: indicator_values(each, inputs) for each in present}}

    pieces = (part for block in blocks(files, session, config, block_rows) for part in block.parts(PART_ROWS))
    parts = list(_side_by_side(of_block, pieces))
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    lacking = np.full(len(values["symbol"]), np.nan)
    return {
        "symbol": values.pop("symbol"),
        **{each.name: values.get(each.name, lacking) for each in definitions},
    }, missing


def indicator_values(definition: IndicatorDefinition, inputs: IndicatorInputs) -> FloatArray:
    """What the indicator's function returns [S]; `ConfigurationError` if it fails, or its shape is another."""
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(definition.function(inputs), dtype=np.float64)
    except Exception as error:
        raise ConfigurationError(
            f"indicator {definition.name}: {definition.origin} fails ({type(error).__name__}: {error}); correct it"
        ) from error
    if values.shape != inputs.symbols.shape:
        raise ConfigurationError(
            f"indicator {definition.name}: its function returned shape {values.shape}, "
            f"expected [stocks] = {inputs.symbols.shape}"
        )
    return np.where(np.isfinite(values), values, np.nan)


def unavailable(lake: Lake, definition: IndicatorDefinition, session: np.datetime64) -> str | None:
    """Why an indicator cannot be had of a session; None if it can."""
    for table in definition.tables:
        if not lake.path(table, session).exists():
            return f"{table} has no rows on {session}"
    if MINUTE_BAR.name in definition.tables:
        length = _bar_minutes(lake, session)
        if definition.longest_bar is not None and length > definition.longest_bar:
            return f"bars of {length} minutes are too long for it (at most {definition.longest_bar})"
        if f"{MINUTE_BAR.name}.trades" in definition.inputs and not _has_values(lake, "trades", session):
            return "the bars have no number of trades (minute_bar.trades)"
    return None


def _bar_minutes(lake: Lake, session: np.datetime64) -> int:
    return int(max(statistics.max or 1 for statistics in _statistics(lake, "bar_minutes", session)))


def _has_values(lake: Lake, column: str, session: np.datetime64) -> bool:
    return any(statistics.num_values for statistics in _statistics(lake, column, session))


def _statistics(lake: Lake, column: str, session: np.datetime64) -> list[pq.Statistics]:
    """What the session's file of minute bars says of a column, by row group; nothing of it is read."""
    path = lake.path(MINUTE_BAR.name, session)
    try:
        meta = pq.read_metadata(path)
    except UNREADABLE as error:
        raise damaged(path, error) from None
    at = meta.schema.to_arrow_schema().get_field_index(column)
    return [meta.row_group(number).column(at).statistics for number in range(meta.num_row_groups)]


def _columns(definitions: Sequence[IndicatorDefinition], config: IndicatorConfig) -> dict[str, list[str]]:
    """By table, the columns that indicators read; the best level of a book stands for all that are summed."""
    columns: dict[str, list[str]] = {}
    for given in dict.fromkeys(name for each in definitions for name in each.inputs):
        table, _, column = given.partition(".")
        columns.setdefault(table, []).append(column)
    if book := columns.get(BOOK_SNAPSHOT.name):
        best = [name.removesuffix("1") for name in book if name.endswith("_1")]
        book += [f"{name}{level}" for level in range(2, config.book_levels + 1) for name in best]
    return columns


def _history(
    lake: Lake,
    known: IndicatorCatalogue,
    definitions: Sequence[IndicatorDefinition],
    session: np.datetime64,
    config: IndicatorConfig,
    earlier: np.ndarray,
) -> dict[str, tuple[np.ndarray, FloatArray]]:
    """By name of an indicator, symbols [N] and its values on the sessions before [T, N], oldest first."""
    at = int(np.searchsorted(earlier, session))
    before = earlier[max(at - config.large_order_sessions, 0) : at]
    found: dict[str, tuple[np.ndarray, FloatArray]] = {}
    names = dict.fromkeys(name for each in definitions for name in each.history)
    for family in dict.fromkeys(known.definition(name).family for name in names):
        wanted = [name for name in names if known.definition(name).family == family]
        table, sources = indicator_table(family), {name for each in known.family(family) for name in each.tables}
        for day in before:
            if not lake.path(table, day).exists() and all(lake.path(source, day).exists() for source in sources):
                raise MissingDataError(f"{table} of {day} is not there, which {session} looks back on; make it first")
        data = lake.read_sessions(table, before, ["date", "symbol", *wanted])
        if data is None:  # history begins with this session
            found |= {name: (np.array([], dtype=str), np.empty((len(before), 0))) for name in wanted}
            continue
        frame = data.to_pandas()
        symbols = np.unique(frame["symbol"].to_numpy(dtype=str))
        row = np.searchsorted(before, frame["date"].to_numpy(dtype="datetime64[D]"))
        column = np.searchsorted(symbols, frame["symbol"].to_numpy(dtype=str))
        for name in wanted:
            values = np.full((len(before), len(symbols)), np.nan)
            values[row, column] = frame[name].to_numpy(dtype=float)
            found[name] = symbols, values
    return found


def _aligned(history: Mapping[str, tuple[np.ndarray, FloatArray]], symbols: np.ndarray) -> dict[str, FloatArray]:
    """The history of a block's stocks [T, S], NaN for those that have none."""
    aligned = {}
    for name, (known, values) in history.items():
        at = np.searchsorted(known, symbols)
        at[at == len(known)] = 0
        aligned[name] = (
            np.where(known[at] == symbols, values[:, at], np.nan)
            if len(known)
            else np.full((len(values), len(symbols)), np.nan)
        )
    return aligned


def _side_by_side(
    task: Callable[[Block], dict[str, np.ndarray]], read: Iterator[Block]
) -> Iterator[dict[str, np.ndarray]]:
    """What `task` makes of each block, in their order; no more blocks are read ahead than there are cores."""
    running: deque[Future[dict[str, np.ndarray]]] = deque()
    with ThreadPoolExecutor(cores()) as pool:
        for block in read:
            running.append(pool.submit(task, block))
            if len(running) > cores():
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
