"""The factors of quarterly statements a second time: one stock, one day, dictionaries and loops; and hostile reports.

Written from the data contract (flows are cumulative within the fiscal year; each restatement is a row of its own) and
AI-55's factor table. A period is (year, quarter 1 … 4).
"""

import datetime
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from attn_platform.market.contract import TABLES

NAN = math.nan
Period = tuple[int, int]
FLOWS = ("revenue", "net_profit_parent", "operating_cash_flow", "gross_profit", "ebit_after_tax")
LEVELS = ("total_assets", "equity_parent", "invested_capital", "current_liabilities", "total_liabilities")


@dataclass(frozen=True)
class Report:
    """One row of table fundamental; items that are not given are null."""

    symbol: str
    period: Period
    announced: datetime.date
    items: dict[str, float]


def last_day(period: Period) -> datetime.date:
    year, quarter = period
    return datetime.date(year, 3 * quarter, {1: 31, 2: 30, 3: 30, 4: 31}[quarter])


def earlier(period: Period, quarters: int) -> Period:
    year, quarter = period
    for _ in range(quarters):
        year, quarter = (year, quarter - 1) if quarter > 1 else (year - 1, 4)
    return year, quarter


def table_of(reports: Iterable[Report]) -> pa.Table:
    """As it stands in the lake."""
    schema = TABLES["fundamental"].schema
    rows = [
        {"symbol": r.symbol, "report_period": last_day(r.period), "announced": r.announced, **r.items} for r in reports
    ]
    columns = [pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names]
    return pa.table(columns, schema=schema)


class Accounts:
    """What was known of one stock's statements after a day."""

    def __init__(self, reports: Iterable[Report], symbol: str, day: datetime.date) -> None:
        self.rows: dict[Period, Report] = {}
        for report in reports:
            if report.symbol != symbol or report.announced > day:
                continue
            held = self.rows.get(report.period)
            if held is None or held.announced < report.announced:
                self.rows[report.period] = report
        self.newest = max(self.rows, default=None)

    def value(self, item: str, period: Period) -> float:
        row = self.rows.get(period)
        return NAN if row is None else row.items.get(item, NAN)

    def back(self, quarters: int) -> Period:
        assert self.newest is not None
        return earlier(self.newest, quarters)

    def level(self, item: str, k: int = 0) -> float:
        return self.value(item, self.back(k))

    def single(self, item: str, k: int = 0) -> float:
        year, quarter = self.back(k)
        own = self.value(item, (year, quarter))
        return own if quarter == 1 else own - self.value(item, (year, quarter - 1))

    def trailing(self, item: str, k: int = 0) -> float:
        year, quarter = self.back(k)
        own = self.value(item, (year, quarter))
        if quarter == 4:
            return own
        return own + self.value(item, (year - 1, 4)) - self.value(item, (year - 1, quarter))

    def roe(self, k: int) -> float:
        return divide(self.single("net_profit_parent", k), self.level("equity_parent", k))


def divide(a: float, b: float) -> float:
    return NAN if b == 0 or math.isnan(a) or math.isnan(b) else a / b


def growth(x: Callable[[int], float]) -> float:
    return divide(x(0) - x(4), abs(x(4)))


def variation(x: Callable[[int], float]) -> float:
    values = [x(k) for k in range(20)]
    values = [value for value in values if not math.isnan(value)]
    if len(values) < 10:
        return NAN
    mean = math.fsum(values) / len(values)
    return divide(math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)), mean)


FACTORS: dict[str, Callable[[Accounts], float]] = {
    "sales_g_q": lambda a: growth(lambda k: a.single("revenue", k)),
    "profit_g_q": lambda a: growth(lambda k: a.single("net_profit_parent", k)),
    "ocf_g_q": lambda a: growth(lambda k: a.single("operating_cash_flow", k)),
    "roe_g_q": lambda a: growth(a.roe),
    "roe_ttm": lambda a: divide(a.trailing("net_profit_parent"), a.level("equity_parent")),
    "roa_ttm": lambda a: divide(a.trailing("net_profit_parent"), a.level("total_assets")),
    "roic_ttm": lambda a: divide(a.trailing("ebit_after_tax"), a.level("invested_capital")),
    "gp_ttm": lambda a: divide(a.trailing("gross_profit"), a.trailing("revenue")),
    "np_ttm": lambda a: divide(a.trailing("net_profit_parent"), a.trailing("revenue")),
    "sales_var": lambda a: variation(lambda k: a.single("revenue", k)),
    "profit_var": lambda a: variation(lambda k: a.single("net_profit_parent", k)),
    "ocf_var": lambda a: variation(lambda k: a.single("operating_cash_flow", k)),
    "roe_var": lambda a: variation(a.roe),
    "assetturnover_ttm": lambda a: divide(a.trailing("revenue"), a.level("total_assets")),
    "ocfr_ttm": lambda a: divide(a.trailing("operating_cash_flow"), a.level("current_liabilities")),
    "currentdebt2debt": lambda a: divide(a.level("current_liabilities"), a.level("total_liabilities")),
}


def factor(name: str, reports: Iterable[Report], symbol: str, day: datetime.date) -> float:
    """One factor of one stock after a day; NaN before its first report."""
    accounts = Accounts(reports, symbol, day)
    return NAN if accounts.newest is None else FACTORS[name](accounts)


def hostile_statements(
    symbols: Sequence[str], first: datetime.date, last: datetime.date, seed: int = 0
) -> list[Report]:
    """Seven years of reports before `first` and all until `last`, in no order, each stock with another trouble.

    Troubles by the stock's number: plain; missing quarters; nulls; late and out of order; many restatements; annual and
    first-quarter reports on one day; zeros; losses and negative equity; constant figures; a short history; no report.
    """
    rng = random.Random(seed)
    reports = []
    for number, symbol in enumerate(symbols):
        trouble = number % 11
        if trouble == 10:
            continue
        years = 1 if trouble == 9 else 7
        period = (first.year - years, 1)
        while last_day(period) <= last:
            if not (trouble == 1 and rng.random() < 0.2):
                reports += _reports_of(rng, symbol, period, trouble, last)
            period = (period[0], period[1] + 1) if period[1] < 4 else (period[0] + 1, 1)
    rng.shuffle(reports)
    return reports


def _reports_of(rng: random.Random, symbol: str, period: Period, trouble: int, last: datetime.date) -> list[Report]:
    """The first report of a period, and restatements."""
    days = [rng.randint(15, 400 if trouble == 3 else 60)]
    if trouble == 5:
        days = [120] if period[1] == 4 else [30]
    while rng.random() < (0.5 if trouble == 4 else 0.1):
        days.append(days[-1] + rng.randint(1, 500))
    found = []
    for delay in days:
        announced = last_day(period) + datetime.timedelta(days=delay)
        if announced > last:
            continue
        items = {name: _amount(rng, trouble) * period[1] for name in FLOWS}
        items |= {name: _amount(rng, trouble) for name in LEVELS}
        if trouble == 2:
            items = {name: value for name, value in items.items() if rng.random() > 0.15}
        found.append(Report(symbol, period, announced, items))
    return found


def _amount(rng: random.Random, trouble: int) -> float:
    if trouble == 8:
        return 1e8
    value = float(rng.randint(10**6, 10**9))
    if trouble == 6 and rng.random() < 0.3:
        return 0.0
    return -value if trouble == 7 and rng.random() < 0.5 else value
