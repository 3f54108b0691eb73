"""Why a stock has no forecast on a session: which rule of the universe keeps it out (AI-69, AI-55).

The rules themselves are not written down again: the selection is asked once more with all rules but one made void.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from attn_platform.market.calendar import Calendar
from attn_platform.market.contract import TRADING_STATUSES
from attn_platform.market.dense import DenseMarket, load_dense, shared_dense
from attn_platform.market.lake import Lake
from attn_platform.universe.config import UniverseConfig
from attn_platform.universe.membership import count_sessions_listed, select_members, selection_session
from attn_platform.universe.store import SELECTION_FIELDS, UNIVERSE, list_dates, quarter_of

RANKED = {"amount": "mean daily amount", "total_mv": "mean market value"}


def why_no_forecast(
    lake: Lake,
    calendar: Calendar,
    session: np.datetime64,
    symbol: str,
    config: UniverseConfig | None,
    table: str = UNIVERSE,
) -> str:
    """What keeps `symbol` out of the forecasts of `session`, in words.

    `config` is that of the universe which the forecasts are made for, and `table` has its quarterly lists; None where
    the forecasts came from outside.
    """
    security = lake.read("security").to_pandas().set_index("symbol")
    if symbol not in security.index:
        return "the lake knows no such stock (table security)"
    today = load_dense(lake, calendar, session, session, ["is_suspended", "trading_status"], np.array([symbol]))
    if np.isnan(today["is_suspended"][0, 0]):
        return _not_listed(security.loc[symbol], session)
    if config is None:
        return "the imported forecasts do not name it"
    listed = int(count_sessions_listed(calendar, *(2 * (list_dates(lake, today.symbols),)), session)[0])
    status = TRADING_STATUSES[int(today["trading_status"][0, 0])]
    quarter = quarter_of(session)
    if symbol not in lake.read(table, quarter, quarter, ["symbol"])["symbol"].to_pylist():
        return f"not in the universe's list of {quarter}: {_not_selected(lake, calendar, config, quarter, symbol)}"
    if status in config.excluded_statuses:
        return f"in the universe's list of {quarter}, but dropped for its status of the day: {status}"
    if listed < config.min_listed_sessions:
        return (
            f"in the universe's list of {quarter}, but dropped: listed for {listed} sessions, "
            f"fewer than {config.min_listed_sessions}"
        )
    if today["is_suspended"][0, 0] and not config.keep_suspended:
        return f"in the universe's list of {quarter}, but dropped: suspended on the day"
    return "in the day's cross-section, but missing from the predictions; materialise those of the day again"


def _not_listed(security: pd.Series, session: np.datetime64) -> str:
    day = pd.Timestamp(session)
    for what, date in (("listed only on", security["list_date"]), ("delisted on", security["delist_date"])):
        if pd.notna(date) and (pd.Timestamp(date) > day) == (what != "delisted on"):
            return f"no row in daily_bar on {session}: {what} {pd.Timestamp(date):%Y-%m-%d}"
    return f"no row in daily_bar on {session}: not listed then, or not imported"


def _not_selected(lake: Lake, calendar: Calendar, config: UniverseConfig, quarter: np.datetime64, symbol: str) -> str:
    """The rule of the quarterly selection that the stock failed."""
    at = selection_session(calendar, quarter, "Q")
    first = calendar.sessions[max(calendar.position(at) - config.liquidity_window + 1, 0)]
    market = shared_dense(lake, calendar, first, at, SELECTION_FIELDS)
    column = int(np.searchsorted(market.symbols, symbol))
    if (
        column == len(market.symbols)
        or market.symbols[column] != symbol
        or np.isnan(market["is_suspended"][-1, column])
    ):
        return f"not listed on {at}, when it was chosen"
    age = count_sessions_listed(calendar, *(2 * (list_dates(lake, market.symbols),)), at)
    status = TRADING_STATUSES[int(market["trading_status"][-1, column])]
    if status in config.excluded_statuses:
        return f"status {status} on {at}, when it was chosen"
    if age[column] < config.min_listed_sessions:
        return f"listed for {age[column]} sessions on {at}, fewer than {config.min_listed_sessions}"
    if market["is_suspended"][-1, column]:
        return f"suspended on {at}, when it was chosen"
    failed = [
        words
        for name, words in RANKED.items()
        if not select_members(_all_equal(market, set(RANKED) - {name}), age, config)[column]
    ]
    return (
        f"its {' and its '.join(failed) or 'means'} over the {len(market.sessions)} sessions to {at} "
        f"{'are' if len(failed) != 1 else 'is'} not in the top {config.top_share:.0%}"
    )


def _all_equal(market: DenseMarket, names: set[str]) -> DenseMarket:
    """The market with the same value for all stocks in some fields, so that nobody is ranked out by them."""
    void = {name: np.where(np.isfinite(market[name]), 1.0, np.nan) for name in names}
    return replace(market, fields={**market.fields, **void})
