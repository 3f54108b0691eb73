"""Checks what every indicator promises, on a session of the simulated market (`catalogue.indicator`).

A stock's value depends on its own rows alone, on no column that is not among the inputs, and on nothing by chance; and
there is a value where all inputs are. `attn factors NAME --check` holds the indicators behind a factor to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from attn_platform.errors import PlatformError
from attn_platform.indicators.catalogue import IndicatorCatalogue, IndicatorDefinition
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.indicators.inputs import IndicatorInputs
from attn_platform.indicators.reading import Block, blocks
from attn_platform.indicators.rows import FloatArray
from attn_platform.indicators.store import indicator_values
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.contract import INTRADAY_TABLES, TABLES
from attn_platform.market.lake import Lake
from attn_platform.market.simulation import SimulatedMarket, SimulationConfig
from attn_platform.market.simulation.config import IntradaySimulation

FIRST_SESSION, SESSION = "2021-01-04", np.datetime64("2021-01-08")
STOCKS = 24
SEED = 0
HISTORY_SPREAD = 0.05  # of earlier sessions about what an indicator is on this one


def check_indicator(
    definition: IndicatorDefinition, known: IndicatorCatalogue, config: IndicatorConfig | None = None
) -> list[str]:
    """What is wrong with the indicator, nothing where it keeps its promises; `known` has those that it reads of."""
    try:
        return list(_broken(definition, _inputs(definition, known, config or IndicatorConfig())))
    except PlatformError as error:
        return [str(error)]


def _broken(definition: IndicatorDefinition, inputs: IndicatorInputs) -> Iterator[str]:
    together = indicator_values(definition, inputs)
    if not np.isfinite(together).any():
        yield "no stock has a value on a session that has all inputs; correct the function"
    if not np.array_equal(indicator_values(definition, _fresh(inputs)), together, equal_nan=True):
        yield "a second computation gives other values; take chance and state out of the function"
    for at, symbol in enumerate(inputs.symbols):
        alone = indicator_values(definition, _fresh(inputs, at))[0]
        if not np.array_equal(alone, together[at], equal_nan=True):
            yield (
                f"{symbol} has another value without the other stocks; bring rows to stocks with x.bars.sum and the "
                "like, and read no rows but a stock's own"
            )
            return


def _inputs(definition: IndicatorDefinition, known: IndicatorCatalogue, config: IndicatorConfig) -> IndicatorInputs:
    """What the indicator names, and no more."""
    block = _session()
    tables = {}
    for table in definition.tables:
        named = {given.partition(".")[2] for given in definition.inputs if given.startswith(f"{table}.")}
        rows = block.tables[table]
        always = {"minute", "time", "bar_minutes"}
        tables[table] = replace(rows, columns={n: v for n, v in rows.columns.items() if n in named | always})
    generator = np.random.default_rng(SEED)
    history: dict[str, FloatArray] = {}
    for name in definition.history:
        today = indicator_values(known.definition(name), _inputs(known.definition(name), known, config))
        drawn = generator.standard_normal((config.large_order_sessions, len(today)))
        history[name] = today * (1 + HISTORY_SPREAD * drawn)
    return IndicatorInputs(SESSION, block.symbols, config, tables, history)


def _fresh(inputs: IndicatorInputs, stock: int | None = None) -> IndicatorInputs:
    """The same inputs with nothing worked out yet; of one stock alone where it is given."""
    first, last = (0, len(inputs.symbols)) if stock is None else (stock, stock + 1)
    return IndicatorInputs(
        inputs.session,
        inputs.symbols[first:last],
        inputs.config,
        {name: rows.of_stocks(first, last) for name, rows in inputs.tables.items()},
        {name: values[:, first:last] for name, values in inputs.history.items()},
    )


@cache
def _session() -> Block:
    """All intraday rows of some simulated stocks on one session."""
    sessions = exchange_calendar().between(FIRST_SESSION, SESSION)
    simulated = {"start": sessions[0].item(), "intraday": IntradaySimulation(stocks=STOCKS)}
    market = SimulatedMarket(SimulationConfig.preset("demo").model_copy(update=simulated), sessions)
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for table in INTRADAY_TABLES:
            lake.write(table, market.table(table, SESSION, SESSION), SESSION)
        files = {table: (lake.path(table, SESSION), TABLES[table].schema.names[2:]) for table in INTRADAY_TABLES}
        [block] = blocks(files, SESSION, IndicatorConfig())
    return block
