"""Weekly problems of a few stocks: worked by hand, or drawn to be hostile."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import WeeklyProblem


def small(
    score: Sequence[float],
    benchmark: Sequence[float],
    previous: Sequence[float] | None = None,
    industry: Sequence[int] | None = None,
    tradable: Sequence[bool] | None = None,
    **styles: Sequence[float],
) -> WeeklyProblem:
    n = len(score)
    return WeeklyProblem(
        symbols=np.array([f"{600000 + i}.SH" for i in range(n)]),
        score=np.array(score, dtype=float),
        benchmark=np.array(benchmark),
        previous=None if previous is None else np.array(previous),
        industry=np.zeros(n, dtype=int) if industry is None else np.array(industry),
        styles={name: np.array(z) for name, z in styles.items()},
        tradable=np.ones(n, dtype=bool) if tradable is None else np.array(tradable),
    )


@st.composite
def hostile_weeks(draw: st.DrawFn) -> tuple[WeeklyProblem, PortfolioLimits]:
    """Small weeks with zero, tiny and frozen holdings, equal scores, cash, and limits of zero."""
    n = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sparse = draw(st.sampled_from([0.0, 0.4, 0.9]))
    dust = draw(st.sampled_from([1.0, 1e-6, 1e-9, 1e-13]))

    def random_weights(invested: float) -> np.ndarray:
        weights = rng.dirichlet(np.full(n, 0.5)) * np.where(rng.random(n) < 0.3, dust, 1.0) * (rng.random(n) >= sparse)
        return invested * weights / weights.sum() if weights.sum() > 0 else np.full(n, invested / n)

    score = np.round(rng.standard_normal(n), draw(st.sampled_from([0, 6])))
    score[rng.random(n) < sparse] = np.nan
    score[rng.integers(n)] = 0.5
    problem = small(
        score=score,
        benchmark=random_weights(1.0),
        previous=draw(st.sampled_from([None, random_weights(1.0), random_weights(0.7)])),
        industry=rng.integers(-1, 3, n),
        tradable=rng.random(n) < draw(st.sampled_from([0.0, 0.6, 1.0])),
        **{f"style{i}": rng.standard_normal(n) for i in range(draw(st.integers(0, 3)))},
    )
    deviation = st.sampled_from([0.0, 1e-3, 0.05, 1.0])
    limits = PortfolioLimits(
        stock_deviation=draw(deviation),
        industry_deviation=draw(deviation),
        style_deviation=draw(deviation),
        turnover=draw(st.sampled_from([1e-3, 0.15, 1.0])),
        relaxation_order=tuple(draw(st.permutations(["turnover", "style", "industry", "stock"]))),
    )
    return problem, limits
