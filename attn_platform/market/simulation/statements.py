"""Quarterly statements of the simulated companies, announced within the exchanges' deadlines and sometimes restated.

They are drawn from the accounts that the market's valuation ratios stand on: equity is the book at the period's end,
and a quarter's profit and cash flow are its season's part of the year's that the market sees on the announcement. So
trailing figures average what the valuation table has shown in a year. Periods before the simulation or before the
listing are the same processes run backward.

Nothing here feeds back into the market: the random streams are their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from attn_platform.market.contract import FLOW_ITEMS
from attn_platform.market.simulation.corporate import (
    CASH_CONVERSION_MEAN,
    CASH_CONVERSION_SPREAD,
    ROE_NOISE,
    ROE_PERSISTENCE,
)
from attn_platform.market.simulation.stocks import Stocks
from attn_platform.market.simulation.streams import Purpose, generator

QUARTERS_A_YEAR, MONTHS_A_QUARTER = 4, 3

HISTORY_YEARS, PROSPECTUS_YEARS = 6, 3
"""Years of statements before that of the first session, and before that of a listing (known from the listing on)."""

DEADLINE_MONTHS, SEASON_DAYS = (1, 2, 1), (22, 46, 19)
"""First-quarter, half-year and third-quarter reports are due at the end of this month after their period, and come out
in so many days before it, most of them late. Annual reports come out on the company's report day, by 30 April."""

# Medians over companies and spreads of the log.
SALES_TO_EQUITY, SALES_SPREAD = 1.2, 0.5
LIABILITIES_TO_EQUITY, LIABILITIES_SPREAD = 0.8, 0.5
OVERHEAD, OVERHEAD_SPREAD = 0.15, 0.4
"""Gross profit that does not become profit before tax, of revenue."""

CURRENT_LOGIT, DEBT_LOGIT, LOGIT_SPREAD = 1.5, -0.8, 0.6
"""Shares of current liabilities, and of interest-bearing debt, in all liabilities."""

SALES_SEASON, SALES_SEASON_SPREAD = np.array([0.21, 0.25, 0.25, 0.29]), 0.12
CASH_SEASON, CASH_SEASON_SPREAD = np.array([0.05, 0.2, 0.25, 0.5]), 0.08
"""Parts of a year that fall on its quarters: of sales and profit (spread of the log), of cash flow (of the part)."""

DEVIATION_PERSISTENCE, SALES_NOISE, LIABILITIES_NOISE = 0.95, 0.06, 0.03
"""Of a quarter, for what log sales and log liabilities deviate from the company's usual share of its equity."""

PROFIT_NOISE = 0.004
"""Of a quarter's profit, as a share of equity."""

TAX_RATE, INTEREST_RATE, LARGEST_GROSS_MARGIN = 0.25, 0.045, 0.9

RESTATED_SHARE, RESTATEMENT_SPREAD, LARGEST_RESTATEMENT = 0.04, 0.04, 0.1
FIRST_RESTATEMENT_DAY, RESTATEMENT_DAYS = 5, 400
"""A restatement comes out so many days after the first announcement at the earliest, and within so many from then."""

TRAITS = (
    *("sales", "overhead", "liabilities", "current", "debt"),
    *(f"sales_season_{quarter}" for quarter in range(QUARTERS_A_YEAR)),
    *(f"cash_season_{quarter}" for quarter in range(QUARTERS_A_YEAR)),
)
FIGURES = ("roe", "conversion", "sales", "liabilities", "profit", "restatement")
DATES = ("report", "is_restated", "restatement")
"""What is drawn for a company, for its figures of a period, and for their dates."""

NORMAL, UNIFORM = np.random.Generator.standard_normal, np.random.Generator.random


@dataclass(frozen=True)
class Accounts:
    """The market's accounts of the companies, for each period [P, N]: CNY, earnings and cash flow those of a year."""

    book: np.ndarray
    earnings: np.ndarray
    cash_flow: np.ndarray


def statements(seed: int, sessions: np.ndarray, records: Sequence[np.ndarray], stocks: Stocks) -> dict[str, np.ndarray]:
    """Columns of contract table fundamental, with the stock's position for its symbol, in no order.

    `records` holds the listed stocks of each session (`tables.RECORD`). All rows are there that are announced by the
    last session; more sessions add rows and change none.
    """
    periods, count = _periods(sessions), len(stocks)
    ends = _end(periods)
    traits = _draws(NORMAL, Purpose.STATEMENT_TRAITS, seed, sessions[:1], count, TRAITS)
    figures = _draws(NORMAL, Purpose.STATEMENT_FIGURES, seed, ends, count, FIGURES)
    dates = _draws(UNIFORM, Purpose.STATEMENT_DATES, seed, ends, count, DATES)

    announced = _announced(periods, stocks, dates["report"])
    delay = FIRST_RESTATEMENT_DAY + RESTATEMENT_DAYS * dates["restatement"]
    restated = announced + np.floor(delay).astype("timedelta64[D]")
    first_year = _year(stocks.listed_day) - PROSPECTUS_YEARS
    is_first = (_year(ends)[:, None] >= first_year) & _is_public(announced, sessions[-1], stocks)
    is_again = is_first & (dates["is_restated"] < RESTATED_SHARE) & _is_public(restated, sessions[-1], stocks)

    accounts = _accounts(ends, announced, sessions, records, stocks, figures)
    items = _items(periods, accounts, traits, figures)
    again = _restated(
        items, np.clip(RESTATEMENT_SPREAD * figures["restatement"], -LARGEST_RESTATEMENT, LARGEST_RESTATEMENT)
    )
    period, stock = (np.concatenate(pair) for pair in zip(np.nonzero(is_first), np.nonzero(is_again), strict=True))
    return {
        "stock": stock,
        "report_period": ends[period],
        "announced": np.concatenate([announced[is_first], restated[is_again]]),
        **{name: np.concatenate([items[name][is_first], again[name][is_again]]) for name in items},
    }


def _periods(sessions: np.ndarray) -> np.ndarray:
    """Quarters since the first one of 1970: all of the years from the history's first to that of the last session."""
    first, last = (int(_year(sessions[at])) for at in (0, -1))
    return np.arange((first - HISTORY_YEARS - 1970) * QUARTERS_A_YEAR, (last + 1 - 1970) * QUARTERS_A_YEAR)


def _end(period: np.ndarray, months_later: np.ndarray | int = 0) -> np.ndarray:
    """Last day of the period, or of a month after it."""
    month = (period + 1) * MONTHS_A_QUARTER + months_later
    return month.astype("datetime64[M]").astype("datetime64[D]") - np.timedelta64(1, "D")


def _year(day: np.ndarray) -> np.ndarray:
    return day.astype("datetime64[Y]").astype(np.int64) + 1970


def _draws(
    draw: Callable[[np.random.Generator, tuple[int, int]], np.ndarray],
    purpose: Purpose,
    seed: int,
    days: np.ndarray,
    count: int,
    names: Sequence[str],
) -> dict[str, np.ndarray]:
    """Random numbers by name [days, count]; a greater count changes none of the first ones."""
    drawn = np.stack([draw(generator(seed, purpose, day), (count, len(names))) for day in days])
    return {name: drawn[..., at] for at, name in enumerate(names)}


def _announced(periods: np.ndarray, stocks: Stocks, draw: np.ndarray) -> np.ndarray:
    """Day on which each period's report comes out [P, N]; a first-quarter report never before the annual one."""
    out = np.empty(draw.shape, dtype="datetime64[D]")
    for at, period in enumerate(periods):
        quarter = period % QUARTERS_A_YEAR
        if quarter == QUARTERS_A_YEAR - 1:
            out[at] = _end(period) + stocks.report_day.astype("timedelta64[D]")
            continue
        early = np.floor(SEASON_DAYS[quarter] * draw[at] ** 2).astype("timedelta64[D]")
        out[at] = _end(period, DEADLINE_MONTHS[quarter]) - early
        if quarter == 0 and at > 0:
            out[at] = np.maximum(out[at], out[at - 1])
    return np.maximum(out, stocks.listed_day)


def _is_public(announced: np.ndarray, last: np.datetime64, stocks: Stocks) -> np.ndarray:
    return (announced <= last) & ~(announced >= stocks.delisted_day)


def _accounts(
    ends: np.ndarray,
    announced: np.ndarray,
    sessions: np.ndarray,
    records: Sequence[np.ndarray],
    stocks: Stocks,
    noise: dict[str, np.ndarray],
) -> Accounts:
    """What the records say on each period's last session (book) and on its announcement (earnings and cash flow)."""
    shape = len(ends), len(stocks)
    book, earnings, cash_flow = (np.full(shape, np.nan) for _ in range(3))
    first_session = np.maximum(stocks.listed_at, 0)
    for at, session in enumerate(_last_session(sessions, ends)):
        if session >= 0:
            book[at, records[session]["stock"]] = records[session]["book"]

    recorded = (ends[:, None] >= sessions[first_session]) & _is_public(announced, sessions[-1], stocks)
    period, stock = np.nonzero(recorded)
    on = _last_session(sessions, announced[recorded])
    row = np.empty(len(stocks), dtype=np.int64)
    for session in np.unique(on):
        here = on == session
        row[records[session]["stock"]] = np.arange(len(records[session]))
        known = records[session][row[stock[here]]]
        earnings[period[here], stock[here]] = known["earnings"]
        cash_flow[period[here], stock[here]] = known["operating_cash_flow"]

    # Before a company's first record, from there backward: the accounts' autoregression is its own reverse.
    own, roe = np.empty(len(stocks)), np.empty(len(stocks))
    for session in np.unique(first_session)[::-1]:  # of several records the first one stays
        known = records[session]
        own[known["stock"]], roe[known["stock"]] = known["book"], known["earnings"] / known["book"]
    for at in reversed(range(len(ends))):
        before = ends[at] < sessions[first_session]
        back = stocks.roe_level + ROE_PERSISTENCE * (roe - stocks.roe_level) + ROE_NOISE * noise["roe"][at]
        own, roe = np.where(before, own * np.exp(-roe / QUARTERS_A_YEAR), own), np.where(before, back, roe)
        cash = CASH_CONVERSION_MEAN * roe * own + CASH_CONVERSION_SPREAD * noise["conversion"][at] * own
        book[at, before], earnings[at, before], cash_flow[at, before] = own[before], (roe * own)[before], cash[before]
    return Accounts(book, earnings, cash_flow)


def _last_session(sessions: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Number of the last session on or before each day; -1 before the first one."""
    return np.searchsorted(sessions, days, side="right") - 1


def _items(
    periods: np.ndarray, accounts: Accounts, traits: dict[str, np.ndarray], noise: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Items of the contract [P, N], flows cumulative within the year."""
    book, quarter = accounts.book, periods % QUARTERS_A_YEAR
    sales_season = SALES_SEASON[:, None] * np.exp(SALES_SEASON_SPREAD * _by_quarter(traits, "sales_season"))
    sales_season = (sales_season / sales_season.sum(axis=0))[quarter]
    cash_season = CASH_SEASON_SPREAD * _by_quarter(traits, "cash_season")
    cash_season = (CASH_SEASON[:, None] + cash_season - cash_season.mean(axis=0))[quarter]

    sales = np.log(SALES_TO_EQUITY) + SALES_SPREAD * traits["sales"] + SALES_NOISE * _autoregression(noise["sales"])
    revenue = sales_season * book * np.exp(sales)
    profit = sales_season * accounts.earnings + PROFIT_NOISE * book * noise["profit"]
    overhead = OVERHEAD * np.exp(OVERHEAD_SPREAD * traits["overhead"])
    gross_profit = overhead * revenue + np.maximum(profit, 0) / (1 - TAX_RATE)

    liabilities = np.log(LIABILITIES_TO_EQUITY) + LIABILITIES_SPREAD * traits["liabilities"]
    liabilities = book * np.exp(liabilities + LIABILITIES_NOISE * _autoregression(noise["liabilities"]))
    debt = liabilities * _share(DEBT_LOGIT + LOGIT_SPREAD * traits["debt"])
    interest = INTEREST_RATE / QUARTERS_A_YEAR * debt

    flows = {
        "revenue": revenue,
        "net_profit_parent": profit,
        "operating_cash_flow": cash_season * accounts.cash_flow,
        "gross_profit": np.minimum(gross_profit, LARGEST_GROSS_MARGIN * revenue),
        "ebit_after_tax": profit + (1 - TAX_RATE) * interest,
    }
    return {
        **{name: _within_year(flow) for name, flow in flows.items()},
        "total_assets": book + liabilities,
        "equity_parent": book,
        "invested_capital": book + debt,
        "current_liabilities": liabilities * _share(CURRENT_LOGIT + LOGIT_SPREAD * traits["current"]),
        "total_liabilities": liabilities,
    }


def _restated(items: dict[str, np.ndarray], change: np.ndarray) -> dict[str, np.ndarray]:
    """All flows and the equity changed by the same share; liabilities stay."""
    gain = items["equity_parent"] * change
    return {
        **items,
        **{name: items[name] * (1 + change) for name in FLOW_ITEMS},
        **{name: items[name] + gain for name in ("total_assets", "equity_parent", "invested_capital")},
    }


def _by_quarter(traits: dict[str, np.ndarray], name: str) -> np.ndarray:
    return np.concatenate([traits[f"{name}_{quarter}"] for quarter in range(QUARTERS_A_YEAR)])


def _autoregression(noise: np.ndarray) -> np.ndarray:
    """Stationary first-order autoregression over the periods [P, N], driven by unit noise."""
    out = noise.copy()
    out[0] /= np.sqrt(1 - DEVIATION_PERSISTENCE**2)
    for at in range(1, len(out)):
        out[at] += DEVIATION_PERSISTENCE * out[at - 1]
    return out


def _share(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _within_year(single: np.ndarray) -> np.ndarray:
    """Running sums over the quarters of each year; the first period is a first quarter."""
    return single.reshape(-1, QUARTERS_A_YEAR, single.shape[1]).cumsum(axis=1).reshape(single.shape)
