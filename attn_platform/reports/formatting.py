"""How figures are named and written on pages: one label and one format a column, the same in every table.

The formats follow the precision that the studies print (AI-69 exhibits 10 and 11).
"""

import datetime as dt
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

MISSING = "–"
_MINUS = "−"

LABELS = {
    # Performance (AI-69 exhibit 11)
    "annual_return": "Annual return",
    "annual_volatility": "Annual volatility",
    "sharpe": "Sharpe ratio",
    "max_drawdown": "Max drawdown",
    "calmar": "Calmar ratio",
    "excess_annual_return": "Excess annual return",
    "tracking_error": "Tracking error",
    "information_ratio": "Information ratio",
    "excess_max_drawdown": "Excess max drawdown",
    "excess_calmar": "Excess Calmar ratio",
    "monthly_win_rate": "Monthly win rate",
    "annual_two_sided_turnover": "Annual two-sided turnover",
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
    "relaxed_turnover": "Turnover over limit",
    "relaxed_style": "Style over limit (s.d.)",
    "relaxed_industry": "Industry over limit",
    "relaxed_stock": "Stock over limit",
    "unfilled": "Unfilled weight",
    "year_total": "Total",
    "bp": "BP",
}


def label(name: str) -> str:
    """Return the name of a column as a reader wants it; unknown names lose their underscores."""
    return LABELS.get(name, (name[:1].upper() + name[1:]).replace("_", " "))


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


def percentage_points(value: float, digits: int = 2) -> str:
    """Write a difference of two fractions in percentage points, with its sign: 0.012 → "+1.20 pp"."""
    text = signed_number(100 * value, digits)
    return text if text == MISSING else f"{text} pp"


def signed_number(value: float, digits: int = 2) -> str:
    """Write a difference of two numbers with its sign."""
    text = number(value, digits)
    has_no_sign = text == MISSING or text.startswith(_MINUS) or float(text.replace(",", "")) == 0
    return text if has_no_sign else f"+{text}"


def whole_number(value: float) -> str:
    """Write a count."""
    return number(value, 0)


def date(value: dt.date | np.datetime64 | str | None) -> str:
    """Write a date as 2011-01-04; a missing one as a dash."""
    stamp = pd.Timestamp(value) if value is not None else pd.NaT
    return MISSING if stamp is pd.NaT else f"{stamp:%Y-%m-%d}"


def _percent_with(digits: int) -> Callable[[float], str]:
    return lambda value: percent(value, digits)


def _number_with(digits: int) -> Callable[[float], str]:
    return lambda value: number(value, digits)


_PERCENT_2 = frozenset(
    {
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
        "relaxed_turnover",
        "relaxed_industry",
        "relaxed_stock",
    }
)
_PERCENT_1 = frozenset(
    {
        "ic_mean",
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
_COUNTS = frozenset({"holdings", "sessions", "months", "months_won"})
_FORMATS: dict[str, Callable[[float], str]] = (
    dict.fromkeys(_PERCENT_2, _percent_with(2))
    | dict.fromkeys(_PERCENT_1, _percent_with(1))
    | dict.fromkeys(_COUNTS, whole_number)
    | {"cost": _percent_with(3), "score": _number_with(3), "relaxed_style": _number_with(3)}
)


def figure(name: str, value: float) -> str:
    """Write the value of the figure or column `name` in its own format; columns without one get two digits."""
    return _FORMATS.get(name, _number_with(2))(value)


def difference(name: str, value: float) -> str:
    """Write a difference of two values of the figure `name`: percentage points where the figure is a percentage."""
    if name in _PERCENT_2:
        return percentage_points(value, 2)
    return percentage_points(value, 1) if name in _PERCENT_1 else signed_number(value, 2)
