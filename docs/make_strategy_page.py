"""Writes docs/strategies.md from the studies of the package, `attn_platform.studies`.

python docs/make_strategy_page.py
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attn_platform.backtest.config import BacktestConfig
from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS, PortfolioLimits
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.published import PublishedMonths, PublishedRow, published_row, published_tables
from attn_platform.reports.strategy import published_performance, published_portfolio_months
from attn_platform.studies.forecasters import ImportedForecastConfig
from attn_platform.studies.loading import available_studies, load_study
from attn_platform.studies.rebalancing import frequency_text
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig, StudyConfig

PAGE = Path(__file__).with_name("strategies.md")
COLUMNS_OF_LIMITS = {"original": PortfolioLimits(), "relaxed": RELAXED_LIMITS}
PORTFOLIOS_OF_THE_WEEKLY = "_portfolios"

INTRODUCTION = """\
# Strategies

Written by `make docs` from the studies in `attn_platform/studies/`; edit those, not this page. Every strategy is a
weekly portfolio of highest forecast within limits against its benchmark. A strategy may be named wherever a home or a
study is at hand: `attn portfolio NAME`, `attn report NAME`, `attn backtest FILE --strategy NAME`,
`attn optimise FILE --strategy NAME`.

- **Forecast**: of a model, an ensemble ([models](models.md)) or imported, and its horizon in sessions.
- **Limits**: original (AI-69 and AI-55), relaxed (AI-69), or the study's own.
- **Stock, industry, style**: largest active weight of a stock and of a level-1 industry, and largest active exposure to
  a style in standard deviations. A style whose inputs a home's source lacks is left out, and the report says so.
- **Turnover**: one way, of a rebalance. **Cost**: of the traded value, a side.
- **Published**: where the study prints the portfolio's performance, and its excess returns by month.
"""

Row = Sequence[object]
HEADER = (
    "strategy", "forecast", "benchmark", "limits", "stock ±", "industry ±", "style ±", "turnover ≤", "every", "cost",
    "published",
)  # fmt: skip


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *map(_study, map(load_study, available_studies()))])


def _study(study: StudyConfig) -> str:
    parts = [f"## {study.title}", f"Study `{study.name}`."]
    if study.forecasts:
        parts.append("Imported forecasts: " + "; ".join(map(_imported, study.forecasts)) + ".")
    parts.append(_table(HEADER, (_strategy(study, strategy) for strategy in study.strategies)))
    if study.mixes:
        header = ("mix", "equal money in", "set back every", "published")
        parts.append(_table(header, (_mix(study, mix) for mix in study.mixes)))
    return "\n\n".join(parts) + "\n"


def _imported(forecast: ImportedForecastConfig) -> str:
    return f"`{forecast.name}` ({', '.join(forecast.horizons)}; `attn import predictions FILE --name {forecast.name}`)"


def _strategy(study: StudyConfig, strategy: StrategyConfig) -> Row:
    limits = strategy.limits
    own_columns = (name for name, column in COLUMNS_OF_LIMITS.items() if column == limits)
    backtest = strategy.backtest or study.backtest
    return (
        f"`{strategy.name}`",
        f"`{strategy.model}` {strategy.horizon}",
        strategy.benchmark or study.benchmark,
        next(own_columns, "the study's"),
        _percent(limits.stock_deviation),
        _percent(limits.industry_deviation),
        "; ".join(_styles(strategy)),
        _percent(limits.turnover),
        frequency_text(study.rebalance_every_of(strategy)),
        _costs(backtest),
        _published(study, strategy),
    )


def _styles(strategy: StrategyConfig) -> Iterator[str]:
    """Styles by their limit: "log_float_mv, bp_lf 0.01"."""
    by_limit: dict[float, list[str]] = {}
    for style in strategy.styles:
        by_limit.setdefault(strategy.limits.of(StyleLimit).of_style(style), []).append(style)
    for limit, styles in by_limit.items():
        yield f"{', '.join(styles)} {limit:g}"


def _costs(config: BacktestConfig) -> str:
    return f"{config.cost_per_side:.2%}" + (" and stamp duty" if config.stamp_duty else "")


def _published(study: StudyConfig, strategy: StrategyConfig) -> str:
    row = published_performance(study.name, strategy.model, strategy.horizon, strategy.limits)
    months = published_portfolio_months(study.name, strategy.model, strategy.limits)
    return _sources(row or _of_the_weekly(study, strategy), months)


def _of_the_weekly(study: StudyConfig, strategy: StrategyConfig) -> PublishedRow | None:
    tables = [name for name in published_tables() if name.startswith(study.name)]
    portfolios = [name for name in tables if name.endswith(PORTFOLIOS_OF_THE_WEEKLY)]
    return published_row(portfolios[0], strategy.name) if portfolios else None


def _mix(study: StudyConfig, mix: StrategyMixConfig) -> Row:
    first = study.strategy(mix.parts[0])
    return (
        f"`{mix.name}`",
        ", ".join(f"`{part}`" for part in mix.parts),
        f"{mix.reset_sessions} sessions",
        _sources(
            published_performance(study.name, mix.name, first.horizon, first.limits),
            published_portfolio_months(study.name, mix.name, first.limits),
        ),
    )


def _sources(*published: PublishedRow | PublishedMonths | None) -> str:
    return "; ".join(each.source for each in published if each is not None)


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _table(header: Sequence[str], rows: Iterable[Row]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
