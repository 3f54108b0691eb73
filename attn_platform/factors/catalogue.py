"""The open catalogue of factors.

A factor is one small function of `FactorInputs`, registered by `@factor`. Every module in `families/` belongs to the
catalogue, and so does every module that an installed package names under the entry-point group `attn_platform.factors`:
a new factor appears in the catalogue, the checks and the UI with no other file touched.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from attn_platform.errors import ConfigurationError
from attn_platform.factors.inputs import ROW_FIELD, FactorInputs
from attn_platform.factors.kernels import FloatArray

ENTRY_POINT_GROUP = "attn_platform.factors"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")  # a column name everywhere: Parquet, SQL, asset metadata

# The 42 factors of AI-69 and of AI-55's graph networks, in the order of the factor table.
AI69_FACTORS = (
    *("bp_lf", "ep_ttm", "ocfp_ttm", "dyr12"),
    *("con_eps_g", "con_roe_g", "con_np_g"),
    *("ret_5d", "ret_1m", "exp_wgt_return_3m"),
    *("std_1m", "vstd_1m", "ivr_ff3factor_1m"),
    *("turn_1m", "std_turn_1m", "bias_turn_1m"),
    *("std_ret_10d", "std_vol_10d", "std_turn_10d"),
    *("corr_ret_close", "corr_ret_open", "corr_ret_high", "corr_ret_low", "corr_ret_vwap"),
    *("corr_ret_vol", "corr_ret_turn"),
    *("corr_vol_close", "corr_vol_open", "corr_vol_high", "corr_vol_low", "corr_vol_vwap"),
    *("low2high", "vwap2close", "kmid", "klen", "kmid2", "kup", "kup2", "klow", "klow2", "ksft", "ksft2"),
)

FactorFunction = Callable[[FactorInputs], FloatArray]
Input = str | tuple[str, ...]  # a contract column, or several of which any one will do


@dataclass(frozen=True)
class FactorDefinition:
    """One factor: what it is, what it reads, and the function that computes it."""

    name: str
    family: str
    inputs: tuple[Input, ...]
    lookback: int  # sessions before T on which its value at T depends
    formula: str
    source: str
    function: FactorFunction

    @property
    def fields(self) -> tuple[str, ...]:
        """All inputs by name, alternatives spelled out, and the row marker that every factor needs."""
        names = (name for given in self.inputs for name in ((given,) if isinstance(given, str) else given))
        return tuple(dict.fromkeys((ROW_FIELD, *names)))


_registry: dict[str, FactorDefinition] = {}


def factor(
    *, name: str, family: str, inputs: tuple[Input, ...], lookback: int, formula: str, source: str
) -> Callable[[FactorFunction], FactorFunction]:
    """Register a factor under `name` in `family`.

    `inputs` are columns of the contract (a tuple inside stands for alternatives), `lookback` the number of sessions
    before T that the value at T depends on. The function returns [T, N], NaN = missing, and must read nothing after T.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigurationError(f"factor {name!r}: a name is lower-case letters, digits and underscores")
    if lookback < 0:
        raise ConfigurationError(f"factor {name}: a look-back of {lookback} sessions would read the future")

    def register(function: FactorFunction) -> FactorFunction:
        known = _registry.get(name)
        if known is not None and _origin(known.function) != _origin(function):  # the same again: a reloaded module
            raise ConfigurationError(
                f"factor {name} is defined by {_origin(known.function)} and {_origin(function)}; rename one of them"
            )
        _registry[name] = FactorDefinition(name, family, inputs, lookback, formula, source, function)
        return function

    return register


def catalogue() -> tuple[FactorDefinition, ...]:
    """All factors: those of the studies' table in its order, then the others as they were registered."""
    _load_families()
    table = [_registry[name] for name in AI69_FACTORS]
    return (*table, *(definition for name, definition in _registry.items() if name not in AI69_FACTORS))


def families() -> tuple[str, ...]:
    """The names of the families, in catalogue order."""
    return tuple(dict.fromkeys(definition.family for definition in catalogue()))


def family(name: str) -> tuple[FactorDefinition, ...]:
    """The factors of one family, in catalogue order."""
    members = tuple(definition for definition in catalogue() if definition.family == name)
    if not members:
        raise ConfigurationError(f"no factor family {name!r}; there are {', '.join(families())}")
    return members


def definition(name: str) -> FactorDefinition:
    """The factor of that name."""
    for candidate in catalogue():
        if candidate.name == name:
            return candidate
    raise ConfigurationError(f"no factor {name!r} in the catalogue; `catalogue()` lists them")


def unavailable(definition: FactorDefinition, available_fields: Collection[str]) -> str | None:
    """Why the factor cannot be computed from these fields; None if it can."""
    if ROW_FIELD not in available_fields:
        return f"needs {ROW_FIELD}"
    for given in definition.inputs:
        alternatives = (given,) if isinstance(given, str) else given
        if not any(name in available_fields for name in alternatives):
            return f"needs {' or '.join(alternatives)}"
    return None


def _origin(function: FactorFunction) -> str:
    return f"{function.__module__}.{function.__qualname__}"


@cache
def _load_families() -> None:
    package = import_module("attn_platform.factors.families")
    for module in iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()
