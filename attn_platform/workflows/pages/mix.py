"""The HTML page of each mix of strategies, with the same figures as CSV beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.store import attribution_table
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.reports.contents import StrategyReportData
from attn_platform.reports.mix import MixSubject, gather_mix
from attn_platform.studies.names import robustness_asset
from attn_platform.studies.pages import MadeWith, Summary, page_of_each
from attn_platform.studies.rebalancing import frequency_text
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyMixConfig
from attn_platform.workflows.portfolios import resolve
from attn_platform.workflows.reports import CODE, data_source, is_benchmark_approximate, universe_of, write_traded


def gather_traded_mix(home: Home, config: StrategyMixConfig) -> StrategyReportData:
    """What the page of a mix shows."""
    study = home.study
    parts = [study.strategy(part) for part in config.parts]
    absent = home.settings.source.absent_columns
    subject = MixSubject(
        name=config.name,
        parts=[resolve(home, part) for part in parts],
        reset_sessions=config.reset_sessions,
        study=study.name,
        study_title=study.title,
        universe=" · ".join(dict.fromkeys(universe_of(home, part) for part in parts)),
        data_source=data_source(home),
        evaluation_horizon=study.evaluation_horizon,
        notes=[f"Missing: {column}: {reason}" for column, reason in absent.items()],
        frequency=frequency_text(study.rebalance_every_of(parts[0])),  # that of every part
        is_benchmark_approximate=is_benchmark_approximate(home),
    )
    return gather_mix(home.lake, subject, study.evaluation)


def _reads(home: Home, config: StrategyMixConfig) -> Iterator[str]:
    yield from (backtest_table(name) for name in (config.name, *config.parts))
    yield from (attribution_table(config.name), robustness_asset(config.name))
    yield from map(portfolio_table, config.parts)
    yield from ("index_weight", "industry", "security")


@page_of_each(
    "mix",
    each=lambda home: {config.name: config for config in home.study.mixes},
    description=(
        "One page: net and excess value, months, the mix beside its parts, where the excess return came from, "
        "how far to trust it, exposures, turnover and cost, holdings."
    ),
    reads=_reads,
    code=CODE,
    configuration=lambda home, config: (config, home.study.evaluation),
    made_with=MadeWith.RESULTS,
    absent="it has no mix of strategies",
)
def mix_page(home: Home, folder: Path, config: StrategyMixConfig) -> Summary:
    """The page of one mix."""
    return write_traded(gather_traded_mix(home, config), folder)
