"""Reports: pages, figures and tables of strategies, mixes, factors and raw data."""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.reports.comparison import write_comparison
    from attn_platform.reports.configuration import ReportConfig
    from attn_platform.reports.contents import StrategyReportData
    from attn_platform.reports.data_contents import DataReportData
    from attn_platform.reports.data_pages import write_data_report
    from attn_platform.reports.factor_pages import write_factor_index, write_factor_report
    from attn_platform.reports.mix import gather_mix
    from attn_platform.reports.order_files import write_order_file
    from attn_platform.reports.overview_page import write_overview
    from attn_platform.reports.strategy import gather
    from attn_platform.reports.strategy_page import write_strategy_report
    from attn_platform.reports.study.page import write_study_report
    from attn_platform.reports.tables import write_report_tables
    from attn_platform.reports.weekly_page import write_weekly_report

__all__ = [
    "DataReportData",
    "ReportConfig",
    "StrategyReportData",
    "gather",
    "gather_mix",
    "write_comparison",
    "write_data_report",
    "write_factor_index",
    "write_factor_report",
    "write_order_file",
    "write_overview",
    "write_report_tables",
    "write_strategy_report",
    "write_study_report",
    "write_weekly_report",
]
__getattr__ = lazy_attributes(__name__)
