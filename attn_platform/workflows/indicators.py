"""Daily indicators of a home: functions of its intraday tables, written by session."""

from __future__ import annotations

import numpy as np

from attn_platform.indicators.store import IndicatorSummary, write_indicators
from attn_platform.studies.settings import Home


def compute_indicators(home: Home, family: str, sessions: np.ndarray) -> IndicatorSummary:
    """Compute and write a family on ascending `sessions`; those without intraday rows are left out."""
    study = home.study
    return write_indicators(
        home.lake, study.indicator_catalogue, family, sessions, study.indicators, home.calendar.sessions
    )
