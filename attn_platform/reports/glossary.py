"""What the figures of the pages mean, and where their definitions come from: the one list, shown beside each figure.

A page shows an explanation when the pointer rests on a figure's name or the keyboard reaches it. Exhibits are those in
which the studies print the figure; "our choice" is a definition that the studies leave open.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from attn_platform.reports import formatting

_PERFORMANCE = "AI-69 exhibit 11, AI-55 exhibit 21"
_FACTOR = "AI-69 exhibit 10, AI-55 exhibit 20"
_OURS = "our choice"
_SHORTFALL = "implementation shortfall, Perold (1988)"
_LIMITS = "the weekly problem of AI-69 and AI-55"


@dataclass(frozen=True)
class Term:
    """A figure: what it is, and the exhibit or convention that it follows."""

    text: str
    source: str


TERMS = {
    # Performance
    "annual_return": Term("(net value at the end / at the start)^(252 / sessions) − 1, after costs.", _PERFORMANCE),
    "annual_volatility": Term("Standard deviation of the daily returns × √252.", _PERFORMANCE),
    "deflated_sharpe": Term(
        "Probability that the true Sharpe ratio of the excess return is above what the best of all trials would show "
        "without skill.",
        "Bailey and López de Prado (2014)",
    ),
    "sharpe": Term("Annual return / annual volatility; no risk-free rate.", _PERFORMANCE),
    "max_drawdown": Term("Largest fall of the net value from its highest value so far.", _PERFORMANCE),
    "calmar": Term("Annual return / max drawdown.", _PERFORMANCE),
    "excess_annual_return": Term(
        "Annual rate of the excess net value, which compounds the daily difference: Π(1 + r − r_benchmark).",
        _PERFORMANCE,
    ),
    "tracking_error": Term("Standard deviation of the daily excess returns × √252.", _PERFORMANCE),
    "information_ratio": Term("Excess annual return / tracking error.", _PERFORMANCE),
    "excess_max_drawdown": Term("Largest fall of the excess net value from its highest value so far.", _PERFORMANCE),
    "excess_calmar": Term("Excess annual return / excess max drawdown.", _PERFORMANCE),
    "monthly_win_rate": Term("Share of the calendar months whose excess return is positive.", _PERFORMANCE),
    "annual_two_sided_turnover": Term(
        "Bought and sold weight of all sessions, summed, × 252 / sessions: 16 means 8 portfolios bought and 8 sold a "
        "year.",
        _PERFORMANCE,
    ),
    # Plan against fill
    "filled_share": Term("Value of what was filled over that of what was ordered, at the signal's closes.", _OURS),
    "close_slippage": Term(
        "What the fills cost more than at the signal's close, over the value filled; negative where less.", _SHORTFALL
    ),
    "vwap_slippage": Term("The same beside the vwap of the session in which each fill was.", _OURS),
    "fee_rate": Term("All that the broker charged, over the value filled.", _SHORTFALL),
    "missed": Term(
        "What the orders that were not filled would have gained by the close of the last session, over the value "
        "ordered.",
        _SHORTFALL,
    ),
    "shortfall": Term(
        "Slippage to the close, fees and what was missed, over the value ordered: how much less it was worth than "
        "the orders traded at the signal's closes for nothing.",
        _SHORTFALL,
    ),
    # Holdings that could not be traded
    "delistings": Term("Holdings that were delisted while the portfolio held them.", _OURS),
    "delisted_weight": Term("Weights of these holdings when they were paid for, summed.", _OURS),
    "final_net_value": Term("Net value after the last session, 1 at the start.", _PERFORMANCE),
    "unrecovered_net_value": Term("The same had holders of delisted stocks got nothing.", _OURS),
    "unrecovered_annual_return": Term("Annual return had holders of delisted stocks got nothing.", _OURS),
    "suspended_at_end": Term("Holdings that are suspended or have no row in the last session.", _OURS),
    "suspended_weight": Term("Weight of these holdings, at their last price.", _OURS),
    # Composite factor
    "ic_mean": Term(
        "IC: correlation of the forecasts with the realised returns in the cross-section of a session; mean over the "
        "sessions.",
        _FACTOR,
    ),
    "rank_ic_mean": Term(
        "RankIC: correlation of the ranks of forecasts and realised returns in a session's cross-section (Spearman); "
        "mean over the sessions.",
        _FACTOR,
    ),
    "weighted_ic_mean": Term(
        "IC under the weights of the wmse loss: the stock with the k-th highest realised return of N weighs "
        "0.5^(k / (N/2)), so the best stocks count most; mean over the sessions.",
        f"{_FACTOR}; weights: AI-55",
    ),
    "weighted_rank_ic_mean": Term(
        "RankIC under the weights of the wmse loss: the stock with the k-th highest realised return of N weighs "
        "0.5^(k / (N/2)), so the order among the best stocks counts most; mean over the sessions.",
        f"{_FACTOR}; weights: AI-55",
    ),
    "icir": Term("Mean of the IC over the sessions / its standard deviation; not annualised.", _FACTOR),
    "rank_icir": Term("Mean of the RankIC over the sessions / its standard deviation; not annualised.", _FACTOR),
    "weighted_icir": Term("Mean of the weighted IC / its standard deviation; not annualised.", _FACTOR),
    "weighted_rank_icir": Term("Mean of the weighted RankIC / its standard deviation; not annualised.", _FACTOR),
    "top_precision": Term(
        "Share of the layer with the highest forecasts whose return is above the cross-section's median.", _FACTOR
    ),
    "bottom_precision": Term(
        "Share of the layer with the lowest forecasts whose return is below the cross-section's median.", _FACTOR
    ),
    "top_annual_return": Term(
        "exp(252 / h · mean ln(1 + r)) − 1 of the overlapping h-session returns of the layer with the highest "
        "forecasts, formed anew each session, equally weighted, before costs.",
        f"{_FACTOR}; annual rate: {_OURS}",
    ),
    "bottom_annual_return": Term("The same of the layer with the lowest forecasts.", f"{_FACTOR}; {_OURS}"),
    "long_short_annual_return": Term("(top layer − bottom layer) / 2, of the annual returns.", _FACTOR),
    "benchmark_annual_return": Term("The same of all stocks with a forecast, equally weighted.", _FACTOR),
    # By session, week, month or year
    "rank_ic": Term("Correlation of the ranks of forecasts and realised returns in a cross-section.", _FACTOR),
    "weighted_rank_ic": Term(
        "RankIC under the weights of the wmse loss: the best stocks by realised return count most.",
        f"{_FACTOR}; weights: AI-55",
    ),
    "year": Term("Calendar year; the first and the last may be partial.", _OURS),
    "year_total": Term("The year's excess return: its months compounded.", "AI-55 exhibits 2, 4, 6"),
    "sessions": Term("Sessions that count.", _OURS),
    "return": Term("Return of the period, after costs.", _PERFORMANCE),
    "benchmark_return": Term("Return of the benchmark index over the same sessions, close to close.", _PERFORMANCE),
    "excess_return": Term("The daily differences of strategy and benchmark, compounded.", _PERFORMANCE),
    "months_won": Term("Months of the year with a positive excess return.", _PERFORMANCE),
    "months": Term("Months of the year that have a session.", _OURS),
    "two_sided_turnover": Term("Bought and sold weight of the year, summed.", _PERFORMANCE),
    "last_session": Term("Last session of the calendar week.", _OURS),
    "contribution": Term(
        "Active weight at the close before × (return − benchmark's return), summed over the sessions of the week.",
        _OURS,
    ),
    # Trading and limits
    "one_way_turnover": Term("Σ |w − w before| / 2 of the rebalance; w before has drifted to the day.", _LIMITS),
    "turnover": Term("Σ |w − w before| / 2 of a rebalance.", _LIMITS),
    "cost": Term("Costs of the session's trades, as a share of the net value.", _LIMITS),
    "unfilled": Term("Weight that suspensions, boards at the limit or a cap on volume kept from being traded.", _OURS),
    "relaxed": Term("Limits that contradicted each other and were widened, by the least violation.", _OURS),
    "weeks": Term("Rebalances that have the limit.", _OURS),
    "at_upper": Term("Share of these rebalances on which the limit binds from above.", _OURS),
    "at_lower": Term("Share of these rebalances on which the limit binds from below.", _OURS),
    "mean_price": Term(
        "What the portfolio's forecast would gain by one unit more room (dual of the linear program); mean over all "
        "rebalances, 0 where the limit does not bind.",
        _OURS,
    ),
    # Holdings
    "weight": Term("Share of the portfolio's value.", _LIMITS),
    "benchmark_weight": Term("Weight in the benchmark index on the session.", _LIMITS),
    "active_weight": Term("Weight less that in the benchmark.", _LIMITS),
    "industry": Term("Level-1 industry as known on the session.", _LIMITS),
    "score": Term("Forecast of the stock, which the weekly problem maximises.", _LIMITS),
    "reason": Term("The first of the rules and limits that the weight follows from.", _OURS),
    # Single factors
    "rank_ic_std": Term("Standard deviation of the RankIC over the sessions.", _OURS),
    "positive_share": Term("Share of the sessions with a positive RankIC.", _OURS),
    "t_value": Term("Mean RankIC / its standard error, as if sessions were independent.", _OURS),
    "newey_west_t": Term(
        "t-value that allows for the overlap of h-session returns: Newey–West standard error with h − 1 lags.", _OURS
    ),
    "top_return": Term("Mean return of the layer with the highest values less the universe's.", _OURS),
    "bottom_return": Term("Mean return of the layer with the lowest values less the universe's.", _OURS),
    "universe_return": Term("Mean return of all stocks with a value, equally weighted.", _OURS),
    "spread": Term("Mean return of the top layer less that of the bottom layer.", _OURS),
    "spread_t": Term("Newey–West t-value of that difference.", _OURS),
    "monotonicity": Term("Rank correlation of the layers' mean returns with their place.", _OURS),
    "half_life": Term("Sessions until the RankIC first falls to half of its value at lag 0.", _OURS),
    "autocorrelation": Term("Rank correlation of the factor with itself so many sessions before.", _OURS),
    "top_turnover": Term("Share of the top layer that was not in it so many sessions before.", _OURS),
    "bottom_turnover": Term("Share of the bottom layer that was not in it so many sessions before.", _OURS),
    "coverage": Term("Share of the stocks of the cross-section that have a value.", _OURS),
    "zero_share": Term("Share of the values that are 0.", _OURS),
}


def explanation(shown: str) -> str | None:
    """What the name of a figure means, as a page shows the name ("RankIC, mean (10 sessions)"); None for others."""
    labels = _by_label()
    found = labels.get(shown) or labels.get(shown.partition(" (")[0])
    return None if found is None else f"{found.text} Source: {found.source}."


@cache
def _by_label() -> dict[str, Term]:
    return {formatting.label(name): term for name, term in TERMS.items()}
