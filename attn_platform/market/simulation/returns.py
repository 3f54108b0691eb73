"""Common factors and specific noise of the simulated returns.

Log return of a stock on a session = β · market + industry + z(size) · size factor + z(BP) · value factor + specific
noise + what the planted signals promised the day before. Volatility clusters: the market's log volatility is a
first-order autoregression, and the specific noise follows it in part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attn_platform.market.simulation.config import ReturnModel
from attn_platform.market.simulation.industries import INDUSTRIES
from attn_platform.market.simulation.stocks import SESSIONS_PER_YEAR, Stocks

LOG_VOLATILITY_PERSISTENCE, LOG_VOLATILITY_SPREAD = 0.97, 0.35
SPECIFIC_SHARE_OF_CLUSTERING = 0.5
"""How far industry and specific volatility follow the market's log volatility."""

TURNOVER_SHARE_OF_VOLATILITY = 0.3
"""How far a stock's specific volatility follows its own abnormal log turnover."""


@dataclass(frozen=True)
class CommonReturn:
    """Factor returns of a session."""

    market: float
    industry: np.ndarray
    size: float
    value: float
    log_volatility: float
    """Deviation of the market's log volatility from its mean, to carry to the next session."""


def draw_common(random: np.random.Generator, model: ReturnModel, log_volatility: float) -> CommonReturn:
    """Factor returns of the next session after one with deviation `log_volatility`."""
    shock, market, size, value = random.standard_normal(4)
    innovation = LOG_VOLATILITY_SPREAD * np.sqrt(1 - LOG_VOLATILITY_PERSISTENCE**2)
    level = LOG_VOLATILITY_PERSISTENCE * log_volatility + innovation * shock
    # E exp(2 h) = exp(2 s²) for h ~ N(0, s²): divided out, the annual volatility is the configured one.
    base = model.market_volatility / np.sqrt(SESSIONS_PER_YEAR) * np.exp(-(LOG_VOLATILITY_SPREAD**2))
    calm = np.exp(SPECIFIC_SHARE_OF_CLUSTERING * level)
    return CommonReturn(
        market=model.market_drift / SESSIONS_PER_YEAR + base * np.exp(level) * market,
        industry=model.industry_volatility * calm * random.standard_normal(len(INDUSTRIES)),
        size=model.size_volatility * size,
        value=model.value_volatility * value,
        log_volatility=float(level),
    )


def specific_volatility(stocks: Stocks, common: CommonReturn) -> np.ndarray:
    """Standard deviation of each stock's specific noise on the session."""
    clustering = SPECIFIC_SHARE_OF_CLUSTERING * common.log_volatility
    return stocks.volatility * np.exp(clustering + TURNOVER_SHARE_OF_VOLATILITY * stocks.turnover_deviation)


def draw_returns(random: np.random.Generator, model: ReturnModel, stocks: Stocks, common: CommonReturn) -> np.ndarray:
    """Log return of each listed stock's value on the session; 0 for those no longer listed."""
    count = len(stocks)
    unit_variance = np.sqrt((model.tail_degrees - 2) / model.tail_degrees)
    noise = specific_volatility(stocks, common) * unit_variance * random.standard_t(model.tail_degrees, count)
    has_news = random.random(count) < model.jump_rate
    noise += np.where(has_news, model.jump_volatility * random.standard_normal(count), 0.0)
    factors = (
        stocks.beta * common.market
        + common.industry[stocks.industry]
        + common.size * _standardised(np.log(stocks.total_value), stocks.listed)
        + common.value * _standardised(np.log(stocks.book / stocks.total_value), stocks.listed)
    )
    return np.where(stocks.listed, factors + noise + stocks.expected_return, 0.0)


def _standardised(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (values - values[mask].mean()) / max(values[mask].std(), np.finfo(float).tiny)
