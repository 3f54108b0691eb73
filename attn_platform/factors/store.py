"""Factor families in the lake: one table a family, one row for every stock with a bar, one column a factor.

A factor whose input the source lacks is a column of nulls; the reason goes into the asset's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from attn_platform.factors import catalogue
from attn_platform.factors.engine import available_fields, compute_family, lookback, missing_factors
from attn_platform.factors.inputs import ROW_FIELD, FactorConfig
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import Lake, from_columns

WHOLE_MARKET_INDEX = "csi_all"
# Sessions computed at a time, beside the look-back: bounds the memory, and has no influence on any value.
CHUNK = 504


def family_table(family: str) -> str:
    """Name of the family's table, which is also its asset's."""
    return f"factor_{family}"


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
    lake: Lake, calendar: Calendar, families: Sequence[str], sessions: np.ndarray, config: FactorConfig
) -> dict[str, FamilySummary]:
    """Compute families for `sessions` and write them; returns a summary by family.

    Reads the look-back before each chunk of sessions, and nothing after it.
    """
    summaries = {family: FamilySummary() for family in families}
    names = sorted({name for family in families for d in catalogue.family(family) for name in d.fields} | {ROW_FIELD})
    reach = max(lookback(family) for family in families)
    with tqdm(total=len(sessions), desc="factors", unit="session") as bar:
        for chunk in chunks(sessions, CHUNK):
            first = calendar.sessions[max(calendar.position(chunk[0]) - reach, 0)]
            market = load_dense(lake, calendar, first, chunk[-1], names)
            index_return = market_return(lake, market)
            for family in families:
                _write_family(lake, family, market, chunk, config, index_return, summaries[family])
            bar.update(len(chunk))
    return summaries


def compute_session(
    lake: Lake, calendar: Calendar, families: Sequence[str], session: np.datetime64, config: FactorConfig
) -> dict[str, np.ndarray]:
    """Raw factors of one session, straight from the raw tables: symbol [n] and one array [n] a factor."""
    names = sorted({name for family in families for d in catalogue.family(family) for name in d.fields} | {ROW_FIELD})
    reach = max(lookback(family) for family in families)
    first = calendar.sessions[max(calendar.position(session) - reach, 0)]
    market = load_dense(lake, calendar, first, session, names)
    index_return = market_return(lake, market)
    listed = ~np.isnan(market[ROW_FIELD][-1])
    columns = {"symbol": market.symbols[listed]}
    for family in families:
        values = compute_family(family, market, config, index_return=index_return)
        for definition in catalogue.family(family):
            found = values.get(definition.name)
            columns[definition.name] = np.full(listed.sum(), np.nan) if found is None else found[-1][listed]
    return columns


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


def chunks(sessions: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Consecutive pieces of at most `size` sessions."""
    for start in range(0, len(sessions), size):
        yield sessions[start : start + size]


def _write_family(
    lake: Lake,
    family: str,
    market: DenseMarket,
    sessions: np.ndarray,
    config: FactorConfig,
    index_return: np.ndarray | None,
    summary: FamilySummary,
) -> None:
    definitions = catalogue.family(family)
    values = compute_family(family, market, config, index_return=index_return)
    summary.lacking.update(missing_factors(definitions, available_fields(market, index_return)))
    rows = np.searchsorted(market.sessions, sessions)
    row, column = np.nonzero(~np.isnan(market[ROW_FIELD][rows]))
    table = family_columns(values, [d.name for d in definitions], rows, row, column)
    summary.rows += len(row)
    for name, cells in table.items():
        summary.values[name] = summary.values.get(name, 0) + int(np.isfinite(cells).sum())
    key = {"date": sessions[row], "symbol": market.symbols[column]}
    lake.write_sessions(family_table(family), from_columns({**key, **table}), sessions)


def family_columns(
    values: Mapping[str, np.ndarray], names: Sequence[str], rows: np.ndarray, row: np.ndarray, column: np.ndarray
) -> dict[str, np.ndarray]:
    """Cells [row, column] of each factor over the chosen `rows` of the panel; all NaN for a factor without values."""
    return {name: values[name][rows[row], column] if name in values else np.full(len(row), np.nan) for name in names}
