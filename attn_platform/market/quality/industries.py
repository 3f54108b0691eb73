"""Industry memberships: one industry at a time, for every stock, in sectors that the studies know.

Source: the data contract (intervals [in_date, out_date) by stock and scheme; the five sectors of AI-55).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from attn_platform.market.quality.check import StaticCheck, Verdict, records, share
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics
from attn_platform.market.simulation.industries import SECTORS

SHOWN = ["symbol", "scheme", "code", "in_date", "out_date"]


def _judge_intervals(statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    rows = statics["industry"].sort_values(["symbol", "scheme", "in_date"]).reset_index(drop=True)
    by_stock = rows.groupby(["symbol", "scheme"])
    last_out = by_stock["out_date"].shift()
    follows = by_stock.cumcount() > 0
    overlaps = follows & (last_out.isna() | (last_out > rows["in_date"]))
    if overlaps.any():
        yield Verdict(
            "error",
            f"{share(int(overlaps.sum()), len(rows))} memberships begin before the stock's last one ends: it has two "
            "industries at once",
            "give each membership the out_date at which the next one begins",
            int(overlaps.sum()),
            len(rows),
            records(rows.loc[overlaps, SHOWN]),
        )
    gaps = follows & (rows["in_date"] > last_out + pd.Timedelta(days=config.industry_gap_days))
    if gaps.any():
        yield Verdict(
            "warning" if gaps.mean() > config.odd_reports else "note",
            f"{share(int(gaps.sum()), len(rows))} memberships begin over {config.industry_gap_days} days after the "
            "stock's last one ended: it has no industry in between",
            "fill the gap: stocks without an industry form one of their own",
            int(gaps.sum()),
            len(rows),
            records(rows.loc[gaps, SHOWN]),
        )
    unknown = rows["sector"].notna() & ~rows["sector"].isin(SECTORS)
    if unknown.any():
        yield Verdict(
            "error",
            f"{share(int(unknown.sum()), len(rows))} memberships name a sector that the studies do not have "
            f"({', '.join(sorted(rows.loc[unknown, 'sector'].unique())[:5])}); there are {', '.join(SECTORS)}",
            "map each industry to one of them",
            int(unknown.sum()),
            len(rows),
            records(rows.loc[unknown, ["symbol", "code", "name", "sector"]]),
        )
    yield from _judge_stocks(rows, statics, config)


def _judge_stocks(rows: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    if "security" not in statics:
        return
    security = statics["security"]
    without = security[~security["symbol"].isin(rows["symbol"])]
    if len(without):
        yield Verdict(
            "warning" if len(without) > config.without_industry * len(security) else "note",
            f"{share(len(without), len(security))} stocks have no industry at all",
            "bring their industries; they are neutralised and limited as one unknown industry",
            len(without),
            len(security),
            records(without[["symbol", "name", "list_date"]]),
        )
    begins = rows.groupby("symbol")["in_date"].min()
    known = security.set_index("symbol")["list_date"].dropna()
    late = begins.reindex(known.index) - known
    lag = late[late > pd.Timedelta(days=config.industry_late_days)]
    if len(lag) > config.late_industries * len(known):
        yield Verdict(
            "warning",
            f"{share(len(lag), len(known))} stocks get their first industry more than {config.industry_late_days} days "
            "after listing: earlier sessions have none",
            "bring the history of the classification",
            len(lag),
            len(known),
            records(pd.DataFrame({"symbol": lag.index, "listed": known[lag.index], "industry": begins[lag.index]})),
        )
    if begins.min() == begins.max() and rows.groupby("symbol").size().max() == 1 and len(begins) >= config.many:
        yield Verdict(
            "note",
            f"every stock has one industry, from {begins.iloc[0]:%Y-%m-%d} on: today's looks carried back",
            "bring the history of the classification where you have it",
            len(rows),
            len(rows),
        )


CHECKS = (
    StaticCheck(
        name="one_industry_at_a_time",
        table="industry",
        states="every stock has one industry at a time, in one of the five sectors",
        judge=_judge_intervals,
    ),
)
