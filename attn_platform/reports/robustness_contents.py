"""What the sections on attribution and robustness show, from the tables of their assets; None where there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.backtest.config import BacktestConfig
from attn_platform.evaluation import store
from attn_platform.evaluation.backtest_attribution import summed_effects
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.inference import t_value
from attn_platform.evaluation.performance import monthly_excess_returns
from attn_platform.evaluation.return_attribution import (
    BENCHMARK,
    DIVIDENDS,
    EFFECTS,
    linked_effects,
)
from attn_platform.evaluation.robustness import (
    capacities,
    cost_sensitivity,
    overlapping_t,
    period_stability,
    sharpe_of,
    worst_rolling,
)
from attn_platform.market.lake import Lake

ALL_YEARS = "all"


@dataclass(frozen=True)
class Attribution:
    """Effects on the excess return, linked so that each row sums to the compounded one.

    effects     [session] × `EFFECTS`, not linked: they sum to the excess return of the session
    months      [month] × `EFFECTS`, excess_return
    years       [year] × the same
    total       [effect], excess_return
    names       effect (industry, style, selection), name, value: of `total`
    """

    effects: pd.DataFrame
    months: pd.DataFrame
    years: pd.DataFrame
    total: pd.Series
    names: pd.DataFrame
    sessions_per_year: int


@dataclass(frozen=True)
class BenchmarkError:
    """How the members of the benchmark, at the lake's weights, differ from the index that the excess is measured by.

    Annual means and tracking error of daily differences: `dividends` of the members that a price index leaves out, and
    `weights`, all that is left: weights, members and prices that are not quite the index's.
    """

    dividends: float
    weights: float
    tracking_error: float


@dataclass(frozen=True)
class Robustness:
    """Figures beyond the backtest's own.

    figures     rank_ic_t, rank_ic_newey_west_t (NaN for a mix, which has no forecast), excess_newey_west_t (of the mean
                daily excess return), positive_months, worst_year, sharpe (of the excess return)
    worst_year_end   last session of the worst rolling year, None where the backtest is shorter
    periods     `evaluation.robustness.STABILITY_COLUMNS`
    costs       as `evaluation.robustness.cost_sensitivity`
    seeds       seed, rank_ic_mean, rank_icir, top_excess_return; empty for ensembles and imported forecasts
    capacity    [share of what is traded] × year and "all": account in CNY; `volume_share` is what a trade may take
    """

    figures: Mapping[str, float]
    worst_year_end: pd.Timestamp | None
    periods: pd.DataFrame
    costs: pd.DataFrame
    seeds: pd.DataFrame
    capacity: pd.DataFrame
    volume_share: float


def read_attribution(lake: Lake, strategy: str, sessions_per_year: int) -> Attribution | None:
    """Attribution of a strategy's excess return; None where it was not made."""
    if not lake.has(store.attribution_table(strategy)):
        return None
    rows = lake.read(store.attribution_table(strategy)).to_pandas()
    rows["date"] = pd.to_datetime(rows["date"])
    effects = summed_effects(rows, EFFECTS)
    by_name = rows.pivot(index="date", columns=["effect", "name"], values="value").fillna(0.0)
    by_name.columns = by_name.columns.to_flat_index()
    linked = linked_effects(by_name).drop(columns="excess_return").iloc[0]
    names = pd.DataFrame(linked.index.tolist(), columns=["effect", "name"]).assign(value=linked.to_numpy())
    return Attribution(
        effects=effects,
        months=linked_effects(effects, "M"),
        years=linked_effects(effects, "Y"),
        total=linked_effects(effects).iloc[0],
        names=names[(names["name"] != "") & (names["value"] != 0)].reset_index(drop=True),
        sessions_per_year=sessions_per_year,
    )


def benchmark_error(attribution: Attribution) -> BenchmarkError:
    """The benchmark's own error, from the effects of an attribution."""
    effects, sessions_per_year = attribution.effects, attribution.sessions_per_year
    return BenchmarkError(
        dividends=float(effects[DIVIDENDS].mean() * sessions_per_year),
        weights=float(effects[BENCHMARK].mean() * sessions_per_year),
        tracking_error=float(effects[BENCHMARK].std() * np.sqrt(sessions_per_year)),
    )


def read_robustness(
    lake: Lake,
    strategy: str,
    daily: pd.DataFrame,
    rank_ic: pd.Series,
    horizon: int,
    backtest: BacktestConfig,
    config: EvaluationConfig,
) -> Robustness | None:
    """Robustness of a strategy; None where it was not measured.

    `daily` is the stored frame of its backtest, `rank_ic` [session] that of its forecast against returns over `horizon`
    sessions; empty for a mix, which has none.
    """
    seeds_table, trades_table = store.robustness_tables(strategy)
    if not lake.has(seeds_table):
        return None
    returns = daily.set_index("date").iloc[1:]
    excess = returns["excess_return"]
    trades = lake.read(trades_table).to_pandas()
    months = monthly_excess_returns(daily).drop(columns=["year", "year_total"]).to_numpy()
    end, worst = worst_rolling(excess, config.robustness.rolling_sessions)
    figures = {
        "rank_ic_t": t_value(rank_ic.to_numpy(dtype=np.float64)),
        "rank_ic_newey_west_t": overlapping_t(rank_ic, horizon),
        "excess_newey_west_t": overlapping_t(excess, horizon),
        "positive_months": float((months[np.isfinite(months)] > 0).mean()),
        "worst_year": worst,
        "sharpe": sharpe_of(excess.to_numpy()) * np.sqrt(config.sessions_per_year),
    }
    return Robustness(
        figures=figures,
        worst_year_end=end,
        periods=period_stability(returns, rank_ic, config),
        costs=cost_sensitivity(daily, backtest.cost_per_side, config),
        seeds=lake.read(seeds_table).to_pandas(),
        capacity=_capacity(trades, config),
        volume_share=config.robustness.volume_share,
    )


def _capacity(trades: pd.DataFrame, config: EvaluationConfig) -> pd.DataFrame:
    years = pd.to_datetime(trades["date"]).dt.year.astype(str)
    shares = config.robustness.traded_shares
    columns = {year: capacities(part, shares) for year, part in trades.groupby(years)}
    return pd.DataFrame({**columns, ALL_YEARS: capacities(trades, shares)}).rename_axis("share")


def attribution_tables(attribution: Attribution) -> dict[str, pd.DataFrame]:
    """Frames of an attribution in full precision, by file stem."""
    total = attribution.total.rename_axis("effect").reset_index(name="value").assign(name="")
    return {
        "attribution": pd.concat([total, attribution.names])[["effect", "name", "value"]],
        "attribution_daily": attribution.effects.rename_axis("date").reset_index(),
        "attribution_months": attribution.months.rename_axis("month").reset_index(),
        "attribution_years": attribution.years.rename_axis("year").reset_index(),
    }


def robustness_tables(robustness: Robustness) -> dict[str, pd.DataFrame]:
    """Frames of the robustness in full precision, by file stem."""
    return {
        "robustness": pd.DataFrame(robustness.figures.items(), columns=["figure", "value"]),
        "robustness_periods": robustness.periods,
        "robustness_costs": robustness.costs,
        "robustness_seeds": robustness.seeds,
        "robustness_capacity": robustness.capacity.reset_index(),
    }
