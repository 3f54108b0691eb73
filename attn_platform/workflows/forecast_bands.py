"""Whether a model's forecasts are as good as they were: realised RankIC of the last sessions beside its own history."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.automation.configuration import UsualConfig
from attn_platform.automation.usual import newest_mean
from attn_platform.evaluation.store import figures_table, sessions_table
from attn_platform.studies.settings import Home
from attn_platform.workflows.unusual import Aspect, Remark, beyond


def forecast_remarks(home: Home, session: np.datetime64, usual: UsualConfig) -> Iterator[Remark]:
    """A remark on each model whose mean RankIC of the last sessions lies outside of its band, as known on `session`.

    Of a model that strategies trade on, the horizons that they trade; of another one all. A model whose newest RankIC
    that could be known is older than `mean_sessions` is not live, and nothing is said of it.
    """
    recent = _last_known(home, session, back=usual.mean_sessions)
    for forecaster in home.study.forecasters:
        if not home.lake.has(sessions_table(forecaster.name)):
            continue
        traded = {each.horizon for each in home.study.strategies if each.model == forecaster.name}
        for horizon, series in known_rank_ics(home, forecaster.name, session).items():
            evaluated = pd.DatetimeIndex(series.dropna().index)
            if (traded and horizon not in traded) or not (evaluated >= recent).any():
                continue
            mean, usually = newest_mean(series.to_numpy(dtype=np.float64), usual)
            if (text := beyond(mean, usually, ".1%")) is not None:
                about = f"RankIC ({horizon}) over the last {usual.mean_sessions} known sessions of {text}"
                yield Remark(Aspect.FORECAST, figures_table(forecaster.name), about)


def known_rank_ics(home: Home, model: str, session: np.datetime64) -> pd.DataFrame:
    """RankIC [session] × horizon of the sessions whose returns are over at the close of `session`.

    A forecast of T is measured on the return from T + 1 on, over the study's `evaluation_horizon`.
    """
    rows = home.lake.read(sessions_table(model), columns=["date", "horizon", "rank_ic"]).to_pandas()
    rows["date"] = pd.to_datetime(rows["date"])
    known = rows[rows["date"] <= _last_known(home, session)]
    return known.pivot(index="date", columns="horizon", values="rank_ic").sort_index()


def _last_known(home: Home, session: np.datetime64, back: int = 0) -> pd.Timestamp:
    """The last session whose return is over at the close of `session`, or one so many sessions before it."""
    at = home.calendar.position(home.calendar.on_or_before(session)) - home.study.evaluation_horizon - 1 - back
    return pd.Timestamp(home.calendar.sessions[max(at, 0)])
