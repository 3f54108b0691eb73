"""Which models are told of: from evaluations written by hand, as far as their returns are over."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.automation.configuration import UsualConfig
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.studies.settings import Home
from attn_platform.workflows.forecast_bands import forecast_remarks, known_rank_ics
from attn_platform.workflows.unusual import Aspect, Remark

CALENDAR = exchange_calendar()
SESSIONS = CALENDAR.between("2021-01-04", "2022-12-30")
LAST, HORIZON = SESSIONS[-1], 10
USUAL = UsualConfig()
KNOWN = len(SESSIONS) - HORIZON - 1


class _Home:
    """A model that is traded at one of two horizons, and one that nobody trades."""

    def __init__(self, root: Path) -> None:
        rng = np.random.default_rng(5)
        self.lake, self.calendar = Lake(root / "lake"), CALENDAR
        self.study = SimpleNamespace(
            evaluation_horizon=HORIZON,
            forecasters=[SimpleNamespace(name="m"), SimpleNamespace(name="other"), SimpleNamespace(name="unevaluated")],
            strategies=[SimpleNamespace(model="m", horizon="10d")],
        )
        self.rank_ic = {
            key: 0.1 + 0.02 * rng.normal(size=len(SESSIONS)) for key in (("m", "10d"), ("m", "20d"), ("other", "5d"))
        }

    def remarks(self, session: np.datetime64 = LAST) -> list[Remark]:
        for model in ("m", "other"):
            frames = [
                pd.DataFrame({"date": SESSIONS, "horizon": horizon, "rank_ic": values})
                for (name, horizon), values in self.rank_ic.items()
                if name == model
            ]
            frame = pd.concat(frames)
            table = pa.Table.from_pandas(frame.assign(date=pd.to_datetime(frame["date"]).dt.date), preserve_index=False)
            self.lake.write(f"evaluation_{model}_sessions", table)
        return list(forecast_remarks(cast(Home, cast(Any, self)), session, USUAL))


@pytest.fixture
def home(tmp_path: Path) -> _Home:
    return _Home(tmp_path)


def test_a_model_that_is_as_it_was(home: _Home) -> None:
    assert home.remarks() == []


def test_outside_of_the_band_once_the_returns_are_over(home: _Home) -> None:
    home.rank_ic["m", "10d"][KNOWN:] = -0.9
    assert home.remarks() == [], "returns of the last eleven sessions are not over"
    home.rank_ic["m", "10d"][KNOWN - 60 : KNOWN] -= 0.15
    (remark,) = home.remarks()
    assert (remark.aspect, remark.asset) == (Aspect.FORECAST, "evaluation_m")
    assert remark.text.startswith("RankIC (10d) over the last 60 known sessions of -")


def test_what_comes_later_changes_nothing(home: _Home) -> None:
    session = SESSIONS[-40]
    before = home.remarks(session)
    known = known_rank_ics(cast(Home, cast(Any, home)), "m", session)
    assert known.index[-1] == pd.Timestamp(SESSIONS[-40 - HORIZON - 1])
    for values in home.rank_ic.values():
        values[-40 - HORIZON :] = -0.9
    assert home.remarks(session) == before == []
    assert len(home.remarks()) == 2


def test_horizons_that_nobody_trades(home: _Home) -> None:
    home.rank_ic["m", "20d"][KNOWN - 60 : KNOWN] -= 0.2
    assert home.remarks() == []
    home.rank_ic["other", "5d"][KNOWN - 60 : KNOWN] += 0.2
    (remark,) = home.remarks()
    assert remark.asset == "evaluation_other"


def test_a_model_that_is_not_live_is_no_news(home: _Home) -> None:
    home.rank_ic["m", "10d"][KNOWN - 60 : KNOWN] -= 0.15
    assert home.remarks(CALENDAR.shift(LAST, 60)) != []
    assert home.remarks(CALENDAR.shift(LAST, 90)) == []
