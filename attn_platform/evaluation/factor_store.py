"""Profiles of the lake's factors, read in chunks of sessions: the chunk bounds the memory, whatever the history.

Tables of a family: `evaluation_factor_<family>` (one row a factor and horizon) and
`evaluation_factor_<family>_sessions` (stocks, coverage and RankIC of every session).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import MissingDataError
from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_profile import FactorProfile, profile
from attn_platform.evaluation.factor_series import CrossSectionHistory, FactorSeries, joined, later_returns, measure
from attn_platform.evaluation.ranks import RankCodes, rank_codes, rank_correlation
from attn_platform.evaluation.store import figures_table, sessions_table
from attn_platform.factors.catalogue import Catalogue
from attn_platform.factors.store import CHUNK, chunks, family_table
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DENSE_TABLES, load_dense
from attn_platform.market.lake import Lake, days
from attn_platform.parallel import cores, over_threads
from attn_platform.progress import tqdm
from attn_platform.training.labels import LabelConfig, label_prices
from attn_platform.universe.config import UniverseConfig
from attn_platform.universe.store import CROSS_SECTION_FIELDS, UNIVERSE, daily_cross_sections, quarter_of


@dataclass(frozen=True)
class FactorHistory:
    """Where factors are evaluated: a lake and its catalogue of factors, the universe, and what to look at."""

    lake: Lake
    calendar: Calendar
    catalogue: Catalogue
    universe: UniverseConfig
    config: FactorProfileConfig

    def sessions(self, family: str) -> np.ndarray:
        """Sessions of a family that have bars and a universe; `MissingDataError` says what to do where none has."""
        table = family_table(family)
        held = self.lake.sessions(table)
        if not len(held):
            raise MissingDataError(
                f"the lake {self.lake.root} holds no session of {table}; materialise it first: "
                f"attn materialize {table} --partitions FIRST...LAST"
            )
        lists = self.lake.sessions(UNIVERSE)
        usable = np.isin(held, self.lake.sessions("daily_bar")) & [quarter_of(day) in lists for day in held]
        if not usable.any():
            raise MissingDataError(
                f"the lake {self.lake.root} holds no universe for {held[0]} to {held[-1]}; materialise it first: "
                f"attn materialize {UNIVERSE} --partitions {quarter_of(held[0])}...{quarter_of(held[-1])}"
            )
        return held[usable]


def profiles(
    history: FactorHistory, names: Sequence[str], others: Sequence[str] | None = None
) -> dict[str, FactorProfile]:
    """Profile of each factor, over the sessions that its family holds.

    `others` are the factors to correlate with (default: `stored_factors`).
    `MissingDataError` where a family of `names` has not been materialised.
    """
    families = _by_family(history.catalogue, names)
    if others is None:
        others = stored_factors(history.lake, history.catalogue)
    held = {family: history.sessions(family) for family in families}
    wanted = history.calendar.between(min(each[0] for each in held.values()), max(each[-1] for each in held.values()))
    series: dict[str, list[FactorSeries]] = {name: [] for name in names}
    correlations = []
    with tqdm(total=len(wanted) * len(names), desc="factor profiles", unit="factor-session", unit_scale=True) as bar:
        for chunk in _chunks(history, wanted):
            for family, members in families.items():
                present = np.isin(chunk.sessions, held[family])
                if present.any():
                    values = _dense_factors(history.lake, family, members, chunk.rows, chunk.symbols)
                    for name, measured in _measured(values, chunk, history.config).items():
                        series[name].append(measured.at(present))
                bar.update(len(chunk.sessions) * len(members))
            correlations.append(_correlations(history, chunk, names, others))
    mean = _mean_over_sessions(np.concatenate(correlations))
    correlation = {name: pd.Series(mean[at], index=list(others)) for at, name in enumerate(names)}
    return {
        name: profile(name, joined(series[name]), correlation[name].drop(name, errors="ignore"), history.config)
        for name in names
    }


def shared_profiles(history: FactorHistory, names: Sequence[str]) -> dict[str, FactorProfile]:
    """`profiles`, once for all in this process who ask for the same: an evaluation, and the pages of its factors.

    Those last asked for are kept until a file of the lake changes that they depend on.
    """
    lake = history.lake.snapshot()
    tables = (*map(family_table, history.catalogue.families), UNIVERSE, *DENSE_TABLES, "security")
    stamps = tuple(lake.stamp(table) for table in tables)
    configuration = (history.universe.model_dump_json(), history.config.model_dump_json())
    found = _shared(_Request(tuple(sorted(names)), configuration, stamps, history))
    return {name: found[name] for name in names}


@dataclass(frozen=True)
class _Request:
    """What tells shared profiles from others: the factors, the settings, and the state of the files."""

    names: tuple[str, ...]
    configuration: tuple[str, ...]
    stamps: tuple[int, ...]
    history: FactorHistory = field(compare=False)


@lru_cache(maxsize=1)
def _shared(request: _Request) -> dict[str, FactorProfile]:
    return profiles(request.history, request.names)


def stored_factors(lake: Lake, catalogue: Catalogue) -> list[str]:
    """Factors of the catalogue that the lake holds on the newest session of their family."""
    stored: list[str] = []
    for family in (each for each in catalogue.families if lake.has(family_table(each))):
        newest = lake.read_sessions(family_table(family), lake.sessions(family_table(family))[-1:])
        if newest is not None:
            stored += [each.name for each in catalogue.family(family) if each.name in newest.column_names]
    return stored


def write_figures(lake: Lake, family: str, found: Mapping[str, FactorProfile]) -> pd.DataFrame:
    """Keep the figures of a family's factors; returns the table by factor and horizon."""
    table = pd.concat([figures(each) for each in found.values()], ignore_index=True)
    lake.write(figures_table(family_table(family)), pa.Table.from_pandas(table, preserve_index=False))
    sessions = pd.concat([_session_figures(each) for each in found.values()], ignore_index=True)
    lake.write(
        sessions_table(family_table(family)),
        pa.Table.from_pandas(sessions.assign(date=sessions["date"].dt.date), preserve_index=False),
    )
    return table


def figures(found: FactorProfile) -> pd.DataFrame:
    """One row a horizon: the figures by horizon beside those that have none (coverage, half-life, persistence)."""
    table = found.horizons.reset_index()
    table.insert(0, "factor", found.name)
    table["coverage"] = found.coverage
    table["half_life"] = found.half_life
    for lag, row in found.persistence.iterrows():
        table[f"autocorrelation_{lag}"] = row["autocorrelation"]
        table[f"top_turnover_{lag}"] = row["top_turnover"]
    return table


@dataclass(frozen=True)
class _Chunk(CrossSectionHistory):
    """Consecutive sessions of the lake, over the stocks [N] that are in one of the cross-sections."""

    rows: np.ndarray
    """[back + T] the sessions with those before them; NaT before the first one evaluated."""
    symbols: np.ndarray


def _chunks(history: FactorHistory, wanted: np.ndarray) -> Iterator[_Chunk]:
    calendar, config = history.calendar, history.config
    label = LabelConfig(horizons=config.horizons, price=config.price)
    fields = (*CROSS_SECTION_FIELDS, config.price, "adj_factor")
    for sessions in chunks(wanted, CHUNK):
        before = calendar.between(wanted[0], sessions[0])[:-1][-config.back :]
        unknown = config.back - len(before)
        reach = min(calendar.position(sessions[-1]) + config.ahead, len(calendar.sessions) - 1)
        first = before[0] if len(before) else sessions[0]
        market = load_dense(history.lake, calendar, first, calendar.sessions[reach], fields)
        past, future = market.rows(slice(len(before) + len(sessions))), market.rows(slice(len(before), None))
        inside = daily_cross_sections(history.lake, calendar, past, history.universe)
        members = inside.any(axis=0)
        price = label_prices(future, label)[:, members]
        yield _Chunk(
            sessions=sessions,
            inside=_padded(inside[:, members], unknown, 0),
            sampled=_every(calendar, sessions, config.distribution_every),
            later=later_returns(_padded(price, 0, len(sessions) + config.ahead - len(price)), len(sessions), config),
            rows=np.concatenate([np.full(unknown, np.datetime64("NaT", "D")), before, sessions]),
            symbols=market.symbols[members],
        )


def _measured(values: Mapping[str, np.ndarray], chunk: _Chunk, config: FactorProfileConfig) -> dict[str, FactorSeries]:
    """Figures of several factors [back + T, N], on all cores: each factor in as many parts as there are cores."""
    bounds = np.linspace(0, len(chunk.sessions), cores() + 1).astype(int)
    parts = [slice(start, stop) for start, stop in pairwise(bounds.tolist()) if stop > start]
    measured: dict[tuple[str, int], FactorSeries] = {}

    def measure_part(task: tuple[str, int]) -> None:
        name, at = task
        rows = slice(parts[at].start, parts[at].stop + config.back)
        measured[task] = measure(values[name][rows], chunk.part(parts[at], config), config)

    over_threads(measure_part, [(name, at) for name in values for at in range(len(parts))])
    return {name: joined([measured[name, at] for at in range(len(parts))]) for name in values}


def _padded(values: np.ndarray, before: int, after: int) -> np.ndarray:
    """`values` [T, N] with rows of nothing (NaN, False) before and after."""
    fill = False if values.dtype == bool else np.nan
    return np.pad(values, ((before, after), (0, 0)), constant_values=fill)


def _every(calendar: Calendar, sessions: np.ndarray, step: int) -> np.ndarray:
    """Whether each session [T] is one of every `step`-th of the calendar, wherever the range begins."""
    return (calendar.position(sessions[0]) + np.arange(len(sessions))) % step == 0


def _by_family(catalogue: Catalogue, names: Sequence[str]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(catalogue.definition(name).family, []).append(name)
    return families


def _dense_factors(
    lake: Lake, family: str, names: Sequence[str], rows: np.ndarray, symbols: np.ndarray
) -> dict[str, np.ndarray]:
    """Factors of one family over the sessions `rows` [T] (NaT for none) and `symbols` [N]: float32 [T, N] by name."""
    values = {name: np.full((len(rows), len(symbols)), np.nan, dtype=np.float32) for name in names}
    known = rows[~np.isnat(rows)]
    data = lake.read_sessions(family_table(family), known, ["date", "symbol", *names])
    if data is None:
        return values
    row = len(rows) - len(known) + np.searchsorted(known, days(data["date"]))
    code = pc.fill_null(pc.index_in(data["symbol"], value_set=pa.array(symbols.tolist(), type=pa.string())), -1)
    column = code.combine_chunks().to_numpy(zero_copy_only=False)
    inside = column >= 0
    row, column = row[inside], column[inside]
    for name in names:
        cells = data[name].cast(pa.float32()).combine_chunks().to_numpy(zero_copy_only=False)
        values[name][row, column] = cells[inside]
    return values


def _correlations(history: FactorHistory, chunk: _Chunk, names: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Rank correlations [session, name, other] over the cross-sections of the chunk's sampled sessions."""
    sampled = _every(history.calendar, chunk.sessions, history.config.correlation_every)
    rows = chunk.sessions[sampled]
    inside = chunk.inside[history.config.back :][sampled]
    values = {
        name: found
        for family, members in _by_family(history.catalogue, list(dict.fromkeys([*names, *others]))).items()
        for name, found in _dense_factors(history.lake, family, members, rows, chunk.symbols).items()
    }
    ranks: dict[str, RankCodes] = {}
    over_threads(lambda name: ranks.update({name: rank_codes(np.where(inside, values[name], np.nan))}), values)
    pairs = dict.fromkeys(frozenset((name, other)) for name in names for other in others)
    found: dict[frozenset[str], np.ndarray] = {}
    over_threads(lambda pair: found.update({pair: rank_correlation(ranks[min(pair)], ranks[max(pair)])}), pairs)
    return np.stack(
        [np.stack([found[frozenset((name, other))] for other in others], axis=-1) for name in names], axis=1
    )


def _mean_over_sessions(correlations: np.ndarray) -> np.ndarray:
    """Mean over the sessions (axis 0) that have one; NaN where none has."""
    known = np.isfinite(correlations)
    count = known.sum(axis=0)
    total = np.where(known, correlations, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _session_figures(found: FactorProfile) -> pd.DataFrame:
    series = found.series
    frame = pd.DataFrame(
        {
            "date": series.sessions.astype("datetime64[s]"),
            "factor": found.name,
            "stocks": series.stocks,
            "coverage": series.coverage,
        }
    )
    for at, horizon in enumerate(found.horizons.index):
        frame[f"rank_ic_{horizon}d"] = series.rank_ic[:, at]
    return frame
