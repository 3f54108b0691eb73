"""Computes factors on a market panel, tile by tile.

A tile is a block of stocks over some sessions: small enough for its panels to stay in a core's cache, and the reason
why memory does not grow with the number of factors. Each factor sees the sessions from its own look-back before the
tile on; sessions before the panel are rows without observations. So its values are final in every row, and the same to
the last bit whatever else is loaded.

A stock without a row on T (not yet or no longer listed) has no value on T. A suspended stock has the factors of its
windows (over the sessions on which it traded), of its valuation and of its consensus; the intra-day ones are missing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from attn_platform.errors import ConfigurationError
from attn_platform.factors.catalogue import Catalogue, FactorDefinition, catalogue, unavailable
from attn_platform.factors.common_returns import FIELDS as COMMON_RETURN_FIELDS
from attn_platform.factors.common_returns import common_returns
from attn_platform.factors.input_hints import hint_of
from attn_platform.factors.inputs import MARKET_RETURN, FactorConfig, FactorInputs, MarketPanel
from attn_platform.factors.kernels import LANES, REGRESSORS, FloatArray
from attn_platform.jit import njit
from attn_platform.parallel import cores, over_threads

if TYPE_CHECKING:
    from attn_platform.factors.statements import Statements

logger = logging.getLogger(__name__)

TILE_SESSIONS = 512
TILE_STOCKS = 2 * LANES
TALL = 2  # a tile has at least so many times the sessions of its look-back
PARTS_OF_A_TILE = 8  # a look-back longer than one of them is worth a cut of its own
MARKET_WIDE_SESSIONS = 128  # sessions at a time of what is computed over all stocks: bounds its memory


def definitions_of(families: Iterable[str], known: Catalogue | None = None) -> list[FactorDefinition]:
    """The factors of some families, in catalogue order, of `known` (default: the catalogue of this process)."""
    known = known or catalogue()
    return [definition for family in families for definition in known.family(family)]


def look_back(definitions: Iterable[FactorDefinition]) -> dict[str, int]:
    """By input, the sessions that must be loaded before T so that every factor is final on T."""
    reach: dict[str, int] = {}
    for definition in definitions:
        for name in definition.fields:
            reach[name] = max(reach.get(name, 0), definition.lookback)
    return reach


def available_fields(
    market: MarketPanel, index_return: FloatArray | None = None, statements: Statements | None = None
) -> frozenset[str]:
    """The inputs that have a value anywhere in the panel; an empty column is as good as an absent one."""
    # The newest session answers for most columns: only where it is empty must all of them be looked through.
    names = {
        name for name, values in market.fields.items() if np.isfinite(values[-1:]).any() or np.isfinite(values).any()
    }
    if index_return is not None and np.isfinite(index_return).any():
        names.add(MARKET_RETURN)
    return frozenset(names | set(statements.items if statements is not None else ()))


def missing_factors(definitions: Iterable[FactorDefinition], fields: frozenset[str]) -> dict[str, str]:
    """The factors that cannot be computed from these fields, each with the reason."""
    reasons = {definition.name: unavailable(definition, fields) for definition in definitions}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def compute_factors(
    definitions: Sequence[FactorDefinition],
    market: MarketPanel,
    config: FactorConfig | None = None,
    *,
    index_return: FloatArray | None = None,
    statements: Statements | None = None,
    first: int = 0,
) -> dict[str, FloatArray]:
    """Factors from row `first` of the panel on: float32 [T − first, N] by name, NaN = missing.

    Rows before `first` are look-back; where they do not reach as far as a factor looks, history begins with the panel.
    `index_return` [T] is the daily return of the whole-market index (csi_all). A factor that lacks an input is left
    out, never filled in; `missing_factors` gives the reasons, which are logged here as well.
    """
    missing = missing_factors(definitions, available_fields(market, index_return, statements))
    for factor, reason in missing.items():
        logger.info("factor %s is not computed: %s", factor, reason)
    definitions = [definition for definition in definitions if definition.name not in missing]
    common = _common_returns(definitions, market, config or FactorConfig(), index_return, first)
    source = _Source(market, config or FactorConfig(), common, statements)

    sessions, stocks = len(market.sessions), len(market.symbols)
    # Not initialised: every tile writes its part, so memory is touched once.
    values = {d.name: np.empty((sessions - first, stocks), dtype=np.float32) for d in definitions}

    groups = _groups(definitions, min(TILE_SESSIONS, sessions - first))

    def run(tile: tuple[int, slice, slice]) -> None:
        reach, rows, columns = tile
        names = {name for definition in groups[reach] for name in definition.fields}
        inputs = source.inputs(slice(rows.start - reach, rows.stop), columns, names)
        listed = inputs.listed[reach:]
        cells = np.empty(listed.shape, dtype=np.float32)
        for definition in groups[reach]:
            _keep_finite(factor_values(definition, inputs)[reach:], listed, cells)
            values[definition.name][rows.start - first : rows.stop - first, columns] = cells

    over_threads(run, [(reach, *tile) for reach in groups for tile in _tiles(first, sessions, stocks, reach)])
    return values


def _tiles(first: int, sessions: int, stocks: int, reach: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of tiles: few sessions make wide ones, a long look-back tall ones, and every core has work."""
    height = min(max(TILE_SESSIONS, TALL * reach), sessions - first)
    wide_enough = min(TILE_SESSIONS * TILE_STOCKS // max(height, 1), -(-stocks // cores()))
    width = LANES * max(-(-wide_enough // LANES), 1)
    for start, block in product(range(first, sessions, max(height, 1)), range(0, stocks, width)):
        yield slice(start, min(start + height, sessions)), slice(block, min(block + width, stocks))


def _groups(definitions: Iterable[FactorDefinition], sessions: int) -> dict[int, list[FactorDefinition]]:
    """Factors by the look-back that their inputs are cut with, for tiles of so many sessions.

    Factors of one cut share the derived series, so look-backs that are short against the tile are made alike.
    """
    short = [d.lookback for d in definitions if d.lookback <= sessions // PARTS_OF_A_TILE]
    groups: dict[int, list[FactorDefinition]] = {}
    for definition in definitions:
        reach = max(short) if definition.lookback in short else definition.lookback
        groups.setdefault(reach, []).append(definition)
    return groups


def factor_values(definition: FactorDefinition, inputs: FactorInputs) -> FloatArray:
    """What the factor's function returns [T, N], float64; `ConfigurationError` if it fails, or its shape is another."""
    try:
        with np.errstate(all="ignore"):
            values = definition.function(inputs)
    except Exception as error:
        raise ConfigurationError(
            f"factor {definition.name}: {definition.origin} fails ({type(error).__name__}: {error}"
            f"{hint_of(error)}); correct it, and try it with: attn factors {definition.name} --check"
        ) from error
    if np.shape(values) != inputs.listed.shape:
        raise ConfigurationError(
            f"factor {definition.name}: its function returned shape {np.shape(values)}, "
            f"expected [sessions, stocks] = {inputs.listed.shape}"
        )
    return values


@njit(nogil=True, cache=True, error_model="numpy")
def _keep_finite(values, listed, out):  # type: ignore[no-untyped-def]
    for t in range(values.shape[0]):
        for j in range(values.shape[1]):
            value = np.float32(values[t, j])
            out[t, j] = value if listed[t, j] & (abs(value) < np.inf) else np.nan


@dataclass(frozen=True)
class _Panel:
    """A tile's market."""

    sessions: np.ndarray
    symbols: np.ndarray
    fields: Mapping[str, FloatArray]


@dataclass(frozen=True)
class _Source:
    """Cuts the inputs of a tile out of what was loaded."""

    market: MarketPanel
    config: FactorConfig
    common: FloatArray | None
    statements: Statements | None

    def inputs(self, rows: slice, columns: slice, names: Iterable[str]) -> FactorInputs:
        """Rows that lie before the panel hold no observations."""
        held = slice(max(rows.start, 0), rows.stop)
        before = held.start - rows.start
        # Dates before the panel only have to ascend.
        earlier = self.market.sessions[0] - np.arange(before, 0, -1)
        panel = _Panel(
            np.concatenate([earlier, self.market.sessions[held]]),
            self.market.symbols[columns],
            {
                name: _after_missing(before, self.market.fields[name][held, columns])
                for name in names
                if name in self.market.fields
            },
        )
        common = None if self.common is None else _after_missing(before, self.common[held])
        statements = None
        if self.statements is not None:
            statements = self.statements.columns(columns).between(panel.sessions[0], panel.sessions[-1])
        return FactorInputs(panel, self.config, common, statements)


def _after_missing(rows: int, values: FloatArray) -> FloatArray:
    """A contiguous copy of `values` after so many rows of NaN."""
    out = np.empty((rows + len(values), values.shape[1]))
    out[:rows] = np.nan
    out[rows:] = values
    return out


def _common_returns(
    definitions: Iterable[FactorDefinition],
    market: MarketPanel,
    config: FactorConfig,
    index_return: FloatArray | None,
    first: int,
) -> FloatArray | None:
    """Returns common to all stocks [T, 3] on the rows that some factor reads; None where none does."""
    reach = [definition.lookback for definition in definitions if MARKET_RETURN in definition.fields]
    if not reach:
        return None
    out = np.full((len(market.sessions), REGRESSORS), np.nan)
    fields = {name: market.fields[name] for name in COMMON_RETURN_FIELDS if name in market.fields}

    def run(start: int) -> None:
        stop, before = min(start + MARKET_WIDE_SESSIONS, len(out)), max(start - 1, 0)
        rows = slice(before, stop)
        panel = _Panel(market.sessions[rows], market.symbols, {name: x[rows] for name, x in fields.items()})
        index = None if index_return is None else index_return[rows]
        out[start:stop] = common_returns(FactorInputs(panel, config), index)[start - before :]

    over_threads(run, range(max(first - max(reach), 0), len(out), MARKET_WIDE_SESSIONS))
    return out
