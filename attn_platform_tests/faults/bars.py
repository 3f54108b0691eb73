"""Faults of bars: halts, limits, stale and corrupt rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform_tests.faults.delivery import Frames
from attn_platform_tests.faults.planting import (
    Fault,
    Harm,
    changed,
    everywhere,
    ex_days,
    keys,
    kind,
    some_symbols,
    traded,
    without,
)

LIMITS = ["up_limit", "down_limit"]
NO_LIMIT = {"up_limit": 99999.99, "down_limit": 0.01}
STALE_STOCKS, STALE_SESSIONS = 30, 4
PADDED_SESSIONS = 20
SUSPENDED = {
    **dict.fromkeys(("open", "high", "low", "vwap"), np.nan),
    **dict.fromkeys(("volume", "amount", "turnover_rate"), 0.0),
    "is_suspended": True,
}


def one_traded_row(frames: Frames, rng: np.random.Generator) -> np.ndarray:
    """A mask of a single traded row."""
    where = everywhere(frames, "daily_bar") & False
    where[rng.choice(np.flatnonzero(traded(frames)))] = True
    return where


@kind("the flag of suspension inverted", "daily_bar", "is_suspended")
def suspension_inverted(frames: Frames, rng: np.random.Generator) -> Fault:
    """ "Traded" was read as "suspended"."""
    return changed(frames, "daily_bar", everywhere(frames, "daily_bar"), is_suspended=traded(frames))


@kind("suspended sessions have no rows", ("daily_bar", "valuation"), ("date", "symbol", "is_suspended"))
def halts_missing(frames: Frames, rng: np.random.Generator) -> Fault:
    """As most vendors deliver."""
    halted = ~traded(frames)
    gone = pd.MultiIndex.from_frame(frames["daily_bar"].loc[halted, ["date", "symbol"]])
    value = pd.MultiIndex.from_frame(frames["valuation"][["date", "symbol"]])
    return without(frames, {"daily_bar": halted, "valuation": value.isin(gone)})


@kind("suspended rows repeat the last volume", "daily_bar", ("volume", "amount", "turnover_rate"))
def suspended_with_volume(frames: Frames, rng: np.random.Generator) -> Fault:
    """A vendor's forward fill that does not stop at prices."""
    columns = ["volume", "amount", "turnover_rate"]
    bar = frames["daily_bar"]
    last = bar[columns].where(pd.Series(traded(frames)), axis=0).groupby(bar["symbol"]).ffill()
    where = ~traded(frames) & (last["volume"] > 0).to_numpy()
    return changed(frames, "daily_bar", where, **{name: last[name].to_numpy() for name in columns})


@kind("suspended sessions flagged as traded at the last price", "daily_bar", ("is_suspended", "open", "high", "low"))
def suspended_as_traded(frames: Frames, rng: np.random.Generator) -> Fault:
    """All prices are the last close, the volume is 0, and the flag says traded."""
    close = frames["daily_bar"]["close"].to_numpy()
    return changed(frames, "daily_bar", ~traded(frames), is_suspended=False, open=close, high=close, low=close)


@kind("limits missing in some rows", "daily_bar", ("up_limit", "down_limit"), Harm.MENDABLE)
def limits_missing(frames: Frames, rng: np.random.Generator) -> Fault:
    """One row in twenty that has limits."""
    where = (rng.random(len(frames["daily_bar"])) < 0.05) & frames["daily_bar"]["up_limit"].notna().to_numpy()
    return changed(frames, "daily_bar", where, up_limit=np.nan, down_limit=np.nan)


@kind("far-off numbers stand for no limit", "daily_bar", ("up_limit", "down_limit"))
def limits_sentinel(frames: Frames, rng: np.random.Generator) -> Fault:
    """One row in fifty that does have limits."""
    where = (rng.random(len(frames["daily_bar"])) < 0.02) & frames["daily_bar"]["up_limit"].notna().to_numpy()
    return changed(frames, "daily_bar", where, **NO_LIMIT)


@kind("limits of the session before", "daily_bar", ("up_limit", "down_limit"))
def limits_late(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor publishes tomorrow's limits in the evening, and they are stored a session late."""
    bar = frames["daily_bar"]
    before = bar.groupby("symbol")[LIMITS].shift()
    where = (before["up_limit"].notna() & (before["up_limit"] != bar["up_limit"])).to_numpy()
    return changed(frames, "daily_bar", where, **{name: before[name].to_numpy() for name in LIMITS})


@kind("quotes of the session before as traded", "daily_bar", ("open", "close", "volume", "amount"))
def stale_quotes(frames: Frames, rng: np.random.Generator) -> Fault:
    """A feed repeats a row of some stocks for some sessions, volume included."""
    bar = frames["daily_bar"].copy()
    columns = [name for name in bar.columns if name not in ("date", "symbol")]
    where = np.zeros(len(bar), dtype=bool)
    for symbol in some_symbols(frames, rng, STALE_STOCKS, bar.loc[traded(frames), "symbol"].to_numpy()):
        rows = np.flatnonzero((bar["symbol"] == symbol).to_numpy() & traded(frames))
        if len(rows) <= STALE_SESSIONS:
            continue
        at = int(rng.integers(len(rows) - STALE_SESSIONS))
        repeated = rows[at + 1 : at + 1 + STALE_SESSIONS]
        bar.loc[repeated, columns] = bar.loc[[rows[at]] * STALE_SESSIONS, columns].to_numpy()
        where[repeated] = True
    return Fault({"daily_bar": bar.astype(frames["daily_bar"].dtypes.to_dict())}, keys("daily_bar", bar, where))


@kind("one negative volume", "daily_bar", "volume")
def negative_volume(frames: Frames, rng: np.random.Generator) -> Fault:
    """An overflow of 32 bits."""
    return changed(frames, "daily_bar", one_traded_row(frames, rng), volume=-2147483648.0)


@kind("one infinite turnover", "daily_bar", "turnover_rate")
def infinite_turnover(frames: Frames, rng: np.random.Generator) -> Fault:
    """A division by no shares."""
    return changed(frames, "daily_bar", one_traded_row(frames, rng), turnover_rate=np.inf)


@kind("one price of zero", "daily_bar", "low")
def zero_price(frames: Frames, rng: np.random.Generator) -> Fault:
    """A missing number as 0."""
    return changed(frames, "daily_bar", one_traded_row(frames, rng), low=0.0)


@kind("one bar ten times too high", "daily_bar", ("open", "high", "low", "close", "vwap"))
def misplaced_point(frames: Frames, rng: np.random.Generator) -> Fault:
    """A misplaced decimal point in every price of one bar; its amount, reference and limits are right."""
    where, bar = one_traded_row(frames, rng), frames["daily_bar"]
    return changed(
        frames,
        "daily_bar",
        where,
        **{name: bar[name].to_numpy() * 10 for name in ("open", "high", "low", "close", "vwap")},
    )


@kind("one high below the close", "daily_bar", "high")
def high_below_close(frames: Frames, rng: np.random.Generator) -> Fault:
    """Two fen too low."""
    where, bar = one_traded_row(frames, rng), frames["daily_bar"]
    return changed(frames, "daily_bar", where, high=bar["close"].to_numpy() - 0.02)


@kind("reference price unadjusted on ex-days", "daily_bar", "pre_close")
def reference_unadjusted(frames: Frames, rng: np.random.Generator) -> Fault:
    """`pre_close` is the last close on every session; the limits are right."""
    bar = frames["daily_bar"]
    last = bar.groupby("symbol")["close"].shift().to_numpy()
    where = ex_days(frames) & np.isfinite(last) & (np.abs(last - bar["pre_close"].to_numpy()) > 0.005)
    return changed(frames, "daily_bar", where, pre_close=last)


def padded(frames: Frames, dates: pd.Series, first: bool) -> Fault:
    """Suspended rows of stocks on dates (by symbol, a list each) copied from their first or last row."""
    tables, rows = {}, []
    for name in ("daily_bar", "valuation"):
        frame = frames[name].sort_values(["symbol", "date"])
        pattern = frame.groupby("symbol").head(1) if first else frame.groupby("symbol").tail(1)
        extra = pattern.drop(columns="date").merge(dates.explode().rename("date"), left_on="symbol", right_index=True)
        extra = extra.assign(date=extra["date"].astype("datetime64[s]"))
        if name == "daily_bar":
            extra = extra.assign(**SUSPENDED)
        tables[name] = pd.concat([frames[name], extra[frames[name].columns]], ignore_index=True)
        rows.append(keys(name, extra))
    return Fault(tables, pd.concat(rows))


@kind("rows after delisting", ("daily_bar", "valuation"), ("date", "symbol"))
def rows_after_delisting(frames: Frames, rng: np.random.Generator) -> Fault:
    """A vendor goes on with the last price of stocks that are gone."""
    security = frames["security"].set_index("symbol")["delist_date"].dropna()
    days = frames["index_bar"]["date"].drop_duplicates().sort_values()
    gone = security[(security > days.min()) & (security <= days.max())]
    return padded(frames, gone.map(lambda day: days[days >= day].head(PADDED_SESSIONS).tolist()), first=False)


@kind("rows before listing", ("daily_bar", "valuation"), ("date", "symbol"))
def rows_before_listing(frames: Frames, rng: np.random.Generator) -> Fault:
    """A vendor knows the issue price of new stocks and lists them early."""
    security = frames["security"].set_index("symbol")["list_date"].dropna()
    days = frames["index_bar"]["date"].drop_duplicates().sort_values()
    new = security[(security > days.iloc[PADDED_SESSIONS]) & (security <= days.max())]
    return padded(frames, new.map(lambda day: days[days < day].tail(PADDED_SESSIONS).tolist()), first=True)
