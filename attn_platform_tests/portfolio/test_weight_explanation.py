"""Why a stock has its weight: the sum that explains it is recomputed from the week's problem by plain loops."""

from dataclasses import replace

import numpy as np
import pytest

from attn_platform.errors import PortfolioError
from attn_platform.portfolio.explanation.reasons import BETWEEN, KEPT, REASONS
from attn_platform.portfolio.explanation.weight import explain_weight, raw_row
from attn_platform.portfolio.problem import TOLERANCE
from attn_platform_tests.portfolio.walked import WALKER

ROUNDING = 1e-6  # equal forecasts are told apart by some 1e-8 standard deviations, in the prices but not in the table


def explained(home, week, symbol):
    return explain_weight(home.lake, home.calendar, WALKER, week.session, symbol)


def paid_by(week, at: int) -> dict[tuple[str, str], float]:
    """What stock `at` pays for each limit but the turnover: written out from the problem and the solution's prices."""
    problem, paid = week.problem, {}
    for state in week.solution.limits:
        if state.kind == "budget":
            paid["budget", ""] = state.price
        elif state.kind == "industry" and state.name == problem.industry_name(problem.industry[at]):
            paid["industry", state.name] = state.price
        elif state.kind == "style":
            paid["style", state.name] = state.price * problem.styles[state.name][at]
    return paid


def price_of(week, kind: str) -> float:
    return next((state.price for state in week.solution.limits if state.kind == kind), 0.0)


@pytest.mark.parametrize("number", [0, 2, 5])
def test_the_sum_is_that_of_the_problem(walked_home, number):
    """For every stock of the week: forecast − prices × uses is the reduced score that the solver says."""
    week = walked_home.weeks[number]
    problem, solution = week.problem, week.solution
    toll = price_of(week, "turnover") / 2
    seen = set()
    for at in range(0, len(problem.symbols), 3):
        answer = explained(walked_home, week, str(problem.symbols[at]))
        expected = problem.score[at] if not np.isnan(problem.score[at]) else np.nanmean(problem.score)
        paid = paid_by(week, at)
        found = answer.payments.set_index(["limit", "name"])["amount"].to_dict()
        turnover = found.pop(("turnover", ""), 0.0)
        assert found == pytest.approx({key: value for key, value in paid.items() if value or key in found}, abs=1e-12)
        gain = expected - sum(paid.values())
        change = solution.weights[at] - problem.held[at]
        if abs(change) > TOLERANCE:
            assert turnover == pytest.approx(np.sign(change) * toll, abs=1e-12)
        else:
            assert abs(turnover) <= toll + 1e-12
        assert answer.expected_score == pytest.approx(expected, abs=1e-12)
        assert answer.reduced_score == pytest.approx(gain - turnover, abs=ROUNDING)
        assert answer.other == pytest.approx(0, abs=ROUNDING)
        assert (answer.buy_above, answer.sell_below) == pytest.approx(
            (sum(paid.values()) + toll, sum(paid.values()) - toll), abs=1e-12
        )
        seen.add(answer.reason)
    assert len(seen) >= 3, seen


def test_forecasts_and_thresholds_agree_with_the_trades(walked_home):
    """What was bought has a forecast above its threshold, what was sold one below: the solver's optimality."""
    week = walked_home.weeks[3]
    problem, change = week.problem, week.solution.weights - week.problem.held
    for at in np.flatnonzero((abs(change) > 1e-4) & problem.tradable & ~np.isnan(problem.score)):
        answer = explained(walked_home, week, str(problem.symbols[at]))
        if change[at] > 0:
            assert answer.score >= answer.buy_above - ROUNDING or answer.weight <= answer.lower + TOLERANCE
        else:
            assert answer.score <= answer.sell_below + ROUNDING or answer.weight >= answer.upper - TOLERANCE


def test_standing_of_a_stock(walked_home):
    week = walked_home.weeks[4]
    problem = week.problem
    forecasts = sorted((score for score in problem.score if not np.isnan(score)), reverse=True)
    for at in range(0, len(problem.symbols), 7):
        answer = explained(walked_home, week, str(problem.symbols[at]))
        assert answer.weight == pytest.approx(week.solution.weights[at], abs=1e-15)
        assert (answer.held_weight, answer.benchmark_weight) == (problem.held[at], problem.benchmark[at])
        assert (answer.lower, answer.upper) == (week.solution.lower[at], week.solution.upper[at])
        assert answer.industry == week.problem.industry_name(int(problem.industry[at]))
        assert answer.reason in REASONS
        assert answer.candidates == len(forecasts)
        if np.isnan(problem.score[at]):
            assert (answer.score, answer.rank) == (None, None)
        else:
            assert forecasts[answer.rank - 1] == problem.score[at]
        bar = walked_home.lake.read("daily_bar", week.session, week.session).to_pandas().set_index("symbol")
        if answer.symbol in bar.index:
            assert answer.raw["daily_bar"]["close"] == bar.loc[answer.symbol, "close"]
        assert answer.styles == {name: z[at] for name, z in problem.styles.items()}


def test_candidates_that_nobody_holds_are_explained_too(walked_home):
    """Stocks that the table leaves out: neither held nor wanted nor in the benchmark."""
    week = walked_home.weeks[4]
    problem, weights = week.problem, week.solution.weights
    outside = (weights == 0) & (problem.held == 0) & (problem.benchmark == 0) & problem.tradable
    assert outside.any()
    for at in np.flatnonzero(outside)[:5]:
        answer = explained(walked_home, week, str(problem.symbols[at]))
        assert answer.weight == 0
        assert answer.upper == pytest.approx(WALKER.limits.stock_deviation)
        assert answer.score < answer.buy_above + ROUNDING


@pytest.mark.slow
def test_a_stock_between_its_limits_has_nothing_left(walked_home):
    found = 0
    for week in walked_home.weeks[1:5]:
        for symbol in week.problem.symbols[::5]:
            answer = explained(walked_home, week, str(symbol))
            if answer.reason in (BETWEEN, KEPT):
                assert answer.reduced_score == pytest.approx(0, abs=ROUNDING)
                found += 1
    assert found > 3


def test_what_is_not_in_the_problem(walked_home):
    week = walked_home.weeks[2]
    assert explained(walked_home, week, "999999.SH") is None
    assert raw_row(walked_home.lake, "daily_bar", week.session, "999999.SH") is None
    assert raw_row(walked_home.lake, "no_such_table", week.session, "600000.SH") is None
    with pytest.raises(PortfolioError, match="no portfolio of 2020-12-11"):
        explain_weight(walked_home.lake, walked_home.calendar, WALKER, np.datetime64("2020-12-11"), "600000.SH")
    with pytest.raises(PortfolioError, match="other has no portfolio"):
        explain_weight(walked_home.lake, walked_home.calendar, replace(WALKER, name="other"), week.session, "600000.SH")
