"""The exhibits of Huatai AI-69, one entry each."""

from __future__ import annotations

from functools import partial

from attn_platform.reports.contents import FACTOR_FIGURES, PERFORMANCE_FIGURES
from attn_platform.reports.study import pictures, side_by_side
from attn_platform.reports.study.exhibit import Exhibit, Item, Kind, Reads

METHOD, CROSS_SECTION, STEPS = "Method", "Cross-section networks", "Time-series networks"
RELAXED, ENSEMBLE = "Relaxed limits", "Ensemble"

_FACTORS, _PERFORMANCE = ("ai69_exhibit10_factor_metrics",), ("ai69_exhibit11_performance",)
_STEP_FACTORS, _STEP_PERFORMANCE = ("ai69_exhibit22_factor_metrics",), ("ai69_exhibit23_performance",)
_RELAXED_PERFORMANCE = ("ai69_exhibit24_performance_relaxed",)
_ENSEMBLE_FACTORS = ("ai69_exhibit34_factor_metrics_ensemble",)
_ENSEMBLE_PERFORMANCE = ("ai69_exhibit35_performance_ensemble",)
_EXCESS, _TOP = ("excess_annual_return", "excess_max_drawdown"), ("top_annual_return", "benchmark_annual_return")
_NUMBERS = "Which table of method bears which of the numbers 7 to 9 is our reading."
_BY_HORIZON = "One exhibit a horizon, in the order of exhibit 10, is our reading."
_LIMITS_READING = "That exhibits 29 to 31 are about the relaxed limits is our reading."


def _item(model: str, horizon: str, suffix: str = "") -> Item:
    name = f"{model}_{horizon}".replace("+", "_")
    return Item(f"{model.replace('_', ' ')} {horizon}", f"{name}{suffix}", (model, horizon))


_HORIZONS = ("10d", "20d", "10d+20d")
_MODELS = ("multi_task_baseline", "inter_task_attention", "inter_stock_attention")
_CROSS = {horizon: tuple(_item(model, horizon) for model in _MODELS) for horizon in _HORIZONS}
_ALL_CROSS = tuple(item for items in _CROSS.values() for item in items)
_STEP_ITEMS = tuple(_item(model, "10d") for model in ("lstm", "alstm", "temporal_transformer"))
_RELAXED_ITEMS = tuple(_item(model, "10d", "_relaxed") for model in ("lstm", "alstm", "temporal_transformer"))
_MEMBERS = (*_CROSS["10d+20d"], _item("temporal_transformer", "10d"))
_WITH_ENSEMBLE = (*_MEMBERS, Item("ensemble", "ensemble", ("ensemble", "ensemble")))

_study = partial(Exhibit, "ai69")
_strategies = partial(Exhibit, "ai69", reads=Reads.STRATEGIES)
_forecasts = partial(Exhibit, "ai69", reads=Reads.FORECASTS)

EXHIBITS: tuple[Exhibit, ...] = (
    _study(7, "Factors", Kind.METHOD, METHOD, side_by_side.method("factors"), note=_NUMBERS),
    _study(8, "Networks", Kind.METHOD, METHOD, side_by_side.method("networks"), note=_NUMBERS),
    _study(9, "Samples and training", Kind.METHOD, METHOD, side_by_side.method("training"), note=_NUMBERS),
    _forecasts(
        10, "Composite factors of the cross-section networks", Kind.TABLE, CROSS_SECTION, side_by_side.figures,
        _ALL_CROSS, FACTOR_FIGURES, _FACTORS,
    ),
    _strategies(
        11, "Enhanced portfolios of the cross-section networks", Kind.TABLE, CROSS_SECTION, side_by_side.figures,
        _ALL_CROSS, PERFORMANCE_FIGURES, _PERFORMANCE,
    ),
    _forecasts(12, "RankIC", Kind.BARS, CROSS_SECTION, pictures.bars, _ALL_CROSS, ("rank_ic_mean",), _FACTORS),
    _forecasts(
        13, "Weighted RankIC", Kind.BARS, CROSS_SECTION, pictures.bars, _ALL_CROSS, ("weighted_rank_ic_mean",), _FACTORS
    ),
    _strategies(
        14, "Information ratio", Kind.BARS, CROSS_SECTION, pictures.bars, _ALL_CROSS, ("information_ratio",),
        _PERFORMANCE,
    ),
    _strategies(
        15, "Excess Calmar ratio", Kind.BARS, CROSS_SECTION, pictures.bars, _ALL_CROSS, ("excess_calmar",), _PERFORMANCE
    ),
    *(
        _forecasts(
            16 + at, f"Top layer relative to the universe, {horizon}", Kind.CURVES, CROSS_SECTION,
            pictures.top_layer_curves, items, _TOP, _FACTORS, _BY_HORIZON,
        )
        for at, (horizon, items) in enumerate(_CROSS.items())
    ),
    *(
        _strategies(
            19 + at, f"Excess net value, {horizon}", Kind.CURVES, CROSS_SECTION,
            pictures.excess_curves, items, _EXCESS, _PERFORMANCE, _BY_HORIZON,
        )
        for at, (horizon, items) in enumerate(_CROSS.items())
    ),
    _forecasts(
        22, "Composite factors of the time-series networks", Kind.TABLE, STEPS, side_by_side.figures,
        _STEP_ITEMS, FACTOR_FIGURES, _STEP_FACTORS,
    ),
    _strategies(
        23, "Enhanced portfolios of the time-series networks", Kind.TABLE, STEPS, side_by_side.figures,
        _STEP_ITEMS, PERFORMANCE_FIGURES, _STEP_PERFORMANCE,
    ),
    _strategies(
        24, "Enhanced portfolios of the time-series networks, relaxed limits", Kind.TABLE, STEPS, side_by_side.figures,
        _RELAXED_ITEMS, PERFORMANCE_FIGURES, _RELAXED_PERFORMANCE,
    ),
    _forecasts(
        25, "RankIC and weighted RankIC", Kind.BARS, STEPS, pictures.bars,
        _STEP_ITEMS, ("rank_ic_mean", "weighted_rank_ic_mean"), _STEP_FACTORS,
    ),
    _strategies(
        26, "Information ratio and excess Calmar ratio", Kind.BARS, STEPS, pictures.bars,
        _STEP_ITEMS, ("information_ratio", "excess_calmar"), _STEP_PERFORMANCE,
    ),
    _forecasts(
        27, "Top layer relative to the universe", Kind.CURVES, STEPS, pictures.top_layer_curves,
        _STEP_ITEMS, _TOP, _STEP_FACTORS,
    ),
    _strategies(
        28, "Excess net value", Kind.CURVES, STEPS, pictures.excess_curves, _STEP_ITEMS, _EXCESS, _STEP_PERFORMANCE
    ),
    _study(
        29, "Limits of the weekly portfolios", Kind.METHOD, RELAXED, side_by_side.method("portfolios"),
        note=_LIMITS_READING,
    ),
    _strategies(
        30, "Information ratio and excess Calmar ratio, relaxed limits", Kind.BARS, RELAXED, pictures.bars,
        _RELAXED_ITEMS, ("information_ratio", "excess_calmar"), _RELAXED_PERFORMANCE, _LIMITS_READING,
    ),
    _strategies(
        31, "Excess net value, relaxed limits", Kind.CURVES, RELAXED, pictures.excess_curves,
        _RELAXED_ITEMS, _EXCESS, _RELAXED_PERFORMANCE, _LIMITS_READING,
    ),
    _forecasts(
        32, "Correlation of the forecasts", Kind.CORRELATIONS, ENSEMBLE, side_by_side.prediction_correlations,
        _MEMBERS, (), ("ai69_exhibit32_prediction_correlation",),
        "The mean of the sessions' rank correlations, at the horizons that the ensemble is made of, is our reading.",
    ),
    _strategies(
        33, "Correlation of the daily excess returns", Kind.CORRELATIONS, ENSEMBLE, side_by_side.excess_correlations,
        _MEMBERS, (), ("ai69_exhibit33_excess_return_correlation",),
    ),
    _forecasts(
        34, "Composite factors of the ensemble and its members", Kind.TABLE, ENSEMBLE, side_by_side.figures,
        _WITH_ENSEMBLE, FACTOR_FIGURES, _ENSEMBLE_FACTORS,
    ),
    _strategies(
        35, "Enhanced portfolios of the ensemble and its members", Kind.TABLE, ENSEMBLE, side_by_side.figures,
        _WITH_ENSEMBLE, PERFORMANCE_FIGURES, _ENSEMBLE_PERFORMANCE,
    ),
    _forecasts(
        36, "Cumulative RankIC of the ensemble less the baseline's", Kind.CURVES, ENSEMBLE, pictures.less_the_first,
        (_MEMBERS[0], _WITH_ENSEMBLE[-1]), ("rank_ic_mean",), _ENSEMBLE_FACTORS,
    ),
    _strategies(
        37, "Excess net value of the ensemble and its members", Kind.CURVES, ENSEMBLE, pictures.excess_curves,
        _WITH_ENSEMBLE, _EXCESS, _ENSEMBLE_PERFORMANCE,
    ),
)  # fmt: skip
