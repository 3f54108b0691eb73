"""The page of a strategy or a mix: headline figures, warnings, the sections in their order, and where it comes from."""

from pathlib import Path

import pandas as pd

from attn_platform.reports import formatting, tables
from attn_platform.reports.attribution_section import attribution_section, benchmark_warnings
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import (
    StrategyReportData,
)
from attn_platform.reports.explanation_section import explanation_section
from attn_platform.reports.page import Card, Part, Section, render_page, write_page
from attn_platform.reports.portfolio_sections import (
    conditions_section,
    execution_section,
    exposure_section,
    holdings_section,
    limits_section,
    trading_section,
)
from attn_platform.reports.result_sections import (
    factor_section,
    net_value_section,
    performance_section,
    planted_section,
)
from attn_platform.reports.robustness_section import robustness_section
from attn_platform.reports.week_section import weeks_section

_TEMPLATE = "strategy_report.html.j2"
_HEADLINE_PERFORMANCE = (
    "excess_annual_return",
    "information_ratio",
    "tracking_error",
    "excess_max_drawdown",
    "annual_return",
    "max_drawdown",
    "monthly_win_rate",
    "annual_two_sided_turnover",
)
_HEADLINE_FACTOR = ("rank_ic_mean", "weighted_rank_ic_mean")


def render_strategy_report(data: StrategyReportData, config: ReportConfig | None = None) -> str:
    """Return the page of one strategy as one HTML file; parts without data are left out or say that there are none."""
    config = config or ReportConfig()
    return render_page(_TEMPLATE, config, **_context(data, config))


def write_strategy_report(data: StrategyReportData, path: Path, config: ReportConfig | None = None) -> None:
    """Write the page of one strategy to `path` atomically, with its scripts in files."""
    config = config or ReportConfig()
    write_page(path, _TEMPLATE, config, **_context(data, config))


def _context(data: StrategyReportData, config: ReportConfig) -> dict[str, object]:
    sections = (
        net_value_section(data, config),
        performance_section(data),
        weeks_section(data),
        factor_section(data, config),
        planted_section(data),
        explanation_section(data, config),
        attribution_section(data, config),
        robustness_section(data, config),
        exposure_section(data, config),
        trading_section(data, config),
        execution_section(data, config),
        limits_section(data, config),
        holdings_section(data, config),
        conditions_section(data),
        _provenance_section(data),
    )
    return {
        "data": data,
        "session_count": formatting.count(len(data.sessions), "session"),
        "cards": _cards(data),
        "warnings": _warnings(data, config),
        "sections": [section for section in sections if section.parts],
    }


def _cards(data: StrategyReportData) -> list[Card]:
    cards = [_card(name, data.performance[name]) for name in _HEADLINE_PERFORMANCE]
    return cards + [_card(name, data.factor_figures[name]) for name in _HEADLINE_FACTOR if data.factor_figures]


def _card(name: str, value: float) -> Card:
    return Card(formatting.label(name), formatting.figure(name, value))


def _warnings(data: StrategyReportData, config: ReportConfig) -> list[str]:
    sessions = len(data.sessions)
    warnings = []
    if sessions < config.short_test_sessions:
        warnings.append(
            f"The test range holds only {formatting.count(sessions, 'session')}: "
            "annualised figures, ratios and win rates say little."
        )
    return warnings + benchmark_warnings(data) + _planted_notes(data) + list(data.notes)


def _planted_notes(data: StrategyReportData) -> list[str]:
    """What the figures of a simulated market are worth: how much of what was planted the forecast has found."""
    if data.planted is None:
        return []
    strengths = data.planted.signals["strength"]
    planted = ", ".join(f"{name} {formatting.number(value, 1)} bp" for name, value in strengths.items() if value > 0)
    if not planted:
        return [
            "The market is simulated, and nothing was planted in its returns: no forecast can be right but by luck."
        ]
    text = (
        f"The market is simulated, with signals planted in its returns ({planted}): the figures say how much of them "
        "the forecast has found, nothing of A shares."
    )
    if data.planted.known and data.factor_figures:
        known, own = data.planted.known["rank_ic_mean"], data.factor_figures["rank_ic_mean"]
        text += (
            f" Its RankIC is {formatting.percent(own, 1)}; a forecast that knew them all would have "
            f"{formatting.percent(known, 1)}."
        )
    return [text]


def _provenance_section(data: StrategyReportData) -> Section:
    facts = {
        "Strategy": data.strategy,
        "Model": data.model,
        "Horizon": data.horizon,
        "Study": data.study,
        "Data source": data.data_source.description,
        "Universe": data.universe,
        "Benchmark": data.benchmark,
        "Test range": f"{data.test_range} ({formatting.count(len(data.sessions), 'session')})",
        **{formatting.label(name): fingerprint for name, fingerprint in data.fingerprints.items()},
    }
    frame = pd.DataFrame({"item": list(facts), "value": list(facts.values())})
    parts = [Part(table=tables.plain_table("Provenance", frame))]
    if len(data.checkpoint_windows):
        parts.append(Part("Checkpoints", table=tables.plain_table("Checkpoint windows", data.checkpoint_windows)))
    return Section("provenance", "Provenance", tuple(parts))
