"""The exhibits of Huatai AI-55, one entry each."""

from __future__ import annotations

from functools import partial

from attn_platform.reports.contents import FACTOR_FIGURES, PERFORMANCE_FIGURES
from attn_platform.reports.study import pictures, side_by_side
from attn_platform.reports.study.exhibit import Exhibit, Item, Kind, Reads

MONTHS, METHOD, RESULTS, NETWORKS = "Net values and months", "Method", "Results", "Which attention"
ADJACENCY, LOSS, WIDTH = "Which neighbours", "Which loss", "Which width"
TREES, NEUTRAL = "Beside XGBoost", "Neutral factors instead of attention"

_FACTORS, _PERFORMANCE = ("ai55_exhibit20_factor_metrics",), ("ai55_exhibit21_performance",)
_NEUTRAL_PERFORMANCE = ("ai55_exhibit35_neutralisation",)
_EXCESS = ("excess_annual_return", "information_ratio", "excess_max_drawdown")
_RANK_ICS = ("rank_ic_mean", "weighted_rank_ic_mean")
_NUMBERS = "Which table of method bears which of the numbers 10, 14, 15, 17, 19, 31 and 32 is our reading."
_ORDER = "The order of exhibits 22 to 30, curves of RankIC before those of excess net value, is our reading."


def _item(model: str) -> Item:
    return Item(model.replace("_", " "), model, (model, "10d"))


_RESIDUAL, _MASK, _GLOBAL, _NN = map(_item, ("gat_residual", "gat_mask", "gat_global", "nn"))
_INDUSTRY, _MSE = _item("gat_residual_industry"), _item("gat_residual_mse")
_WIDTHS = (_RESIDUAL, _item("gat_residual_hidden32"), _item("gat_residual_hidden16"))
_XGBOOST, _NEUTRALISED = _item("xgboost"), _item("nn_neutralize_industry")
_MIX = Item("gat xgboost mix", "gat_xgboost_mix")
_BY_ATTENTION = (_RESIDUAL, _MASK, _GLOBAL, _NN)
_ALL = (*_BY_ATTENTION, _INDUSTRY, _MSE, *_WIDTHS[1:], _XGBOOST)

_study = partial(Exhibit, "ai55")
_strategies = partial(Exhibit, "ai55", reads=Reads.STRATEGIES)
_forecasts = partial(Exhibit, "ai55", reads=Reads.FORECASTS)

EXHIBITS: tuple[Exhibit, ...] = (
    *(
        each
        for number, item in ((1, _RESIDUAL), (3, _MSE), (5, _MIX))
        for each in (
            _strategies(
                number, f"Net value of {item.label}", Kind.CURVES, MONTHS, pictures.net_value_curves, (item,), _EXCESS,
                _PERFORMANCE, "That the net value stands before the months of the same portfolio is our reading.",
            ),
            _strategies(
                number + 1, f"Excess return by month of {item.label}", Kind.MONTHS, MONTHS, side_by_side.months, (item,)
            ),
        )
    ),
    _strategies(
        7, "Excess net values of the three portfolios", Kind.CURVES, MONTHS, pictures.excess_curves,
        (_RESIDUAL, _MSE, _MIX), _EXCESS, _PERFORMANCE, "What exhibit 7 compares is our reading.",
    ),
    _study(10, "Sectors and their industries", Kind.METHOD, METHOD, side_by_side.method("sectors"), note=_NUMBERS),
    _study(14, "Factors of the graph networks", Kind.METHOD, METHOD, side_by_side.method("factors"), note=_NUMBERS),
    _study(15, "Graph networks", Kind.METHOD, METHOD, side_by_side.method("networks"), note=_NUMBERS),
    _study(16, "Members of the universe, and their median market value", Kind.CURVES, METHOD, pictures.universe),
    _study(17, "Samples and training", Kind.METHOD, METHOD, side_by_side.method("training"), note=_NUMBERS),
    _study(19, "Weekly portfolios", Kind.METHOD, METHOD, side_by_side.method("portfolios"), note=_NUMBERS),
    _forecasts(20, "Composite factors", Kind.TABLE, RESULTS, side_by_side.figures, _ALL, FACTOR_FIGURES, _FACTORS),
    _strategies(
        21, "Enhanced portfolios", Kind.TABLE, RESULTS, side_by_side.figures,
        (*_ALL, _MIX), PERFORMANCE_FIGURES, _PERFORMANCE,
    ),
    _forecasts(
        22, "Cumulative RankIC by attention", Kind.CURVES, NETWORKS, pictures.rank_ic_curves("rank_ic"),
        _BY_ATTENTION, _RANK_ICS[:1], _FACTORS, _ORDER,
    ),
    _forecasts(
        23, "Cumulative weighted RankIC by attention", Kind.CURVES, NETWORKS,
        pictures.rank_ic_curves("weighted_rank_ic"), _BY_ATTENTION, _RANK_ICS[1:], _FACTORS, _ORDER,
    ),
    _strategies(
        24, "Excess net value by attention", Kind.CURVES, NETWORKS, pictures.excess_curves,
        _BY_ATTENTION, _EXCESS, _PERFORMANCE, _ORDER,
    ),
    *(
        each
        for number, what, section, items in (
            (25, "neighbours", ADJACENCY, (_RESIDUAL, _INDUSTRY)),
            (27, "loss", LOSS, (_RESIDUAL, _MSE)),
            (29, "width", WIDTH, _WIDTHS),
        )
        for each in (
            _forecasts(
                number, f"Cumulative RankIC and weighted RankIC by {what}", Kind.CURVES, section,
                pictures.rank_ic_curves(*pictures.RANK_ICS), items, _RANK_ICS, _FACTORS, _ORDER,
            ),
            _strategies(
                number + 1, f"Excess net value by {what}", Kind.CURVES, section, pictures.excess_curves,
                items, _EXCESS, _PERFORMANCE, _ORDER,
            ),
        )
    ),
    _study(31, "Factors of XGBoost", Kind.METHOD, TREES, side_by_side.method("tree_factors"), note=_NUMBERS),
    _study(32, "Samples and training of XGBoost", Kind.METHOD, TREES, side_by_side.method("trees"), note=_NUMBERS),
    _strategies(
        33, "Daily excess returns of gat residual and XGBoost", Kind.SCATTER, TREES, pictures.scatter,
        (_RESIDUAL, _XGBOOST), _EXCESS, _PERFORMANCE,
    ),
    _strategies(
        34, "Excess net value of the mix and its parts", Kind.CURVES, TREES, pictures.excess_curves,
        (_RESIDUAL, _XGBOOST, _MIX), _EXCESS, _PERFORMANCE,
    ),
    _strategies(
        35, "Enhanced portfolios with neutral factors", Kind.TABLE, NEUTRAL, side_by_side.figures,
        (_INDUSTRY, _NEUTRALISED, _NN), PERFORMANCE_FIGURES, _NEUTRAL_PERFORMANCE,
    ),
    _strategies(
        36, "Excess net value with neutral factors", Kind.CURVES, NEUTRAL, pictures.excess_curves,
        (_INDUSTRY, _NEUTRALISED, _NN), _EXCESS, _NEUTRAL_PERFORMANCE,
    ),
)  # fmt: skip
