"""Factor families in the lake: one table a family, one row for every stock with a bar, one column a factor.

A factor whose input the source lacks is a column of nulls; the reason goes into the asset's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from attn_platform.factors.catalogue import Catalogue, FactorDefinition
from attn_platform.factors.engine import (
    available_fields,
    compute_factors,
    definitions_of,
    missing_factors,
)
from attn_platform.factors.inputs import MARKET_RETURN, ROW_FIELD, FactorConfig
from attn_platform.factors.statements import ITEMS, load_statements
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, code_successors, delist_dates, load_dense
from attn_platform.market.lake import Lake, from_columns
from attn_platform.market.origins import with_origins
from attn_platform.progress import tqdm

WHOLE_MARKET_INDEX = "csi_all"
TABLE_PREFIX = "factor_"
SHORT_LOOK_BACK = 63  # sessions; a quarter, which most factors of the studies stay within
# Sessions computed at a time, beside the look-back: bounds the memory, and has no influence on any value.
CHUNK = 504


def family_table(family: str) -> str:
    """Name of the family's table, which is also its asset's."""
    return f"{TABLE_PREFIX}{family}"


def family_of(table: str) -> str:
    """Family of a family's table."""
    return table.removeprefix(TABLE_PREFIX)


@dataclass
class FamilySummary:
    """Rows written, how many of them have a value by factor, and which inputs some factors lacked."""

    rows: int = 0
    values: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)

    @property
    def coverage(self) -> dict[str, float]:
        """Share of rows with a value, by factor."""
        return {name: count / self.rows if self.rows else 0.0 for name, count in self.values.items()}

    @property
    def missing(self) -> dict[str, str]:
        """Factors without a single value, and why."""
        return {name: self.lacking.get(name, "no stock had a value") for name, n in self.values.items() if n == 0}


def write_families(
    lake: Lake,
    calendar: Calendar,
    families: Sequence[str],
    sessions: np.ndarray,
    config: FactorConfig,
    catalogue: Catalogue | None = None,
    origins: Mapping[str, str] | None = None,
) -> dict[str, FamilySummary]:
    """Compute families for `sessions` and write them; returns a summary by family.

    Reads the look-back before each chunk of sessions, and nothing after it. The files keep the `origins` of their
    factors, by name (`market.origins`).
    """
    members = {family: definitions_of([family], catalogue) for family in families}
    definitions = [definition for family in families for definition in members[family]]
    summaries = {family: FamilySummary() for family in families}
    with tqdm(total=len(sessions), desc="factors", unit="session") as bar:
        for chunk in chunks(sessions, CHUNK, days_of_new_codes(lake, sessions)):
            computed = _compute(lake, calendar, definitions, chunk, config)
            for family in families:
                _write_family(
                    lake, family, [d.name for d in members[family]], computed, summaries[family], origins or {}
                )
            bar.update(len(chunk))
    return summaries


def compute_session(
    lake: Lake,
    calendar: Calendar,
    families: Sequence[str],
    session: np.datetime64,
    config: FactorConfig,
    catalogue: Catalogue | None = None,
) -> dict[str, np.ndarray]:
    """Raw factors of one session, straight from the raw tables: symbol [n] and one array [n] a factor."""
    definitions = definitions_of(families, catalogue)
    computed = _compute(lake, calendar, definitions, np.array([session]), config)
    return {"symbol": computed.symbols[computed.column], **computed.cells([d.name for d in definitions])}


@dataclass(frozen=True)
class _Computed:
    """Factors of a chunk of sessions."""

    sessions: np.ndarray
    symbols: np.ndarray
    row: np.ndarray
    """Session of each stock with a bar [n], by session and symbol."""
    column: np.ndarray
    """Symbol of each stock with a bar [n]."""
    values: Mapping[str, np.ndarray]
    """[T, N] by factor."""
    lacking: Mapping[str, str]

    @cached_property
    def keys(self) -> dict[str, pa.Array]:
        """Date and symbol of each stock with a bar [n]."""
        symbols = pa.array(self.symbols.tolist(), type=pa.string())
        return {
            "date": pa.array(self.sessions[self.row], type=pa.date32()),
            "symbol": symbols.take(pa.array(self.column)),
        }

    def cells(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Values [n] of each factor; all NaN for one that could not be computed."""
        nothing = np.full(len(self.row), np.nan, dtype=np.float32)
        return {name: self.values[name][self.row, self.column] if name in self.values else nothing for name in names}


def _compute(
    lake: Lake, calendar: Calendar, definitions: Sequence[FactorDefinition], sessions: np.ndarray, config: FactorConfig
) -> _Computed:
    """Factors of `sessions`; those with a long look-back read it by themselves, so that the others' inputs stay short.

    The longest comes first: its stocks are those of every shorter one, and some that are gone by then. All look back on
    companies under the codes of the first session; none may change its code on a later one.
    """
    groups = [[d for d in definitions if (d.lookback > SHORT_LOOK_BACK) == is_long] for is_long in (True, False)]
    symbols: np.ndarray | None = None
    values: dict[str, np.ndarray] = {}
    lacking: dict[str, str] = {}
    for group in filter(None, groups):
        reach = max(definition.lookback for definition in group)
        names = {name for definition in group for name in definition.fields}
        start = calendar.sessions[max(calendar.position(sessions[0]) - reach, 0)]
        market = load_dense(lake, calendar, start, sessions[-1], sorted(names), symbols).under_codes_of(sessions[0])
        symbols, first = market.symbols, market.position(sessions[0])
        index_return = market_return(lake, market) if MARKET_RETURN in names else None
        statements = (
            load_statements(lake, symbols, start, sessions[-1], market.new_codes(sessions[0]))
            if names & set(ITEMS)
            else None
        )
        lacking |= missing_factors(group, available_fields(market, index_return, statements))
        # A run may leave sessions out, so that a chunk's are not all of those between its first and its last.
        wanted = np.searchsorted(market.sessions, sessions) - first
        computed = compute_factors(group, market, config, index_return=index_return, statements=statements, first=first)
        is_whole = len(wanted) == len(market.sessions) - first
        values |= computed if is_whole else {name: panel[wanted] for name, panel in computed.items()}
    row, column = np.nonzero(~np.isnan(market[ROW_FIELD][first:][wanted]))
    return _Computed(sessions, market.symbols, row, column, values, lacking)


def market_return(lake: Lake, market: DenseMarket) -> np.ndarray | None:
    """[T] daily return of the whole-market index; None where the lake has none (the engine then builds one)."""
    if not lake.has("index_bar"):
        return None
    held = lake.sessions("index_bar")
    if not len(held[(held >= market.sessions[0]) & (held <= market.sessions[-1])]):
        return None
    bars = lake.read("index_bar", market.sessions[0], market.sessions[-1], ["date", "index", "close"]).to_pandas()
    closes = bars[bars["index"] == WHOLE_MARKET_INDEX].set_index("date")["close"]
    if closes.empty:
        return None
    closes.index = closes.index.astype("datetime64[s]")
    aligned = closes.reindex(market.sessions.astype("datetime64[s]")).to_numpy(dtype=float)
    return np.concatenate([[np.nan], aligned[1:] / aligned[:-1] - 1.0])


def chunks(sessions: np.ndarray, size: int, starts: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Consecutive pieces of at most `size` sessions; a new one begins on each day of `starts`, where given."""
    bounds = np.searchsorted(sessions, [] if starts is None else starts)
    for part in np.split(sessions, np.unique(bounds)):
        for start in range(0, len(part), size):
            yield part[start : start + size]


def days_of_new_codes(lake: Lake, sessions: np.ndarray) -> np.ndarray:
    """Days up to the last of `sessions` on which a company went on under another code."""
    dates = delist_dates(lake, sessions[-1])
    return np.array([dates[former] for former in code_successors(lake) if former in dates], dtype="datetime64[D]")


def _write_family(
    lake: Lake,
    family: str,
    names: Sequence[str],
    computed: _Computed,
    summary: FamilySummary,
    origins: Mapping[str, str],
) -> None:
    summary.lacking.update({name: reason for name, reason in computed.lacking.items() if name in names})
    cells = computed.cells(names)
    summary.rows += len(computed.row)
    for name, values in cells.items():
        summary.values[name] = summary.values.get(name, 0) + int(np.isfinite(values).sum())
    rows = from_columns({**computed.keys, **cells})
    if own := {name: origins[name] for name in names if name in origins}:
        rows = with_origins(rows, own)
    lake.write_sessions(family_table(family), rows, computed.sessions)
