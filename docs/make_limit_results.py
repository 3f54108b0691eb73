"""Prints why closes of a home's market lie beyond the limits that the exchanges' rules derive, by class.

python docs/make_limit_results.py HOME

Every such close falls into one class, by what its row and the rows before it say; the counts sum to the total.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.market import trading_rules
from attn_platform.studies.settings import Home

LEAST_MOVE = 0.045  # below the smallest limit; a price of a few fen may have a limit of one fen
SHARES_MOVED = 0.02  # change of the float shares that is no rounding
REFORM = ("2005-06-17", "2008-12-31")  # share reform: first company with shares to trade … the last of the data
FRIDAYS = "2002-05-01"  # PT ended
EX_RIGHTS_COMPLETE = "2002-01-01"  # from then on the files know every ex-right
LONG, HALT = 60, 2  # sessions
ROWS = f"""
WITH bar AS (
    SELECT b.date, b.symbol, b.open, b.high, b.low, b.close, b.pre_close, b.trading_status,
           v.float_mv / b.close AS float_shares, v.total_mv / b.close AS total_shares
    FROM daily_bar b LEFT JOIN valuation v USING (date, symbol) WHERE NOT b.is_suspended
), stock AS (
    SELECT *, lag(date) OVER w AS last_date, lag(close) OVER w AS last_close,
           lag(trading_status) OVER w AS last_status, lag(float_shares) OVER w AS last_float,
           lag(total_shares) OVER w AS last_total
    FROM bar WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT stock.*, s.list_date FROM stock JOIN security s USING (symbol)
WHERE abs(close / pre_close - 1) > {LEAST_MOVE} OR pre_close < 1
"""


def main() -> None:
    """Print one row a class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    print(table(classified(beyond_limits(Home.open(parser.parse_args().home)))))


def beyond_limits(home: Home) -> pd.DataFrame:
    """Rows of traded sessions whose close lies beyond the derived limits, with what is known of the session before."""
    with home.lake.connect() as connection:
        rows = connection.sql(ROWS).df()
    sessions = home.calendar.sessions
    day, listed, last = (rows[name].to_numpy().astype("datetime64[D]") for name in ("date", "list_date", "last_date"))
    position = np.searchsorted(sessions, day)
    rows["age"] = position - np.searchsorted(sessions, listed)
    rows["gap"] = np.where(np.isnat(last), -1, position - np.searchsorted(sessions, last) - 1)
    ratios = trading_rules.limit_ratio(
        trading_rules.board_of(rows["symbol"].to_numpy(dtype=str)),
        day,
        rows["trading_status"].to_numpy(dtype=str),
        rows["age"].to_numpy(),
    )
    for reference in ("pre_close", "last_close"):
        up, down = trading_rules.limit_prices(rows[reference], *ratios)
        close = trading_rules.in_fen(rows["close"])
        rows[f"beyond_{reference}"] = (close > trading_rules.in_fen(up)) | (close < trading_rules.in_fen(down))
    return rows[rows["beyond_pre_close"]]


def classified(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with their class: the first of the list whose condition holds."""
    moved = (rows["float_shares"] / rows["last_float"] - 1).abs() > SHARES_MOVED
    issued = moved | ((rows["total_shares"] / rows["last_total"] - 1).abs() > SHARES_MOVED)
    special = rows["trading_status"].isin(("st", "star_st")) | rows["last_status"].isin(("st", "star_st"))
    date, gap, falls = rows["date"], rows["gap"], rows["close"] < rows["pre_close"]
    classes = {
        "first session of a listing: halts instead of a limit in Shenzhen in January 2014; companies that come from "
        "another exchange, a merger or a second listing": rows["last_close"].isna() & (rows["age"] == 0),
        "first session of the files, or of a code that was used before": rows["last_close"].isna(),
        "resumption after the share reform (shares change hands, no limit)": date.between(*REFORM)
        & gap.between(1, LONG)
        & moved,
        "reference price of the files is wrong: the close is inside the limits of the last close": (
            rows["last_close"] != rows["pre_close"]
        )
        & ~rows["beyond_last_close"],
        "PT stock: trades on Fridays only, without a lower limit": (date < FRIDAYS)
        & (gap >= HALT)
        & (date.dt.day_name() == "Friday"),
        "ex-right that the files do not know": (date < EX_RIGHTS_COMPLETE) & falls & (gap <= HALT),
        "resumption after a suspended listing or a long halt, special treatment before or after": (gap >= LONG)
        & special,
        "resumption after a long halt (reorganisation, merger, share reform)": gap >= LONG,
        "resumption after a shorter halt (share reform in cash or warrants, reorganisation, split)": gap >= HALT,
        "an issue of shares comes onto the market (no limit until 2010)": issued,
    }
    found = np.select([condition.to_numpy() for condition in classes.values()], list(classes), default="not explained")
    return rows.assign(reason=pd.Categorical(found, [*classes, "not explained"]))


def table(rows: pd.DataFrame) -> str:
    """Markdown: class, closes, stocks, years, an example."""
    lines = ["| closes | stocks | from | to | class | example |", "|---|---|---|---|---|---|"]
    for reason, part in rows.groupby("reason", observed=True):
        first = part.sort_values(["date", "symbol"]).iloc[len(part) // 2]
        example = f"{first['symbol']} {first['date']:%Y-%m-%d}: {first['pre_close']:.2f} → {first['close']:.2f}"
        cells = [f"{len(part):,}", f"{part['symbol'].nunique():,}"]
        cells += [f"{part['date'].min():%Y-%m}", f"{part['date'].max():%Y-%m}", str(reason), example]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(f"| {len(rows):,} | {rows['symbol'].nunique():,} | | | all | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
