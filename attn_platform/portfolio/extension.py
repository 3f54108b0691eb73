"""A strategy's own constraints, and terms of its objective beside the forecast.

Three decorators register functions under their own names: in the platform (see `terms`), in a module that an installed
package names under the entry-point group `attn_platform.portfolio`, or in a Python file that a study names in its
`portfolio_files`. A strategy lists the names:

    @limit        problem → (a [n], lower, upper): lower ≤ a · w ≤ upper. Linear, so HiGHS solves the week as ever.
    @constraint   (w, problem) → cvxpy constraints on the weights w [n]. Anything convex.
    @term(…)      (w, problem, parameters) → a concave cvxpy expression, added to score · w: a risk, a cost.

`problem` is the `WeeklyProblem`. With a constraint or a term the week is solved through cvxpy, by Clarabel. Constraints
are never relaxed. A limit is where it has a rank: `@limit(rank=2)` is the second to be relaxed, right before the second
kind of the strategy's `relaxation_order`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, InstanceOf

from attn_platform.errors import ConfigurationError, PortfolioError
from attn_platform.portfolio.limits.base import OWN, LinearLimit, Rows, Stage, stage_of
from attn_platform.portfolio.problem import FloatArray, WeeklyProblem
from attn_platform.register import Register, origin_of

if TYPE_CHECKING:
    import cvxpy as cp

Kind = Literal["limit", "constraint", "term"]
BUILT_IN = "attn_platform.portfolio.terms"
OWN_PREFIX = "own_limit_"
"""Of the columns that hold the coefficients of a user's limits. No table has them: they are the functions' own."""


@dataclass(frozen=True)
class PortfolioFunction:
    """A registered function.

    `history` is the number of past returns that a term reads, or the parameter that says it; `rank` the place of a
    limit in the order of relaxation, None where it is never relaxed.
    """

    name: str
    kind: Kind
    function: Callable[..., Any]
    history: int | str = 0
    rank: int | None = None
    file: Path | None = None

    @property
    def origin(self) -> str:
        """The user's file and the name in it, or module and name."""
        return origin_of(self.function, self.file)


REGISTER = Register[PortfolioFunction](
    "portfolio function",
    option="portfolio_files",
    remedy="registers nothing; decorate a function with @limit, @constraint or @term",
    group="attn_platform.portfolio",
    modules=BUILT_IN,
)


class TermConfig(BaseModel):
    """A term of the objective by its name, and its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    parameters: dict[str, float] = Field(default_factory=dict)


class OwnLimit(LinearLimit):
    """A limit on one sum, from a function under `@limit`."""

    kind = OWN
    excess_label = "Own limit over limit"
    is_weight = False

    function: InstanceOf[PortfolioFunction]

    @property
    def name(self) -> str:
        """Of the function, and of the limit in tables."""
        return self.function.name

    @property
    def place(self) -> tuple[Stage, int] | None:
        """Its stage and rank in the order of relaxation; None where it is never relaxed."""
        rank = self.function.rank
        return None if rank is None else (stage_of(OWN, self.name), rank)

    def rows(self, problem: WeeklyProblem) -> Rows:
        """The one sum; `PortfolioError` where the function gives no coefficient for each stock."""
        coefficients, lower, upper = _called(self.function, problem)
        row = np.asarray(coefficients, dtype=np.float64)
        if row.shape != (len(problem.symbols),) or not np.isfinite(row).all():
            raise PortfolioError(
                f"limit {self.name}: gives coefficients of shape {row.shape}, not a finite one for each of "
                f"the {len(problem.symbols)} stocks; correct {self.function.file or BUILT_IN}"
            )
        return Rows(OWN, (self.name,), row[None], np.zeros(1), np.array([lower]), np.array([upper]))

    @classmethod
    def parts(cls, portfolio: pd.DataFrame) -> Mapping[str, pd.Series]:
        """The sums, by the coefficients that `checking` has put beside the stored rows."""
        columns = portfolio.columns[portfolio.columns.str.startswith(OWN_PREFIX)]
        return {column.removeprefix(OWN_PREFIX): portfolio["weight"] * portfolio[column] for column in columns}


@dataclass(frozen=True)
class Extension:
    """What a strategy adds to the weekly problem."""

    limits: tuple[OwnLimit, ...] = ()
    constraints: tuple[PortfolioFunction, ...] = ()
    terms: tuple[tuple[PortfolioFunction, Mapping[str, float]], ...] = ()

    @property
    def is_linear(self) -> bool:
        """Whether HiGHS can solve the week."""
        return not self.constraints and not self.terms

    @property
    def history(self) -> int:
        """Sessions of past returns that the terms read."""
        return max((_history(function, parameters) for function, parameters in self.terms), default=0)

    def constraints_on(self, weights: cp.Variable, problem: WeeklyProblem) -> list[cp.Constraint]:
        """The constraints that are not linear."""
        return [each for function in self.constraints for each in _called(function, weights, problem)]

    def violations(self, weights: FloatArray, problem: WeeklyProblem) -> dict[str, float]:
        """By how much given `weights` [n] break each of the constraints, by name: 0 for one that they keep.

        It is the largest violation of its expressions, in their unit. Where it has variables of its own beside the
        weights, expressions have no value: it is the distance, in the largest change of a weight, to the nearest
        weights that keep it, infinite where none do.
        """
        return {function.name: _violation(function, weights, problem) for function in self.constraints}

    def objective_of(self, weights: cp.Variable, problem: WeeklyProblem) -> list[cp.Expression]:
        """The terms."""
        return [_called(function, weights, problem, **parameters) for function, parameters in self.terms]


@overload
def limit(function: Callable[..., Any]) -> Callable[..., Any]: ...
@overload
def limit(*, rank: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
def limit(function: Callable[..., Any] | None = None, *, rank: int | None = None) -> Callable[..., Any]:
    """Register a linear limit: problem → (coefficients [n], lower, upper).

    With a `rank` it may be relaxed: one of rank k right before the k-th kind of the `relaxation_order` of a strategy, 1
    the first of all, and one beyond the last kind after it. `ConfigurationError` for a rank below 1.
    """
    if function is None:
        if rank is None or rank < 1:
            raise ConfigurationError(f"a limit's rank is its place in the order of relaxation, 1 the first, not {rank}")
        return lambda named: _register("limit", named, rank=rank)
    return _register("limit", function)


def constraint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register a convex constraint: (w, problem) → list of cvxpy constraints."""
    return _register("constraint", function)


def term(history: int | str = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a term of the objective: (w, problem, parameters by name) → concave cvxpy expression.

    With a `history`, `problem.returns` holds that many past sessions; the name of a parameter stands for its value.
    """
    return lambda function: _register("term", function, history=history)


def known_functions(files: Iterable[str | Path] = ()) -> dict[str, PortfolioFunction]:
    """All registered functions by name: the platform's, those of installed packages, and those of the user's files.

    `ConfigurationError` names the file, and the line where there is one, or a name that is taken.
    """
    return REGISTER.with_files(files)


def extension_of(
    known: Mapping[str, PortfolioFunction], constraints: Sequence[str], terms: Sequence[TermConfig]
) -> Extension | None:
    """The extension of a strategy that lists these names; None where it lists none.

    `ConfigurationError` for an unknown name, one of another kind, and parameters that a term does not have.
    """
    if not constraints and not terms:
        return None
    chosen = [_chosen(known, name, ("limit", "constraint")) for name in constraints]
    named_terms = []
    for config in terms:
        function = _chosen(known, config.name, ("term",))
        try:
            inspect.signature(function.function).bind(None, None, **config.parameters)
        except TypeError as error:
            raise ConfigurationError(f"term {config.name}: {error}; correct its parameters") from None
        named_terms.append((function, config.parameters))
    return Extension(
        limits=tuple(OwnLimit(function=function) for function in chosen if function.kind == "limit"),
        constraints=tuple(function for function in chosen if function.kind == "constraint"),
        terms=tuple(named_terms),
    )


def _register(
    kind: Kind, function: Callable[..., Any], history: int | str = 0, rank: int | None = None
) -> Callable[..., Any]:
    REGISTER.enter(function, lambda file: PortfolioFunction(function.__name__, kind, function, history, rank, file))
    return function


def _chosen(known: Mapping[str, PortfolioFunction], name: str, kinds: tuple[Kind, ...]) -> PortfolioFunction:
    function = known.get(name)
    if function is None or function.kind not in kinds:
        there = ", ".join(sorted(each.name for each in known.values() if each.kind in kinds)) or "none"
        raise ConfigurationError(
            f"there is no {' or '.join(kinds)} '{name}'; there are: {there}. Define it in one of portfolio_files"
        )
    return function


def _history(function: PortfolioFunction, parameters: Mapping[str, float]) -> int:
    if isinstance(function.history, int):
        return function.history
    given = parameters.get(function.history)
    return int(inspect.signature(function.function).parameters[function.history].default if given is None else given)


def _violation(function: PortfolioFunction, weights: FloatArray, problem: WeeklyProblem) -> float:
    import cvxpy as cp  # takes a second

    variable = cp.Variable(len(weights), name="weights", value=weights)
    distance = cp.norm_inf(variable - weights)
    nearest = cp.Problem(cp.Minimize(distance), _called(function, variable, problem))
    if len(nearest.variables()) == 1:
        return float(max((np.max(each.violation(), initial=0.0) for each in nearest.constraints), default=0.0))
    nearest.solve(solver=cp.CLARABEL)
    return float(distance.value) if nearest.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE) else np.inf


def _called(function: PortfolioFunction, *arguments: Any, **parameters: float) -> Any:
    """What a function gives; an error inside it is a `PortfolioError` that names it."""
    try:
        return function.function(*arguments, **parameters)
    except PortfolioError:
        raise
    except Exception as error:
        raise PortfolioError(
            f"{function.kind} {function.name}: {type(error).__name__}: {error}; correct {function.file or BUILT_IN}"
        ) from error
