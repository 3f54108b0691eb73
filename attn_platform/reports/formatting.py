"""How figures are named and written on pages: one label and one format a column, the same in every table.

The formats follow the precision that the studies print (AI-69 exhibits 10 and 11).
"""

import datetime as dt
import math

import numpy as np
import pandas as pd

from attn_platform.portfolio.extension import OwnLimit
from attn_platform.portfolio.limits.base import Limit
from attn_platform.portfolio.limits.configuration import RELAXABLE
from attn_platform.reports.contents import RELAXATION_PREFIX

MISSING = "–"
# Powers of ten between which a number is written without an exponent.
_SMALLEST_PLAIN, _LARGEST_PLAIN = -4, 6
_MINUS = "−"

# By how much a limit was relaxed
_RELAXABLE: tuple[type[Limit], ...] = (*RELAXABLE, OwnLimit)
_RELAXED = {f"{RELAXATION_PREFIX}{limit.kind}": limit for limit in _RELAXABLE}

LABELS = {
    # Performance (AI-69 exhibit 11)
    "annual_return": "Annual return",
    "annual_volatility": "Annual volatility",
    "sharpe": "Sharpe ratio",
    "deflated_sharpe": "Deflated Sharpe ratio",
    "max_drawdown": "Max drawdown",
    "calmar": "Calmar ratio",
    "excess_annual_return": "Excess annual return",
    "tracking_error": "Tracking error",
    "information_ratio": "Information ratio",
    "excess_max_drawdown": "Excess max drawdown",
    "excess_calmar": "Excess Calmar ratio",
    "monthly_win_rate": "Monthly win rate",
    "annual_two_sided_turnover": "Annual two-sided turnover",
    # Holdings that could not be traded
    "delistings": "Delistings while held",
    "delisted_weight": "Their weights, summed",
    "final_net_value": "Net value at the end",
    "unrecovered_net_value": "Net value without recovery",
    "unrecovered_annual_return": "Annual return without recovery",
    "suspended_at_end": "Holdings suspended at the end",
    "suspended_weight": "Their weight",
    # Composite factor (AI-69 exhibit 10)
    "ic_mean": "IC, mean",
    "rank_ic_mean": "RankIC, mean",
    "weighted_ic_mean": "Weighted IC, mean",
    "weighted_rank_ic_mean": "Weighted RankIC, mean",
    "icir": "ICIR",
    "rank_icir": "RankICIR",
    "weighted_icir": "Weighted ICIR",
    "weighted_rank_icir": "Weighted RankICIR",
    "top_precision": "Top layer, precision",
    "bottom_precision": "Bottom layer, precision",
    "top_annual_return": "Top layer, annual return",
    "bottom_annual_return": "Bottom layer, annual return",
    "long_short_annual_return": "Long-short annual return",
    "benchmark_annual_return": "Universe, annual return",
    # Other columns whose name alone does not read well
    "rank_ic": "RankIC",
    "weighted_rank_ic": "Weighted RankIC",
    "one_way_turnover": "One-way turnover",
    "last_session": "Week to",
    **{column: limit.excess_label for column, limit in _RELAXED.items()},
    "unfilled": "Unfilled weight",
    "at_upper": "At upper limit",
    "at_lower": "At lower limit",
    "mean_price": "Mean price",
    "year_total": "Total",
    "bp": "BP",
    "csi500_ai_enhanced": "CSI 500 AI enhanced",
    "csi1000_ai_enhanced": "CSI 1000 AI enhanced",
    # Plan against fill
    "signal": "Signal",
    "ordered_value": "Ordered, CNY",
    "filled_share": "Filled",
    "close_slippage": "Slippage to the close",
    "vwap_slippage": "Slippage to the vwap",
    "fee_rate": "Fees",
    "missed": "Missed",
    "unfilled_value": "Unfilled, CNY",
    # Single factors
    "rank_ic_std": "RankIC, s.d.",
    "positive_share": "RankIC > 0",
    "t_value": "t, plain",
    "newey_west_t": "t, Newey–West",
    "top_return": "Top layer",
    "bottom_return": "Bottom layer",
    "universe_return": "Universe",
    "spread": "Top − bottom",
    "spread_t": "t of top − bottom",
    "half_life": "Half-life",
    "top_turnover": "Turnover, top layer",
    "bottom_turnover": "Turnover, bottom layer",
    "std": "S.d.",
    "zero_share": "Zeros",
}


def label(name: str) -> str:
    """Return the name of a column as a reader wants it; unknown names lose their underscores."""
    return LABELS.get(name, (name[:1].upper() + name[1:]).replace("_", " "))


def limit_name(kind: str, name: str) -> str:
    """A limit as a reader names it: "Turnover", "Style bp_lf", "Industry 银行"."""
    return f"{label(kind)} {name}".strip()


def percent(value: float, digits: int = 2) -> str:
    """Write a fraction as a percentage: 0.17 → "17.00%"."""
    return MISSING if not math.isfinite(value) else f"{number(100 * value, digits)}%"


def number(value: float, digits: int = 2) -> str:
    """Write a number with thousands separators and a typographic minus; a rounded zero has no sign."""
    if not math.isfinite(value):
        return MISSING
    text = f"{abs(value):,.{digits}f}"
    is_zero = not any(character in "123456789" for character in text)
    return f"{_MINUS}{text}" if value < 0 and not is_zero else text


def signed_percent(value: float, digits: int = 2) -> str:
    """Write a fraction as a percentage with its sign: 0.0021 → "+0.21%"."""
    text = signed_number(100 * value, digits)
    return text if text == MISSING else f"{text}%"


def percentage_points(value: float, digits: int = 2) -> str:
    """Write a difference of two fractions in percentage points, with its sign: 0.012 → "+1.20 pp"."""
    text = signed_number(100 * value, digits)
    return text if text == MISSING else f"{text} pp"


def in_unit_of(value: float, deviation: float) -> str:
    """Write a number of unknown size: two significant digits of the standard deviation of what it belongs to."""
    size = math.floor(math.log10(deviation)) if deviation > 0 and math.isfinite(deviation) else 0
    if not math.isfinite(value) or _SMALLEST_PLAIN <= size <= _LARGEST_PLAIN:
        return number(value, max(1 - size, 0))
    return f"{value:.2e}".replace("-", _MINUS)


def signed_number(value: float, digits: int = 2) -> str:
    """Write a difference of two numbers with its sign."""
    text = number(value, digits)
    has_no_sign = text == MISSING or text.startswith(_MINUS) or float(text.replace(",", "")) == 0
    return text if has_no_sign else f"+{text}"


def date(value: dt.date | np.datetime64 | str | None) -> str:
    """Write a date as 2011-01-04; a missing one as a dash."""
    stamp = pd.Timestamp(value) if value is not None else pd.NaT
    return MISSING if stamp is pd.NaT else f"{stamp:%Y-%m-%d}"


_PERCENT_2 = frozenset(
    {
        *(column for column, limit in _RELAXED.items() if limit.is_weight),
        "annual_return",
        "annual_volatility",
        "max_drawdown",
        "excess_annual_return",
        "tracking_error",
        "excess_max_drawdown",
        "monthly_win_rate",
        "return",
        "benchmark_return",
        "excess_return",
        "weight",
        "benchmark_weight",
        "active_weight",
        "turnover",
        "one_way_turnover",
        "unfilled",
        "delisted_weight",
        "unrecovered_annual_return",
        "suspended_weight",
    }
)
_PERCENT_1 = frozenset(
    {
        "ic_mean",
        "deflated_sharpe",
        "rank_ic_mean",
        "weighted_ic_mean",
        "weighted_rank_ic_mean",
        "top_precision",
        "bottom_precision",
        "top_annual_return",
        "bottom_annual_return",
        "long_short_annual_return",
        "benchmark_annual_return",
    }
)
_COUNTS = frozenset(
    {"holdings", "sessions", "weeks", "months", "months_won", "stocks", "values", "delistings", "suspended_at_end"}
)
# How many digits a figure is written with, as a percentage or as a number; all others are numbers with two.
_PERCENT_DIGITS = (
    dict.fromkeys(_PERCENT_2, 2)
    | dict.fromkeys(_PERCENT_1, 1)
    | {"cost": 3, "rank_ic_std": 1, "positive_share": 1, "coverage": 1, "zero_share": 1}
    | dict.fromkeys(("at_upper", "at_lower"), 1)
    | dict.fromkeys(("top_return", "bottom_return", "universe_return", "spread"), 2)
    | dict.fromkeys(("close_slippage", "vwap_slippage", "fee_rate", "missed", "shortfall"), 3)
    | {"filled_share": 1}
    | dict.fromkeys(("top_turnover", "bottom_turnover"), 1)
)
_NUMBER_DIGITS = dict.fromkeys((*_COUNTS, "orders", "ordered_value", "unfilled_value"), 0) | {
    **{column: 3 for column, limit in _RELAXED.items() if not limit.is_weight},
    "score": 3,
    "half_life": 1,
    "final_net_value": 4,
    "unrecovered_net_value": 4,
}


def figure(name: str, value: float, more_digits: int = 0) -> str:
    """Write the value of the figure or column `name` in its own format, with `more_digits` where it is small."""
    if name in _PERCENT_DIGITS:
        return percent(value, _PERCENT_DIGITS[name] + more_digits)
    return number(value, _NUMBER_DIGITS.get(name, 2) + more_digits)


def tick_format(name: str) -> str:
    """The format of an axis of the figure `name`, as plotly takes it."""
    return ".3~p" if name in _PERCENT_DIGITS else "~g"


def has_format(name: str) -> bool:
    """Whether the figure or column `name` has digits of its own; `figure` writes all others with two."""
    return name in _PERCENT_DIGITS or name in _NUMBER_DIGITS


def difference(name: str, value: float) -> str:
    """Write a difference of two values of the figure `name`: percentage points where the figure is a percentage."""
    if name in _PERCENT_2:
        return percentage_points(value, 2)
    return percentage_points(value, 1) if name in _PERCENT_1 else signed_number(value, 2)


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 session", "1,200 sessions"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
