"""A market of a few dozen stocks with the events of a real one, as frames of the contract that a test may spoil.

Prices are whole fen; each stock goes ex-right once, two are suspended for some sessions, one lists late and one is
delisted. What a frame says is consistent: amount / volume inside of the bar, factors that go on over ex-rights, market
values of fixed shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.market.calendar import exchange_calendar

SHARES = 400_000_000
BOARDS = (("main", "6000{:02d}.SH"), ("chinext", "3000{:02d}.SZ"), ("star", "6880{:02d}.SH"))
HALTS = {"600003.SH": range(5, 9), "300003.SZ": range(9, 11)}
LATE, GONE = "600005.SH", "300005.SZ"
LISTED_AT, GONE_AT = 4, 10
Frames = dict[str, pd.DataFrame]


def small_market(sessions: int = 14, stocks: int = 12, first: str = "2022-06-01", seed: int = 11) -> Frames:
    """Tables of `sessions` sessions with `stocks` stocks a board, every row there; suspended sessions flagged."""
    rng = np.random.default_rng(seed)
    days = exchange_calendar().between(first, "2030-01-01")[:sessions]
    names = {pattern.format(n): board for board, pattern in BOARDS for n in range(1, stocks + 1)}
    bars, securities = [], []
    for at, (symbol, board) in enumerate(sorted(names.items())):
        close, factor = round(5 + 2.5 * at + rng.uniform(), 2), 1.0
        listed = days[LISTED_AT] if symbol == LATE else np.datetime64("2019-08-01")
        gone = days[GONE_AT] if symbol == GONE else np.datetime64("NaT")
        securities.append((symbol, f"stock {symbol}", board, listed, gone))
        ex_right = int(rng.integers(2, sessions - 1))
        for t, day in enumerate(days):
            if (symbol == LATE and t < LISTED_AT) or (symbol == GONE and t >= GONE_AT):
                continue
            halted = symbol in HALTS and t in HALTS[symbol]
            reference = close
            if t == ex_right and not halted:
                reference = round(close * 0.95, 2)
                factor = round(factor * close / reference, 8)
            row = {"date": day, "symbol": symbol, "pre_close": reference, "adj_factor": factor, "is_suspended": halted}
            if halted:
                row |= {"close": close, "volume": 0.0, "amount": 0.0, "turnover_rate": 0.0}
            else:
                close = round(reference * (1 + rng.uniform(-0.03, 0.03)), 2)
                open_ = round(reference * (1 + rng.uniform(-0.03, 0.03)), 2)
                high, low = round(max(open_, close) + 0.05, 2), round(min(open_, close) - 0.05, 2)
                volume = float(rng.integers(20_000, 90_000) * 100)
                amount = round(volume * (high + low + close) / 3, 2)
                row |= {"open": open_, "high": high, "low": low, "close": close, "volume": volume, "amount": amount}
                row |= {"turnover_rate": volume / SHARES, "vwap": round(amount / volume, 6)}
            bars.append(row | {"trading_status": "normal"})
    bar = pd.DataFrame(bars)
    bar["up_limit"], bar["down_limit"] = np.nan, np.nan
    value = bar[["date", "symbol"]].assign(total_mv=bar["close"] * SHARES, float_mv=bar["close"] * SHARES)
    value = value.assign(pb_lf=2.0, pe_ttm=20.0, pcf_ocf_ttm=9.0, dividend_12m=0.0)
    security = pd.DataFrame(securities, columns=["symbol", "name", "board", "list_date", "delist_date"])
    industry = pd.DataFrame({"symbol": sorted(names), "scheme": "citic_l1", "code": "CI01", "name": "banks"})
    members = [name for name in sorted(names) if name not in (LATE, GONE)]
    weight = np.arange(1, len(members) + 1) / np.arange(1, len(members) + 1).sum()
    weights = [(day, "csi500", *each) for day in days for each in zip(members, weight, strict=True)]
    index_bar = pd.DataFrame({"date": days, "index": "csi500", "open": 5000.0, "high": 5050.0, "low": 4950.0})
    return {
        "security": security,
        "industry": industry.assign(in_date=np.datetime64("2019-08-01"), out_date=np.datetime64("NaT")),
        "daily_bar": bar,
        "valuation": value,
        "index_bar": index_bar.assign(close=5010.0, volume=1e9),
        "index_weight": pd.DataFrame(weights, columns=["date", "index", "symbol", "weight"]),
    }


def of_sessions(frames: Mapping[str, pd.DataFrame], sessions: np.ndarray) -> Frames:
    """The frames with rows of these sessions only; tables without sessions whole."""
    return {name: frame[frame["date"].isin(sessions)] if "date" in frame else frame for name, frame in frames.items()}


def sessions_of(frames: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """Sessions of the daily bars."""
    return np.sort(frames["daily_bar"]["date"].unique()).astype("datetime64[D]")


def write_csv(frames: Mapping[str, pd.DataFrame], folder: Path, by_day: tuple[str, ...] = ()) -> Path:
    """Write the frames as CSV files, those `by_day` as folders with a file a session; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        if name not in by_day:
            frame.to_csv(folder / f"{name}.csv", index=False)
            continue
        (folder / name).mkdir()
        for day, part in frame.groupby("date"):
            part.to_csv(folder / name / f"{pd.Timestamp(day):%Y-%m-%d}.csv", index=False)
    return folder
