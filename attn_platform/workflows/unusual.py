"""What a person should look at before a week's portfolio is traded: relaxed limits, and what is out of the usual.

Each figure is compared with its own history before the week: turnover, exposures to industries and styles, the distance
from the target before. The forecasts behind it have their realised RankIC, by the model (`forecast_bands`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from attn_platform.automation.configuration import UsualConfig
from attn_platform.automation.usual import Band, band
from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake
from attn_platform.portfolio.limits.industry import IndustryLimit
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.portfolio.strategy import account_table, limits_table, portfolio_table
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig


class Aspect(StrEnum):
    """Why a week should be looked at."""

    RELAXED = "relaxed"
    PORTFOLIO = "portfolio"
    FORECAST = "forecast"


@dataclass(frozen=True)
class Remark:
    """One thing to look at."""

    aspect: Aspect
    asset: str
    text: str


def remarks(home: Home, config: StrategyConfig, session: np.datetime64, usual: UsualConfig) -> list[Remark]:
    """Everything about one week of a strategy; nothing that was known later is read.

    `MissingDataError` where the week is not in the lake.
    """
    lake, name = home.lake, config.name
    accounts = _until(lake, account_table(name), session, ["date", "turnover", "relaxed"]).set_index("date")
    if pd.Timestamp(session) not in accounts.index:
        raise MissingDataError(f"{account_table(name)} has no {session}; materialise the portfolio first")
    found = [*_relaxed(config, accounts), *_turnover(config, accounts, usual)]
    found += _exposures(config, _until(lake, limits_table(name), session, ["date", "kind", "name", "value"]), usual)
    found += _change(config, _targets(lake, portfolio_table(name), pd.DatetimeIndex(accounts.index[-2:])), usual)
    return found


def _relaxed(config: StrategyConfig, accounts: pd.DataFrame) -> Iterator[Remark]:
    for each in json.loads(accounts["relaxed"].iloc[-1]):
        limit = f"{each['limit']} {each['name']}".strip()
        text = f"limit {limit} was relaxed from {each['allowed']:.4g} to {each['reached']:.4g}"
        yield Remark(Aspect.RELAXED, portfolio_table(config.name), text)


def _turnover(config: StrategyConfig, accounts: pd.DataFrame, usual: UsualConfig) -> Iterator[Remark]:
    values = accounts["turnover"].to_numpy(dtype=np.float64)
    if (text := beyond(values[-1], band(values[:-1], usual), ".1%")) is not None:
        yield Remark(Aspect.PORTFOLIO, portfolio_table(config.name), f"one-way turnover of {text}")


def _exposures(config: StrategyConfig, limits: pd.DataFrame, usual: UsualConfig) -> Iterator[Remark]:
    exposures = limits[limits["kind"].isin([IndustryLimit.kind, StyleLimit.kind])]
    named = exposures.assign(exposure=exposures["kind"] + " " + exposures["name"])
    table = named.pivot(index="date", columns="exposure", values="value")
    for exposure in table.columns:
        values = table[exposure].to_numpy(dtype=np.float64)
        if (text := beyond(values[-1], band(values[:-1], usual), "+.3f")) is not None:
            yield Remark(Aspect.PORTFOLIO, portfolio_table(config.name), f"exposure to {exposure} of {text}")


def _change(config: StrategyConfig, targets: pd.DataFrame, usual: UsualConfig) -> Iterator[Remark]:
    """`targets` are [symbol] × the last two weeks."""
    if targets.shape[1] < 2:  # the strategy's first week
        return
    distance = float((targets.iloc[:, 1] - targets.iloc[:, 0]).abs().sum() / 2)
    if distance > usual.largest_change:
        text = (
            f"{distance:.1%} of the target is another one than on {targets.columns[0]:%Y-%m-%d}, more than "
            f"{usual.largest_change:.0%}"
        )
        yield Remark(Aspect.PORTFOLIO, portfolio_table(config.name), text)


def beyond(value: float, usually: Band | None, form: str) -> str | None:
    """How far a value lies outside of its band; None inside, and without one."""
    if usually is None or usually.holds(value):
        return None
    return f"{value:{form}}, usually {usually.lower:{form}} to {usually.upper:{form}}"


def _until(lake: Lake, table: str, session: np.datetime64, columns: list[str]) -> pd.DataFrame:
    frame = lake.read(table, columns=columns).to_pandas()
    frame["date"] = pd.to_datetime(frame["date"])
    return frame[frame["date"] <= pd.Timestamp(session)].sort_values("date", kind="stable")


def _targets(lake: Lake, table: str, weeks: pd.DatetimeIndex) -> pd.DataFrame:
    first, last = weeks[0].to_datetime64(), weeks[-1].to_datetime64()
    rows = lake.read(table, first.astype("datetime64[D]"), last.astype("datetime64[D]"), ["date", "symbol", "weight"])
    frame = rows.to_pandas()
    frame["date"] = pd.to_datetime(frame["date"])
    return frame.pivot(index="symbol", columns="date", values="weight").fillna(0.0)
