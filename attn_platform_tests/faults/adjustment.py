"""Faults of the adjustment factor: restarts, increments, missing and late ex-rights, adjusted prices as raw ones."""

from __future__ import annotations

import numpy as np

from attn_platform_tests.faults.delivery import Frames, month_of
from attn_platform_tests.faults.planting import Fault, changed, everywhere, ex_days, kind

FORGOTTEN = 20
ADJUSTED = ("open", "high", "low", "close", "pre_close", "vwap", "up_limit", "down_limit")


def steps(frames: Frames) -> np.ndarray:
    """Each row's factor over the one of the same stock's session before; 1 on its first row."""
    factor = frames["daily_bar"].groupby("symbol")["adj_factor"]
    return (frames["daily_bar"]["adj_factor"] / factor.shift()).fillna(1.0).to_numpy()


def some_ex_days(frames: Frames, rng: np.random.Generator) -> np.ndarray:
    """A few of the ex-days, as positions of rows."""
    found = np.flatnonzero(ex_days(frames))
    return rng.choice(found, min(FORGOTTEN, len(found)), replace=False)


@kind("the factor restarts at 1 in a later file", "daily_bar", "adj_factor")
def factor_restarts(frames: Frames, rng: np.random.Generator) -> Fault:
    """Each later file of the year was made by itself, from its own first session on."""
    bar = frames["daily_bar"]
    month = month_of(bar)
    border = rng.choice(np.unique(month)[1:-1])
    first = bar[month >= border].groupby("symbol")["adj_factor"].first()
    base = bar["symbol"].map(first).to_numpy()
    where = (month >= border).to_numpy() & (base != 1.0)
    return changed(frames, "daily_bar", where, adj_factor=bar["adj_factor"].to_numpy() / base)


@kind("increments of the factor instead of the factor", "daily_bar", "adj_factor")
def factor_in_increments(frames: Frames, rng: np.random.Generator) -> Fault:
    """1 on ordinary sessions, the day's ratio on ex-days."""
    return changed(frames, "daily_bar", everywhere(frames, "daily_bar"), adj_factor=steps(frames))


@kind("the factor upside down", "daily_bar", "adj_factor")
def factor_inverted(frames: Frames, rng: np.random.Generator) -> Fault:
    """Prices are to be divided by it: adjusted = raw / factor."""
    bar = frames["daily_bar"]
    return changed(frames, "daily_bar", everywhere(frames, "daily_bar"), adj_factor=1 / bar["adj_factor"].to_numpy())


@kind("ex-rights without a step of the factor", "daily_bar", "adj_factor")
def ex_right_missing(frames: Frames, rng: np.random.Generator) -> Fault:
    """Some ex-days are unknown to the vendor: the factor lacks their step from then on."""
    bar, ratio = frames["daily_bar"], steps(frames)
    lost = np.ones(len(bar))
    chosen = some_ex_days(frames, rng)
    symbol, date = bar["symbol"].to_numpy(), bar["date"].to_numpy()
    for at in chosen:
        lost[(symbol == symbol[at]) & (date >= date[at])] *= ratio[at]
    fault = changed(frames, "daily_bar", lost != 1, adj_factor=bar["adj_factor"].to_numpy() / lost)
    return Fault(fault.frames, fault.rows.loc[bar.index[chosen]])


@kind("the factor steps a session late", "daily_bar", "adj_factor")
def factor_late(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor updates factors in the night after the ex-day."""
    late = frames["daily_bar"].groupby("symbol")["adj_factor"].shift().to_numpy()
    return changed(frames, "daily_bar", ex_days(frames), adj_factor=late)


@kind("prices adjusted forward as raw ones", "daily_bar", (*ADJUSTED, "adj_factor"))
def prices_adjusted_forward(frames: Frames, rng: np.random.Generator) -> Fault:
    """Divided by the factor of today, as charts show them; the factor is 1 throughout."""
    bar = frames["daily_bar"]
    today = bar.groupby("symbol")["adj_factor"].transform("last")
    ratio = (bar["adj_factor"] / today).to_numpy()
    prices = {name: bar[name].to_numpy() * ratio for name in ADJUSTED}
    return changed(frames, "daily_bar", ratio != 1, **prices, adj_factor=1.0)


@kind("prices adjusted backward, and the factor once more", "daily_bar", ADJUSTED)
def prices_adjusted_twice(frames: Frames, rng: np.random.Generator) -> Fault:
    """Adjusted prices beside a factor that would adjust raw ones."""
    bar = frames["daily_bar"]
    factor = bar["adj_factor"].to_numpy()
    return changed(frames, "daily_bar", factor != 1, **{name: bar[name].to_numpy() * factor for name in ADJUSTED})
