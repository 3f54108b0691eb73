"""Checks what every factor promises, on a generated market with all that a factor can trip over.

The promises are those of `catalogue.factor`: a value reads nothing after its session, nothing before its look-back, no
other stock, and no column that is not among the inputs; and there is a value where all inputs are. The platform's own
factors are held to them by its tests, a user's by `attn factors NAME --check`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import numpy as np

from attn_platform.errors import ConfigurationError
from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.common_returns import common_returns
from attn_platform.factors.engine import factor_values
from attn_platform.factors.input_columns import is_qualified
from attn_platform.factors.input_hints import hint_of
from attn_platform.factors.inputs import MARKET_RETURN, ROW_FIELD, FactorConfig, FactorInputs
from attn_platform.factors.kernels import BoolArray, FloatArray
from attn_platform.factors.statements import NO_ROW, Statements, load_statements
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.contract import FUNDAMENTAL
from attn_platform.market.dense import DENSE_TABLES, DenseMarket, numeric
from attn_platform.market.lake import Lake, days
from attn_platform.market.simulation import SimulatedMarket, SimulationConfig

LAST_SESSION = "2018-12-28"
SESSIONS = 600  # more where a look-back asks for it
CHECKED = (1, 8, 15, 22, 29)  # sessions looked at, counted back from the last one
DELISTED = 18  # the same for the first session after a delisting
STOCKS = 50
SEED = 0
HUGE = 1e10
INDICATOR_SPREAD, INDICATOR_MISSING = 0.1, 0.05
ROUNDING = 1e-9  # a difference so small, relative to the value, is one of the order of summation


@dataclass(frozen=True)
class Finding:
    """A promise that a factor does not keep: which one, and what to do."""

    promise: str
    text: str


@dataclass(frozen=True)
class GeneratedMarket:
    """A market of some sessions with everything that a factor may read."""

    panel: DenseMarket
    index_return: FloatArray
    statements: Statements

    def inputs(self, definition: FactorDefinition, config: FactorConfig) -> FactorInputs:
        """Copies, which a function may spoil."""
        panel = replace(self.panel, fields=_copied(self.panel.fields))
        statements = replace(self.statements, values=_copied(self.statements.values))
        common = None
        if MARKET_RETURN in definition.fields:
            common = common_returns(FactorInputs(panel, config), self.index_return)
        return FactorInputs(panel, config, common, statements)

    def rows(self, start: int, stop: int) -> GeneratedMarket:
        """Some of the sessions, with the statements that were known on them."""
        panel = self.panel.rows(slice(start, stop))
        known = self.statements.between(panel.sessions[0], panel.sessions[-1])
        return GeneratedMarket(panel, self.index_return[start:stop], known)

    def with_noise(self, inside: BoolArray, unseen: BoolArray, names: Iterable[str]) -> GeneratedMarket:
        """Noise in the cells `inside` [T, N] of some columns, and in what only `unseen` announcements [E] brought."""
        generator = np.random.default_rng(SEED)

        def spoilt(values: FloatArray, where: BoolArray) -> FloatArray:
            noise = HUGE * generator.standard_normal(values.shape)
            noise[generator.random(values.shape) < 0.3] = np.nan
            return np.where(where, noise, values)

        chosen = set(names)
        fields = {name: spoilt(x, inside) if name in chosen else x for name, x in self.panel.fields.items()}
        listed = np.isfinite(fields[ROW_FIELD])
        fields[ROW_FIELD] = np.where(inside & listed, fields[ROW_FIELD] > 0, fields[ROW_FIELD])
        brought = np.ones(len(next(iter(self.statements.values.values()))), dtype=bool)
        brought[self.statements.row[~unseen]] = False
        brought[NO_ROW] = False
        items = {name: spoilt(x, brought) if name in chosen else x for name, x in self.statements.values.items()}
        return replace(
            self,
            panel=replace(self.panel, fields=fields),
            index_return=spoilt(self.index_return, np.logical_and.reduce(inside, axis=1)),
            statements=replace(self.statements, values=items),
        )

    def with_columns_of(self, definition: FactorDefinition) -> GeneratedMarket:
        """The market with the daily indicators that a factor reads: positive numbers about 1, some of them missing."""
        fields = dict(self.panel.fields)
        for name in filter(is_qualified, definition.fields):
            generator = np.random.default_rng([SEED, crc32(name.encode())])
            shape = fields[ROW_FIELD].shape
            drawn = np.exp(INDICATOR_SPREAD * generator.standard_normal(shape))
            is_there = np.isfinite(fields["close"]) & (generator.random(shape) > INDICATOR_MISSING)
            fields[name] = np.where(is_there, drawn, np.nan)
        return replace(self, panel=replace(self.panel, fields=fields))

    def without(self, *names: str) -> GeneratedMarket:
        """The market without some of its columns."""
        panel = replace(self.panel, fields=_without(self.panel.fields, names))
        statements = replace(self.statements, values=_without(self.statements.values, names))
        return replace(self, panel=panel, statements=statements)


def check_factor(definition: FactorDefinition, config: FactorConfig | None = None) -> list[Finding]:
    """What is wrong with the factor; nothing where it keeps its promises."""
    try:
        subject = _subject(definition, config or FactorConfig())
    except Exception as error:
        return [Finding("has values", f"the function fails: {_described(error, definition)}; correct it")]
    findings = []
    for promise, check in PROMISES.items():
        try:
            findings += [Finding(promise, text) for text in check(subject)]
        except Exception as error:
            text = f"fails where this is tried: {_described(error, definition)}; correct the function"
            findings.append(Finding(promise, text))
    return findings


@cache
def generated_market(sessions: int) -> GeneratedMarket:
    """A simulated market of so many sessions, with faults of its own added (see `_with_faults`)."""
    calendar = exchange_calendar()
    known = calendar.between(calendar.sessions[0], LAST_SESSION)
    if sessions > len(known):
        raise ConfigurationError(f"the generated market has at most {len(known)} sessions, not {sessions}")
    chosen = known[-sessions:]
    preset = SimulationConfig.preset("demo")
    market = SimulatedMarket(preset.model_copy(update={"start": str(chosen[0]), "initial_stocks": STOCKS}), chosen)
    fields: dict[str, FloatArray] = {}
    for name in DENSE_TABLES:
        data = market.table(name)
        row = np.searchsorted(chosen, days(data["date"]))
        column = np.searchsorted(market.symbols, data["symbol"].to_numpy(zero_copy_only=False).astype(str))
        for field in data.column_names:
            if field not in ("date", "symbol", *fields):
                fields[field] = np.full((len(chosen), len(market.symbols)), np.nan)
                fields[field][row, column] = numeric(data[field])
    index = market.table("index_bar").to_pandas()
    closes = index[index["index"] == "csi_all"]["close"].to_numpy()
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        lake.write(FUNDAMENTAL.name, market.table(FUNDAMENTAL.name))
        statements = load_statements(lake, market.symbols, chosen[0], chosen[-1])
    assert statements is not None
    return GeneratedMarket(
        DenseMarket(chosen, market.symbols, _with_faults(fields)),
        np.concatenate([[np.nan], closes[1:] / closes[:-1] - 1]),
        statements,
    )


def _with_faults(fields: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Seven stocks have one trouble each that a simulated market rarely or never has."""
    generator = np.random.default_rng(SEED)
    sessions = len(fields["close"])
    prices = ("open", "high", "low", "close", "vwap")
    always_listed = np.flatnonzero(~np.isnan(fields["is_suspended"]).any(axis=0))
    constant, silent, one_price, huge, gaps, delisted, suspended = always_listed[:7]
    constants = {**dict.fromkeys(prices, 10.0), "adj_factor": 1.0, "volume": 1e6, "turnover_rate": 0.01}
    for name, value in constants.items():
        fields[name][fields[name][:, constant] > 0, constant] = value
    quiet, unmoved = generator.random((2, sessions)) < 0.5
    for name in ("volume", "amount", "turnover_rate"):
        fields[name][quiet, silent] = 0.0
        fields[name][:, huge] *= HUGE
    for name in prices:
        on = unmoved & np.isfinite(fields[name][:, one_price])
        fields[name][on, one_price] = fields["close"][on, one_price]
        fields[name][:, huge] *= HUGE
    for values in fields.values():
        values[generator.random(sessions) < 0.3, gaps] = np.nan
        values[-DELISTED:, delisted] = np.nan
    for t in np.flatnonzero(generator.random(sessions) < 0.6)[1:]:
        fields["is_suspended"][t, suspended] = 1.0
        for name in ("open", "high", "low", "vwap"):
            fields[name][t, suspended] = np.nan
        for name in ("volume", "amount", "turnover_rate"):
            fields[name][t, suspended] = 0.0
        for name in ("close", "adj_factor"):
            fields[name][t, suspended] = fields[name][t - 1, suspended]
    return fields


@dataclass(frozen=True)
class _Subject:
    """A factor on the generated market: its function's own result, and the values [T, N] that are made of it."""

    definition: FactorDefinition
    config: FactorConfig
    market: GeneratedMarket
    inputs: FactorInputs
    raw: FloatArray
    values: FloatArray

    @property
    def sessions(self) -> np.ndarray:
        """Sessions of the market [T]."""
        return self.market.panel.sessions

    @property
    def checked(self) -> list[int]:
        """Rows of the sessions that are looked at."""
        return [len(self.sessions) - 1 - back for back in CHECKED]

    def on(self, market: GeneratedMarket) -> FloatArray:
        """The values on another market."""
        inputs = market.inputs(self.definition, self.config)
        return _final(factor_values(self.definition, inputs), inputs)


def _subject(definition: FactorDefinition, config: FactorConfig) -> _Subject:
    market = generated_market(max(SESSIONS, definition.lookback + 2 * max(CHECKED))).with_columns_of(definition)
    inputs = market.inputs(definition, config)
    raw = factor_values(definition, inputs)
    return _Subject(definition, config, market, inputs, raw, _final(raw, inputs))


def _values(subject: _Subject) -> Iterator[str]:
    if infinite := int(np.isinf(subject.raw).sum()):
        yield f"{infinite} values are infinite; divide with ratio(), which leaves a zero denominator's value missing"
    if not np.isfinite(subject.values[subject.definition.lookback :]).any():
        yield "no stock has a value on any session of a market that has all inputs; correct the function"


def _repeatable(subject: _Subject) -> Iterator[str]:
    if not _same(subject.on(subject.market), subject.values):
        yield "a second computation gives other values; take chance and state out of the function"


def _unspoilt(subject: _Subject) -> Iterator[str]:
    """Series are computed once and shared by all factors of a tile."""
    inputs, fresh = subject.inputs, subject.market.inputs(subject.definition, subject.config)
    used = {name: series for name, series in vars(inputs).items() if isinstance(series, np.ndarray)}
    changed = [name for name, series in used.items() if not _same(series, getattr(fresh, name))]
    changed += [name for name, series in inputs._observed.items() if not _same(series, fresh.observed(name))]
    for held, original in (
        (inputs.market.fields, fresh.market.fields),
        (inputs.statements.values, fresh.statements.values),
    ):
        changed += [name for name, values in held.items() if not _same(values, original[name])]
    if changed:
        yield f"changes {', '.join(dict.fromkeys(changed))} in place; work on a copy"


def _past_only(subject: _Subject) -> Iterator[str]:
    announced = subject.market.statements.day
    for at in subject.checked:
        session = subject.sessions[at]
        later = np.broadcast_to(subject.sessions[:, None] > session, subject.values.shape)
        changed = subject.on(subject.market.with_noise(later, announced > session, subject.definition.fields))
        if not _same(changed[: at + 1], subject.values[: at + 1]):
            yield (
                f"values up to {session} change with later sessions; take earlier sessions with lag(x, n) and windows "
                "with x.mean, x.std, x.corr, which end on T"
            )
            return


def _look_back(subject: _Subject) -> Iterator[str]:
    reach = subject.definition.lookback
    for at in subject.checked:
        alone = subject.on(subject.market.rows(at - reach, at + 1))[-1]
        if _same(alone, subject.values[at]):
            continue
        if np.allclose(alone, subject.values[at], rtol=ROUNDING, atol=0.0, equal_nan=True):
            remedy = "the last digits depend on where the history begins; use x.mean, x.std, x.corr for running sums"
        else:
            remedy = "declare the sessions that it really looks back (a return over n sessions reads n, a window n − 1)"
        yield (
            f"the value of {subject.sessions[at]} from {reach} sessions before it is not that of the whole history; "
            f"{remedy}"
        )
        return


def _own_history(subject: _Subject) -> Iterator[str]:
    definition, shape = subject.definition, subject.values.shape
    for kept in range(2):
        other = np.arange(shape[1]) % 2 != kept
        announced = other[subject.market.statements.column]
        market = subject.market.with_noise(np.broadcast_to(other, shape), announced, definition.fields)
        # What is common to all stocks is handed in, computed over the whole market.
        inputs = replace(market.inputs(definition, subject.config), common=subject.inputs.common)
        if not _same(_final(factor_values(definition, inputs), inputs)[:, kept::2], subject.values[:, kept::2]):
            yield (
                "a stock's values change with other stocks' data; compute each column by itself (the panel "
                "standardises the cross-section)"
            )
            return


def _declared_inputs(subject: _Subject) -> Iterator[str]:
    held = (*subject.market.panel.fields, *subject.market.statements.values)
    undeclared = [name for name in held if name not in subject.definition.fields]

    def needs(*names: str) -> bool:
        try:
            return not _same(subject.on(subject.market.without(*names)), subject.values)
        except Exception:
            return True

    if needs(*undeclared):
        read = [name for name in undeclared if needs(name)] or undeclared
        yield f"reads {', '.join(read)} as well; add that to its inputs"


PROMISES: dict[str, Callable[[_Subject], Iterator[str]]] = {
    "has values": _values,
    "gives the same values again": _repeatable,
    "leaves its inputs as they are": _unspoilt,
    "reads nothing after T": _past_only,
    "its look-back suffices": _look_back,
    "reads a stock's own history": _own_history,
    "reads its inputs only": _declared_inputs,
}
"""Each check yields a text for what it finds."""


def _final(raw: FloatArray, inputs: FactorInputs) -> FloatArray:
    """Before they are rounded to what is stored: that would hide differences of the last digits."""
    return np.where(inputs.listed & np.isfinite(raw), raw, np.nan)


def _same(one: FloatArray, other: FloatArray) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def _copied(fields: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: values.copy() for name, values in fields.items()}


def _without(fields: Mapping[str, FloatArray], names: tuple[str, ...]) -> dict[str, FloatArray]:
    return {name: values for name, values in fields.items() if name not in names}


def _described(error: Exception, definition: FactorDefinition) -> str:
    """The error of the function, and the last line of the user's file that it passed through."""
    first = error.__cause__ or error
    frames = traceback.extract_tb(first.__traceback__)
    own = [frame for frame in frames if frame.filename == str(definition.file)]
    at = (own or frames)[-1]
    return f"{type(first).__name__}: {first}{hint_of(first)} ({at.filename}, line {at.lineno})"
