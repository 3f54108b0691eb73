import pandas as pd
import pytest

from attn_platform.errors import ContractError
from attn_platform_tests.reports.sample import strategy_report_data


def test_a_missing_column_is_named() -> None:
    daily = strategy_report_data().daily.drop(columns=["excess_net_value", "cost"])
    with pytest.raises(ContractError, match=r"csi500_inter_task_attention: daily lacks excess_net_value, cost"):
        strategy_report_data(daily=daily)


def test_a_missing_figure_is_named() -> None:
    figures = dict(strategy_report_data().performance)
    del figures["calmar"]
    with pytest.raises(ContractError, match="performance lacks calmar"):
        strategy_report_data(performance=figures)


@pytest.mark.parametrize("part", ["yearly", "month_table", "rebalances", "holdings"])
def test_optional_parts_are_checked_only_where_they_are(part: str) -> None:
    frame = getattr(strategy_report_data(), part)
    assert strategy_report_data(**{part: pd.DataFrame()})
    with pytest.raises(ContractError, match=f"{part} lacks"):
        strategy_report_data(**{part: frame.iloc[:, 1:]})


def test_a_report_needs_sessions_in_order() -> None:
    daily = strategy_report_data().daily
    with pytest.raises(ContractError, match="run the backtest"):
        strategy_report_data(daily=daily.iloc[:0])
    with pytest.raises(ContractError, match="ascending"):
        strategy_report_data(daily=daily.iloc[::-1])


def test_test_range_spans_the_sessions() -> None:
    assert strategy_report_data(sessions=5).test_range == "2021-11-15 to 2021-11-19"
