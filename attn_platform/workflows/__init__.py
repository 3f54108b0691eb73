"""One function for each thing that a user does; assets, the command line and notebooks call the same.

Each takes a `Home` first and works on its lake: raw tables, universe, factors, training, forecasts, portfolios,
backtests, evaluation, pages, explanations. Nothing here knows Dagster.
"""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.studies.pages import page, page_file, page_of_each, pages_called, pages_of, write_page
    from attn_platform.studies.settings import Home
    from attn_platform.workflows.attribution import attribute_mix, attribute_returns
    from attn_platform.workflows.backtests import backtest_mix, backtest_strategy
    from attn_platform.workflows.comparison import compare, write_comparison_page
    from attn_platform.workflows.evaluation import evaluate_factors, evaluate_forecasts, measured_predictions
    from attn_platform.workflows.explained_holdings import explain_holding
    from attn_platform.workflows.explanations import explain_forecast, explain_forecasts, explain_model, explained_by
    from attn_platform.workflows.factors import choose_factors, compute_factors, compute_panel, factor_values
    from attn_platform.workflows.forecasts import forecast
    from attn_platform.workflows.homes import make_home
    from attn_platform.workflows.imports import import_data, import_predictions
    from attn_platform.workflows.one_week import optimise
    from attn_platform.workflows.orders import approve_orders, orders_for, record_look, take_fills
    from attn_platform.workflows.pages.factors import write_factor_pages
    from attn_platform.workflows.portfolios import rebalance, rebalances, resolve, target_portfolio
    from attn_platform.workflows.prediction_backtest import backtest_predictions
    from attn_platform.workflows.raw_tables import provide_sessions, provide_table
    from attn_platform.workflows.robustness import forecast_seeds, measure_robustness, tried
    from attn_platform.workflows.training import available_windows, train
    from attn_platform.workflows.universe import choose_members, group_neighbours, quarters_of, universe_on, years_of

__all__ = [
    "Home",
    "approve_orders",
    "attribute_mix",
    "attribute_returns",
    "available_windows",
    "backtest_mix",
    "backtest_predictions",
    "backtest_strategy",
    "choose_factors",
    "choose_members",
    "compare",
    "compute_factors",
    "compute_panel",
    "evaluate_factors",
    "evaluate_forecasts",
    "explain_forecast",
    "explain_forecasts",
    "explain_holding",
    "explain_model",
    "explained_by",
    "factor_values",
    "forecast",
    "forecast_seeds",
    "group_neighbours",
    "import_data",
    "import_predictions",
    "make_home",
    "measure_robustness",
    "measured_predictions",
    "optimise",
    "orders_for",
    "page",
    "page_file",
    "page_of_each",
    "pages_called",
    "pages_of",
    "provide_sessions",
    "provide_table",
    "quarters_of",
    "rebalance",
    "rebalances",
    "record_look",
    "resolve",
    "take_fills",
    "target_portfolio",
    "train",
    "tried",
    "universe_on",
    "write_comparison_page",
    "write_factor_pages",
    "write_page",
    "years_of",
]
__getattr__ = lazy_attributes(__name__)
