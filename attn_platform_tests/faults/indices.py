"""Faults of indices: members of today, weights in per cent, members or days that lack, the bars of another index."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform_tests.faults.delivery import Frames, month_of
from attn_platform_tests.faults.planting import (
    Fault,
    Harm,
    changed,
    everywhere,
    keys,
    kind,
    renormalised,
    scaled,
    some_symbols,
    without,
)

PUBLISHED_DIGITS = 5  # weights of a publisher in per cent with three digits


@kind("today's members on all days", "index_weight", "symbol")
def members_of_today(frames: Frames, rng: np.random.Generator) -> Fault:
    """Membership looks ahead: the last session's members, weighted by the float value of each day."""
    weight = frames["index_weight"]
    last = weight[weight["date"] == weight["date"].max()][["index", "symbol"]]
    value = frames["valuation"][["date", "symbol", "float_mv"]]
    days = weight[["date", "index"]].drop_duplicates()
    table = last.merge(days, on="index").merge(value, on=["date", "symbol"])
    table = renormalised(table.rename(columns={"float_mv": "weight"}))[weight.columns]
    table = table.sort_values(["date", "index", "symbol"], ignore_index=True)
    told = pd.MultiIndex.from_frame(weight[["date", "index", "symbol"]])
    wrong = ~pd.MultiIndex.from_frame(table[["date", "index", "symbol"]]).isin(told)
    return Fault({"index_weight": table}, keys("index_weight", table, wrong))


@kind("weights in per cent", "index_weight", "weight", Harm.MENDABLE)
def weights_in_percent(frames: Frames, rng: np.random.Generator) -> Fault:
    """As publishers give them."""
    return scaled(frames, "index_weight", ("weight",), 100.0, everywhere(frames, "index_weight"))


@kind("weights lack members", "index_weight", ("symbol", "weight"))
def members_missing(frames: Frames, rng: np.random.Generator) -> Fault:
    """A tenth of the members is left out; the sums are short."""
    members = np.unique(frames["index_weight"]["symbol"])
    lost = some_symbols(frames, rng, max(len(members) // 10, 1), members)
    return without(frames, {"index_weight": frames["index_weight"]["symbol"].isin(lost).to_numpy()})


@kind("weights lack members from a day on, and sum to 1 all the same", "index_weight", ("symbol", "weight"))
def members_missing_renormalised(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor leaves out a tenth of the members in the second half and scales the others up."""
    weight = frames["index_weight"]
    members = np.unique(weight["symbol"])
    lost = some_symbols(frames, rng, max(len(members) // 10, 1), members)
    days = np.unique(weight["date"])
    where = (weight["symbol"].isin(lost) & (weight["date"] >= days[len(days) // 2])).to_numpy()
    fault = without(frames, {"index_weight": where})
    return Fault({"index_weight": renormalised(fault.frames["index_weight"])}, fault.rows)


@kind("weights at months' ends only", "index_weight", "date")
def weights_monthly(frames: Frames, rng: np.random.Generator) -> Fault:
    """As publishers give them; the first month's end is the first session."""
    weight = frames["index_weight"]
    last = weight.groupby(month_of(weight))["date"].transform("max")
    keep = (weight["date"] == last) | (weight["date"] == weight["date"].min())
    return without(frames, {"index_weight": (~keep).to_numpy()})


@kind("weights rounded as published", "index_weight", "weight", Harm.HARMLESS)
def weights_rounded(frames: Frames, rng: np.random.Generator) -> Fault:
    """Three digits of per cent: sums are off by rounding, no more."""
    rounded = frames["index_weight"]["weight"].round(PUBLISHED_DIGITS).to_numpy()
    return changed(frames, "index_weight", everywhere(frames, "index_weight"), weight=rounded)


@kind("the benchmark's bars are another index's", "index_bar", ("open", "high", "low", "close"))
def index_of_another(frames: Frames, rng: np.random.Generator) -> Fault:
    """The index whose weights are given has the bars of one that has none; its level is that of the clean first bar."""
    bar = frames["index_bar"]
    weighted = str(frames["index_weight"]["index"].iloc[0])
    other = str(np.setdiff1d(np.unique(bar["index"]), np.unique(frames["index_weight"]["index"]))[0])
    mine, prices = bar[bar["index"] == weighted], ["open", "high", "low", "close"]
    theirs = bar[bar["index"] == other].set_index("date")
    days = mine.loc[mine["date"].isin(theirs.index), "date"]
    level = mine.loc[mine["date"] == days.iloc[0], "close"].iloc[0] / theirs.loc[days.iloc[0], "close"]
    table = bar.copy()
    table.loc[days.index, prices] = theirs.loc[days, prices].to_numpy() * level
    where = table.index.isin(days.index)
    return Fault({"index_bar": table}, keys("index_bar", table, where))
