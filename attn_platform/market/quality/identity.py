"""One company, one code, on its own board.

Sources: the boards' code ranges (`market.trading_rules`). Two stocks never share their volume and amount for weeks; a
company whose code was changed, and whose history a vendor keeps under both, does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market.codes import BOARD_RULES
from attn_platform.market.quality.check import SessionCheck, StaticCheck, Verdict, records, share
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics, Stretch
from attn_platform.market.trading_rules import board_or_none


def exchange_by_code(symbols: np.ndarray) -> np.ndarray:
    """Exchange whose code range each symbol's six digits lie in; empty where there is none."""
    exchange = np.full(len(symbols), "", dtype="<U2")
    for rule in BOARD_RULES:
        for prefix in rule.prefixes:
            exchange[np.char.startswith(symbols, prefix)] = rule.exchange
    return exchange


def _judge_codes(statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    security = statics["security"]
    symbols = security["symbol"].to_numpy(dtype=str)
    board, exchange = board_or_none(symbols), exchange_by_code(symbols)
    suffix = np.array([symbol[-2:] for symbol in symbols])
    wrong_exchange = (exchange != "") & (exchange != suffix)
    foreign = (board == "") & ~wrong_exchange
    off = (board != "") & (board != security["board"].to_numpy(dtype=str))
    faults = (
        (
            wrong_exchange,
            "have the suffix of the wrong exchange",
            "write 6… as .SH, 0… and 3… as .SZ, 4…, 8… and 92… as .BJ",
        ),
        (foreign, "are no A shares (B shares, funds, bonds, indices)", "leave them out of all tables"),
        (off, "stand under another board than their code's", "give the board of the code: it decides limits and lots"),
    )
    for cells, words, remedy in faults:
        if cells.any():
            yield Verdict(
                "error",
                f"{share(int(cells.sum()), len(symbols))} stocks {words}",
                remedy,
                int(cells.sum()),
                len(symbols),
                records(security.loc[cells, ["symbol", "name", "board"]]),
            )
    undated = security["list_date"].isna()
    if undated.any():
        yield Verdict(
            "warning" if undated.mean() > config.thin_session else "note",
            f"{share(int(undated.sum()), len(symbols))} stocks have no list date: they count as listed long ago",
            "bring it: ages of new listings and their limits follow from it",
            int(undated.sum()),
            len(symbols),
            records(security.loc[undated, ["symbol", "name", "board"]]),
        )


def twin_sessions(volume: np.ndarray, amount: np.ndarray, symbols: np.ndarray) -> pd.DataFrame:
    """Pairs of stocks with the same volume and amount on a session, and on how many: one, other, sessions.

    `volume` and `amount` are [T, N]; only neighbours in the order of symbols are paired where more than two agree.
    """
    pairs: list[pd.DataFrame] = []
    for shares, money in zip(volume, amount, strict=True):
        traded = np.flatnonzero((shares > 0) & (money > 0))
        order = traded[np.lexsort((traded, money[traded], shares[traded]))]
        same = (shares[order[1:]] == shares[order[:-1]]) & (money[order[1:]] == money[order[:-1]])
        pairs.append(pd.DataFrame({"one": order[:-1][same], "other": order[1:][same]}))
    found = pd.concat(pairs, ignore_index=True).value_counts().rename("sessions").reset_index()
    return found.assign(one=symbols[found["one"].to_numpy(int)], other=symbols[found["other"].to_numpy(int)])


def _twins(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    new = slice(stretch.lead, None)
    volume = np.where(stretch.traded, stretch["volume"], np.nan)[new]
    return twin_sessions(volume, stretch["amount"][new], stretch.symbols).assign(stocks=len(stretch.symbols))


def _judge_twins(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    pairs = seen.groupby(["one", "other"])["sessions"].sum().reset_index()
    stocks = int(seen["stocks"].max()) if len(seen) else 0
    twins = pairs[pairs["sessions"] >= config.twin_sessions].sort_values("sessions", ascending=False)
    if len(twins):
        named = ", ".join(f"{one} and {other}" for one, other in zip(twins["one"], twins["other"], strict=True))
        yield Verdict(
            "error",
            f"{len(twins)} {'pair of stocks has' if len(twins) == 1 else 'pairs of stocks have'} the same volume and "
            f"amount on {twins['sessions'].min():,} sessions or more: one company under two codes ({named[:200]})",
            "keep each company once, at every date under the code that it had then",
            len(twins),
            stocks,
            records(twins),
        )


CHECKS = (
    StaticCheck(
        name="codes_and_boards",
        table="security",
        states="every code is an A share's, with the suffix of its exchange and the board of its range",
        judge=_judge_codes,
    ),
    SessionCheck(
        name="companies_once",
        table="daily_bar",
        states="no two stocks have the same volume and amount session after session",
        look=_twins,
        judge=_judge_twins,
    ),
)
