"""How far a backtest can be trusted beyond its headline: periods, costs, capacity, seeds, and the search behind it.

`daily` is the daily frame of a backtest (`performance`). Excess returns are the daily difference to the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from attn_platform.errors import ContractError
from attn_platform.evaluation.composite_factor import composite_factor_figures
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.cross_sections import FloatArray
from attn_platform.evaluation.inference import t_value
from attn_platform.evaluation.performance import drawdowns, performance_figures

STABILITY_COLUMNS = (
    *("period", "sessions", "excess_return", "tracking_error", "information_ratio", "excess_max_drawdown"),
    *("months_won", "months", "rank_ic_mean"),
)
_NORMAL = NormalDist()
CAPACITY_COLUMNS = ("date", "symbol", "traded_weight", "amount", "capacity")


def period_stability(daily: pd.DataFrame, rank_ic: pd.Series, config: EvaluationConfig) -> pd.DataFrame:
    """Figures of each year and each half-year: `STABILITY_COLUMNS`; years ("2021") stand before half-years ("2021 H1").

    `daily` [session] has excess_return, `rank_ic` [session] the correlations. The information ratio is that of the
    study, annualised excess return over annualised deviation; excess returns of parts of a year are not annualised.
    """
    rows = [
        _period(name, daily.loc[chosen], rank_ic, config)
        for names in (_years(daily.index), _half_years(daily.index))
        for name in dict.fromkeys(names)
        for chosen in [names == name]
    ]
    return pd.DataFrame(rows, columns=list(STABILITY_COLUMNS))


def _years(index: pd.Index) -> np.ndarray:
    return np.array([f"{day.year}" for day in pd.DatetimeIndex(index)])


def _half_years(index: pd.Index) -> np.ndarray:
    return np.array([f"{day.year} H{1 + (day.month > 6)}" for day in pd.DatetimeIndex(index)])


def _period(name: str, daily: pd.DataFrame, rank_ic: pd.Series, config: EvaluationConfig) -> dict[str, object]:
    excess, sessions = daily["excess_return"], len(daily)
    total = float(np.prod(1.0 + excess.to_numpy()) - 1.0)
    deviation = float(excess.std() * np.sqrt(config.sessions_per_year))
    annual = max(1.0 + total, 0.0) ** (config.sessions_per_year / sessions) - 1.0
    months = _months(excess)
    return {
        "period": name,
        "sessions": sessions,
        "excess_return": total,
        "tracking_error": deviation,
        "information_ratio": annual / deviation if deviation > 0 else np.nan,
        "excess_max_drawdown": float(drawdowns(excess).max()),
        "months_won": int((months > 0).sum()),
        "months": len(months),
        "rank_ic_mean": float(rank_ic.reindex(daily.index).mean()),
    }


def _months(excess: pd.Series) -> pd.Series:
    return (1.0 + excess).groupby(pd.DatetimeIndex(excess.index).to_period("M")).prod() - 1.0


def worst_rolling(excess: pd.Series, sessions: int) -> tuple[pd.Timestamp | None, float]:
    """Last session and excess return of the worst stretch of so many sessions; None and NaN where there is none."""
    growth = np.log1p(excess).rolling(sessions).sum().dropna()
    if growth.empty:
        return None, float("nan")
    return pd.Timestamp(growth.idxmin()), float(np.expm1(growth.min()))


def cost_sensitivity(daily: pd.DataFrame, cost_per_side: float, config: EvaluationConfig) -> pd.DataFrame:
    """Figures of the same trades at other costs a side: cost_per_side, annual_return, excess_annual_return, ….

    From the turnover, without another backtest: a session that trades τ of the equity at prices before costs leaves
    1 − c of it, c its cost; at k more a side it leaves 1 − c − k τ. Exact where all that is traded is in proportion;
    a minimum commission, whole shares, and what a smaller account trades less are left as they were.
    """
    rows = []
    for cost in config.robustness.costs_per_side:
        more = (cost - cost_per_side) * daily["turnover"]
        returns = (1.0 + daily["return"]) * (1.0 - daily["cost"] - more) / (1.0 - daily["cost"]) - 1.0
        figures = performance_figures(daily.assign(**{"return": returns}), config)
        rows.append({"cost_per_side": cost, **figures})
    return pd.DataFrame(rows)[
        ["cost_per_side", "annual_return", "excess_annual_return", "information_ratio", "excess_max_drawdown"]
    ]


def trade_capacities(trades: pd.DataFrame, amounts: pd.DataFrame, volume_share: float) -> pd.DataFrame:
    """Each trade with the account (CNY) at which it takes `volume_share` of the day's amount: `CAPACITY_COLUMNS`.

    `trades` are those of a backtest; `amounts` has date, symbol, amount (CNY traded by everybody in the session of the
    trade). A trade in a session without a known amount has no capacity (NaN).
    """
    done = trades.loc[trades["traded_weight"] != 0, ["date", "symbol", "traded_weight"]]
    merged = done.merge(amounts[["date", "symbol", "amount"]], on=["date", "symbol"], how="left")
    merged["capacity"] = volume_share * merged["amount"] / merged["traded_weight"].abs()
    return merged[list(CAPACITY_COLUMNS)]


def capacities(trades: pd.DataFrame, shares: Sequence[float]) -> pd.Series:
    """Account (CNY) at which each share of the traded weight would take more of its day's volume than it may.

    `trades` as `trade_capacities` returns them. Indexed by share; the least account for which trades with less
    capacity make up the share of all that is traded with a known amount.
    """
    known = trades.dropna(subset=["capacity"]).sort_values("capacity", kind="stable")
    weight = known["traded_weight"].abs().to_numpy()
    if not weight.sum() > 0:
        return pd.Series(np.nan, index=list(shares))
    reached = weight.cumsum() / weight.sum()
    at = np.minimum(np.searchsorted(reached, np.asarray(shares) - 1e-12), len(weight) - 1)
    return pd.Series(known["capacity"].to_numpy()[at], index=list(shares))


def overlapping_t(correlations: pd.Series, horizon: int) -> float:
    """t-value of the mean of daily correlations with returns over `horizon` sessions (Newey and West, h − 1 lags)."""
    return t_value(correlations.to_numpy(dtype=np.float64), horizon - 1)


def seed_figures(
    predictions: FloatArray, realised: FloatArray, horizon: int, config: EvaluationConfig
) -> dict[str, float]:
    """RankIC and the annual excess return of the top layer over the universe, of one seed's forecasts [T, N].

    Rows are the rebalances alone; `realised` [T, N] are the returns over `horizon` sessions. The layer is equally
    weighted, without costs and without limits: a portfolio a seed would need the weekly problem of every week again.
    """
    figures = composite_factor_figures(predictions, realised, horizon, config)
    return {
        "rank_ic_mean": figures["rank_ic_mean"],
        "rank_icir": figures["rank_icir"],
        "top_excess_return": figures["top_annual_return"] - figures["benchmark_annual_return"],
    }


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """What the best of some trials without any skill has for a Sharpe ratio (Bailey and López de Prado 2014, eq. 1).

    √V · ((1 − γ) Φ⁻¹(1 − 1 / N) + γ Φ⁻¹(1 − 1 / (N e))), γ of Euler and Mascheroni, V the variance of the ratios over
    the trials; 0 for one trial.
    """
    if trials < 1 or variance < 0:
        raise ContractError(
            f"{trials} trials with a variance of {variance}: a search has at least one, and not below 0"
        )
    if trials == 1:
        return 0.0
    first, second = (_NORMAL.inv_cdf(1.0 - 1.0 / count) for count in (trials, trials * np.e))
    return float(np.sqrt(variance) * ((1.0 - np.euler_gamma) * first + np.euler_gamma * second))


def probabilistic_sharpe(sharpe: float, benchmark: float, sessions: int, skewness: float, kurtosis: float) -> float:
    """Probability that a true Sharpe ratio of one session is above `benchmark` (Bailey and López de Prado 2012).

    Φ((SR − SR₀) √(T − 1) / √(1 − γ₃ SR + (γ₄ − 1) / 4 · SR²)), with γ₄ = 3 for normal returns.
    """
    spread = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if sessions < 2 or spread <= 0:
        return float("nan")
    return _NORMAL.cdf(float((sharpe - benchmark) * np.sqrt((sessions - 1) / spread)))


def sharpe_of(excess: FloatArray) -> float:
    """Mean over standard deviation of a series, of one session; NaN where it does not move."""
    deviation = float(np.std(excess, ddof=1)) if len(excess) > 1 else 0.0
    return float(np.mean(excess)) / deviation if deviation > 0 else float("nan")


def deflated_sharpe(excess: FloatArray, trials: FloatArray, config: EvaluationConfig) -> dict[str, float]:
    """The Sharpe ratio of daily excess returns, set against the best that a search without skill would have found.

    `trials` are the ratios of one session of everything that was tried, the one in question among them. Keys: trials;
    sharpe and expected_maximum_sharpe (annualised); skewness, kurtosis; deflated_sharpe, the probability that the true
    ratio is above the expected maximum. Trials that resemble each other count as if they did not, so the figure errs
    on the side of doubt.
    """
    known = trials[np.isfinite(trials)]
    sharpe = sharpe_of(excess)
    deviations = excess - excess.mean()
    second = float((deviations**2).mean())
    skewness, kurtosis = (
        (float((deviations**power).mean()) / second ** (power / 2) if second > 0 else float("nan")) for power in (3, 4)
    )
    variance = float(np.var(known, ddof=1)) if len(known) > 1 else 0.0
    maximum = expected_maximum_sharpe(max(len(known), 1), variance)
    year = np.sqrt(config.sessions_per_year)
    return {
        "trials": float(len(known)),
        "sharpe": sharpe * year,
        "expected_maximum_sharpe": maximum * year,
        "skewness": skewness,
        "kurtosis": kurtosis,
        "deflated_sharpe": probabilistic_sharpe(sharpe, maximum, len(excess), skewness, kurtosis),
    }
