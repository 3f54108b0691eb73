"""One week from a file alone: the problem is what its columns say, and what is missing or wrong is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from attn_platform.errors import BadInputError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.portfolio.explanation.reasons import with_reasons
from attn_platform.portfolio.frames import binding_frame, limits_frame, relaxed_frame, weights_frame
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem
from attn_platform.portfolio.solver.solve import solve
from attn_platform.portfolio.week_file import problem_of_file, read_week, with_columns

CALENDAR = exchange_calendar()
STYLES = ("size",)
LIMITS = PortfolioLimits(stock_deviation=0.05, industry_deviation=0.02, style_deviation=0.1, turnover=0.3)


@pytest.fixture
def frame() -> pd.DataFrame:
    """Forty stocks of three industries, half of them in the benchmark; the last one cannot trade."""
    generator = np.random.default_rng(3)
    count = 40
    benchmark = np.where(np.arange(count) % 2 == 0, generator.exponential(size=count), 0.0)
    held = generator.exponential(size=count)
    return pd.DataFrame(
        {
            "symbol": [f"{600000 + 7 * at:06d}.SH" for at in range(count)],
            "score": generator.normal(size=count),
            "benchmark": benchmark / benchmark.sum(),
            "held": held / held.sum(),
            "industry": generator.choice(["banks", "food", "steel"], count),
            "tradable": np.arange(count) < count - 1,
            "style_size": generator.normal(size=count),
        }
    )


def stated(frame: pd.DataFrame, folder: Path, kind: str = "week.csv") -> WeeklyProblem:
    file = folder / kind
    if kind.endswith(".csv"):
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file, index=False)
    return problem_of_file(read_week(file, STYLES, CALENDAR), STYLES)


@pytest.mark.parametrize("kind", ["week.csv", "week.parquet"])
@pytest.mark.parametrize("score", ["score", "prediction", "Factor"])
def test_the_problem_is_what_the_file_says(tmp_path: Path, frame: pd.DataFrame, kind: str, score: str) -> None:
    shuffled = frame.sample(frac=1, random_state=1).rename(columns={"score": score}).assign(note="left out")
    problem = stated(shuffled, tmp_path, kind)
    assert problem.symbols.tolist() == frame["symbol"].tolist()
    for name, found in {"score": problem.score, "benchmark": problem.benchmark, "held": problem.previous}.items():
        np.testing.assert_array_equal(found, frame[name])
    np.testing.assert_array_equal(problem.tradable, frame["tradable"])
    np.testing.assert_array_equal(problem.styles["size"], frame["style_size"])
    assert [problem.industry_name(code) for code in problem.industry] == frame["industry"].tolist()


@pytest.mark.parametrize("scale", [100.0, 1.0004, 99.96])
def test_a_benchmark_in_percent_or_off_by_rounding_is_scaled_and_said(
    tmp_path: Path, frame: pd.DataFrame, scale: float, caplog: pytest.LogCaptureFixture
) -> None:
    found = stated(frame.assign(benchmark=frame["benchmark"] * scale), tmp_path).benchmark
    np.testing.assert_allclose(found, frame["benchmark"], rtol=1e-14)
    assert f"week.csv: column 'benchmark' sums to {scale:g}; it was scaled to 1" in caplog.text


def test_a_benchmark_that_lacks_members_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(BadInputError, match=r"week.csv: .*benchmark weights sum to 0\.95"):
        stated(frame.assign(benchmark=frame["benchmark"] * 0.95), tmp_path)


@pytest.mark.parametrize("style", ["{1}{0}", "{0}.XSHG"])
def test_codes_of_any_style_and_levels_of_an_index(tmp_path: Path, frame: pd.DataFrame, style: str) -> None:
    codes = [style.format(*symbol.split(".")) for symbol in frame["symbol"]]
    frame.assign(symbol=codes).rename(columns={"symbol": "instrument"}).set_index("instrument").to_parquet(
        tmp_path / "week.parquet"
    )
    found = problem_of_file(read_week(tmp_path / "week.parquet", STYLES, CALENDAR), STYLES)
    assert found.symbols.tolist() == frame["symbol"].tolist()
    np.testing.assert_array_equal(found.score, frame["score"])


def test_the_answer_is_that_of_another_solver(tmp_path: Path, frame: pd.DataFrame) -> None:
    """The same program, written down from the file for SciPy: w, and what is bought and sold of each stock."""
    problem = stated(frame, tmp_path)
    weights = weights_frame(problem, solve(problem, LIMITS)).set_index("symbol")["weight"]
    count, one = len(frame), np.eye(len(frame))
    none = np.zeros(count)
    groups = [(frame["industry"] == name).to_numpy(dtype=float) for name in sorted(set(frame["industry"]))]
    sums = [(row, 0.02) for row in groups] + [(frame["style_size"].to_numpy(), 0.1)]
    active = [(sign * row, limit + sign * row @ frame["benchmark"]) for row, limit in sums for sign in (1.0, -1.0)]
    moves = [np.concatenate([row, none, none]) for row, _ in active] + [np.repeat([0.0, 0.5, 0.5], count)]
    lower = np.maximum(frame["benchmark"] - 0.05, 0.0)
    upper = frame["benchmark"] + 0.05
    for side in (lower, upper):
        side[~frame["tradable"]] = frame["held"][~frame["tradable"]]
    answer = linprog(
        np.concatenate([-frame["score"], none, none]),
        A_ub=np.array(moves),
        b_ub=np.array([*(bound for _, bound in active), 0.3]),
        A_eq=np.vstack([np.concatenate([np.ones(count), none, none]), np.hstack([one, -one, one])]),
        b_eq=np.concatenate([[1.0], frame["held"]]),
        bounds=[*zip(lower, upper, strict=True), *[(0.0, None)] * (2 * count)],
    )
    assert answer.success
    found = weights.reindex(frame["symbol"]).fillna(0.0).to_numpy()
    assert found @ frame["score"] == pytest.approx(-answer.fun, abs=1e-9)
    np.testing.assert_allclose(found, answer.x[:count], atol=1e-7)


def test_held_and_tradable_may_be_missing(tmp_path: Path, frame: pd.DataFrame) -> None:
    problem = stated(frame.drop(columns=["held", "tradable"]), tmp_path)
    assert problem.previous is None
    assert problem.tradable.all()
    assert stated(frame.assign(held=0.0), tmp_path).previous is None, "nothing held is a first portfolio"


def test_the_file_comes_before_what_was_known(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Stocks that are not in the file keep their industry, are in no benchmark of it, and are not held."""
    known = stated(frame, tmp_path)
    own = frame.iloc[:30].assign(industry="mine", benchmark=lambda f: f["benchmark"] / f["benchmark"].sum())
    own.loc[0, "industry"] = None
    own[["symbol", "score", "benchmark", "industry"]].to_csv(tmp_path / "own.csv", index=False)
    problem = with_columns(known, read_week(tmp_path / "own.csv", STYLES, CALENDAR), STYLES)
    assert np.isnan(problem.score[30:]).all()
    assert (problem.benchmark[30:] == 0).all()
    np.testing.assert_array_equal(problem.previous, known.previous)
    np.testing.assert_array_equal(problem.styles["size"], known.styles["size"])
    names = [problem.industry_name(code) for code in problem.industry]
    assert names == [frame["industry"][0], *["mine"] * 29, *frame["industry"][30:]]


def test_limits_bind_that_the_answer_would_gain_by(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Against the objective's own change when a limit is moved by a little."""
    problem, step = stated(frame, tmp_path), 1e-5
    solution = solve(problem, LIMITS)
    binding = binding_frame(solution).set_index(["kind", "name"])["price"]
    for name, changed in {
        "turnover": LIMITS.model_copy(update={"turnover": 0.3 + step}),
        "style": LIMITS.model_copy(update={"style_deviations": {"size": 0.1 + step}}),
    }.items():
        gain = (solve(problem, changed).objective - solution.objective) / step
        key = (name, "size" if name == "style" else "")
        assert abs(binding.get(key, 0.0)) == pytest.approx(gain, abs=1e-6)
    assert ("turnover", "") in binding.index


def test_frames_name_industries_and_reasons(tmp_path: Path, frame: pd.DataFrame) -> None:
    problem = stated(frame, tmp_path)
    tight = PortfolioLimits(stock_deviation=0.05, industry_deviation=0.0, style_deviation=0.1, turnover=0.01)
    solution = solve(problem, tight)
    weights, limits = with_reasons(weights_frame(problem, solution)), limits_frame(solution)
    assert weights["weight"].is_monotonic_decreasing
    assert weights["weight"].sum() == pytest.approx(1)
    last = weights.set_index("symbol").loc[frame["symbol"].iloc[-1]]
    assert (last["weight"], last["reason"]) == (frame["held"].iloc[-1], "kept: suspended")
    assert set(limits.loc[limits["kind"] == "industry", "name"]) == {"banks", "food", "steel"}
    assert solution.status == "relaxed"
    relaxed = relaxed_frame(solution)
    assert relaxed["limit"].iloc[-1] == "turnover"
    assert relaxed["reached"].iloc[-1] > relaxed["allowed"].iloc[-1] == 0.01


Spoil = Callable[[pd.DataFrame], pd.DataFrame]
SPOILT: list[tuple[Spoil, str]] = [
    (lambda f: f.drop(columns="score"), "column 'score' of table scores is missing; add it"),
    (lambda f: f.drop(columns="symbol"), "column 'symbol' of table scores is missing"),
    (lambda f: f.drop(columns=["benchmark", "style_size"]), r"has no column benchmark, style_size; add .* \(--date"),
    (lambda f: f.assign(symbol=f["symbol"].str[:6]), "row 1, .*'symbol': 600000, .* write it as 600000.SH"),
    (lambda f: f.rename(columns={"score": "pred"}).assign(signal=1.0), "'pred' and 'signal' could each be 'score'"),
    (lambda f: pd.concat([f, f.iloc[[3]]]), "rows 4 and 41 have the same key"),
    (lambda f: f.assign(score=f["score"].where(f.index != 1, np.inf)), "row 2 .*'score': inf, where"),
    (lambda f: f.assign(benchmark=-f["benchmark"]), "column 'benchmark': -.*, where the contract wants at least 0"),
    (lambda f: f.assign(benchmark=f["benchmark"] / 2), "benchmark weights sum to 0.5.*, not 1; give every"),
    (lambda f: f.assign(held=f["held"] * 2), "previous weights sum to 2.*, more than 1"),
    (lambda f: f.assign(score=np.nan), "no stock has a forecast"),
    (lambda f: f.iloc[:0], "has no rows"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_what_makes_no_problem_is_named(tmp_path: Path, frame: pd.DataFrame, spoil: Spoil, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as raised:
        stated(spoil(frame), tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'week.csv'}: ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("week.txt", b"x", "neither .parquet nor .csv"), ("week.csv", None, "no such file"), ("week.csv", b"", "empty")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: Any, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError, match=message):
        read_week(tmp_path / name, STYLES, CALENDAR)
