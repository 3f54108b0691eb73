"""What a strategy's report is made from: plain frames and numbers, so that whoever has them can have the page.

The report computes nothing beyond what a plot needs (drawdowns, cumulative sums, extremes of an exposure); performance
and factor figures come from `attn_platform.evaluation` under the column names of the published tables (AI-69, AI-55).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from attn_platform.errors import ContractError
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.portfolio.trading.shortfall import WEEK_FIGURES
from attn_platform.published import PublishedMonths, PublishedRow
from attn_platform.reports.robustness_contents import Attribution, Robustness

DAILY_COLUMNS = (
    "net_value",
    "benchmark_net_value",
    "excess_net_value",
    "return",
    "benchmark_return",
    "excess_return",
    "turnover",
    "cost",
)
PERFORMANCE_FIGURES = (
    "annual_return",
    "annual_volatility",
    "sharpe",
    "max_drawdown",
    "calmar",
    "excess_annual_return",
    "tracking_error",
    "information_ratio",
    "excess_max_drawdown",
    "excess_calmar",
    "monthly_win_rate",
    "annual_two_sided_turnover",
)
UNTRADED_FIGURES = (
    "delistings",
    "delisted_weight",
    "final_net_value",
    "unrecovered_net_value",
    "annual_return",
    "unrecovered_annual_return",
    "suspended_at_end",
    "suspended_weight",
)
FACTOR_FIGURES = (
    "ic_mean",
    "rank_ic_mean",
    "weighted_ic_mean",
    "weighted_rank_ic_mean",
    "icir",
    "rank_icir",
    "weighted_icir",
    "weighted_rank_icir",
    "top_precision",
    "bottom_precision",
    "top_annual_return",
    "bottom_annual_return",
    "long_short_annual_return",
    "benchmark_annual_return",
)
WORST_WEEKS_COLUMNS = ("last_session", "return", "benchmark_return", "excess_return")
CONTRIBUTOR_COLUMNS = (
    "last_session",
    "kind",
    "name",
    "label",
    "industry",
    "active_weight",
    "return",
    "contribution",
)
REBALANCE_COLUMNS = ("one_way_turnover", "cost", "holdings", "relaxed", "unfilled")
RELAXATION_PREFIX = "relaxed_"
HOLDINGS_COLUMNS = ("symbol", "name", "weight", "benchmark_weight", "active_weight", "industry", "score", "reason")
LIMIT_STATE_COLUMNS = ("date", "kind", "name", "lower", "upper", "value", "price")
BINDING_COLUMNS = ("kind", "name", "weeks", "at_upper", "at_lower", "mean_price")


def is_relaxed(rebalances: pd.DataFrame) -> "pd.Series[bool]":
    """Return for each rebalance whether any limit was relaxed; `rebalances` as in `StrategyReportData`."""
    return rebalances["relaxed"].fillna("").astype(str).str.strip() != ""


class DataKind(StrEnum):
    """Where the market data of a report came from."""

    SIMULATED = "simulated"
    SAMPLE = "sample"
    VENDOR = "vendor"


@dataclass(frozen=True)
class DataSource:
    """Origin of the market data; `description` reads "Simulated market (seed 7)" or "Real A-share data, imported …"."""

    kind: DataKind
    description: str


@dataclass(frozen=True)
class ExposureLimits:
    """Limits of the weekly problem that the figures draw; None or an absent style is no limit (AI-69, AI-55).

    `industry`: |Σ(w − b)| per industry; `styles`: |Σ(w − b)·z| per style in standard deviations; `one_way_turnover`:
    Σ|w − w_prev|/2 a rebalance.
    """

    industry: float | None
    styles: Mapping[str, float]
    one_way_turnover: float | None


@dataclass(frozen=True)
class Explanation:
    """What the model reads on one session, for the strategy's horizon.

    stocks     symbol, name, sector, forecast of every stock, and a column a part of the forecast
    factors    factor, step, share, absolute_share: of the forecasts' variance over the stocks; step 0 is the session
    attention  kind ("tasks", "steps", "sectors"), attending, attended, weight; empty where the network has none
    `parts` are the columns of the parts by name, `part_shares` their shares of that variance.
    """

    session: pd.Timestamp
    stocks: pd.DataFrame
    parts: Mapping[str, str]
    part_shares: Mapping[str, float]
    factors: pd.DataFrame
    attention: pd.DataFrame


@dataclass(frozen=True)
class PlantedSignals:
    """What the returns of a simulated market hide, and what knowing it would be worth.

    signals  [signal] strength (basis points of a session's return for one standard deviation), seen_by (a line of
             text), rank_ic_mean, weighted_rank_ic_mean: against the returns that the forecast is measured on
    `known` has the latter two of the best forecast, which knows all signals and strengths; NaN and empty where the
    home was made before planted signals were kept.
    """

    signals: pd.DataFrame
    known: Mapping[str, float]


@dataclass(frozen=True)
class StrategyReportData:
    """Everything one strategy's report shows. Returns, weights and costs are fractions.

    Frames (an empty frame leaves its part of the page out):
    daily               [session] `DAILY_COLUMNS`: `BacktestResult.daily` by date, with the benchmark's net value;
                        `turnover` is the two-sided traded weight of the session, `cost` its share of the net value
    yearly              `year` and any figures, as `evaluation.performance.yearly_figures`
    month_table         `year`, 01 … 12, `year_total`, as `evaluation.performance.monthly_excess_returns`
    worst_weeks         `WORST_WEEKS_COLUMNS`, worst first, as `evaluation.performance.worst_weeks`
    best_weeks          the same columns, best first
    week_contributors   `CONTRIBUTOR_COLUMNS`, as `evaluation.held_weights.week_contributors`, and `label`: the stock's
                        name, or ""
    conditions          `reports.conditions.CONDITION_COLUMNS`: what was set, and its value
    untraded            `UNTRADED_FIGURES`, as `evaluation.performance.untraded_figures`
    rank_ic, weighted_rank_ic   [session]
    layers              [session] × layer, the top layer (highest predictions) first: net value relative to the equally
                        weighted universe
    layer_annual_returns  [layer], in the order of `layers`: annual growth of the same net values;
                        `universe_annual_return` is that of the universe
    industry_exposures  [session] × industry: active weight held after the close
    style_exposures     [session] × style: active exposure held after the close, in standard deviations
    rebalances          [rebalance date] `REBALANCE_COLUMNS`, and relaxed_<limit>: by how much the limit was relaxed;
                        `relaxed` names these ("" for none), `unfilled` the weight that could not be traded
    limit_states        `LIMIT_STATE_COLUMNS`: every limit on each rebalance, and its price
    binding_limits      `BINDING_COLUMNS`, as `portfolio.binding_limits` of them
    stock_reasons       [rebalance date] × reason: how many stocks of the target have their weight for it
    holdings            `HOLDINGS_COLUMNS` of the newest portfolio, any order
    checkpoint_windows  one row a window, any columns
    execution           `portfolio.trading.shortfall.WEEK_FIGURES` of the weeks with fills
    mix_parts           performance of each strategy that a mix is made of, by its name
    mix_correlations    part × part: correlation of daily excess returns
    `evaluation` says how the layers are formed.
    `attribution` and `robustness` are None where their assets were not made.
    `explanation` is None for ensembles and for models that are no networks; `planted` for real data.
    """

    title: str
    strategy: str
    model: str
    horizon: str
    study: str
    universe: str
    benchmark: str
    data_source: DataSource
    daily: pd.DataFrame
    performance: Mapping[str, float]
    yearly: pd.DataFrame
    month_table: pd.DataFrame
    worst_weeks: pd.DataFrame
    factor_figures: Mapping[str, float]
    rank_ic: pd.Series
    weighted_rank_ic: pd.Series
    layers: pd.DataFrame
    layer_annual_returns: pd.Series
    industry_exposures: pd.DataFrame
    style_exposures: pd.DataFrame
    limits: ExposureLimits
    rebalances: pd.DataFrame
    holdings: pd.DataFrame
    holdings_date: pd.Timestamp | None
    checkpoint_windows: pd.DataFrame
    fingerprints: Mapping[str, str]
    notes: Sequence[str] = ()
    untraded: Mapping[str, float] = field(default_factory=dict)
    published_performance: PublishedRow | None = None
    published_factor_figures: PublishedRow | None = None
    published_months: PublishedMonths | None = None
    explanation: Explanation | None = None
    planted: PlantedSignals | None = None
    limit_states: pd.DataFrame = field(default_factory=pd.DataFrame)
    binding_limits: pd.DataFrame = field(default_factory=pd.DataFrame)
    stock_reasons: pd.DataFrame = field(default_factory=pd.DataFrame)
    mix_parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    mix_correlations: pd.DataFrame = field(default_factory=pd.DataFrame)
    best_weeks: pd.DataFrame = field(default_factory=pd.DataFrame)
    week_contributors: pd.DataFrame = field(default_factory=pd.DataFrame)
    conditions: pd.DataFrame = field(default_factory=pd.DataFrame)
    execution: pd.DataFrame = field(default_factory=pd.DataFrame)
    universe_annual_return: float = float("nan")
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    attribution: Attribution | None = None
    robustness: Robustness | None = None
    is_benchmark_approximate: bool = False
    """Whether the weights of the benchmark are not the published ones."""

    def __post_init__(self) -> None:
        if self.daily.empty:
            raise ContractError(f"report of {self.strategy}: no sessions; run the backtest over its test range first")
        if not isinstance(self.daily.index, pd.DatetimeIndex) or not self.daily.index.is_monotonic_increasing:
            raise ContractError(f"report of {self.strategy}: daily must be indexed by ascending dates")
        self._require("daily", self.daily, DAILY_COLUMNS)
        self._require("performance", self.performance, PERFORMANCE_FIGURES)
        optional_parts = (
            ("yearly", self.yearly, ("year",)),
            ("month_table", self.month_table, ("year", "year_total")),
            ("worst_weeks", self.worst_weeks, WORST_WEEKS_COLUMNS),
            ("best_weeks", self.best_weeks, WORST_WEEKS_COLUMNS),
            ("week_contributors", self.week_contributors, CONTRIBUTOR_COLUMNS),
            ("untraded", self.untraded, UNTRADED_FIGURES),
            ("factor_figures", self.factor_figures, FACTOR_FIGURES),
            ("rebalances", self.rebalances, REBALANCE_COLUMNS),
            ("holdings", self.holdings, HOLDINGS_COLUMNS),
            ("limit_states", self.limit_states, LIMIT_STATE_COLUMNS),
            ("binding_limits", self.binding_limits, BINDING_COLUMNS),
            ("execution", self.execution, WEEK_FIGURES),
        )
        for name, part, columns in optional_parts:
            if len(part):
                self._require(name, part, columns)

    def _require(self, part: str, present: pd.DataFrame | Mapping[str, float], names: Sequence[str]) -> None:
        missing = [name for name in names if name not in present]
        if missing:
            raise ContractError(f"report of {self.strategy}: {part} lacks {', '.join(missing)}")

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """Sessions of the test range."""
        return pd.DatetimeIndex(self.daily.index)

    @property
    def test_range(self) -> str:
        """First and last session of the test range."""
        return f"{self.sessions[0]:%Y-%m-%d} to {self.sessions[-1]:%Y-%m-%d}"
