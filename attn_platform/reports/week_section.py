"""The section of a strategy's page on its weeks: the best and the worst with what moved them, and any other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from attn_platform.reports import formatting
from attn_platform.reports.contents import StrategyReportData
from attn_platform.reports.page import Choice, Part, Section
from attn_platform.reports.tables import Cell, Table

NAMED = 2  # stocks, and industries, named for either sign beside a best or worst week
_TEXT = (
    "A contribution is the active weight at the close before × (return − benchmark's return), summed over the week's "
    "sessions. What the week's excess return has beyond all contributions is the rest: trades within a session, costs, "
    "compounding, and what the index does beside its published weights."
)
_CHOICE_COLUMNS = ("kind", "name", "industry", "active_weight", "return", "contribution")
_RETURNS = ("return", "benchmark_return")
_REST = "The rest"


def weeks_section(data: StrategyReportData) -> Section:
    """Best and worst weeks with their largest contributors, and those of a week that the reader chooses."""
    contributors = data.week_contributors
    if contributors.empty:
        return Section("weeks", "Weeks")
    parts = [
        Part(f"{which} weeks, and what moved them", table=_moved_table(f"{which} weeks and why", weeks, contributors))
        for which, weeks in (("Best", data.best_weeks), ("Worst", data.worst_weeks))
        if len(weeks)
    ]
    choice = Choice(
        identifier="week-contributors",
        label="Week to",
        caption="What moved the week",
        columns=tuple(formatting.label(name) for name in _CHOICE_COLUMNS),
        rows=_choices(contributors),
        text_columns=frozenset({0, 1, 2}),
    )
    return Section("weeks", "Weeks", (Part(paragraphs=(_TEXT,)), *parts, Part("Any week", choice=choice)))


def _moved_table(caption: str, weeks: pd.DataFrame, contributors: pd.DataFrame) -> Table:
    by_week = dict(list(contributors.groupby("last_session")))
    rows = []
    for week in weeks.to_dict("records"):
        of_week = by_week.get(week["last_session"], contributors.iloc[:0])
        rest = of_week.loc[of_week["kind"] == "rest", "contribution"].sum()
        rows.append(
            (
                Cell(formatting.date(week["last_session"])),
                Cell(formatting.figure("excess_return", float(week["excess_return"]))),
                Cell(_named(of_week, "stock")),
                Cell(_named(of_week, "industry")),
                Cell(formatting.signed_percent(float(rest))),
                *(Cell(formatting.figure(name, float(week[name]))) for name in _RETURNS),
            )
        )
    named = (formatting.label(name) for name in ("last_session", "excess_return", *_RETURNS))
    week_to, excess, *returns = named
    header = (week_to, excess, "Stocks", "Industries", _REST, *returns)
    return Table(caption, header, tuple(rows), frozenset({0, 2, 3}))


def _named(contributors: pd.DataFrame, kind: str) -> str:
    """ "平安银行 +0.21%, 万科A +0.10%; 贵州茅台 −0.30%": the largest contributions of either sign."""
    of_kind = contributors[contributors["kind"] == kind].sort_values("contribution", ascending=False, kind="stable")
    helped = of_kind[of_kind["contribution"] > 0].head(NAMED)
    hurt = of_kind[of_kind["contribution"] < 0].iloc[::-1].head(NAMED)
    sides = (", ".join(_one(row) for row in side.to_dict("records")) for side in (helped, hurt))
    return "; ".join(text for text in sides if text) or formatting.MISSING


def _one(row: dict[Hashable, Any]) -> str:
    return f"{row['label'] or row['name']} {formatting.signed_percent(row['contribution'])}"


def _choices(contributors: pd.DataFrame) -> dict[str, list[Sequence[str]]]:
    """The rows of every week, by its last session."""
    rows: dict[str, list[Sequence[str]]] = {}
    for week, row in zip(contributors["last_session"], contributors.to_dict("records"), strict=True):
        rows.setdefault(formatting.date(week), []).append(_choice_row(row))
    return rows


def _choice_row(row: dict[Hashable, Any]) -> Sequence[str]:
    name = f"{row['name']} {row['label']}".strip()
    return [
        _REST if row["kind"] == "rest" else str(row["kind"]).capitalize(),
        name,
        str(row["industry"]),
        formatting.signed_percent(row["active_weight"]),
        formatting.percent(row["return"]),
        formatting.signed_percent(row["contribution"], 3),
    ]
