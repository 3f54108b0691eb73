"""Gathers what the report of one strategy shows, from the lake and the checkpoints' manifests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from attn_platform.backtest.store import backtest_table
from attn_platform.errors import MissingDataError
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.explanation import variance_shares
from attn_platform.evaluation.explanation_tables import ATTENTION, FACTORS, PART_PREFIX, STOCKS, read_explanation
from attn_platform.evaluation.performance import (
    best_weeks,
    monthly_excess_returns,
    performance_figures,
    untraded_figures,
    worst_weeks,
    yearly_figures,
)
from attn_platform.evaluation.planted import read_planted_correlations
from attn_platform.evaluation.store import figures_table, layer_column, read_layers, sessions_table
from attn_platform.market.lake import Lake
from attn_platform.market.simulation import SignalStrengths
from attn_platform.market.simulation.signals import COMPOSITE, SEEN_BY, SIGNALS
from attn_platform.portfolio.explanation.reasons import binding_limits, weight_reasons
from attn_platform.portfolio.limits.budget import Budget
from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS, PortfolioLimits
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.portfolio.strategy import Strategy
from attn_platform.published import (
    PublishedMonths,
    PublishedRow,
    published_months,
    published_row,
    published_tables,
)
from attn_platform.reports.conditions import conditions
from attn_platform.reports.contents import (
    DataSource,
    Explanation,
    ExposureLimits,
    PlantedSignals,
    StrategyReportData,
)
from attn_platform.reports.exposures import read_exposures
from attn_platform.reports.robustness_contents import read_attribution, read_robustness
from attn_platform.training.manifest import MANIFEST_FILE, Manifest, read_manifest

# Published tables by what they hold
PERFORMANCE = ("performance", "performance_ensemble", "neutralisation")  # AI-69: 11, 23, 35; AI-55: 21, 35
RELAXED_PERFORMANCE = ("performance_relaxed",)  # AI-69: 24
FACTOR_FIGURES = ("factor_metrics", "factor_metrics_ensemble")  # AI-69: 10, 22, 34; AI-55: 20


@dataclass(frozen=True)
class Subject:
    """What the report is about, beyond the strategy's own tables."""

    strategy: Strategy
    study: str
    study_title: str
    model: str
    universe: str
    data_source: DataSource
    evaluation_horizon: int
    checkpoints: Mapping[str, Path]
    """Folder of the checkpoints of the model, or of each member of an ensemble; none of imported forecasts."""
    notes: Sequence[str]
    frequency: str
    """How often it is rebalanced, in words: "5 sessions", "week"."""
    planted: SignalStrengths | None = None
    """Of a simulated market."""
    is_benchmark_approximate: bool = False
    execution: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Plan against fill of the weeks whose orders were filled."""


def gather(lake: Lake, subject: Subject, evaluation: EvaluationConfig) -> StrategyReportData:
    """Everything the report shows; `MissingDataError` names what has not been materialised."""
    strategy, name = subject.strategy, subject.strategy.name
    daily = dated(lake, backtest_table(name))
    portfolios = dated(lake, strategy.portfolio_table)
    trades = dated(lake, backtest_table(name, "trades"))
    accounts = dated(lake, strategy.account_table).set_index("date")
    figures = lake.read(figures_table(subject.model)).to_pandas().set_index("horizon").loc[strategy.horizon]
    correlations = dated(lake, sessions_table(subject.model))
    correlations = correlations[correlations["horizon"] == strategy.horizon].set_index("date")
    forecast_sessions, layer_values = read_layers(lake, subject.model, strategy.horizon, evaluation.layers)
    layer_growth, universe_growth = layer_values.annual_returns(evaluation.sessions_per_year)
    layers = [layer_column(place) for place in range(evaluation.layers)]
    newest = portfolios["date"].max()
    manifests = _manifests(subject.checkpoints)
    states = dated(lake, strategy.limits_table)
    exposures = read_exposures(lake, name, strategy.styles)
    return StrategyReportData(
        title=f"{subject.model.replace('_', ' ')} · {strategy.horizon} · "
        f"{enhanced_text(strategy.benchmark, subject.frequency)}",
        strategy=name,
        model=subject.model,
        horizon=strategy.horizon,
        study=subject.study_title,
        universe=subject.universe,
        benchmark=strategy.benchmark,
        data_source=subject.data_source,
        **of_backtest(daily, dated(lake, backtest_table(name, "delistings")), evaluation),
        factor_figures=figures.to_dict(),
        rank_ic=correlations["rank_ic"],
        weighted_rank_ic=correlations["weighted_rank_ic"],
        layers=pd.DataFrame(layer_values.relative, forecast_sessions, layers),
        layer_annual_returns=pd.Series(layer_growth, layers),
        universe_annual_return=universe_growth,
        evaluation=evaluation,
        industry_exposures=exposures.industries,
        style_exposures=exposures.styles,
        week_contributors=exposures.contributors,
        conditions=conditions(strategy, subject.frequency),
        limits=ExposureLimits(
            industry=strategy.limits.industry_deviation,
            styles={style: strategy.limits.of(StyleLimit).of_style(style) for style in strategy.styles},
            one_way_turnover=strategy.limits.turnover,
        ),
        rebalances=_rebalances(accounts, portfolios, trades, daily),
        holdings=_holdings(lake, portfolios[portfolios["date"] == newest]),
        holdings_date=newest,
        checkpoint_windows=_windows(manifests),
        fingerprints=_fingerprints(manifests),
        notes=tuple(subject.notes),
        published_performance=published_performance(subject.study, subject.model, strategy.horizon, strategy.limits),
        published_factor_figures=published_factor_figures(subject.study, subject.model, strategy.horizon),
        published_months=published_portfolio_months(subject.study, subject.model, strategy.limits),
        explanation=_explanation(lake, subject.model, strategy.horizon) if subject.checkpoints else None,
        planted=_planted(lake, subject, subject.planted) if subject.planted else None,
        limit_states=states[states["kind"] != Budget.kind].reset_index(drop=True),
        binding_limits=binding_limits(states),
        stock_reasons=_stock_reasons(portfolios),
        attribution=read_attribution(lake, name, evaluation.sessions_per_year),
        robustness=read_robustness(
            lake,
            name,
            daily,
            correlations["rank_ic"],
            subject.evaluation_horizon,
            strategy.backtest,
            evaluation,
        ),
        is_benchmark_approximate=subject.is_benchmark_approximate,
        execution=subject.execution,
    )


def enhanced_text(benchmark: str, frequency: str) -> str:
    """What kind of portfolio it is, as titles have it: "csi500 enhanced, every 5 sessions"."""
    return f"{benchmark} enhanced, every {frequency}"


def dated(lake: Lake, table: str) -> pd.DataFrame:
    """A table of the lake with its dates as timestamps."""
    frame = lake.read(table).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]))


def of_backtest(daily: pd.DataFrame, delistings: pd.DataFrame, evaluation: EvaluationConfig) -> dict[str, Any]:
    """The fields of a report that follow from the daily figures and the delistings of a backtest alone."""
    # A backtest that was made before has no figures of what was not traded.
    has_untraded = {"unrecovered_net_value", "suspended_count"} <= set(daily.columns)
    return {
        "untraded": untraded_figures(daily, delistings, evaluation) if has_untraded else {},
        "daily": report_daily(daily),
        "performance": performance_figures(daily, evaluation),
        "yearly": yearly_figures(daily, evaluation),
        "month_table": monthly_excess_returns(daily),
        "worst_weeks": worst_weeks(daily),
        "best_weeks": best_weeks(daily),
    }


def report_daily(daily: pd.DataFrame) -> pd.DataFrame:
    """Daily figures as a report has them: by date, with the benchmark's net value, less the base."""
    frame = daily.set_index("date")
    frame["benchmark_net_value"] = (1.0 + frame["benchmark_return"].fillna(0.0)).cumprod()
    return frame.iloc[1:]


def _rebalances(
    accounts: pd.DataFrame, portfolios: pd.DataFrame, trades: pd.DataFrame, daily: pd.DataFrame
) -> pd.DataFrame:
    """One row a rebalance. Trades and costs are those of the session after the signal, where the target is executed."""
    executed = daily["date"].shift(-1).set_axis(daily["date"]).reindex(accounts.index)
    by_session = daily.set_index("date")
    blocked = trades[trades["is_blocked"]]
    missed = (blocked["target_weight"] - blocked["weight"]).abs().groupby(blocked["date"]).sum()
    frame = pd.DataFrame(
        {
            "one_way_turnover": accounts["turnover"],
            "cost": by_session["cost"].reindex(executed).to_numpy(),
            "holdings": (portfolios["weight"] > 0).groupby(portfolios["date"]).sum(),
            "unfilled": missed.reindex(executed).fillna(0.0).to_numpy(),
        },
        index=accounts.index,
    )
    relaxed = accounts["relaxed"].map(json.loads)
    frame["relaxed"] = accounts["relaxed"].map(relaxed_names)
    for limit in sorted({entry["limit"] for entries in relaxed for entry in entries}):
        frame[f"relaxed_{limit}"] = relaxed.map(
            lambda entries, limit=limit: max(map(relaxed_by, (e for e in entries if e["limit"] == limit)), default=0.0)
        )
    return frame


def relaxed_by(entry: Mapping[str, Any]) -> float:
    """How far a limit of an account's record was relaxed, in its own unit; never negative.

    The record has the size of the side that was relaxed: deviations reach beyond it, the share of members stays below.
    (Of a user's own limit that is not about 0 and whose sum has changed its sign, this is too little.)
    """
    return float(abs(abs(entry["reached"]) - abs(entry["allowed"])))


def relaxed_names(record: str) -> str:
    """What was relaxed in a week, from its account's record: "industry banks, turnover"; "" for nothing."""
    return ", ".join(sorted({f"{entry['limit']} {entry['name']}".strip() for entry in json.loads(record)}))


def _stock_reasons(portfolios: pd.DataFrame) -> pd.DataFrame:
    """How many stocks of each target have their weight for which reason: [rebalance] × reason, the commonest first."""
    held = portfolios.assign(reason=weight_reasons(portfolios))[portfolios["weight"] > 0]
    counts = held.groupby(["date", "reason"]).size().unstack(fill_value=0)
    return counts[counts.sum().sort_values(ascending=False, kind="stable").index].rename_axis(columns=None)


def _holdings(lake: Lake, portfolio: pd.DataFrame) -> pd.DataFrame:
    names = lake.read("security", columns=["symbol", "name"]).to_pandas().set_index("symbol")["name"]
    held = portfolio.assign(reason=weight_reasons(portfolio))[portfolio["weight"] > 0]
    return pd.DataFrame(
        {
            "symbol": held["symbol"],
            "name": held["symbol"].map(names).fillna(""),
            "weight": held["weight"],
            "benchmark_weight": held["benchmark_weight"],
            "active_weight": held["weight"] - held["benchmark_weight"],
            "industry": held["industry"],
            "score": held["score"],
            "reason": held["reason"],
        }
    ).reset_index(drop=True)


def _explanation(lake: Lake, model: str, horizon: str) -> Explanation | None:
    tables = read_explanation(lake, model, horizon)
    if not tables:
        return None
    stocks = tables[STOCKS]
    names = lake.read("security", columns=["symbol", "name"]).to_pandas().set_index("symbol")["name"]
    stocks = stocks.assign(name=stocks["symbol"].map(names).fillna(""))
    parts = {column.removeprefix(PART_PREFIX): column for column in stocks.columns if column.startswith(PART_PREFIX)}
    values = {part: stocks[column].to_numpy() for part, column in parts.items()}
    return Explanation(
        session=stocks["date"].iloc[0],
        stocks=stocks,
        parts=parts,
        part_shares=variance_shares(values, stocks["forecast"].to_numpy()),
        factors=tables[FACTORS],
        attention=tables[ATTENTION],
    )


def _planted(lake: Lake, subject: Subject, strengths: SignalStrengths) -> PlantedSignals:
    """Signals and strengths; what they foretell as far as the home has kept them."""
    signals = pd.DataFrame(
        {name: {"strength": getattr(strengths, name), "seen_by": SEEN_BY[name]} for name in SIGNALS}
    ).T.rename_axis("signal")
    found = read_planted_correlations(lake, subject.model, subject.strategy.horizon)
    known = {str(figure): value for figure, value in found.to_dict("index").get(COMPOSITE, {}).items()}
    return PlantedSignals(signals.join(found), known)


def _manifests(folders: Mapping[str, Path]) -> list[Manifest]:
    """Manifests of all windows of all models, model by model."""
    found = []
    for folder in folders.values():
        windows = sorted(path for path in folder.glob("[0-9]*")) if folder.is_dir() else []
        if not windows:
            raise MissingDataError(f"{folder} has no checkpoint; train the model first")
        found += [read_manifest(window / MANIFEST_FILE) for window in windows]
    return found


def _windows(manifests: Sequence[Manifest]) -> pd.DataFrame:
    several = len({manifest.model for manifest in manifests}) > 1
    return pd.DataFrame(
        [
            {
                **({"model": manifest.model} if several else {}),
                "window": str(manifest.window.test.first),
                "train": f"{manifest.window.train.first} to {manifest.window.train.last}",
                "valid": f"{manifest.window.valid.first} to {manifest.window.valid.last}",
                "test": f"{manifest.window.test.first} to {manifest.window.test.last}",
                "seeds": len(manifest.seeds),
                "best epochs": ", ".join(str(history.best_epoch) for history in manifest.histories),
                "seconds": round(manifest.seconds, 1),
                "device": manifest.device,
            }
            for manifest in manifests
        ]
    )


def _fingerprints(manifests: Sequence[Manifest]) -> dict[str, str]:
    """What each model's newest checkpoint was made from; an ensemble's begin with the name of the member."""
    newest = {manifest.model: manifest for manifest in manifests}
    return {
        f"{model} {what}" if len(newest) > 1 else what: fingerprint
        for model, manifest in newest.items()
        for what, fingerprint in (
            ("training data", manifest.data_fingerprint),
            ("training code", manifest.code_fingerprint),
            ("pre-processing", manifest.preprocessing_fingerprint),
            ("newest checkpoint", manifest.fingerprint),
        )
    }


def published_performance(study: str, model: str, horizon: str, limits: PortfolioLimits) -> PublishedRow | None:
    """What the study printed of a strategy on this forecast; the relaxed limits have an exhibit of their own."""
    exhibits = RELAXED_PERFORMANCE if limits == RELAXED_LIMITS else PERFORMANCE
    return _published(study, exhibits, model, horizon)


def published_portfolio_months(study: str, portfolio: str, limits: PortfolioLimits) -> PublishedMonths | None:
    """The months that the study printed of a portfolio, which had the original limits (AI-55, exhibits 2, 4 and 6)."""
    return None if limits == RELAXED_LIMITS else published_months(study, portfolio)


def published_factor_figures(study: str, model: str, horizon: str) -> PublishedRow | None:
    """What the study printed of this forecast as a composite factor."""
    return _published(study, FACTOR_FIGURES, model, horizon)


def _published(study: str, exhibits: Sequence[str], model: str, horizon: str) -> PublishedRow | None:
    """The first published row of the study for this model and horizon, in exhibit order, among tables so called."""
    for table in published_tables():
        if table.startswith(f"{study}_") and table.split("_", 2)[2] in exhibits:
            row = published_row(table, model, horizon)
            if row is not None:
                return row
    return None
