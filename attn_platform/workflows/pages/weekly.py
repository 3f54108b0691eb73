"""The weekly report of the newest whole week (Haitong weekly), and the list of all weeks that were made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attn_platform.backtest.store import backtest_table
from attn_platform.factors.store import family_table
from attn_platform.portfolio.styles import BUILT_IN_STYLES
from attn_platform.reports.weekly_contents import factor_frame
from attn_platform.studies.availability import families_off
from attn_platform.studies.names import WEEKLY, prediction_table
from attn_platform.studies.pages import MadeWith, Summary, page_of_each
from attn_platform.studies.settings import Home
from attn_platform.workflows.weekly import write_weekly


def _reads(home: Home, _: None) -> Iterator[str]:
    study, off = home.study, families_off(home)
    weekly = study.weekly
    styles = {each.style for row in weekly.rows for each in weekly.regressors_of(row).styles} - set(BUILT_IN_STYLES)
    factors = [*(row.factor for row in weekly.rows if row.factor), *sorted(styles)]
    families = dict.fromkeys(study.catalogue.definition(name).family for name in factors)
    yield from (family_table(family) for family in families if family not in off)
    forecasters = {each.name for each in study.forecasters}
    yield from (prediction_table(row.model) for row in weekly.rows if row.model in forecasters)
    yield from (backtest_table(each.name) for each in study.strategies if each.name in weekly.portfolios)
    yield from ("daily_bar", "valuation", "industry", "security")


@page_of_each(
    WEEKLY,
    each=lambda home: {WEEKLY: None} if home.study.weekly.rows else {},
    description=(
        "Factors and enhanced portfolios in the newest whole week, the month and the year to date: long-short, long "
        "excess, months and weeks won; a page a week, with its tables."
    ),
    reads=_reads,
    code=("attn_platform.evaluation", "attn_platform.published", "attn_platform.workflows.weekly_signals"),
    configuration=lambda home, _: (home.study.weekly, home.study.preprocessing, home.study.backtest),
    absent="its study names no rows; see `weekly` of study haitong",
    made_with=MadeWith.SUMMARIES,
)
def weekly_page(home: Home, folder: Path, _: None) -> Summary:
    """The report of the newest whole week."""
    page, data = write_weekly(home, folder)
    known = sum(not each.absent for each in data.factors)
    return {"page": str(page), "figures": f"{known} of {len(data.factors)} factors", "factors": factor_frame(data)}
