"""Special treatment and delisting as they were on the day, not as they became known.

Sources: the exchanges' rules (`market.trading_rules`): a stock under special treatment moves at most 5 % a session on
the main board, its status comes and goes with annual reports, and a delisting-consolidation period is a stock's last.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market import tolerance
from attn_platform.market.contract import BOARDS, TRADING_STATUSES
from attn_platform.market.quality.check import CellCheck, Faults, SessionCheck, Verdict, records, share
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics, Stretch
from attn_platform.market.trading_rules import CONSOLIDATION_RULES, limit_prices, limit_ratio

NORMAL, ST, STAR_ST, DELISTING = (TRADING_STATUSES.index(name) for name in ("normal", "st", "star_st", "delisting"))
ST_LIMIT, S_SHARES_SINCE, S_SHARES_UNTIL = 0.05, np.datetime64("2007-01-08"), np.datetime64("2014-01-01")
"""S shares (their reform undone) had the limit of special treatment too; the last large ones reformed in 2013."""
NAMED_ST = r"^S?\*?ST|^ST|退"


def narrow_limit(stretch: Stretch) -> np.ndarray:
    """[T, N]: rows under special treatment whose limit is 5 % by the rules, first sessions left out."""
    status = np.where(np.isnan(stretch["trading_status"]), 0, stretch["trading_status"]).astype(np.int64)
    day = stretch.sessions[:, None]
    position = np.searchsorted(stretch.calendar.sessions, stretch.sessions)[:, None]
    age = position - np.searchsorted(stretch.calendar.sessions, stretch.listed)[None]
    up, _ = limit_ratio(stretch.board[None], day, status, age)
    special = (stretch["trading_status"] == ST) | (stretch["trading_status"] == STAR_ST)
    return special & (up == ST_LIMIT)


def _moves_within(stretch: Stretch, config: QualityConfig) -> Faults:
    move = np.abs(stretch["close"] / stretch["pre_close"] - 1)
    slack = ST_LIMIT + tolerance.TICK / stretch["pre_close"]
    examined = narrow_limit(stretch) & stretch.traded & ~np.isnan(move)
    return Faults(examined & (move > slack), examined)


def _status_figures(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    """By stock: rows by status, first and last status, rows after a delisting period, closes at 5 % limits."""
    new = slice(stretch.lead, None)
    status, present = stretch["trading_status"], stretch.present
    special = (status == ST) | (status == STAR_ST)
    delisting = status == DELISTING
    last = stretch.previous("trading_status")
    close, pre_close = stretch["close"], stretch["pre_close"]
    up, down = limit_prices(pre_close, ST_LIMIT, ST_LIMIT)
    at_up = ~tolerance.differs(close, up, 0.0, tolerance.TICK / 2) & (close == stretch["high"])
    at_down = ~tolerance.differs(close, down, 0.0, tolerance.TICK / 2) & (close == stretch["low"])
    beyond = np.abs(close / pre_close - 1) > ST_LIMIT + config.beyond_limit
    wide = np.isin(stretch.board, [BOARDS.index(name) for name in ("main", "chinext")])
    day = stretch.sessions[:, None]
    reform = (day >= S_SHARES_SINCE) & (day < S_SHARES_UNTIL)
    normal = stretch.traded & (status == NORMAL) & wide & ~reform
    figures = {
        "symbol": stretch.symbols,
        "rows": present[new].sum(axis=0),
        "special": special[new].sum(axis=0),
        "delisting": delisting[new].sum(axis=0),
        "left_delisting": (present & ~delisting & (last == DELISTING))[new].sum(axis=0),
        "changes": (present & ~np.isnan(last) & (special != ((last == ST) | (last == STAR_ST))))[new].sum(axis=0),
        "ends_special": np.where(present[-1], special[-1], False),
        "normal": normal[new].sum(axis=0),
        "at_limit": (normal & (at_up | at_down))[new].sum(axis=0),
        "beyond": (normal & beyond)[new].sum(axis=0),
        "year": str(stretch.fresh[0])[:4],
    }
    frame = pd.DataFrame(figures)
    return frame[frame["rows"] > 0]


def _judge_statuses(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    sums = ["rows", "special", "delisting", "left_delisting", "changes"]
    lives = seen.groupby("symbol")[sums].sum()
    lives["ends_special"] = seen.groupby("symbol")["ends_special"].last()
    rows = int(lives["rows"].sum())
    long = lives[lives["rows"] >= config.long_life]
    constant = long[(long["special"] == long["rows"]) & (long["changes"] == 0)]
    ends = long[long["ends_special"]]
    if len(constant) >= config.few_stocks and len(constant) > config.hindsight_share * max(len(ends), 1):
        yield Verdict(
            "error",
            f"{share(len(constant), len(ends))} stocks under special treatment at the end of the data are so on every "
            "one of their rows: the last status looks carried back to days that did not know it",
            "take the status from the name of the day (a history of names), not from today's",
            len(constant),
            len(ends),
            records(constant.reset_index()[["symbol", "rows", "special"]]),
        )
    ever = int((lives["special"] > 0).sum())
    if ever >= config.few and long_enough(lives, config) and not lives["changes"].any():
        yield Verdict(
            "error",
            f"no stock comes or leaves special treatment in {rows:,} rows, although {ever:,} are under it: the last "
            "status looks carried back to days that did not know it",
            "take the status from the name of the day (a history of names), not from today's",
            ever,
            len(lives),
            records(lives[lives["special"] > 0].reset_index()[["symbol", "rows", "special"]]),
        )
    special, years = int(lives["special"].sum()), seen["year"].nunique()
    if special == 0 and rows >= config.many_rows and len(lives) >= config.many:
        named = _named_special(statics)
        yield Verdict(
            "warning",
            f"no stock of {len(lives):,} is ever under special treatment in {rows:,} rows of {years} years"
            + (f", although {named:,} are called ST or 退 at last" if named else "")
            + ": trading_status looks filled with one value",
            "bring the status of the day; it bounds prices and keeps stocks out of the universe",
            len(lives),
            len(lives),
        )
    returned = lives[lives["left_delisting"] > 0]
    if len(returned):
        yield Verdict(
            "error" if len(returned) >= config.few_stocks else "warning",
            f"{share(len(returned), int((lives['delisting'] > 0).sum()))} stocks leave the delisting period again",
            "a delisting-consolidation period is a stock's last sessions: correct trading_status",
            len(returned),
            int((lives["delisting"] > 0).sum()),
            records(returned.reset_index()[["symbol", "rows", "delisting"]]),
        )
    longest = max(rule.sessions for rule in CONSOLIDATION_RULES) + config.consolidation_slack
    endless = lives[lives["delisting"] > longest]
    if len(endless):
        yield Verdict(
            "warning",
            f"{share(len(endless), int((lives['delisting'] > 0).sum()))} stocks are in the delisting period for more "
            f"than {longest} sessions",
            "a period has 15 or 30 sessions: correct trading_status, or delist_date",
            len(endless),
            int((lives["delisting"] > 0).sum()),
            records(endless.reset_index()[["symbol", "rows", "delisting"]]),
        )
    bounded = seen[
        (seen["normal"] >= config.long_stretch) & (seen["at_limit"] >= config.boards_at_limit) & (seen["beyond"] == 0)
    ]
    stretches = int((seen["normal"] >= config.long_stretch).sum())
    if len(bounded) > config.bounded_share * max(stretches, 1):
        yield Verdict(
            "warning",
            f"{share(len(bounded), stretches)} stock-years without special treatment close at a limit of 5 % again and "
            "again and never move further: special treatment looks missing there",
            "bring the status of the day",
            len(bounded),
            stretches,
            records(bounded[["symbol", "year", "normal", "at_limit"]]),
        )


def long_enough(lives: pd.DataFrame, config: QualityConfig) -> bool:
    """Whether the data spans a year, in which annual reports bring new statuses."""
    return bool(lives["rows"].max() >= config.a_year)


def _named_special(statics: Statics) -> int:
    names = statics["security"]["name"].dropna().astype(str) if "security" in statics else pd.Series(dtype=str)
    return int(names.str.contains(NAMED_ST, regex=True).sum())


CHECKS = (
    CellCheck(
        name="special_treatment_moves",
        table="daily_bar",
        states="a stock under special treatment moves at most 5 % where its board's rule says so",
        fault="a close under special treatment is more than 5 % from pre_close",
        remedy="take the status of the day: these sessions traded under the limit of ordinary stocks",
        shown=("close", "pre_close", "trading_status"),
        faults=_moves_within,
        tolerance=lambda config: config.special_moves,
    ),
    SessionCheck(
        name="statuses_of_the_day",
        table="daily_bar",
        states="special treatment comes and goes, and a delisting period is a stock's last",
        look=_status_figures,
        judge=_judge_statuses,
    ),
)
