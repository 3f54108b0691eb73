"""The open catalogue of factors: what each one is, what it reads, and the function that computes it.

A factor is one small function of `FactorInputs`, registered by `@factor`. Every module in `families/` belongs to the
catalogue, and so does every module that an installed package names under the entry-point group `attn_platform.factors`.
A user's own files, named in a study's `factor_files`, belong to the homes that name them.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar

from attn_platform.errors import ConfigurationError
from attn_platform.factors.input_columns import KEYS, is_qualified, require_input
from attn_platform.factors.inputs import ROW_FIELD, FactorConfig, FactorInputs
from attn_platform.factors.kernels import FloatArray
from attn_platform.indicators.catalogue import indicators_with, qualified_names
from attn_platform.register import Register, by_name, origin_of

KIND = "factor"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")  # the name of a column or table: Parquet, SQL, assets
RESERVED_FAMILY = re.compile(r"panel(_.*)?")  # factor_panel and factor_panel_… hold the pre-processed factors

_VALUATION_TO_TURNOVER = (
    *("bp_lf", "ep_ttm", "ocfp_ttm", "dyr12"),
    *("con_eps_g", "con_roe_g", "con_np_g"),
    *("ret_5d", "ret_1m", "exp_wgt_return_3m"),
    *("std_1m", "vstd_1m", "ivr_ff3factor_1m"),
    *("turn_1m", "std_turn_1m", "bias_turn_1m"),
)
_K_LINES = ("kmid", "klen", "kmid2", "kup", "kup2", "klow", "klow2", "ksft", "ksft2")

# The 42 factors of AI-69 and of AI-55's graph networks, in the order of the factor table.
AI69_FACTORS = (
    *_VALUATION_TO_TURNOVER,
    *("std_ret_10d", "std_vol_10d", "std_turn_10d"),
    *("corr_ret_close", "corr_ret_open", "corr_ret_high", "corr_ret_low", "corr_ret_vwap"),
    *("corr_ret_vol", "corr_ret_turn"),
    *("corr_vol_close", "corr_vol_open", "corr_vol_high", "corr_vol_low", "corr_vol_vwap"),
    *("low2high", "vwap2close", *_K_LINES),
)
# The 42 factors of AI-55's XGBoost, in the order of the factor table: those shared with the set above, then its own.
AI55_XGBOOST_FACTORS = (
    *_VALUATION_TO_TURNOVER,
    *_K_LINES,
    *("sales_g_q", "profit_g_q", "ocf_g_q", "roe_g_q"),
    *("roe_ttm", "roa_ttm", "roic_ttm", "gp_ttm", "np_ttm"),
    *("sales_var", "profit_var", "ocf_var", "roe_var"),
    *("assetturnover_ttm", "ocfr_ttm", "currentdebt2debt"),
    "ret_12m",
)
# The sets by the names that a study may give instead of listing them.
FACTOR_SETS = {"ai69": AI69_FACTORS, "ai55_xgboost": AI55_XGBOOST_FACTORS}
STUDY_FACTORS = tuple(dict.fromkeys((*AI69_FACTORS, *AI55_XGBOOST_FACTORS)))

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
    window: int = 0  # observations in its longest window: sessions, or quarters of statements; 0 without a window
    file: Path | None = None  # the user's file that defines it

    direction: ClassVar[str] = "unknown (the models learn the sign)"

    @property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """For each input, the columns of which any one will do."""
        return tuple((given,) if isinstance(given, str) else given for given in self.inputs)

    @property
    def fields(self) -> tuple[str, ...]:
        """All inputs by name, alternatives spelled out, and the row marker that every factor needs."""
        return tuple(dict.fromkeys((ROW_FIELD, *(name for names in self.alternatives for name in names))))

    @property
    def reads(self) -> str:
        """The inputs as text."""
        return ", ".join(" or ".join(names) for names in self.alternatives)

    @property
    def origin(self) -> str:
        """Where its function stands: the user's file and the name in it, or module and name."""
        return origin_of(self.function, self.file)

    def min_observations(self, config: FactorConfig) -> int:
        """Observations below which its longest window gives no value; 0 for a factor without a window."""
        return config.min_observations(self.window)


class Catalogue:
    """Factors by name, in a fixed order; immutable. `ConfigurationError` where two have one name."""

    def __init__(self, definitions: Iterable[FactorDefinition]) -> None:
        self._by_name = by_name(KIND, definitions)

    def __iter__(self) -> Iterator[FactorDefinition]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def families(self) -> tuple[str, ...]:
        """The names of the families, in catalogue order."""
        return tuple(dict.fromkeys(definition.family for definition in self))

    def family(self, name: str) -> tuple[FactorDefinition, ...]:
        """The factors of one family, in catalogue order."""
        members = tuple(definition for definition in self if definition.family == name)
        if not members:
            raise ConfigurationError(f"no factor family {name!r}; there are {', '.join(self.families)}")
        return members

    def definition(self, name: str) -> FactorDefinition:
        """The factor of that name."""
        if name not in self._by_name:
            near = get_close_matches(name, self._by_name)
            hint = f"; similar: {', '.join(near)}" if near else ""
            raise ConfigurationError(f"no factor {name!r} in the catalogue; `attn factors --list` shows it{hint}")
        return self._by_name[name]


REGISTER = Register[FactorDefinition](
    KIND,
    option="factor_files",
    remedy="defines no factor; decorate a function with @factor",
    group="attn_platform.factors",
    modules="attn_platform.factors.families",
)


def factor(
    *, name: str, family: str, inputs: tuple[Input, ...], lookback: int, formula: str, source: str, window: int = 0
) -> Callable[[FactorFunction], FactorFunction]:
    """Register a factor under `name` in `family`.

    `inputs` are columns of the contract (a tuple inside stands for alternatives), `lookback` the number of sessions
    before T that the value at T depends on, `window` the observations in the longest window. The function returns
    [T, N], NaN = missing; it reads nothing after T, and of a stock nothing but its own history.
    """
    for what, word in (("name", name), ("family", family)):
        if not NAME_PATTERN.fullmatch(word):
            raise ConfigurationError(f"factor {name!r}: a {what} is lower-case letters, digits and underscores")
    if name in KEYS or RESERVED_FAMILY.fullmatch(family):
        raise ConfigurationError(f"factor {name} of family {family}: the platform uses that name; choose another")
    if lookback < 0:
        raise ConfigurationError(f"factor {name}: a look-back of {lookback} sessions would read the future")
    if not inputs or isinstance(inputs, str):
        raise ConfigurationError(f'factor {name}: inputs are a tuple of columns, as in inputs=("close",)')

    def register(function: FactorFunction) -> FactorFunction:
        def definition(file: Path | None) -> FactorDefinition:
            made = FactorDefinition(name, family, inputs, lookback, formula, source, function, window, file)
            for column in made.fields:
                require_input(name, column)
            return made

        REGISTER.enter(function, definition)
        return function

    return register


def catalogue() -> Catalogue:
    """The factors of this process: AI-69's in the order of its table, XGBoost's own, then others as registered."""
    return catalogue_with(())


def catalogue_with(files: Iterable[str | Path]) -> Catalogue:
    """The catalogue of this process, and the factors of a user's `files` after it.

    `ConfigurationError` names the file, and the line where there is one: no such file, no valid Python, an error while
    it runs, no factor in it, an input that no raw table has, or a name that is taken.
    """
    files = tuple(files)
    known = REGISTER.with_files(files)
    _require_indicators(known.values(), files)
    ordered = dict.fromkeys((*(name for name in STUDY_FACTORS if name in known), *known))
    return Catalogue(known[name] for name in ordered)


def _require_indicators(factors: Iterable[FactorDefinition], files: Iterable[str | Path]) -> None:
    """`ConfigurationError` for a factor that reads an indicator that there is none of."""
    read = [(factor, name) for factor in factors for name in factor.fields if is_qualified(name)]
    known = qualified_names(indicators_with(()))
    if any(name not in known for _, name in read):
        known = qualified_names(indicators_with(files))  # runs the files once more, for what they define besides
    for factor, name in read:
        if name not in known:
            near = ", ".join(get_close_matches(name, known, cutoff=0.0))
            raise ConfigurationError(
                f"{factor.origin}: factor {factor.name}: there is no indicator '{name}'; the nearest are {near}"
            )


def unavailable(definition: FactorDefinition, available_fields: Collection[str]) -> str | None:
    """Why the factor cannot be computed from these fields; None if it can."""
    if ROW_FIELD not in available_fields:
        return f"needs {ROW_FIELD}"
    for names in definition.alternatives:
        if not any(name in available_fields for name in names):
            return f"needs {' or '.join(names)}"
    return None
