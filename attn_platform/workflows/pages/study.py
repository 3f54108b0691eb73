"""The page of a study: its exhibits, drawn from whatever the home holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform import reports
from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.comparison import prediction_correlations
from attn_platform.evaluation.performance import monthly_excess_returns, performance_figures
from attn_platform.evaluation.store import figures_table, layer_column, layers_table, sessions_table
from attn_platform.factors.panel import families_of
from attn_platform.market.lake import Lake
from attn_platform.published import published_test_range
from attn_platform.reports.strategy import dated, report_daily
from attn_platform.reports.study import STUDIES
from attn_platform.reports.study.contents import (
    ForecastName,
    ForecastResult,
    StrategyResult,
    StudyReportData,
    forecast_text,
)
from attn_platform.studies.availability import missing_styles, switched_off
from attn_platform.studies.differences import OF_MODEL, OF_STUDY, setting_differences
from attn_platform.studies.forecasters import EnsembleMember, Forecaster
from attn_platform.studies.loading import load_study
from attn_platform.studies.names import checkpoint_asset, prediction_table, study_pages
from attn_platform.studies.pages import INDEX, Aside, MadeWith, Summary, page_of_each
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StrategyMixConfig, StudyConfig
from attn_platform.training.manifest import Manifest
from attn_platform.training.windows import window_keys
from attn_platform.workflows.reports import data_source, universe_text
from attn_platform.workflows.study_method import MACHINE, manifests_of, method_tables, trained_text

LEFT_OUT = "not among the models of this home; attn run --models all makes them"
NOT_MADE = "not made yet; attn run makes what lacks"
NO_EXHIBITS = (
    f"no exhibits to draw; those of {' and '.join(STUDIES)} are known, whose names a study of one's own must keep"
)
SUMMARY_CODE = ("attn_platform.evaluation", "attn_platform.published")
"""What pages about all strategies together are made by beside their own module."""


def has_exhibits(home: Home) -> bool:
    """Whether the home's study is one whose exhibits are drawn."""
    return home.study.name in STUDIES


def results(home: Home) -> Iterator[str]:
    """Backtests of all strategies and mixes, and evaluations of their forecasts."""
    yield from (backtest_table(each.name) for each in home.study.traded)
    yield from (figures_table(strategy.model) for strategy in home.study.strategies)


def universe_drawn(home: Home) -> str | None:
    """Table of the universe that the study draws (AI-55 exhibit 16); None where it draws none."""
    return home.study.universes[0].table if home.study.name == "ai55" else None


def correlated_forecasts(home: Home) -> tuple[EnsembleMember, ...]:
    """Forecasts of the home that the study correlates with each other: members of its ensembles (AI-69 exhibit 32)."""
    models = {model.name for model in home.study.models}
    members = [each for ensemble in load_study(home.study.name).ensembles for each in ensemble.members]
    return tuple(each for each in members if each.model in models)


def gather_study(home: Home) -> StudyReportData:
    """Everything that the exhibits of the home's study can be drawn from."""
    study, lake = home.study, home.lake
    reference = load_study(study.name)
    strategies = {each.name: _strategy(home, each) for each in study.traded if lake.has(backtest_table(each.name))}
    forecasts = {
        (each.name, horizon): result
        for each in study.forecasters
        if lake.has(figures_table(each.name))
        for horizon, result in _forecasts(lake, each)
    }
    manifests = {model.name: manifests_of(home, model.name) for model in study.models}
    universe = universe_drawn(home)
    return StudyReportData(
        study=study.name,
        title=f"{reference.title}: exhibit by exhibit",
        data_source=data_source(home),
        universe=universe_text(study.universe),
        strategies=strategies,
        forecasts=forecasts,
        absent=_absent(study, reference, strategies, forecasts),
        members=_members(lake, universe) if universe is not None and lake.has(universe) else pd.DataFrame(),
        prediction_correlations=_prediction_correlations(home),
        method=method_tables(home, reference, manifests),
        period=_period(study.name, strategies),
        differences=[*_source_differences(home), *setting_differences(study, reference, OF_STUDY)],
        own_differences=_model_differences(home, reference, manifests),
        trained=_trained(home, reference, manifests),
    )


def _strategy(home: Home, config: StrategyConfig | StrategyMixConfig) -> StrategyResult:
    daily = dated(home.lake, backtest_table(config.name))
    study, evaluation = home.study, home.study.evaluation
    first = config if isinstance(config, StrategyConfig) else study.strategy(config.parts[0])
    return StrategyResult(
        name=config.name,
        benchmark=first.benchmark or study.benchmark,
        daily=report_daily(daily),
        performance=performance_figures(daily, evaluation),
        months=monthly_excess_returns(daily),
        page=f"../{config.name}/{INDEX}",
    )


def _forecasts(lake: Lake, forecaster: Forecaster) -> Iterator[tuple[str, ForecastResult]]:
    """The horizons of a forecaster with what its evaluation has kept."""
    figures = lake.read(figures_table(forecaster.name)).to_pandas().set_index("horizon")
    series = dated(lake, sessions_table(forecaster.name)).set_index("date")
    layers = layers_table(forecaster.name)
    top = dated(lake, layers).set_index("date") if lake.has(layers) else pd.DataFrame({"horizon": []})
    for horizon in forecaster.horizons:
        if horizon in figures.index:
            of_horizon = top[top["horizon"] == horizon]
            yield (
                horizon,
                ForecastResult(
                    figures=figures.loc[horizon].to_dict(),
                    series=series[series["horizon"] == horizon][["rank_ic", "weighted_rank_ic"]],
                    top_layer=of_horizon[layer_column(0)] if len(of_horizon) else pd.Series(dtype=float),
                ),
            )


def _absent(
    study: StudyConfig,
    reference: StudyConfig,
    strategies: Mapping[str, StrategyResult],
    forecasts: Mapping[ForecastName, ForecastResult],
) -> dict[str, str]:
    """What the study has and the home lacks, with the reason."""
    traded = {each.name for each in study.traded}
    known = {each.name for each in study.forecasters}
    absent = {
        each.name: NOT_MADE if each.name in traded else LEFT_OUT
        for each in reference.traded
        if each.name not in strategies
    }
    for forecaster in reference.forecasters:
        reason = NOT_MADE if forecaster.name in known else LEFT_OUT
        names = [(forecaster.name, horizon) for horizon in forecaster.horizons]
        absent |= {forecast_text(name): reason for name in names if name not in forecasts}
    return absent


def _members(lake: Lake, table: str) -> pd.DataFrame:
    """Members of each quarter, and the median of their market values."""
    rows = lake.read(table, columns=["period", "total_mv"]).to_pandas()
    by_period = rows.groupby(pd.to_datetime(rows["period"]))["total_mv"]
    return pd.DataFrame({"members": by_period.size(), "median_total_mv": by_period.median()})


def _prediction_correlations(home: Home) -> pd.DataFrame:
    """Of the forecasts that the study correlates, on every n-th session that all of them have."""
    tables = {each.model: prediction_table(each.model) for each in correlated_forecasts(home)}
    horizons = {each.model: each.horizon for each in correlated_forecasts(home)}
    held = {model: home.lake.sessions(table) for model, table in tables.items()}
    held = {model: sessions for model, sessions in held.items() if len(sessions)}
    if len(held) < 2:
        return pd.DataFrame()
    common = sorted(set.intersection(*(set(sessions) for sessions in held.values())))
    chosen = np.array(common[:: home.study.comparison.predictions_every], dtype="datetime64[D]")
    frames = {model: _predictions(home.lake, tables[model], horizons[model], chosen) for model in held}
    symbols = sorted(set().union(*(frame.columns for frame in frames.values())))
    dates = pd.DatetimeIndex(chosen)
    return prediction_correlations(
        {model: frame.reindex(index=dates, columns=symbols).to_numpy() for model, frame in frames.items()}
    )


def _predictions(lake: Lake, table: str, horizon: str, sessions: np.ndarray) -> pd.DataFrame:
    """[session] × symbol forecasts."""
    rows = lake.read_sessions(table, sessions, ["date", "symbol", horizon])
    if rows is None:
        return pd.DataFrame()
    frame = rows.to_pandas().pivot(index="date", columns="symbol", values=horizon)
    return frame.set_axis(pd.DatetimeIndex(frame.index), axis=0).astype(float)


def _period(study: str, strategies: Mapping[str, StrategyResult]) -> str:
    """The test range of the home's backtests where it is not the study's."""
    if not strategies:
        return ""
    first = min(result.daily.index[0] for result in strategies.values())
    last = max(result.daily.index[-1] for result in strategies.values())
    own, printed = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}", published_test_range(study)
    return "" if own == printed else f"period {own} (study: {printed})"


def _source_differences(home: Home) -> list[str]:
    """What the data are, and what they lack of the study's."""
    source, study = home.settings.source, home.study
    texts = ["simulated market"] if source.kind == "simulated" else []
    features = [name for panel in study.panels for name in panel.features]
    reasons = {family: switched_off(home, family) for family in families_of(features, study.catalogue)}
    texts += [f"no {family} factors: {reason}" for family, reason in reasons.items() if reason]
    return texts + [f"no {column}: {reason}" for column, reason in source.absent_columns.items()]


def _model_differences(
    home: Home, reference: StudyConfig, manifests: Mapping[str, Sequence[Manifest]]
) -> dict[str, list[str]]:
    """Settings of single models that differ: of their training as their newest manifest has it, if they have one."""
    theirs = {model.name: model for model in reference.models}
    found: dict[str, list[str]] = {}
    for model in home.study.models:
        if model.name not in theirs:
            continue
        training = manifests[model.name][-1].training if manifests[model.name] else model.training
        names = tuple(name for name in type(training).model_fields if name not in MACHINE)
        texts = setting_differences(model, theirs[model.name], OF_MODEL)
        texts += [f"training: {text}" for text in setting_differences(training, theirs[model.name].training, names)]
        if texts:
            found[model.name] = texts
    for strategy in home.study.strategies:
        missing = missing_styles(home, strategy)
        texts = [f"style {style} left out: {reason}" for style, reason in missing.items()]
        known = {each.name: each for each in reference.strategies}
        if strategy.name in known:
            limits = setting_differences(strategy.limits, known[strategy.name].limits)
            texts += [f"{strategy.name}: limit {text}" for text in limits]
        if texts:
            own = found.setdefault(strategy.model, [])
            own += [text for text in texts if text not in own]
    return found


def _trained(home: Home, reference: StudyConfig, manifests: Mapping[str, Sequence[Manifest]]) -> dict[str, str]:
    last = published_test_range(reference.name).split(" to ")[1]
    windows = len(window_keys(home.calendar, reference.windows, last))
    theirs = {model.name: model for model in reference.models}
    say = partial(trained_text, windows=windows)
    texts = {name: say(of_model, theirs[name]) for name, of_model in manifests.items() if name in theirs}
    return {name: text for name, text in texts.items() if text}


def _reads(home: Home, study: StudyConfig) -> Iterator[str]:
    yield from results(home)
    yield from (figures_table(each.name) for each in study.forecasters)
    yield from (prediction_table(member.model) for member in correlated_forecasts(home))
    yield from (checkpoint_asset(model.name) for model in study.models)
    if (universe := universe_drawn(home)) is not None:
        yield universe


@page_of_each(
    "study",
    each=lambda home: {study_pages(home.study.name): home.study} if has_exhibits(home) else {},
    description="Every exhibit of the study from this home's results, beside the published one.",
    reads=_reads,
    code=(*SUMMARY_CODE, "attn_platform.workflows.study_method", "attn_platform.studies.differences"),
    configuration=lambda home, study: (study, load_study(study.name), home.settings.source),
    made_with=MadeWith.SUMMARIES,
    absent=NO_EXHIBITS,
)
def study_page(home: Home, folder: Path, study: StudyConfig) -> Summary:
    """The page of the home's study, with the figures of its exhibits as CSV."""
    data = gather_study(home)
    reports.write_study_report(data, folder)
    return {
        "data": Aside(data.data_source.description),
        "strategies": Aside(len(data.strategies)),
        "forecasts": Aside(len(data.forecasts)),
        "missing": Aside(len(data.absent)),
    }
