"""Factor panels: the pre-processed factors of each session's cross-section, as the networks read them.

Table `factor_panel`, and one more for each other choice of factors and pre-processing that a model makes; one file a
session: date, symbol and one float32 column a factor, in the order of the features. A factor that is missing for
everybody is 0 throughout, and its coverage of 0 is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.errors import MissingDataError
from attn_platform.factors.catalogue import Catalogue
from attn_platform.factors.catalogue import catalogue as process_catalogue
from attn_platform.factors.preprocessing import Exposures, PreprocessingConfig, preprocess_in_place
from attn_platform.factors.store import CHUNK, chunks, family_table
from attn_platform.market.lake import Lake, days, from_columns
from attn_platform.market.origins import require_origins, with_origins
from attn_platform.progress import tqdm

PANEL = "factor_panel"


def families_of(features: Sequence[str], catalogue: Catalogue | None = None) -> tuple[str, ...]:
    """Families that hold these factors, in catalogue order."""
    known = catalogue or process_catalogue()
    wanted = {known.definition(name).family for name in features}
    return tuple(family for family in known.families if family in wanted)


def write_panel(
    lake: Lake,
    table: str,
    sessions: np.ndarray,
    members: Mapping[np.datetime64, np.ndarray],
    features: Sequence[str],
    config: PreprocessingConfig,
    exposures: Mapping[np.datetime64, Exposures] | None = None,
    absent: Collection[str] = (),
    catalogue: Catalogue | None = None,
    origins: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Pre-process and write `sessions` of the panel `table`; returns the share of stock-days with a value, by factor.

    `members` are the sorted symbols of each session's cross-section, `exposures` what is regressed out of them (only
    where the configuration neutralises). Families in `absent` are missing for everybody; `MissingDataError` names a
    session that any other one lacks. The files keep `origins`, by factor and rule; `StaleDataError` names a session
    whose family was made by another factor of the same name.
    """
    known = catalogue or process_catalogue()
    families = [family for family in families_of(features, known) if family not in absent]
    for family in families:
        _require(lake, family, sessions)
        own = {d.name: origins[d.name] for d in known.family(family) if origins and d.name in origins}
        require_origins(lake, family_table(family), sessions, own)
    observed = np.zeros(len(features))
    total = 0
    with tqdm(total=len(sessions), desc="panel", unit="session") as bar:
        for chunk in chunks(sessions, CHUNK):
            raw, offsets = raw_factors(lake, chunk, members, features, families, known)
            joined = _joined_exposures(chunk, exposures) if exposures is not None else None
            observed += np.isfinite(raw).sum(axis=1)
            total += raw.shape[1]
            preprocess_in_place(raw, offsets, config, joined)
            rows = from_columns(
                {
                    "date": np.repeat(chunk, np.diff(offsets)),
                    "symbol": np.concatenate([members[day] for day in chunk]).astype(str),
                    **dict(zip(features, raw, strict=True)),
                }
            )
            lake.write_sessions(table, with_origins(rows, origins) if origins else rows, chunk)
            bar.update(len(chunk))
    return {name: float(count) / total if total else 0.0 for name, count in zip(features, observed, strict=True)}


def raw_factors(
    lake: Lake,
    sessions: np.ndarray,
    members: Mapping[np.datetime64, np.ndarray],
    features: Sequence[str],
    families: Sequence[str],
    catalogue: Catalogue | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Factors before pre-processing, read from `families`.

    Returns float32 [F, rows] with NaN for missing, and the offsets [T + 1] of the sessions' rows.
    """
    known = catalogue or process_catalogue()
    offsets = np.concatenate([[0], np.cumsum([len(members[day]) for day in sessions])]).astype(np.int64)
    raw = np.full((len(features), int(offsets[-1])), np.nan, dtype=np.float32)
    position = {name: at for at, name in enumerate(features)}
    symbols = np.unique(np.concatenate([members[day] for day in sessions]))
    if not len(symbols):
        return raw, offsets
    # Where in `raw` the row of a session and stock lies; -1 for stocks outside of the session's cross-section.
    place = np.full((len(sessions), len(symbols)), -1, dtype=np.int64)
    for at, day in enumerate(sessions):
        place[at, np.searchsorted(symbols, members[day])] = np.arange(offsets[at], offsets[at + 1])
    for family in families:
        names = [d.name for d in known.family(family) if d.name in position]
        data = lake.read(family_table(family), sessions[0], sessions[-1], ["date", "symbol", *names])
        code = pc.index_in(data["symbol"], value_set=pa.array(symbols.tolist(), type=pa.string()))
        stock = pc.fill_null(code, -1).combine_chunks().to_numpy(zero_copy_only=False)
        row = np.searchsorted(sessions, days(data["date"]))
        target = np.where(stock < 0, -1, place[row, stock])
        inside = target >= 0
        for name in names:
            values = data[name].cast(pa.float32()).combine_chunks().to_numpy(zero_copy_only=False)
            raw[position[name], target[inside]] = values[inside]
    return raw, offsets


def _require(lake: Lake, family: str, sessions: np.ndarray) -> None:
    missing = np.setdiff1d(sessions, lake.sessions(family_table(family)))
    if len(missing):
        raise MissingDataError(
            f"the panel of {sessions[0]} to {sessions[-1]} lacks the {family} factors of {missing[0]} and "
            f"{len(missing) - 1} more sessions; materialise {family_table(family)} over that range first"
        )


def _joined_exposures(sessions: np.ndarray, exposures: Mapping[np.datetime64, Exposures]) -> Exposures:
    parts = [exposures[day] for day in sessions]
    sizes = [part.log_market_value for part in parts]
    return Exposures(
        industry=np.concatenate([part.industry for part in parts]),
        log_market_value=None
        if any(size is None for size in sizes)
        else np.concatenate([s for s in sizes if s is not None]),
    )
