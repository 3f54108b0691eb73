"""A strategy's own limits, constraints and terms: what they do, and what is said where they are wrong."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

from attn_platform.errors import ConfigurationError, PortfolioError
from attn_platform.portfolio.extension import REGISTER, Extension, TermConfig, extension_of, known_functions, limit
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.solver.solve import solve
from attn_platform.register import Register
from attn_platform_tests.portfolio.small_weeks import small

FILE = """
import cvxpy as cp
import numpy as np

from attn_platform.portfolio import constraint, limit, term


@limit
def little_of_the_first(week):
    return np.arange(len(week.symbols)) == 0, 0.0, 0.3


@constraint
def spread_out(w, week):
    return [cp.sum_squares(w) <= 0.27]


@term(history="sessions")
def closeness(w, week, rate, sessions=3):
    return -rate * cp.sum_squares(w - week.benchmark)


@constraint
def at_odds(w, week):
    return [w[0] >= 1.5]


@term()
def not_concave(w, week):
    return cp.sum_squares(w)


@limit
def too_short(week):
    return [1.0], 0.0, 1.0


@constraint
def broken(w, week):
    return week.prices
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def extension(file: Path, *constraints: str, **terms: dict[str, float]) -> Extension:
    configured = [TermConfig(name=name, parameters=parameters) for name, parameters in terms.items()]
    chosen = extension_of(known_functions([file]), constraints, configured)
    assert chosen is not None
    return chosen


PROBLEM = small([4, 3, 2, 1], [0.25] * 4)
LIMITS = PortfolioLimits(stock_deviation=0.2)


def test_a_linear_limit_stays_with_highs_and_has_a_price(file: Path) -> None:
    """Without it the first stock would have 0.45; what it loses goes to the third."""
    own = extension(file, "little_of_the_first")
    assert own.is_linear
    solution = solve(PROBLEM, LIMITS, own)
    np.testing.assert_allclose(solution.weights, [0.3, 0.45, 0.2, 0.05], atol=1e-14)
    (state,) = (state for state in solution.limits if state.kind == "limit")
    assert (state.name, state.upper) == ("little_of_the_first", 0.3)
    assert state.price == pytest.approx(2.0)  # 4 for 2
    assert state.value == pytest.approx(0.3)


RELAXABLE = """
from attn_platform.portfolio import constraint, limit


@limit(rank={rank})
def at_least_half(problem):
    return problem.symbols == "600002.SH", 0.5, 1.0


@limit
def hard(problem):
    return problem.symbols == "600003.SH", 0.0, 0.05


@constraint
def anything(w, problem):
    return [w >= 0]
"""
# Contradiction: 0.5 of the third stock needs a turnover of 0.25; 0.1 are allowed.
CONTRADICTORY = small([4, 3, 2, 1], [0.25] * 4, previous=[0.25, 0.25, 0.25, 0.25])
WIDE = PortfolioLimits(stock_deviation=1, turnover=0.3, relaxation_order=("turnover",))


@pytest.mark.parametrize("own", [("at_least_half", "hard"), ("at_least_half", "hard", "anything")])
@pytest.mark.parametrize(
    ("rank", "turnover", "relaxed"),
    [
        # Relaxed first, within the turnover that is left once 0.2 of the fourth stock are sold for the hard limit
        (1, 0.3, None),
        (1, 0.22, ("limit", "at_least_half", 0.5, 0.25 + 0.22)),
        # Relaxed last, after the turnover: 0.25 of the third stock are bought
        (2, 0.22, ("turnover", "", 0.22, 0.25)),
        (99, 0.22, ("turnover", "", 0.22, 0.25)),
    ],
)
def test_a_limit_with_a_rank_is_relaxed_in_its_place(
    tmp_path: Path, own: tuple[str, ...], rank: int, turnover: float, relaxed: tuple | None
) -> None:
    """Linear through HiGHS, with a constraint besides through Clarabel."""
    path = tmp_path / "ranked.py"
    path.write_text(RELAXABLE.format(rank=rank))
    limits = WIDE.model_copy(update={"turnover": turnover})
    solution = solve(CONTRADICTORY, limits, extension(path, *own))
    found = [(each.limit, each.name, each.allowed, each.reached) for each in solution.relaxations]
    if relaxed is None:
        assert solution.status == "optimal"
        assert found == []
        return
    ((limit, name, allowed, reached),) = found
    assert (limit, name, allowed) == relaxed[:3]
    assert reached == pytest.approx(relaxed[3], abs=1e-6)
    assert solution.weights[3] <= 0.05 + 1e-9


def test_without_a_rank_a_limit_is_never_relaxed(tmp_path: Path) -> None:
    path = tmp_path / "unranked.py"
    path.write_text(RELAXABLE.replace("(rank={rank})", ""))
    limits = WIDE.model_copy(update={"turnover": 0.22})
    assert solve(CONTRADICTORY, limits, extension(path, "at_least_half")).relaxations[0].limit == "turnover"
    with pytest.raises(PortfolioError, match="although no limit may be relaxed"):
        solve(CONTRADICTORY, limits.model_copy(update={"relaxation_order": ()}), extension(path, "at_least_half"))


def test_own_stages_stand_before_the_kind_of_their_rank() -> None:
    limits = PortfolioLimits(relaxation_order=("style", "stock"))
    first, second, last = (("limit", name) for name in ("first", "second", "last"))
    assert limits.stages([(last, 7), (second, 2), (first, 2)]) == (
        ("style", ""), second, first, ("stock", ""), last,
    )  # fmt: skip


def test_a_rank_below_one_is_invalid(file: Path) -> None:
    file.write_text("from attn_platform.portfolio import limit\n@limit(rank=0)\ndef none(problem): ...\n")
    with pytest.raises(ConfigurationError, match="rank is its place in the order of relaxation, 1 the first, not 0"):
        known_functions([file])


def test_a_convex_constraint_goes_to_clarabel(file: Path) -> None:
    """Highest score on the circle Σ w = 1, Σ w² = 0.27: w = 1/4 + 0.1 · (score − mean) / |score − mean| · √2."""
    own = extension(file, "spread_out")
    assert not own.is_linear
    solution = solve(PROBLEM, LIMITS, own)
    direction = np.array([1.5, 0.5, -0.5, -1.5])
    expected = 0.25 + np.sqrt(0.27 - 0.25) * direction / np.linalg.norm(direction)
    np.testing.assert_allclose(solution.weights, expected, atol=1e-5)
    assert solution.status == "optimal"
    assert abs(solution.weights.sum() - 1) < 1e-12


def test_a_term_is_added_to_the_objective(file: Path) -> None:
    """Maximise score · w − 10 |w − b|²: w − b = (score − mean) / 20."""
    own = extension(file, closeness={"rate": 10.0})
    solution = solve(PROBLEM, LIMITS, own)
    np.testing.assert_allclose(solution.weights, 0.25 + np.array([1.5, 0.5, -0.5, -1.5]) / 20, atol=1e-5)
    assert solution.objective == pytest.approx(2.5 + 5 / 20 - 10 * 5 / 400, abs=1e-7)


def test_the_history_is_what_the_terms_read(file: Path) -> None:
    assert extension(file, closeness={"rate": 1.0}).history == 3
    assert extension(file, closeness={"rate": 1.0, "sessions": 40.0}).history == 40
    assert extension(file, "spread_out").history == 0


def test_nothing_named_is_no_extension() -> None:
    assert extension_of(known_functions(), [], []) is None


@pytest.mark.parametrize(
    ("constraints", "terms", "message"),
    [
        (["nothing"], {}, "no limit or constraint 'nothing'; there are: at_odds, broken, little_of_the_first"),
        (["closeness"], {}, "no limit or constraint 'closeness'"),
        ([], {"spread_out": {}}, "no term 'spread_out'; there are: closeness"),
        ([], {"closeness": {}}, "term closeness: missing a required argument: 'rate'"),
        ([], {"closeness": {"rate": 1.0, "ratio": 2.0}}, "term closeness: got an unexpected keyword argument 'ratio'"),
    ],
)
def test_what_is_unknown_is_named(file: Path, constraints: list[str], terms: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        extension(file, *constraints, **terms)


@pytest.mark.parametrize(
    ("constraints", "terms", "message"),
    [
        (["at_odds"], {}, r"own constraints \(at_odds\) never are"),
        (["too_short"], {}, r"limit too_short: gives coefficients of shape \(1,\).*4 stocks; correct .*mine.py"),
        (["broken"], {}, "constraint broken: AttributeError: .*prices.*; correct .*mine.py"),
        ([], {"not_concave": {}}, "not_concave: not convex as cvxpy sees it; a term must be concave"),
    ],
)
def test_a_week_that_cannot_be_solved_names_the_function(
    file: Path, constraints: list[str], terms: dict, message: str
) -> None:
    with pytest.raises(PortfolioError, match=message):
        solve(PROBLEM, LIMITS, extension(file, *constraints, **terms))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import cvxpy\n", "mine.py: registers nothing; decorate a function with @limit, @constraint or @term"),
        ("\nx = 1 / 0\n", "mine.py, line 2: ZeroDivisionError"),
        (
            "from attn_platform.portfolio.extension import term\n@term()\ndef trading_cost(w, week): ...\n",
            r"trading_cost is defined by attn_platform.portfolio.terms.trading_cost and by .*mine.py \(trad",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        known_functions([file])


@pytest.fixture
def scratch_register(scratch: Callable[[Register], None]) -> None:
    scratch(REGISTER)


@pytest.mark.usefixtures("scratch_register")
def test_a_notebooks_cell_may_run_again() -> None:
    def mine(problem):
        return np.ones(len(problem.symbols)), 0.0, 1.0

    limit(mine)
    limit(rank=2)(mine)
    assert known_functions()["mine"].rank == 2


@pytest.mark.usefixtures("scratch_register")
def test_an_installed_package_brings_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brought_functions.py").write_text(FILE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    asked: list[str] = []
    point = EntryPoint("brought", "brought_functions", "attn_platform.portfolio")
    monkeypatch.setattr("attn_platform.register.entry_points", lambda group: asked.append(group) or [point])
    monkeypatch.setattr(REGISTER, "_is_loaded", False)
    brought = known_functions()["little_of_the_first"]
    assert brought.file is None
    assert brought.origin == "brought_functions.little_of_the_first"
    assert asked == ["attn_platform.portfolio"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none.py: no such file; put it there, or correct portfolio_files"):
        known_functions([tmp_path / "none.py"])


def test_a_user_s_constraint_sees_the_week(file: Path) -> None:
    week = small([1, 2, 3], [0.5, 0.3, 0.2], previous=[0.4, 0.3, 0.3])
    w = cp.Variable(3)
    (kept,) = extension(file, "spread_out").constraints_on(w, week)
    w.value = np.array([0.5, 0.1, 0.1])
    assert kept.value()
    w.value = np.array([0.6, 0.1, 0.1])
    assert not kept.value()
