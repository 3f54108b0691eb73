"""Faults of days: shifted, repeated, missing, cut short, and instants of another time zone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.market.calendar import exchange_calendar
from attn_platform_tests.faults.delivery import SESSION_TABLES, Frames, month_of
from attn_platform_tests.faults.planting import Fault, Harm, changed, keys, kind, middle_session, sessions, without

OFFSET_OF_SHANGHAI = np.timedelta64(8, "h")


def shifted(frames: Frames, table: str, by: int, where: np.ndarray) -> np.ndarray:
    """Dates `by` sessions later (earlier where negative) at the rows of a mask."""
    known = exchange_calendar().sessions
    date = frames[table]["date"].to_numpy()
    at = np.searchsorted(known, date.astype("datetime64[D]"))
    return np.where(where, known[at + by], date)


@kind("all dates one session early", SESSION_TABLES, "date")
def all_dates_early(frames: Frames, rng: np.random.Generator) -> Fault:
    """Every table with sessions, as where a day's end is stored as its beginning: all looks ahead by a session."""
    moved = {}
    for name in SESSION_TABLES:
        if name in frames:
            date = shifted(frames, name, -1, np.ones(len(frames[name]), dtype=bool))
            moved[name] = frames[name].assign(date=date.astype("datetime64[s]"))
    return Fault(moved, pd.concat([keys(name, frame) for name, frame in moved.items()]))


@kind("market values one session early", "valuation", "date")
def valuation_early(frames: Frames, rng: np.random.Generator) -> Fault:
    """One table alone looks ahead; its first session is gone with it."""
    first = (frames["valuation"]["date"] == sessions(frames)[0]).to_numpy()
    rest = {"valuation": frames["valuation"][~first].reset_index(drop=True)}
    return changed(
        rest,
        "valuation",
        np.ones(len(rest["valuation"]), dtype=bool),
        date=shifted(rest, "valuation", -1, np.ones(len(rest["valuation"]), dtype=bool)).astype("datetime64[s]"),
    )


@kind("index bars one session late", "index_bar", "date")
def index_late(frames: Frames, rng: np.random.Generator) -> Fault:
    """A benchmark that lags; its last session is gone with it."""
    last = (frames["index_bar"]["date"] == sessions(frames)[-1]).to_numpy()
    rest = {"index_bar": frames["index_bar"][~last].reset_index(drop=True)}
    return changed(
        rest,
        "index_bar",
        np.ones(len(rest["index_bar"]), dtype=bool),
        date=shifted(rest, "index_bar", 1, np.ones(len(rest["index_bar"]), dtype=bool)).astype("datetime64[s]"),
    )


@kind("dates of one file one session late", "daily_bar", "date")
def one_file_late(frames: Frames, rng: np.random.Generator) -> Fault:
    """The last month's file of the bars."""
    month = month_of(frames["daily_bar"]).to_numpy()
    where = month == month.max()
    return changed(frames, "daily_bar", where, date=shifted(frames, "daily_bar", 1, where).astype("datetime64[s]"))


@kind(
    "a day stands for the next one, too", ("daily_bar", "valuation"), ("open", "close", "volume", "amount", "total_mv")
)
def day_repeated(frames: Frames, rng: np.random.Generator) -> Fault:
    """All rows of a session are those of the session before under its date."""
    day = middle_session(frames, rng)
    before = sessions(frames)[np.searchsorted(sessions(frames), day) - 1]
    tables = {}
    for name in ("daily_bar", "valuation"):
        frame = frames[name]
        copy = frame[frame["date"] == before].assign(date=pd.Timestamp(day).as_unit("s"))
        tables[name] = pd.concat([frame[frame["date"] != day], copy]).sort_values(["date", "symbol"], ignore_index=True)
    rows = [keys(name, frame, (frame["date"] == day).to_numpy()) for name, frame in tables.items()]
    return Fault(tables, pd.concat(rows))


@kind("rows of a day stand twice", "daily_bar", ("date", "symbol"))
def rows_twice(frames: Frames, rng: np.random.Generator) -> Fault:
    """A session was appended twice."""
    bar = frames["daily_bar"]
    again = bar[bar["date"] == middle_session(frames, rng)]
    return Fault({"daily_bar": pd.concat([bar, again], ignore_index=True)}, keys("daily_bar", again))


@kind("a month is delivered in two files", "valuation", "date")
def file_twice(frames: Frames, rng: np.random.Generator) -> Fault:
    """A download saved again under a second name."""
    month = month_of(frames["valuation"]).to_numpy()
    chosen = rng.choice(np.unique(month))

    def copy_file(folder: Path) -> None:
        file = folder / "valuation" / f"{chosen}.parquet"
        file.with_name(f"{chosen} (1).parquet").write_bytes(file.read_bytes())

    return Fault(
        {"valuation": frames["valuation"]}, keys("valuation", frames["valuation"], month == chosen), damage=copy_file
    )


@kind("a day is missing", ("daily_bar", "valuation"), "date")
def day_missing(frames: Frames, rng: np.random.Generator) -> Fault:
    """Bars and values lack a session; the index has it."""
    day = middle_session(frames, rng)
    return without(frames, {name: (frames[name]["date"] == day).to_numpy() for name in ("daily_bar", "valuation")})


@kind("half of a day's stocks are missing", ("daily_bar", "valuation"), ("date", "symbol"))
def day_halved(frames: Frames, rng: np.random.Generator) -> Fault:
    """A download that broke off."""
    day, bar = middle_session(frames, rng), frames["daily_bar"]
    there = np.unique(bar.loc[bar["date"] == day, "symbol"])
    lost = there[len(there) // 2 :]
    return without(
        frames,
        {
            name: ((frames[name]["date"] == day) & frames[name]["symbol"].isin(lost)).to_numpy()
            for name in ("daily_bar", "valuation")
        },
    )


@kind("dates as instants in UTC", "daily_bar", "date", Harm.MENDABLE)
def dates_in_utc(frames: Frames, rng: np.random.Generator) -> Fault:
    """Midnight in Shanghai is 16:00 of the day before in UTC."""
    bar = frames["daily_bar"]
    instants = (bar["date"] - OFFSET_OF_SHANGHAI).dt.tz_localize("UTC")
    return Fault({"daily_bar": bar.assign(date=instants)}, keys("daily_bar", bar))


@kind("dates as instants in UTC that say no zone", "daily_bar", "date")
def dates_in_unsaid_utc(frames: Frames, rng: np.random.Generator) -> Fault:
    """The same without the zone: 16:00 of the day before, which nothing tells from a day's hour."""
    bar = frames["daily_bar"]
    return Fault({"daily_bar": bar.assign(date=bar["date"] - OFFSET_OF_SHANGHAI)}, keys("daily_bar", bar))
