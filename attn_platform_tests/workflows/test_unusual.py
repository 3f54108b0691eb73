"""What is remarked on about a week, from tables written by hand."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.automation.configuration import UsualConfig
from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.workflows.unusual import Aspect, Remark, remarks

CONFIG = StrategyConfig(name="s", model="m", horizon="10d")
USUAL = UsualConfig(least_history=10, largest_change=0.3)
WEEKS = pd.date_range("2024-01-05", periods=20, freq="7D")
LAST = np.datetime64(WEEKS[-1], "D")


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame.assign(date=frame["date"].dt.date), preserve_index=False)


class _Market:
    """Twenty unremarkable weeks, to be changed before they are written."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(root / "lake")
        numbers = np.linspace(-1, 1, len(WEEKS))
        self.accounts = pd.DataFrame({"date": WEEKS, "turnover": 0.1 + 0.01 * numbers, "relaxed": "[]"})
        self.accounts.loc[0, "turnover"] = np.nan  # a first week has none
        self.exposures = pd.DataFrame(
            {"date": WEEKS, "kind": "industry", "name": "banks", "value": 0.005 * np.sin(numbers)}
        )
        self.weights = {week: {"a": 0.6, "b": 0.4} for week in WEEKS}

    def remarks(self, session: np.datetime64 = LAST) -> list[Remark]:
        for number, week in enumerate(WEEKS):
            day = np.datetime64(week, "D")
            self.lake.write("account_s", _table(self.accounts.iloc[[number]]), day)
            self.lake.write("limits_s", _table(self.exposures.iloc[[number]]), day)
            held = self.weights[week]
            frame = pd.DataFrame({"date": week, "symbol": list(held), "weight": list(held.values())})
            self.lake.write("portfolio_s", _table(frame), day)
        home: Any = SimpleNamespace(lake=self.lake)
        return remarks(cast(Home, home), CONFIG, session, USUAL)


@pytest.fixture
def market(tmp_path: Path) -> _Market:
    return _Market(tmp_path)


def test_nothing_to_say(market: _Market) -> None:
    assert market.remarks() == []


def test_relaxed_limit(market: _Market) -> None:
    record = [{"limit": "industry", "name": "banks", "allowed": 0.02, "reached": 0.031}]
    market.accounts.loc[len(WEEKS) - 1, "relaxed"] = json.dumps(record)
    assert market.remarks() == [
        Remark(Aspect.RELAXED, "portfolio_s", "limit industry banks was relaxed from 0.02 to 0.031")
    ]


def test_turnover_and_exposure_beyond_their_bands(market: _Market) -> None:
    market.accounts.loc[len(WEEKS) - 1, "turnover"] = 0.15
    market.exposures.loc[len(WEEKS) - 1, "value"] = -0.02
    turnover, exposure = market.remarks()
    assert turnover.text.startswith("one-way turnover of 15.0%, usually 8.")
    assert exposure.text.startswith("exposure to industry banks of -0.020, usually -0.00")
    # A week that was unusual once does not make later ones so.
    assert market.remarks(np.datetime64(WEEKS[-2], "D")) == []


def test_a_target_unlike_the_last_one(market: _Market) -> None:
    market.weights[WEEKS[-1]] = {"a": 0.2, "c": 0.8}  # (0.4 + 0.4 + 0.8) / 2
    (remark,) = market.remarks()
    assert remark.text == f"80.0% of the target is another one than on {WEEKS[-2]:%Y-%m-%d}, more than 30%"


def test_what_comes_later_changes_nothing(market: _Market) -> None:
    market.accounts.loc[len(WEEKS) - 1, "turnover"] = 0.9
    market.accounts.loc[len(WEEKS) - 1, "relaxed"] = '[{"limit": "x"}]'
    market.exposures.loc[len(WEEKS) - 1, "value"] = 9.0
    market.weights[WEEKS[-1]] = {"z": 1.0}
    assert market.remarks(np.datetime64(WEEKS[-2], "D")) == []


def test_a_week_that_is_not_there(market: _Market) -> None:
    with pytest.raises(MissingDataError, match="account_s has no 2023-12-29"):
        market.remarks(np.datetime64("2023-12-29"))
