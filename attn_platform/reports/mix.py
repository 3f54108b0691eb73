"""Gathers what the report of a mix shows: its backtest, beside those of the strategies that it is made of.

A mix (AI-55, exhibits 6 and 21) has no forecast and no weekly problem of its own, so its page has neither a composite
factor nor limits; these stand on the pages of its parts. What it holds is known, and so are its exposures and where its
excess return came from (`evaluation.mixed`), and of how far to trust it all that needs no forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.performance import performance_figures
from attn_platform.market.lake import Lake
from attn_platform.portfolio.rebalance import benchmark_weights
from attn_platform.portfolio.strategy import Strategy
from attn_platform.reports.contents import DataSource, ExposureLimits, StrategyReportData
from attn_platform.reports.exposures import read_exposures
from attn_platform.reports.robustness_contents import read_attribution, read_robustness
from attn_platform.reports.strategy import (
    dated,
    enhanced_text,
    of_backtest,
    published_performance,
    published_portfolio_months,
    relaxed_names,
)
from attn_platform.universe.adjacency import industry_at

HORIZON = "mix"
NO_RANK_IC = pd.Series(dtype=float)


@dataclass(frozen=True)
class MixSubject:
    """What the report of a mix is about, beyond the tables of its backtest."""

    name: str
    parts: Sequence[Strategy]
    reset_sessions: int
    study: str
    study_title: str
    universe: str
    data_source: DataSource
    evaluation_horizon: int
    notes: Sequence[str]
    frequency: str
    """How often the parts are rebalanced, in words: "5 sessions", "week"."""
    is_benchmark_approximate: bool = False


def gather_mix(lake: Lake, subject: MixSubject, evaluation: EvaluationConfig) -> StrategyReportData:
    """Everything that the page of a mix shows; `MissingDataError` names what has not been materialised."""
    name, first = subject.name, subject.parts[0]
    daily, trades = dated(lake, backtest_table(name)), dated(lake, backtest_table(name, "trades"))
    parts = {part.name: dated(lake, backtest_table(part.name)) for part in subject.parts}
    excess = pd.DataFrame({part: frame.set_index("date")["excess_return"] for part, frame in parts.items()})
    holdings, held_on = _holdings(lake, name, first)
    # A style that is none of a part's is not known of the mix.
    styles = [style for style in first.styles if all(style in part.styles for part in subject.parts)]
    exposures = read_exposures(lake, name, styles)
    titles = " and ".join(part.name.replace("_", " ") for part in subject.parts)
    return StrategyReportData(
        title=f"{name.replace('_', ' ')} · {enhanced_text(first.benchmark, subject.frequency)}",
        strategy=name,
        model=titles,
        horizon=HORIZON,
        study=subject.study_title,
        universe=subject.universe,
        benchmark=first.benchmark,
        data_source=subject.data_source,
        **of_backtest(daily, dated(lake, backtest_table(name, "delistings")), evaluation),
        factor_figures={},
        rank_ic=NO_RANK_IC,
        weighted_rank_ic=NO_RANK_IC,
        layers=pd.DataFrame(),
        layer_annual_returns=pd.Series(dtype=float),
        industry_exposures=exposures.industries,
        style_exposures=exposures.styles,
        week_contributors=exposures.contributors,
        limits=ExposureLimits(industry=None, styles={}, one_way_turnover=None),
        rebalances=_rebalances(daily, trades, _relaxed(lake, subject.parts)),
        holdings=holdings,
        holdings_date=held_on,
        checkpoint_windows=pd.DataFrame(),
        fingerprints={},
        notes=(
            f"Equal money in {titles}, set back to equal every {subject.reset_sessions} sessions. Forecasts and limits "
            "stand on their own pages.",
            *subject.notes,
        ),
        published_performance=published_performance(subject.study, name, first.horizon, first.limits),
        published_months=published_portfolio_months(subject.study, name, first.limits),
        mix_parts={part: performance_figures(frame, evaluation) for part, frame in parts.items()},
        mix_correlations=excess.corr(),
        attribution=read_attribution(lake, name, evaluation.sessions_per_year),
        robustness=read_robustness(
            lake, name, daily, NO_RANK_IC, subject.evaluation_horizon, first.backtest, evaluation
        ),
        is_benchmark_approximate=subject.is_benchmark_approximate,
    )


def _relaxed(lake: Lake, parts: Sequence[Strategy]) -> pd.Series:
    """[rebalance] what was relaxed in the problems of the parts, "" for nothing."""
    by_part = {
        part.name: dated(lake, part.account_table).set_index("date")["relaxed"].map(relaxed_names) for part in parts
    }
    texts = [names.map(lambda text, name=name: f"{name}: {text}" if text else "") for name, names in by_part.items()]
    both = pd.concat(texts, axis=1).fillna("")
    return both.apply(lambda row: "; ".join(text for text in row if text), axis=1)


def _rebalances(daily: pd.DataFrame, trades: pd.DataFrame, relaxed: pd.Series) -> pd.DataFrame:
    """One row a session with trades: of the parts, the session after they were rebalanced, or of a reset."""
    sessions = daily.set_index("date")
    signals = sessions.index.to_series().shift(1)
    traded = sessions[sessions["turnover"] > 0]
    unfilled = trades[trades["is_blocked"]].groupby("date")["unfilled_weight"].sum()
    return pd.DataFrame(
        {
            "one_way_turnover": traded["turnover"] / 2.0,
            "cost": traded["cost"],
            "holdings": traded["holding_count"],
            "unfilled": unfilled.reindex(traded.index).fillna(0.0),
            "relaxed": relaxed.reindex(signals[traded.index]).fillna("").to_numpy(),
        }
    )


def _holdings(lake: Lake, name: str, strategy: Strategy) -> tuple[pd.DataFrame, pd.Timestamp]:
    """What the mix held after its newest trades, beside the benchmark of that session."""
    held = dated(lake, backtest_table(name, "holdings"))
    newest = held["date"].max()
    session = np.datetime64(newest, "D")
    weights = held[held["date"] == newest].set_index("symbol")["weight"]
    benchmark = benchmark_weights(lake, strategy.benchmark, session).reindex(weights.index)
    names = lake.read("security", columns=["symbol", "name"]).to_pandas().set_index("symbol")["name"]
    industries = industry_at(
        lake.read("industry").to_pandas(), weights.index.tolist(), session, strategy.industry_scheme
    )
    frame = pd.DataFrame(
        {
            "symbol": weights.index,
            "name": names.reindex(weights.index).fillna("").to_numpy(),
            "weight": weights.to_numpy(),
            "benchmark_weight": benchmark.fillna(0.0).to_numpy(),
            "industry": industries,
            "score": np.nan,
            "reason": None,
        }
    )
    return frame.assign(active_weight=frame["weight"] - frame["benchmark_weight"]), newest
