"""One session of an intraday table, read in blocks of whole stocks: a day of trades is larger than what a block holds.

Files of the lake are sorted by symbol and time. Where a file has several row groups their statistics tell which stocks
each holds, so a block reads its own groups and no others, and of these the columns that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attn_platform.indicators.bars import BarRows
from attn_platform.indicators.book import BookRows
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.indicators.trades import FLAGS, TradeRows
from attn_platform.market.contract import BOOK_SNAPSHOT, MINUTE_BAR, TRANSACTION
from attn_platform.market.intraday import bar_minutes_of, closing_auction_begins, milliseconds_of, minutes_of
from attn_platform.market.lake.files import UNREADABLE, damaged

BLOCK_ROWS = 2_000_000
"""Rows of the largest table that are held at a time: some 150 MB of trades."""
SYMBOL = "symbol"
EMPTY_AS_ZERO = ("bid_", "ask_")
REPEATING = (SYMBOL, "minute", "side")
ALWAYS = {MINUTE_BAR.name: ("minute", "bar_minutes"), TRANSACTION.name: ("time",), BOOK_SNAPSHOT.name: ("time",)}

Rows = BarRows | TradeRows | BookRows


@dataclass(frozen=True)
class Block:
    """Rows of some stocks: all that the tables hold of them on the session."""

    symbols: np.ndarray
    tables: Mapping[str, Rows]

    def parts(self, rows: int) -> Iterator[Block]:
        """The block cut into stocks that together have about so many rows, as views."""
        held = np.sum([table.offsets for table in self.tables.values()], axis=0)
        cuts = np.unique(np.searchsorted(held, np.arange(0, held[-1], rows)))
        for first, last in pairwise([*cuts, len(self.symbols)]):
            tables = {name: table.of_stocks(first, last) for name, table in self.tables.items()}
            yield Block(self.symbols[first:last], tables)


@dataclass(frozen=True)
class _File:
    """A file of one session, and the first and last symbol of each of its row groups."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[int, ...]
    bounds: tuple[tuple[str, str], ...]

    def read(self, first: str | None, last: str | None) -> pa.Table:
        """Rows of the symbols from `first` on, up to but without `last`."""
        groups = [
            at
            for at, (lowest, highest) in enumerate(self.bounds)
            if (first is None or highest >= first) and (last is None or lowest < last)
        ]
        try:
            repeating = [name for name in self.columns if name in REPEATING]
            with pq.ParquetFile(self.path, read_dictionary=repeating, page_checksum_verification=True) as file:
                data = file.read_row_groups(groups, columns=list(self.columns))
        except UNREADABLE as error:
            raise damaged(self.path, error) from None
        return _between(data, first, last) if data.num_rows else data


def _between(data: pa.Table, first: str | None, last: str | None) -> pa.Table:
    """Rows of the symbols from `first` on, up to but without `last`: a slice, where the symbols ascend."""
    names, codes = _coded(data[SYMBOL])
    inside = np.ones(len(names), dtype=bool)
    if first is not None:
        inside &= names >= first
    if last is not None:
        inside &= names < last
    if inside.all():
        return data
    kept = inside[codes]
    begin, end = int(kept.argmax()), len(kept) - int(kept[::-1].argmax())
    if kept.any() and kept[begin:end].all():
        return data.slice(begin, end - begin)
    return data.filter(pa.array(kept))


def blocks(
    files: Mapping[str, tuple[Path, Sequence[str]]],
    session: np.datetime64,
    config: IndicatorConfig,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[Block]:
    """Blocks of whole stocks, ascending; `files` has by table the session's file and the columns that are wanted.

    A stock that stands in one of several tables has no rows in the others. `MissingDataError` for a damaged file.
    """
    opened = {table: _opened(path, (*ALWAYS[table], *columns)) for table, (path, columns) in files.items()}
    largest = max(opened.values(), key=lambda file: sum(file.rows))
    cuts = _cuts(largest, block_rows)
    for first, last in zip([None, *cuts], [*cuts, None], strict=True):
        read = {table: file.read(first, last) for table, file in opened.items()}
        block = _block(read, session, config)
        if len(block.symbols):
            yield block


def _opened(path: Path, columns: Sequence[str]) -> _File:
    try:
        with pq.ParquetFile(path) as file:
            meta, names = file.metadata, set(file.schema_arrow.names)
    except UNREADABLE as error:
        raise damaged(path, error) from None
    at = meta.schema.to_arrow_schema().get_field_index(SYMBOL)
    groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
    bounds = [(group.column(at).statistics.min, group.column(at).statistics.max) for group in groups if group.num_rows]
    wanted = tuple(name for name in dict.fromkeys((SYMBOL, *columns)) if name in names)
    return _File(path, wanted, tuple(group.num_rows for group in groups), tuple(bounds))


def _cuts(file: _File, block_rows: int) -> list[str]:
    """Symbols at which a new block begins: where some groups together have a block's rows."""
    cuts: list[str] = []
    held = 0
    for rows, (lowest, _) in zip(file.rows, file.bounds, strict=True):
        if held >= block_rows and lowest > (cuts[-1] if cuts else file.bounds[0][0]):
            cuts.append(lowest)
            held = 0
        held += rows
    return cuts


def _block(read: Mapping[str, pa.Table], session: np.datetime64, config: IndicatorConfig) -> Block:
    coded = {table: _coded(data[SYMBOL]) for table, data in read.items()}
    found = [names[np.bincount(codes, minlength=len(names)) > 0] for names, codes in coded.values()]
    symbols = np.unique(np.concatenate(found)) if found else np.array([], dtype=str)
    closing = closing_auction_begins(symbols, session)
    rows: dict[str, Rows] = {}
    for table, data in read.items():
        names, codes = coded[table]
        stock = np.searchsorted(symbols, names)[codes] if len(codes) else codes
        columns = {name: _plain(data[name], name) for name in data.column_names if name != SYMBOL}
        order = _order(stock, columns["minute" if table == MINUTE_BAR.name else "time"])
        if order is not None:
            stock, columns = stock[order], {name: values[order] for name, values in columns.items()}
        offsets = np.searchsorted(stock, np.arange(len(symbols) + 1)).astype(np.int64)
        if table == MINUTE_BAR.name:
            length = bar_minutes_of(data) if data.num_rows else 1
            rows[table] = BarRows(table, offsets, columns, length, closing)
        elif table == TRANSACTION.name:
            rows[table] = TradeRows(table, offsets, columns, config.aggressor, closing)
        else:
            rows[table] = BookRows(table, offsets, columns)
    return Block(symbols, rows)


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The symbols that a column holds, and the position of each row's among them."""
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.unify_dictionaries().chunk(0) if whole.num_chunks else pa.array([], column.type)
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode()
    names = np.array(whole.dictionary.to_pylist(), dtype=str)
    return names, whole.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _order(stock: np.ndarray, time: np.ndarray) -> np.ndarray | None:
    """Order by stock and time; None where the rows stand in it."""
    step = np.diff(stock)
    if np.all((step > 0) | ((step == 0) & (np.diff(time) >= 0))):
        return None
    return np.lexsort((time, stock))


def _plain(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """A column as numpy holds it: times in milliseconds, minutes as numbers, flags as signs, null as NaN."""
    if name == "time":
        return milliseconds_of(column)
    if name == "minute":
        return minutes_of(column).astype(np.int64)
    if name == "side":
        if column.null_count == len(column):
            return np.zeros(len(column), dtype=np.int8)
        texts, codes = _coded(pc.fill_null(column.cast(pa.string()), ""))
        return np.array([FLAGS.get(text, 0) for text in texts] or [0], dtype=np.int8)[codes]
    if column.null_count and (pa.types.is_integer(column.type) or name.startswith(EMPTY_AS_ZERO)):
        column = pc.fill_null(column, 0)
    return column.to_numpy()
