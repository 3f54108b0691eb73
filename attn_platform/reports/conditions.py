"""What a strategy's figures rest on: every limit, cost and rule that was set, a user's own included, and values."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.portfolio.strategy import Strategy

CONDITION_COLUMNS = ("kind", "setting", "value", "meaning")
_IN_PERCENT = {"cost_per_side", "volume_cap", "delisting_recovery", "bonus_threshold", "transfer_fee"}
_TRADING = {
    "benchmark_return": "the index as published (price), or with the dividends of its members (total return)",
    "cost_per_side": "of the traded value, each side",
    "stamp_duty": "the statutory one of the day on top",
    "transfer_fee": "on top, of the traded value, each side",
    "minimum_commission": "CNY an order",
    "execution_price": "of the session after the signal, at which trades go through",
    "limit_board": "what keeps a trade at the vwap from going through",
    "volume_cap": "most of a stock's volume of the session that a trade may be",
    "unfilled": "what becomes of trades that were not filled",
    "buy_delisting": "whether stocks in their delisting period are bought",
    "delisting_recovery": "of the last price, paid for a delisted holding",
    "whole_shares": "whole shares in lots, dividends in cash",
    "bonus_threshold": "an ex-right drop below it is a cash dividend",
    "initial_capital": "CNY",
}


def conditions(strategy: Strategy, frequency: str) -> pd.DataFrame:
    """One row a setting, as text: `CONDITION_COLUMNS`."""
    rows = [
        *_of_problem(strategy, frequency),
        *_of_limits(strategy),
        *_own(strategy),
        *_of_trading(strategy),
    ]
    return pd.DataFrame(rows, columns=list(CONDITION_COLUMNS))


def _of_problem(strategy: Strategy, frequency: str) -> Iterator[tuple[str, str, str, str]]:
    yield "portfolio", "benchmark", strategy.benchmark, "index that the limits and the excess are measured against"
    yield "portfolio", "rebalance", f"every {frequency}", "from one rebalance to the next"
    yield "portfolio", "industries", strategy.industry_scheme, "scheme of the industry limit"


def _of_limits(strategy: Strategy) -> Iterator[tuple[str, str, str, str]]:
    """The settings of `limits`, with the limit of each style that the strategy has."""
    limits = strategy.limits
    for name, field in PortfolioLimits.model_fields.items():
        meaning = (field.description or "").partition(". Haitong")[0]
        if name in StyleLimit.model_fields:
            continue
        value = getattr(limits, name)
        yield "limit", name, _text(value, is_share=isinstance(value, float)), meaning
    for style in strategy.styles:
        value = limits.of(StyleLimit).of_style(style)
        yield "limit", f"style {style}", f"{value:g} s.d.", "|Σ (w − b) z|, in standard deviations"


def _own(strategy: Strategy) -> Iterator[tuple[str, str, str, str]]:
    extension = strategy.extension
    if extension is None:
        return
    for limit in extension.limits:
        rank = limit.function.rank
        meaning = "never relaxed" if rank is None else f"may be relaxed, at rank {rank}"
        yield "own limit", limit.function.name, "on", _first_line(limit.function.function.__doc__) or meaning
    for function in extension.constraints:
        yield "own constraint", function.name, "on", _first_line(function.function.__doc__)
    for function, parameters in extension.terms:
        values = ", ".join(f"{name} = {value:g}" for name, value in parameters.items()) or "its defaults"
        yield "term of the objective", function.name, values, _first_line(function.function.__doc__)


def _of_trading(strategy: Strategy) -> Iterator[tuple[str, str, str, str]]:
    for name in type(strategy.backtest).model_fields:
        value = getattr(strategy.backtest, name)
        yield "trading", name, _text(value, is_share=name in _IN_PERCENT), _TRADING.get(name, "")


def _text(value: object, is_share: bool) -> str:
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{100 * value:.4g}%" if is_share else f"{value:,.10g}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).replace("_", " ")


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
