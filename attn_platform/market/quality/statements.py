"""Statements: announced after their period and before the law's deadline, each its own, in one unit.

Sources: the data contract (`announced` is the day on which a report became known) and the exchanges' deadlines: four
months for annual reports, two for half-years, one for quarters.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market.contract import FLOW_ITEMS, LEVEL_ITEMS
from attn_platform.market.quality.check import StaticCheck, Verdict, records, share
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics

DEADLINE_DAYS = {3: 30, 6: 62, 9: 31, 12: 121}
"""Days from a period's end (by its month) to the deadline of its report."""
KEYS = ["symbol", "report_period", "announced"]
NOT_MORE = (
    ("equity_parent", "total_assets"),
    ("total_liabilities", "total_assets"),
    ("current_liabilities", "total_liabilities"),
    ("gross_profit", "revenue"),
)
"""Pairs of items of which the first is at most the second."""


def _judge_dates(statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    rows = statics["fundamental"]
    delay = (rows["announced"] - rows["report_period"]).dt.days
    first = ~rows.sort_values(KEYS).duplicated(["symbol", "report_period"]).reindex(rows.index)
    early = delay < config.soonest_report_days
    if early.any():
        before = int((delay <= 0).sum())
        yield Verdict(
            "error" if before or early.mean() > config.odd_reports else "warning",
            f"{share(int(early.sum()), len(rows))} reports are announced less than {config.soonest_report_days} days "
            f"after their period's end ({before:,} of them not after it): a day of the period looks taken for that of "
            "publication",
            "bring the day on which each report was published; until then it is read before anybody knew it",
            int(early.sum()),
            len(rows),
            records(rows.loc[early, KEYS]),
        )
    deadline = rows["report_period"].dt.month.map(DEADLINE_DAYS)
    # The periods before a listing come out together, in the prospectus.
    if "security" in statics:
        first &= rows["report_period"] >= rows["symbol"].map(statics["security"].set_index("symbol")["list_date"])
    late = first & (delay > deadline + config.late_report_days)
    if late.sum() > config.late_reports * first.sum():
        yield Verdict(
            "warning",
            f"{share(int(late.sum()), int(first.sum()))} first reports of a period come more than "
            f"{config.late_report_days} days after the deadline: announced looks shifted, or is the day of the latest "
            "version",
            "bring the first day of publication, each restatement a row of its own",
            int(late.sum()),
            int(first.sum()),
            records(rows.loc[late, KEYS]),
        )
    usual = delay[first].value_counts()
    if len(usual) and first.sum() >= config.many and usual.iloc[0] > config.most * first.sum():
        yield Verdict(
            "warning",
            f"{share(int(usual.iloc[0]), int(first.sum()))} first reports come {usual.index[0]} days after their "
            "period's end: announced looks made up",
            "bring the days of publication",
            int(usual.iloc[0]),
            int(first.sum()),
        )


def _judge_content(statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    rows = statics["fundamental"].sort_values(["symbol", "report_period", "announced"]).reset_index(drop=True)
    items = [name for name in (*FLOW_ITEMS, *LEVEL_ITEMS) if rows[name].notna().any()]
    if not items:
        return
    values = rows[items]
    stated = values.notna().sum(axis=1)
    last = rows.groupby("symbol")[items].shift()
    alike = ((values == last) | (values.isna() & last.isna())).all(axis=1) & (stated >= min(config.items, len(items)))
    same_period = rows["report_period"] == rows.groupby("symbol")["report_period"].shift()
    copied = alike & ~same_period
    if copied.any():
        yield Verdict(
            "error" if copied.mean() > config.odd_reports else "warning",
            f"{share(int(copied.sum()), len(rows))} reports have every figure of the stock's report before, of another "
            "period: rows look shifted or repeated",
            "fetch these reports again",
            int(copied.sum()),
            len(rows),
            records(rows.loc[copied, KEYS + items[:2]]),
        )
    for less, more in NOT_MORE:
        if less in items and more in items:
            yield from _judge_order(rows, less, more, config)


def _judge_order(rows: pd.DataFrame, less: str, more: str, config: QualityConfig) -> Iterator[Verdict]:
    known = rows[less].notna() & rows[more].notna()
    wrong = known & (rows[less] > rows[more] * (1 + config.rounding)) & (rows[more] > 0)
    if wrong.sum() > config.odd_items * known.sum():
        yield Verdict(
            "error" if wrong.sum() > config.swapped_items * known.sum() else "warning",
            f"{less} is more than {more} in {share(int(wrong.sum()), int(known.sum()))} reports: the columns look "
            "swapped, or in different units",
            "correct the columns at their source",
            int(wrong.sum()),
            int(known.sum()),
            records(rows.loc[wrong, [*KEYS, less, more]]),
        )


def _judge_units(statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    """Each report against the stock's report of the same quarter a year before, by the month in which it came out."""
    rows = statics["fundamental"].sort_values(KEYS)
    first = rows.drop_duplicates(["symbol", "report_period"])
    year_before = first.assign(report_period=first["report_period"] + pd.DateOffset(years=1))
    pairs = first.merge(year_before, on=["symbol", "report_period"], suffixes=("", "_before"))
    month = pairs["announced"].dt.to_period("M")
    for name in (*FLOW_ITEMS, *LEVEL_ITEMS):
        growth = pairs[name] / pairs[f"{name}_before"]
        ratio = pd.Series(np.log10(growth.where(growth > 0)), pairs.index)
        by_month = ratio.groupby(month).agg(["median", "count"])
        jumps = by_month[(by_month["count"] >= config.few) & (by_month["median"].abs() > np.log10(config.jump))]
        if len(jumps):
            at, power = jumps.index[0], int(np.rint(jumps["median"].iloc[0]))
            yield Verdict(
                "error",
                f"{name} of reports announced in {at} is about {10.0**power:g} times that of the year before, in half "
                f"of {int(jumps['count'].iloc[0]):,} reports and more: its unit changes ({len(jumps)} such months)",
                "give all reports in CNY",
                int(jumps["count"].sum()),
                int(by_month["count"].sum()),
                records(pairs.loc[month == at, [*KEYS, f"{name}_before", name]]),
            )
    for name, least in (("total_assets", config.least_assets), ("revenue", config.least_revenue)):
        stated = rows[name].notna()
        median, count = rows[name].median(), int(stated.sum())
        if count >= config.few and median < least:
            yield Verdict(
                "error",
                f"{name} has a median of {median:,.0f}, where companies of the exchanges have {least:,.0f} CNY and "
                "more: it looks like thousands, ten thousands or millions of CNY",
                "give statements in CNY",
                count,
                count,
                records(rows.loc[stated, [*KEYS, name]]),
            )


CHECKS = (
    StaticCheck(
        name="reports_announced_in_time",
        table="fundamental",
        states="reports are announced after their period and by the deadline",
        judge=_judge_dates,
    ),
    StaticCheck(
        name="reports_consistent",
        table="fundamental",
        states="no report repeats another period's, and parts are not more than their wholes",
        judge=_judge_content,
    ),
    StaticCheck(
        name="report_units_constant",
        table="fundamental",
        states="statements are in CNY in all years",
        judge=_judge_units,
    ),
)
