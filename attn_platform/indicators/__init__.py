"""Daily indicators: functions of one session of intraday rows (bars, trades, snapshots), stored by session.

What belongs here: the rows of a session as arrays, the open catalogue, the families and their store. What looks over
several sessions is a factor, and belongs into `attn_platform.factors`.
"""

from typing import TYPE_CHECKING

from attn_platform.lazy import lazy_attributes

if TYPE_CHECKING:
    from attn_platform.indicators.catalogue import (
        IndicatorCatalogue,
        IndicatorDefinition,
        indicator,
        indicator_table,
        indicators_with,
    )
    from attn_platform.indicators.config import IndicatorConfig
    from attn_platform.indicators.inputs import IndicatorInputs, ratio
    from attn_platform.indicators.store import compute_indicators, write_indicators
    from attn_platform.indicators.trades import agreement

__all__ = [
    "IndicatorCatalogue",
    "IndicatorConfig",
    "IndicatorDefinition",
    "IndicatorInputs",
    "agreement",
    "compute_indicators",
    "indicator",
    "indicator_table",
    "indicators_with",
    "ratio",
    "write_indicators",
]
__getattr__ = lazy_attributes(__name__)
