"""Performance of an enhanced portfolio: AI-69 exhibits 11, 23, 24, 35 and AI-55 exhibits 2, 4, 6, 21, 35.

The definitions are those recovered from the published tables (AI-69, AI-55): no risk-free rate, 252 sessions a
year, and an excess net value that compounds the daily difference, Π(1 + r_p − r_b).

`daily` is a frame with date, return, benchmark_return and turnover (two-sided), as `BacktestResult.daily`: rows in the
order of the sessions, and a first row without returns is the base.
"""

import numpy as np
import pandas as pd

from attn_platform.errors import ContractError, MissingDataError
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.market.tolerance import RETURN_ROUNDING

DAILY_COLUMNS = ("date", "return", "benchmark_return", "turnover")
MONTHS = tuple(f"{month:02d}" for month in range(1, 13))


def performance_figures(daily: pd.DataFrame, config: EvaluationConfig | None = None) -> dict[str, float]:
    """The twelve figures, keyed by the columns of the published tables; a ratio to zero, up to rounding, is NaN."""
    config = config or EvaluationConfig()
    sessions = _sessions(daily)
    returns, excess = sessions["return"], sessions["excess_return"]
    years = len(sessions) / config.sessions_per_year
    # A compounded difference can fall below nothing, which has no annual rate but a total loss.
    annual_return, excess_annual_return = (max(1 + _total(r), 0.0) ** (1 / years) - 1 for r in (returns, excess))
    volatility, tracking_error = (_annual_deviation(r, config) for r in (returns, excess))
    max_drawdown, excess_max_drawdown = (float(drawdowns(r).max()) for r in (returns, excess))
    return {
        "annual_return": annual_return,
        "annual_volatility": volatility,
        "sharpe": _ratio(annual_return, volatility),
        "max_drawdown": max_drawdown,
        "calmar": _ratio(annual_return, max_drawdown),
        "excess_annual_return": excess_annual_return,
        "tracking_error": tracking_error,
        "information_ratio": _ratio(excess_annual_return, tracking_error),
        "excess_max_drawdown": excess_max_drawdown,
        "excess_calmar": _ratio(excess_annual_return, excess_max_drawdown),
        "monthly_win_rate": float((_compounded(sessions, "excess_return", "M") > RETURN_ROUNDING).mean()),
        "annual_two_sided_turnover": float(sessions["turnover"].sum() / years),
    }


def untraded_figures(
    daily: pd.DataFrame, delistings: pd.DataFrame, config: EvaluationConfig | None = None
) -> dict[str, float]:
    """What stocks that could not be traded any more did to a backtest, the assumption about delistings turned around.

    `daily` and `delistings` are those of `BacktestResult`. Keys: delistings and delisted_weight (Σ, when paid for);
    final_net_value and annual_return, and unrecovered_… the same had their holders got nothing; suspended_at_end and
    suspended_weight, of what is suspended or has no row, without being delisted, in the last session.
    """
    config = config or EvaluationConfig()
    years = len(_sessions(daily)) / config.sessions_per_year
    net_value, unrecovered = (float(daily[name].iloc[-1]) for name in ("net_value", "unrecovered_net_value"))
    return {
        "delistings": float(len(delistings)),
        "delisted_weight": float(delistings["weight"].sum()),
        "final_net_value": net_value,
        "unrecovered_net_value": unrecovered,
        "annual_return": net_value ** (1 / years) - 1,
        "unrecovered_annual_return": unrecovered ** (1 / years) - 1,
        "suspended_at_end": float(daily["suspended_count"].iloc[-1]),
        "suspended_weight": float(daily["suspended_share"].iloc[-1]),
    }


def drawdowns(returns: pd.Series) -> pd.Series:
    """Drawdown after each return: 1 − net value / its highest value so far (the start, 1, included); from 0 to 1."""
    net_value = (1 + returns).cumprod()
    return 1 - net_value / net_value.cummax().clip(lower=1.0)


def monthly_excess_returns(daily: pd.DataFrame) -> pd.DataFrame:
    """Year × month table of excess returns: year, 01 … 12, year_total, as AI-55 exhibits 2, 4, 6 print it.

    Excess returns of months and years compound the daily differences, so a year's total is its months' geometric one.
    """
    sessions = _sessions(daily)
    months = _compounded(sessions, "excess_return", "M")
    by_month = pd.DataFrame(
        {
            "year": [p.year for p in months.index],
            "month": [f"{p.month:02d}" for p in months.index],
            "value": months.to_numpy(),
        }
    )
    table = by_month.pivot_table(index="year", columns="month", values="value").reindex(columns=list(MONTHS))
    table["year_total"] = _compounded(sessions, "excess_return", "Y").to_numpy()
    return table.rename_axis(columns=None).reset_index()


def yearly_figures(daily: pd.DataFrame, config: EvaluationConfig | None = None) -> pd.DataFrame:
    """Figures of each calendar year (a first or last year may be partial; returns are not annualised).

    Columns: year, sessions, return, benchmark_return, excess_return, annual_volatility, tracking_error, max_drawdown,
    excess_max_drawdown, months_won, months, two_sided_turnover. Drawdowns are those within the year.
    """
    config = config or EvaluationConfig()
    sessions = _sessions(daily)
    rows = []
    for year, part in sessions.groupby(sessions["date"].dt.year):
        months = _compounded(part, "excess_return", "M")
        rows.append(
            {
                "year": year,
                "sessions": len(part),
                "return": _total(part["return"]),
                "benchmark_return": _total(part["benchmark_return"]),
                "excess_return": _total(part["excess_return"]),
                "annual_volatility": _annual_deviation(part["return"], config),
                "tracking_error": _annual_deviation(part["excess_return"], config),
                "max_drawdown": drawdowns(part["return"]).max(),
                "excess_max_drawdown": drawdowns(part["excess_return"]).max(),
                "months_won": int((months > RETURN_ROUNDING).sum()),
                "months": len(months),
                "two_sided_turnover": part["turnover"].sum(),
            }
        )
    return pd.DataFrame(rows)


def worst_weeks(daily: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The calendar weeks with the lowest excess return, worst first.

    Columns: first_session, last_session, return, benchmark_return, excess_return.
    """
    return _weeks(daily).sort_values("excess_return", kind="stable").head(count).reset_index(drop=True)


def best_weeks(daily: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The calendar weeks with the highest excess return, best first; columns as in `worst_weeks`."""
    weeks = _weeks(daily).sort_values("excess_return", ascending=False, kind="stable")
    return weeks.head(count).reset_index(drop=True)


def _weeks(daily: pd.DataFrame) -> pd.DataFrame:
    sessions = _sessions(daily)
    dates = sessions["date"].groupby(sessions["date"].dt.to_period("W"))
    table = pd.DataFrame({"first_session": dates.min(), "last_session": dates.max()})
    for name in ("return", "benchmark_return", "excess_return"):
        table[name] = _compounded(sessions, name, "W")
    return table


def _sessions(daily: pd.DataFrame) -> pd.DataFrame:
    """The sessions that have a return, with the excess return; the base row is left out."""
    absent = [name for name in DAILY_COLUMNS if name not in daily.columns]
    if absent:
        raise ContractError(f"the daily frame of a backtest has no column {', '.join(absent)}")
    sessions = daily[list(DAILY_COLUMNS)].reset_index(drop=True)
    if not (sessions["date"].is_monotonic_increasing and sessions["date"].is_unique):
        raise ContractError("the daily frame of a backtest must have one row a session, in order")
    if len(sessions) and sessions.loc[0, ["return", "benchmark_return"]].isna().all():
        sessions = sessions.iloc[1:]
    if sessions.empty:
        raise MissingDataError("the backtest has no session after its base: nothing to measure yet")
    holes = sessions[~np.isfinite(sessions[list(DAILY_COLUMNS[1:])].astype(np.float64)).all(axis=1)]
    if not holes.empty:
        raise MissingDataError(
            f"the daily frame of a backtest has a hole on {holes['date'].iloc[0]:%Y-%m-%d}; run the backtest again"
        )
    return sessions.assign(excess_return=sessions["return"] - sessions["benchmark_return"])


def _compounded(sessions: pd.DataFrame, name: str, period: str) -> pd.Series:
    """A return compounded by calendar period (W, M or Y), for the periods that have a session."""
    return (1 + sessions[name]).groupby(sessions["date"].dt.to_period(period)).prod() - 1


def _total(returns: pd.Series) -> float:
    return float(np.prod(1 + returns.to_numpy()) - 1)


def _annual_deviation(returns: pd.Series, config: EvaluationConfig) -> float:
    return float(returns.std() * np.sqrt(config.sessions_per_year))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > RETURN_ROUNDING else float("nan")
