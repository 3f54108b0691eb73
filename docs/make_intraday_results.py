"""Writes docs/results/high-frequency.md: high-frequency factors on real bars, indicators on real trades and books.

    PYTHONPATH=. python docs/make_intraday_results.py BARS TICKS

BARS and TICKS are homes that `attn import minute15` and `attn import exchange_ticks` have made; indicators and factors
that are not there yet are computed. The factors are those that 15-minute bars without numbers of trades allow. No
universe, no orthogonalisation (the sets have neither industries nor market values): every stock with bars takes part.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.evaluation.factor_legs import LegReturns, TradedMarket, leg_returns
from attn_platform.evaluation.inference import t_value
from attn_platform.indicators import IndicatorConfig, IndicatorInputs, agreement, indicators_with
from attn_platform.indicators.families.opening_flow import SIZES
from attn_platform.indicators.reading import blocks
from attn_platform.indicators.store import indicator_values
from attn_platform.indicators.trades import TradeRows
from attn_platform.market.dense import load_dense
from attn_platform.market.intraday import closing_auction_begins
from attn_platform.market.lake import Lake
from attn_platform.studies.settings import Home
from attn_platform.workflows import compute_factors
from attn_platform.workflows.indicators import compute_indicators
from attn_platform.workflows.weekly_signals import traded_market
from attn_platform.writing import write_atomically
from attn_platform_tests.indicators import plain
from attn_platform_tests.indicators.intraday_data import rows_of

PAGE = Path(__file__).parent / "results" / "high-frequency.md"
FAMILY, INDICATORS = "high_frequency", "bar_shape"
# Raw sign (Haitong weekly), and RankIC a month of the series' own abstracts where they state one, percent
ROWS: dict[str, tuple[int, float | None]] = {
    "intraday_skewness": (-1, None),
    "downside_volatility_ratio": (1, None),
    "improved_reversal": (-1, 4.3),
    "closing_volume_share": (-1, 4.9),
}
HORIZONS = (5, 20)
LAYERS = 10
SESSIONS_A_YEAR = 244
MONTH = 20
TINY = 1e-300
THRESHOLD = math.log(200_000.0)
"""What is large on a single stock-day, whose sessions before are not to be had: CNY, a usual bound of traders."""

HEAD = """\
# High-frequency factors on real data

Written by `PYTHONPATH=. python docs/make_intraday_results.py BARS TICKS` from two homes of real files; edit that, not
this page. No market data is committed.
"""


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bars", type=Path)
    parser.add_argument("ticks", type=Path)
    arguments = parser.parse_args()
    lines = [HEAD, *of_bars(Home.open(arguments.bars)), "", *of_ticks(Home.open(arguments.ticks).lake)]
    write_atomically(PAGE, "\n".join(lines) + "\n")


def of_bars(home: Home) -> Iterator[str]:
    """The section on 15-minute bars."""
    sessions = home.lake.sessions("minute_bar")
    if len(np.intersect1d(home.lake.sessions(f"factor_{FAMILY}"), sessions)) != len(sessions):
        compute_indicators(home, INDICATORS, sessions)
        compute_factors(home, [FAMILY], sessions)
    dense = load_dense(home.lake, home.calendar, sessions[0], sessions[-1], ["is_suspended"])
    is_traded = dense["is_suspended"] == 0
    market, _ = traded_market(home, sessions[0], sessions[-1])
    yield "## 15-minute bars"
    yield ""
    yield (
        f"{len(dense.symbols)} stocks (Shanghai main board but for one), {len(sessions)} sessions from {sessions[0]} "
        f"to {sessions[-1]}, 16 bars a day, no numbers of trades, no market values, no industries. Factors are raw, "
        "not orthogonalised; every stock that traded takes part. Overnight falls beyond the price limit are left out "
        "as ex-rights; cash dividends stay in. RankIC is that of a session's values (over 20 sessions each) against "
        "the return from the next session's average price over the horizon; t is Newey and West's with the horizon's "
        "overlap. Long-short is the top tenth less the bottom tenth, the raw sign's end long, traded at the next "
        "average price every 20 sessions without costs. One year and a quarter of 600 stocks: a smoke test of the "
        "formulas, no evidence on the factors."
    )
    yield ""
    head = ["factor", "coverage", "published sign", *(f"RankIC {h}d (t)" for h in HORIZONS), "20d in that sign"]
    head += ["published, a month", "long-short a year", "long excess a year"]
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    values = home.lake.read(f"factor_{FAMILY}", sessions[0], sessions[-1]).to_pandas()
    against = []
    for name, (sign, published) in ROWS.items():
        panel = values.pivot_table(index="date", columns="symbol", values=name, dropna=False)
        panel.index = pd.DatetimeIndex(panel.index)
        factor = panel.reindex(pd.DatetimeIndex(sessions), columns=dense.symbols).to_numpy(float, copy=True)
        factor[~is_traded] = np.nan
        coverage = np.isfinite(factor[MONTH:]).sum() / is_traded[MONTH:].sum()
        series = {horizon: rank_ic(factor, market.price, horizon) for horizon in HORIZONS}
        cells = [f"{np.nanmean(ic):+.2%} ({t_value(ic, horizon - 1):+.1f})" for horizon, ic in series.items()]
        legs = legs_of(sign * factor, market)
        yearly = [(1 + np.nanmean(each)) ** SESSIONS_A_YEAR - 1 for each in (legs.long_short, legs.long_excess)]
        signed = f"{sign * np.nanmean(series[20]):+.2%}"
        if sign * np.nanmean(series[20]) < 0:
            against.append(f"`{name}`")
        stated = "" if published is None else f"RankIC {published} %"
        row = [name, f"{coverage:.1%}", f"{sign:+d}", *cells, signed, stated, *(f"{each:+.1%}" for each in yearly)]
        yield "| " + " | ".join(row) + " |"
    yield ""
    of_signs = f"{', '.join(against)} points the other way." if against else "All have the published sign."
    yield f"{len(ROWS) - len(against)} of {len(ROWS)} have the published sign over 20 sessions. {of_signs}"
    yield ""
    yield (
        "The other factors of the ten need what this set lacks: `average_outflow_trade_size_ratio` and "
        "`large_order_driven_return` numbers of trades, the four of the opening trades with order numbers, and books."
    )


def rank_ic(factor: np.ndarray, price: np.ndarray, horizon: int) -> np.ndarray:
    """Spearman's correlation of each session [T] with the return between the average prices of T + 1 and T + 1 + h."""
    later = np.full_like(factor, np.nan)
    later[: -horizon - 1] = price[horizon + 1 :] / price[1:-horizon] - 1
    known = np.isfinite(later) & np.isfinite(factor)
    ranks = (pd.DataFrame(np.where(known, values, np.nan)).rank(axis=1) for values in (factor, later))
    one, other = ranks
    return one.corrwith(other, axis=1).to_numpy()


def legs_of(signal: np.ndarray, market: TradedMarket) -> LegReturns:
    """Returns of the legs of a signal [T, N] of each twentieth session, which trades on the one after."""
    known = np.arange(MONTH, len(market.sessions) - 1, MONTH)
    return leg_returns(signal[known], known + 1, market, LAYERS)


def of_ticks(lake: Lake) -> Iterator[str]:
    """The section on trades and snapshots."""
    yield "## Trades and snapshots"
    yield ""
    yield (
        "Nine stock-days of trades with order numbers; one of them, 600519.SH on 2023-02-01, with a whole day of "
        "snapshots. The platform's indicators beside the same in plain Python, row by row (largest difference relative "
        "to the larger of the two). Earlier sessions are not to be had, so what is a large order is supplied: more "
        f"than {math.exp(THRESHOLD):,.0f} CNY."
    )
    yield ""
    yield "| session | stock | trades | orders | net buying of large orders | mean / std | largest difference |"
    yield "|---|---|---|---|---|---|---|"
    intention, agreed = [], []
    for session in lake.sessions("transaction"):
        for symbol, found, expected, trades in stock_days(lake, session):
            gap = largest_gap(found, expected)
            yield (
                f"| {session} | {symbol} | {len(trades):,} | {expected['order_count']:,.0f} | "
                f"{found['opening_large_net_buy']:+.4f} | {found['opening_large_buy_steadiness']:+.3f} | {gap:.0e} |"
            )
            if np.isfinite(found.get("opening_buy_intention", np.nan)):
                intention.append(
                    f"Buying intention of {symbol} in the opening of {session}: Σ W / Σ amount "
                    f"{found['opening_buy_intention']:+.4f}, mean / std {found['opening_buy_steadiness']:+.3f} "
                    f"(plain: {expected['opening_buy_intention']:+.4f}, {expected['opening_buy_steadiness']:+.3f})."
                )
        agreed += agreements(lake, session)
    yield ""
    yield from intention
    yield ""
    yield "Ways to tell the aggressor: share of the amount in continuous trading on which two of them agree."
    yield ""
    yield "| session | stock | ways | agree |"
    yield "|---|---|---|---|"
    yield from agreed


def stock_days(
    lake: Lake, session: np.datetime64
) -> Iterator[tuple[str, dict[str, float], dict[str, float], list[dict[str, Any]]]]:
    """Each stock of a session: the platform's indicators, the plain ones, and its trades."""
    known = indicators_with(())
    has_book = lake.path("book_snapshot", session).exists()
    families = known.family("order_size") + known.family("opening_flow")
    wanted = [each for each in families if has_book or "book_snapshot" not in each.tables]
    supplied = {"order_count": 1.0, "order_log_mean": THRESHOLD, "order_log_variance": 0.0}
    config = IndicatorConfig()
    of_trades = (name for each in wanted for name in each.inputs if name.startswith("transaction"))
    columns = sorted({name.partition(".")[2] for name in of_trades})
    files = {"transaction": (lake.path("transaction", session), columns)}
    if has_book:
        book = [f"{side}_{what}_1" for side in ("bid", "ask") for what in ("price", "volume")]
        files["book_snapshot"] = (lake.path("book_snapshot", session), book)
    for block in blocks(files, session, config):
        history = {name: np.full((config.large_order_sessions, len(block.symbols)), supplied[name]) for name in SIZES}
        inputs = IndicatorInputs(session, block.symbols, config, block.tables, history)
        values = {each.name: indicator_values(each, inputs) for each in wanted}
        for at, symbol in enumerate(block.symbols.tolist()):
            trades = rows_of(lake.read("transaction", session, session), symbol)
            if not trades:
                continue
            closing = int(closing_auction_begins(np.array([symbol]), session)[0])
            expected = {**plain.order_sizes(trades), **plain.large_flow(trades, THRESHOLD)}
            if has_book and (rows := rows_of(lake.read("book_snapshot", session, session), symbol)):
                expected |= plain.intention(trades, [with_zeros(row) for row in rows], closing)
            yield symbol, {name: float(cells[at]) for name, cells in values.items()}, expected, trades


def agreements(lake: Lake, session: np.datetime64) -> Iterator[str]:
    """Rows of the table of aggressors."""
    columns = ("time", "price", "volume", "buy_order", "sell_order", "side")
    files = {"transaction": (lake.path("transaction", session), columns)}
    for block in blocks(files, session, IndicatorConfig()):
        for at, symbol in enumerate(block.symbols.tolist()):
            rows = block.tables["transaction"].of_stocks(at, at + 1)
            if isinstance(rows, TradeRows):
                for ways, share in agreement(rows).items():
                    yield f"| {session} | {symbol} | {ways.replace('_', ' ')} | {share:.2%} |"


def largest_gap(found: Mapping[str, float], expected: Mapping[str, float]) -> float:
    """The largest difference of two sets of figures, relative to the larger of each two."""
    gaps = [
        abs(found[name] - value) / max(abs(found[name]), abs(value), TINY)
        for name, value in expected.items()
        if np.isfinite(value) or np.isfinite(found[name])
    ]
    return max(gaps)


def with_zeros(row: dict[str, Any]) -> dict[str, Any]:
    """A snapshot whose empty sides are 0."""
    return {name: 0.0 if value is None else value for name, value in row.items()}


if __name__ == "__main__":
    main()
