"""A second lake that knows the same until T, and noise ever after.

Everything dated after T is drawn anew, as wildly as the data contract allows: prices, adjustment, volumes, suspensions,
statuses, limits, valuations, consensus, index levels and weights; stocks disappear and new ones appear (in between the
old symbols, so that every array after T has other columns); names, industries and sectors change; companies announce
new statements and restate old ones.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.market import trading_rules
from attn_platform.market.calendar import Calendar
from attn_platform.market.conform import conform
from attn_platform.market.contract import TABLES, TRADING_STATUSES
from attn_platform.market.lake import Lake

NEW_SYMBOLS = ("000000.SZ", "300900.SZ", "600999.SH", "688999.SH", "839999.BJ")
SHARE_DELISTED, SHARE_SUSPENDED, SHARE_MISSING, SHARE_MOVED = 0.15, 0.25, 0.2, 0.5
STATEMENTS, PERIODS = 6, 24
"""Rows that each stock announces after T, each for one of so many last quarters."""


def replace_after(known: Lake, target: Lake, calendar: Calendar, until: np.datetime64, seed: int) -> None:
    """Fill `target` with the raw tables of `known`: as they are up to session `until`, noise after it."""
    rng = np.random.default_rng(seed)
    tables = [name for name in known.tables() if name in TABLES]
    lives = _lives(rng, known, until)
    for name in tables:
        if not TABLES[name].by_session:
            continue
        for session in known.sessions(name):
            if session <= until:
                _copy(known, target, name, session)
            else:
                data = _frame(rng, name, known, session, lives[lives["from"].le(session) & lives["to"].gt(session)])
                target.write(name, _contract(data, name, calendar), session)
    target.write("security", _contract(_security(rng, known, lives, until), "security", calendar))
    target.write("industry", _contract(_industry(rng, known, lives, until), "industry", calendar))
    target.write("fundamental", _contract(_fundamental(rng, known, lives, until), "fundamental", calendar))


def _copy(known: Lake, target: Lake, name: str, session: np.datetime64) -> None:
    path = target.path(name, session)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(known.path(name, session).read_bytes())


def _contract(frame: pd.DataFrame, name: str, calendar: Calendar) -> pa.Table:
    """The noise as a table that the contract accepts: a battery on impossible data would prove little."""
    columns = [column.name for column in TABLES[name].columns if column.name in frame or not column.optional]
    return conform(pa.Table.from_pandas(frame[columns], preserve_index=False), TABLES[name], "noise", calendar)


def _lives(rng: np.random.Generator, known: Lake, until: np.datetime64) -> pd.DataFrame:
    """Symbol, first session and first session without listing of the stocks that have bars after `until`."""
    after = known.sessions("daily_bar")
    after = after[after > until]
    held = known.read("daily_bar", until, until, ["symbol"])["symbol"].to_pylist()
    ends = np.where(rng.random(len(held)) < SHARE_DELISTED, rng.choice(after, len(held)), np.datetime64("NaT"))
    new = [symbol for symbol in NEW_SYMBOLS if symbol not in held]
    lives = pd.DataFrame(
        {
            "symbol": [*held, *new],
            "from": [*[after[0]] * len(held), *rng.choice(after, len(new))],
            "delisted": [*ends, *[np.datetime64("NaT")] * len(new)],
            "is_new": [*[False] * len(held), *[True] * len(new)],
        }
    )
    lives["to"] = lives["delisted"].fillna(pd.Timestamp.max.floor("D"))
    return lives.sort_values("symbol", ignore_index=True)


def _frame(
    rng: np.random.Generator, name: str, known: Lake, session: np.datetime64, lives: pd.DataFrame
) -> pd.DataFrame:
    symbols = lives["symbol"].to_numpy(dtype=str)
    if name == "daily_bar":
        return _bars(rng, session, symbols)
    if name in ("valuation", "consensus"):
        return _positive_or_missing(rng, name, session, symbols)
    indices = sorted(set(known.read(name, session, session, ["index"])["index"].to_pylist()))
    return _index_bars(rng, session, indices) if name == "index_bar" else _weights(rng, session, indices, symbols)


def _bars(rng: np.random.Generator, session: np.datetime64, symbols: np.ndarray) -> pd.DataFrame:
    n = len(symbols)
    prices = np.sort(np.exp(rng.normal(3.0, 1.0, (n, 5))).round(2) + 0.01, axis=1)
    low, open_, vwap, close, high = prices.T
    suspended = rng.random(n) < SHARE_SUSPENDED
    frame = pd.DataFrame(
        {
            "date": session,
            "symbol": symbols,
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "pre_close": np.exp(rng.normal(3.0, 1.0, n)),
            "vwap": vwap,
            "volume": rng.uniform(0, 1e8, n),
            "amount": rng.uniform(0, 1e9, n),
            "turnover_rate": rng.uniform(0, 0.5, n),
            "adj_factor": np.exp(rng.normal(0.0, 1.0, n)),
            "up_limit": np.where(rng.random(n) < SHARE_MISSING, np.nan, high),
            "down_limit": np.where(rng.random(n) < SHARE_MISSING, np.nan, low),
            "is_suspended": suspended,
            "trading_status": rng.choice(TRADING_STATUSES, n),
        }
    )
    frame.loc[suspended, ["open", "high", "low", "vwap"]] = np.nan
    frame.loc[suspended, ["volume", "amount", "turnover_rate"]] = 0.0
    return frame


def _positive_or_missing(
    rng: np.random.Generator, name: str, session: np.datetime64, symbols: np.ndarray
) -> pd.DataFrame:
    frame = pd.DataFrame({"date": session, "symbol": symbols})
    for column in TABLES[name].columns:
        if column.name not in frame:
            values = np.exp(rng.normal(10.0, 3.0, len(symbols)))
            missing = column.nullable & (rng.random(len(symbols)) < SHARE_MISSING)
            frame[column.name] = np.where(missing, np.nan, values)
    return frame


def _index_bars(rng: np.random.Generator, session: np.datetime64, indices: list[str]) -> pd.DataFrame:
    # Mild: an index that trebles in a session would leave the excess net values without a logarithm.
    low, open_, close, high = np.sort(np.exp(rng.normal(7.0, 0.03, (len(indices), 4))), axis=1).T
    return pd.DataFrame(
        {
            "date": session, "index": indices, "open": open_, "high": high, "low": low, "close": close,
            "volume": rng.uniform(0, 1e10, len(indices)), "amount": rng.uniform(0, 1e11, len(indices)),
        }
    )  # fmt: skip


def _weights(rng: np.random.Generator, session: np.datetime64, indices: list[str], symbols: np.ndarray) -> pd.DataFrame:
    parts = []
    for index in indices:
        members = np.sort(rng.choice(symbols, len(symbols) // 3, replace=False))
        weight = rng.dirichlet(np.ones(len(members)))
        parts.append(pd.DataFrame({"date": session, "index": index, "symbol": members, "weight": weight}))
    return pd.concat(parts, ignore_index=True)


def _security(rng: np.random.Generator, known: Lake, lives: pd.DataFrame, until: np.datetime64) -> pd.DataFrame:
    """Stocks listed until T keep their list date, those delisted until T their end; the rest is noise."""
    frame = known.read("security").to_pandas()
    frame = frame[pd.to_datetime(frame["list_date"]) <= pd.Timestamp(until)]
    gone = pd.to_datetime(frame["delist_date"]) <= pd.Timestamp(until)
    ends = frame["symbol"].map(lives.set_index("symbol")["delisted"])
    frame = frame.assign(delist_date=pd.to_datetime(frame["delist_date"]).where(gone, ends))
    new = lives[lives["is_new"]]
    board = trading_rules.board_of(new["symbol"].to_numpy(dtype=str))
    added = pd.DataFrame(
        {"symbol": new["symbol"], "name": "", "board": board, "list_date": new["from"], "delist_date": new["delisted"]}
    )
    frame = pd.concat([frame, added], ignore_index=True).sort_values("symbol", ignore_index=True)
    return frame.assign(
        name=[f"Renamed {number}" for number in rng.permutation(len(frame))],
        list_date=pd.to_datetime(frame["list_date"]),
        delist_date=pd.to_datetime(frame["delist_date"]),
    )


def _industry(rng: np.random.Generator, known: Lake, lives: pd.DataFrame, until: np.datetime64) -> pd.DataFrame:
    """Memberships that began until T, half of them ended at later dates by moves into other industries and sectors."""
    frame = known.read("industry").to_pandas()
    for column in ("in_date", "out_date"):
        frame[column] = pd.to_datetime(frame[column])
    kinds = frame[["scheme", "code", "name"]].drop_duplicates(ignore_index=True)
    sectors = frame["sector"].dropna().unique()
    frame = frame[frame["in_date"] <= pd.Timestamp(until)]
    later = frame["out_date"].isna() | (frame["out_date"] > pd.Timestamp(until))
    days = pd.Timestamp(until) + pd.to_timedelta(rng.integers(1, 30, len(frame)), unit="D")
    moves = later & (rng.random(len(frame)) < SHARE_MOVED)
    frame["out_date"] = frame["out_date"].where(~later, pd.Series(days, index=frame.index).where(moves))
    moved = frame[moves]
    begun = pd.concat(
        [
            pd.DataFrame({"symbol": moved["symbol"], "in_date": moved["out_date"]}),
            lives.loc[lives["is_new"], ["symbol", "from"]].rename(columns={"from": "in_date"}),
        ],
        ignore_index=True,
    )
    drawn = kinds.iloc[rng.integers(0, len(kinds), len(begun))].reset_index(drop=True)
    begun = begun.join(drawn).assign(sector=rng.choice(sectors, len(begun)), out_date=pd.NaT)
    return pd.concat([frame, begun], ignore_index=True).sort_values(["symbol", "in_date"], ignore_index=True)


def _fundamental(rng: np.random.Generator, known: Lake, lives: pd.DataFrame, until: np.datetime64) -> pd.DataFrame:
    """Rows announced until T; after it new periods and restatements, on sessions and other days, gains and losses."""
    frame = known.read("fundamental").to_pandas()
    for column in ("report_period", "announced"):
        frame[column] = pd.to_datetime(frame[column])
    frame = frame[frame["announced"] <= pd.Timestamp(until)]
    last = known.sessions("daily_bar")[-1]
    count = STATEMENTS * len(lives)
    announced = pd.to_datetime(until + rng.integers(1, int((last - until).astype(int)) + 1, count))
    quarters = pd.period_range(end=pd.Period(until, "Q") - 1, periods=PERIODS, freq="Q").end_time.normalize()
    later = pd.DataFrame(
        {
            "symbol": np.repeat(lives["symbol"].to_numpy(dtype=object), STATEMENTS),
            "report_period": rng.choice(quarters, count),
            "announced": announced,
        }
    )
    for column in TABLES["fundamental"].columns:
        if column.name not in later:
            values = np.exp(rng.normal(18.0, 3.0, count)) * rng.choice([-1, 1], count)
            later[column.name] = np.where(rng.random(count) < SHARE_MISSING, np.nan, values)
    return pd.concat([frame, later], ignore_index=True).drop_duplicates(["symbol", "report_period", "announced"])
