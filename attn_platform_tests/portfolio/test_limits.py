"""Kinds of limit: none without a check, and each check finds what its limit forbids."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import Field, ValidationError

from attn_platform.portfolio.checking import limit_failures
from attn_platform.portfolio.extension import Extension, OwnLimit, PortfolioFunction
from attn_platform.portfolio.frames import limits_frame, weights_frame
from attn_platform.portfolio.limits.base import LinearLimit, Rows, SumLimit, WeightLimit
from attn_platform.portfolio.limits.configuration import (
    LIMITS,
    RELAXABLE,
    RELAXATION_ORDER,
    RELAXED_LIMITS,
    PortfolioLimits,
)
from attn_platform.portfolio.limits.stock import StockLimit
from attn_platform.portfolio.limits.tradability import Tradability
from attn_platform.portfolio.limits.turnover import TurnoverLimit
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solver.solve import solve
from attn_platform_tests.portfolio.small_weeks import small

DATE = "2021-01-08"
PROBLEM = replace(
    small(
        [4, 3, 2, 1, np.nan],
        [0.3, 0.3, 0.2, 0.2, 0.0],
        previous=[0.3, 0.3, 0.15, 0.2, 0.05],
        industry=[0, 0, 1, 1, -1],
        tradable=[True, True, True, False, True],
        size=[1.0, -1.0, 0.5, 0.0, 0.0],
    ),
    industries=("banks", "food"),
)
SET = PortfolioLimits(
    stock_deviation=0.1, industry_deviation=0.1, style_deviation=0.3, members_share=0.5, turnover=0.4, cash=0.01
)
Stored = tuple[pd.DataFrame, pd.DataFrame]
SUMS = [limit for limit in LIMITS if issubclass(limit, SumLimit)]
INTERVALS = [limit for limit in LIMITS if issubclass(limit, WeightLimit)]


@pytest.fixture
def stored() -> Stored:
    """Rows of the tables of portfolios and of limits, of a week in which every kind of limit is set."""
    solution = solve(PROBLEM, SET)
    assert solution.status == "optimal"
    portfolio, limits = weights_frame(PROBLEM, solution), limits_frame(solution)
    return portfolio.assign(date=DATE), limits.assign(date=DATE)


def failures(stored: Stored, relaxed: set[tuple[object, str, str]] | None = None) -> list[str]:
    return list(limit_failures(*stored, relaxed or set(), None, no_problem))


def no_problem(session: np.datetime64) -> WeeklyProblem:
    raise AssertionError("without limits of the user's no problem is stated again")


def test_a_week_that_keeps_its_limits_passes(stored: Stored) -> None:
    assert failures(stored) == []
    assert {limit.kind for limit in SUMS} == set(stored[1]["kind"]), "the tests below see every kind of sum"


@pytest.mark.parametrize("limit", SUMS, ids=lambda limit: limit.kind)
def test_a_sum_that_is_not_what_was_recorded_is_found(stored: Stored, limit: type[SumLimit]) -> None:
    portfolio, limits = stored
    for at in limits.index[limits["kind"] == limit.kind]:
        changed = limits.copy()
        changed.loc[at, "value"] += 2e-6
        (text,) = failures((portfolio, changed))
        assert text.startswith(f"{DATE}: {limit.kind} {limits.loc[at, 'name']} is ")
        assert failures((portfolio, changed), {(DATE, limit.kind, limits.loc[at, "name"])}) == [text]


@pytest.mark.parametrize("limit", SUMS, ids=lambda limit: limit.kind)
@pytest.mark.parametrize(("side", "shift"), [("upper", -2e-6), ("lower", 2e-6)])
def test_a_sum_outside_of_its_limits_is_found_unless_it_is_on_record(
    stored: Stored, limit: type[SumLimit], side: str, shift: float
) -> None:
    portfolio, limits = stored
    for at in limits.index[limits["kind"] == limit.kind]:
        changed = limits.copy()
        changed.loc[at, side] = changed.loc[at, "value"] + shift
        name = limits.loc[at, "name"]
        (text,) = failures((portfolio, changed))
        assert text.startswith(f"{DATE}: {limit.kind} {name} is ")
        assert failures((portfolio, changed), {(DATE, limit.kind, name)}) == []
        assert failures((portfolio, changed), {(DATE, limit.kind, "another")}) == [text]


def with_weight(at: int, change: float) -> Callable[[Stored], Stored]:
    """A stored week with another weight of one stock, and its sums recorded as they then are."""

    def changed(stored: Stored) -> Stored:
        portfolio, limits = stored[0].copy(), stored[1].copy()
        portfolio.loc[at, "weight"] += change
        for limit in SUMS:
            rows = limits["kind"] == limit.kind
            limits.loc[rows, "value"] = limit.found(portfolio, limits[rows])
        return portfolio, limits.assign(lower=-np.inf, upper=np.inf)

    return changed


BROKEN_WEIGHTS = {
    "stock": (with_weight(0, 0.2), "600000.SH has "),
    "tradability": (with_weight(3, -0.01), "600003.SH is suspended and traded"),
}


@pytest.mark.parametrize(
    "limit", [each for each in LIMITS if issubclass(each, WeightLimit)], ids=lambda each: each.kind
)
def test_a_weight_that_a_limit_forbids_is_found(stored: Stored, limit: type[WeightLimit]) -> None:
    spoil, says = BROKEN_WEIGHTS[limit.kind]
    assert any(text.startswith(f"{DATE}: {says}") for text in failures(spoil(stored)))


def test_a_relaxed_stock_limit_does_not_excuse_a_trade_that_cannot_be(stored: Stored) -> None:
    portfolio, limits = with_weight(4, 0.1)(stored)
    portfolio = portfolio.assign(upper=1.0)
    (text,) = failures((portfolio, limits), {(DATE, "stock", "600004.SH")})
    assert "600004.SH has no forecast and is bought" in text


def test_a_limit_of_a_kind_that_nobody_checks_is_a_failure(stored: Stored) -> None:
    portfolio, limits = stored
    more = pd.concat([limits, limits.iloc[:1].assign(kind="liquidity")])
    assert failures((portfolio, more)) == [f"{DATE}: liquidity  is of a kind that no check knows; make the week again"]


def little_of_the_first(week: WeeklyProblem) -> tuple[np.ndarray, float, float]:
    """What a user writes: twice the first stock and once the third, weighted by what only the problem has."""
    return np.array([2.0, 0.0, 1.0, 0.0, 0.0]) * (week.score > np.nanmin(week.score)), 0.0, 0.7


def own(function: Callable[..., object], rank: int | None = None) -> OwnLimit:
    return OwnLimit(function=PortfolioFunction(function.__name__, "limit", function, rank=rank))


OWN = own(little_of_the_first)


@pytest.fixture
def with_own() -> Stored:
    """The tables of a week with a limit of the user's that binds."""
    solution = solve(PROBLEM, SET, Extension(limits=(OWN,)))
    portfolio, limits = weights_frame(PROBLEM, solution), limits_frame(solution)
    (row,) = limits[limits["kind"] == "limit"].itertuples()
    assert row.value == pytest.approx(0.7)
    by_hand = 2 * solution.weights[0] + solution.weights[2]
    assert row.value == pytest.approx(by_hand, abs=1e-12)
    return portfolio.assign(date=DATE), limits.assign(date=DATE)


def own_failures(stored: Stored, *limits: OwnLimit, relaxed: frozenset[tuple[object, str, str]] = frozenset()):
    asked: list[np.datetime64] = []

    def problem_of(session: np.datetime64) -> WeeklyProblem:
        asked.append(session)
        return PROBLEM

    found = list(limit_failures(*stored, relaxed, Extension(limits=limits), problem_of))
    assert asked == ([np.datetime64(DATE)] if limits else [])
    return found


def test_a_limit_of_the_user_s_is_computed_again(with_own: Stored) -> None:
    portfolio, limits = with_own
    assert own_failures(with_own, OWN) == []
    recorded = limits.copy()
    recorded.loc[recorded["kind"] == "limit", "value"] = 0.5
    (text,) = own_failures((portfolio, recorded), OWN)
    assert text == (
        f"{DATE}: limit little_of_the_first is 0.70000000, recorded as 0.50000000, limits 0.00000000 to 0.70000000"
    )
    bought = portfolio.copy()
    bought.loc[0, "weight"] += 0.01
    texts = [text for text in own_failures((bought, limits), OWN) if ": limit " in text]
    assert [text.split(", ")[0] for text in texts] == [f"{DATE}: limit little_of_the_first is 0.72000000"]


def test_a_limit_of_the_user_s_that_is_broken_passes_only_on_record(with_own: Stored) -> None:
    portfolio, limits = with_own
    limits.loc[limits["kind"] == "limit", "upper"] = 0.6
    (text,) = own_failures((portfolio, limits), OWN)
    assert text.startswith(f"{DATE}: limit little_of_the_first is 0.70000000")
    assert own_failures((portfolio, limits), OWN, relaxed=frozenset({(DATE, "limit", OWN.name)})) == []


def test_a_function_that_has_changed_since_is_found(with_own: Stored) -> None:
    def little_of_the_first(week: WeeklyProblem) -> tuple[np.ndarray, float, float]:
        return np.array([3.0, 0.0, 1.0, 0.0, 0.0]), 0.0, 0.7

    (text,) = own_failures(with_own, own(little_of_the_first))
    assert "recorded as 0.70000000" in text


def test_limits_of_the_user_s_and_those_on_record_are_the_same(with_own: Stored) -> None:
    def another(week: WeeklyProblem) -> tuple[np.ndarray, float, float]:
        return np.ones(5), 0.0, 1.0

    assert own_failures(with_own, OWN, own(another)) == [f"{DATE}: limit another is not on record; make the week again"]
    assert own_failures(with_own) == [
        f"{DATE}: limit little_of_the_first is none of the strategy's; make the week again"
    ]


class Unchecked(LinearLimit):
    """A limit whose author has forgotten the check."""

    kind = "unchecked"
    largest: float = Field(1.0)

    def rows(self, problem: WeeklyProblem) -> Rows:
        return Rows.none(self.kind, len(problem.symbols))


class Formless(WeightLimit):
    """A limit whose author has forgotten its form."""

    kind = "formless"

    @classmethod
    def failures(cls, portfolio: pd.DataFrame, limits: pd.DataFrame, relaxed: object) -> Iterator[str]:
        yield from ()


@pytest.mark.parametrize(("limit", "forgotten"), [(Unchecked, "parts"), (Formless, "bounds")])
def test_a_limit_without_its_check_or_form_cannot_be_made(limit: type, forgotten: str) -> None:
    with pytest.raises(TypeError, match=forgotten):
        limit()
    with pytest.raises(TypeError, match=forgotten):
        limit.model_construct()


def test_every_limit_says_what_is_known_of_it() -> None:
    kinds = [limit.kind for limit in (*LIMITS, OwnLimit)]
    assert len(set(kinds)) == len(kinds)
    settings = [name for limit in LIMITS for name in limit.model_fields]
    assert len(set(settings)) == len(settings), "two limits would share a setting"
    assert set(PortfolioLimits.model_fields) == {*settings, "relaxation_order"}
    for limit in LIMITS:
        assert all(field.description for field in limit.model_fields.values()), limit
        assert set(limit.relaxed) <= set(limit.model_fields)
    for limit in RELAXABLE:
        assert limit.excess_label, limit
    assert [limit.rank for limit in RELAXABLE] == list(range(1, len(RELAXABLE) + 1))


def test_the_order_and_the_relaxed_column_are_those_of_the_studies() -> None:
    assert RELAXATION_ORDER[:5] == ("turnover", "style", "industry", "members", "stock")
    assert PortfolioLimits().relaxation_order == RELAXATION_ORDER
    column = {"stock_deviation": 0.02, "industry_deviation": 0.02, "style_deviation": 0.20, "turnover": 0.20}
    assert PortfolioLimits(**column) == RELAXED_LIMITS


def test_only_what_the_solvers_know_is_no_row_of_the_linear_program() -> None:
    """Another limit that is not linear, or another interval that is relaxed, needs a place in `solver` as well."""
    assert {limit for limit in LIMITS if not issubclass(limit, LinearLimit)} == {Tradability, StockLimit, TurnoverLimit}
    assert [limit for limit in RELAXABLE if issubclass(limit, WeightLimit)] == [StockLimit]


def test_settings_are_checked_where_they_are_read() -> None:
    for wrong in ({"stock_deviation": -0.1}, {"turnover": 0}, {"style_deviations": {"size": -1}}, {"liquidity": 1}):
        with pytest.raises(ValidationError):
            PortfolioLimits(**wrong)
    with pytest.raises(ValidationError, match="relaxation_order names budget, which cannot be relaxed; there are turn"):
        PortfolioLimits(relaxation_order=("budget",))


def test_a_limit_has_the_settings_of_its_strategy() -> None:
    for limit in LIMITS:
        one = SET.of(limit)
        assert dict(one) == {name: getattr(SET, name) for name in limit.model_fields}
    assert SET.each() == tuple(SET.of(limit) for limit in LIMITS)
