"""Probes for false alarms: deliveries that differ from the clean one and are right all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform_tests.faults.delivery import Frames
from attn_platform_tests.faults.planting import Fault, Harm, changed, everywhere, keys, kind, traded

PRICES = ("open", "high", "low", "close", "pre_close", "vwap", "up_limit", "down_limit")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@kind("prices with the noise of binary fractions", "daily_bar", PRICES, Harm.HARMLESS)
def rounding_noise(frames: Frames, rng: np.random.Generator) -> Fault:
    """A relative error of some units in the last place, drawn for each cell: a high may lie below its close."""
    bar = frames["daily_bar"]
    noise = {name: bar[name].to_numpy() * (1 + rng.uniform(-4e-16, 4e-16, len(bar))) for name in PRICES}
    return changed(frames, "daily_bar", everywhere(frames, "daily_bar"), **noise)


@kind("prices and volumes in single precision", "daily_bar", (*PRICES, "volume", "amount"), Harm.HARMLESS)
def single_precision(frames: Frames, rng: np.random.Generator) -> Fault:
    """Rounded to 24 bits, as some formats store them."""
    bar = frames["daily_bar"]
    rounded = {name: bar[name].to_numpy().astype(np.float32) for name in (*PRICES, "volume", "amount")}
    return Fault({"daily_bar": bar.assign(**rounded)}, keys("daily_bar", bar))


@kind("newest rows first, columns in another order", "daily_bar", (), Harm.HARMLESS)
def order_of_rows_and_columns(frames: Frames, rng: np.random.Generator) -> Fault:
    """As servers answer."""
    bar = frames["daily_bar"]
    table = bar.iloc[::-1][rng.permutation(bar.columns)].reset_index(drop=True)
    return Fault({"daily_bar": table}, keys("daily_bar", table))


@kind("dates as midnights of Shanghai with their zone", "daily_bar", "date", Harm.HARMLESS)
def dates_of_shanghai(frames: Frames, rng: np.random.Generator) -> Fault:
    """Aware instants that mean the day they show."""
    bar = frames["daily_bar"]
    return Fault({"daily_bar": bar.assign(date=bar["date"].dt.tz_localize("Asia/Shanghai"))}, keys("daily_bar", bar))


@kind("no vwap in some rows", "daily_bar", "vwap", Harm.HARMLESS)
def vwap_missing(frames: Frames, rng: np.random.Generator) -> Fault:
    """Amount and volume are there."""
    where = (rng.random(len(frames["daily_bar"])) < 0.05) & traded(frames)
    return changed(frames, "daily_bar", where, vwap=np.nan)


@kind("no limits at all", "daily_bar", ("up_limit", "down_limit"), Harm.HARMLESS)
def no_limits(frames: Frames, rng: np.random.Generator) -> Fault:
    """The columns are left out."""
    bar = frames["daily_bar"]
    return Fault({"daily_bar": bar.drop(columns=["up_limit", "down_limit"])}, keys("daily_bar", bar))


@kind("the factor scaled to 1 today", "daily_bar", "adj_factor", Harm.HARMLESS)
def factor_scaled_to_today(frames: Frames, rng: np.random.Generator) -> Fault:
    """Each stock's factor over its last one: returns and ratios are the same."""
    bar = frames["daily_bar"]
    scaled = bar["adj_factor"] / bar.groupby("symbol")["adj_factor"].transform("last")
    return changed(frames, "daily_bar", everywhere(frames, "daily_bar"), adj_factor=scaled.to_numpy())


@kind("CSV files with a byte order mark", "security", (), Harm.HARMLESS)
def byte_order_mark(frames: Frames, rng: np.random.Generator) -> Fault:
    """As spreadsheets write them."""

    def mark(folder: Path) -> None:
        file = folder / "security.csv"
        file.write_bytes(BYTE_ORDER_MARK + file.read_bytes())

    return Fault({"security": frames["security"]}, keys("security", frames["security"]), damage=mark)


@kind("stocks that have no bars here", "security", "symbol", Harm.HARMLESS)
def stocks_without_bars(frames: Frames, rng: np.random.Generator) -> Fault:
    """The list of stocks also has those that went before the delivery begins."""
    security = frames["security"]
    first = frames["daily_bar"]["date"].min()
    taken = set(security["symbol"])
    codes = [code for number in range(5990, 5000, -1) if (code := f"60{number}.SH") not in taken][:3]
    gone = pd.DataFrame(
        {
            "symbol": codes,
            "name": ["gone"] * len(codes),
            "board": ["main"] * len(codes),
            "list_date": [first - pd.Timedelta(days=4000)] * len(codes),
            "delist_date": [first - pd.Timedelta(days=400)] * len(codes),
        }
    )
    gone = gone.astype({name: security[name].dtype for name in gone.columns})
    return Fault({"security": pd.concat([security, gone], ignore_index=True)}, keys("security", gone))
