"""Minute bars against the daily bar that they make up: sums, extremes and the close, and bars that are missing.

Definitions: data contract (tables minute_bar and daily_bar; `market.intraday` has the ends of a session's bars). A
session of the whole market has more than a million bars, so each is read by itself and only its figures are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from attn_platform.market import intraday
from attn_platform.market.contract import MINUTE_BAR
from attn_platform.market.day_sums import day_sums
from attn_platform.market.quality.check import Examination, is_grave, share, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.findings import EXAMPLES, Finding, Severity
from attn_platform.market.quality.stretch import Statics, Stretch
from attn_platform.market.settle import numbers

SUMS, PRICES = ("volume", "amount"), ("high", "low", "close")
COLUMNS = ("date", "symbol", "minute", "open", *PRICES, *SUMS, "bar_minutes")
KEY = [("symbol", "ascending"), ("minute", "ascending")]


@dataclass(frozen=True)
class MinuteBarsOfDay:
    """The check: its findings are on sums, and on bars that are missing."""

    name: str = "minute_bars_of_day"
    table: str = MINUTE_BAR.name
    states: str = "a session's minute bars come to its daily bar, and none is missing"

    def start(self, config: QualityConfig) -> Examination:
        """A new examination."""
        return _Examination(self, config)


@dataclass(frozen=True)
class _Session:
    """What one session showed: counts of its stocks, and the worst of them."""

    session: np.datetime64
    examined: int
    faulty: int
    lacking: int
    """Stocks that have fewer bars than they should, which together lack `bars_lacking`."""
    bars_lacking: int
    traded: int
    """Stocks that traded by their daily bar; `without` of them have no bars."""
    without: int
    empty: tuple[str, ...]
    """Ends of bars that hardly any stock has."""
    strangers: tuple[str, ...]
    """Stocks that have bars and stand in no other table."""
    worst: tuple[Mapping[str, object], ...]


@dataclass
class _Examination:
    check: MinuteBarsOfDay
    config: QualityConfig
    seen: list[_Session] = field(default_factory=list)
    by_stock: pd.DataFrame | None = None
    causes: dict[str, int] = field(default_factory=dict)

    def look(self, stretch: Stretch) -> None:
        lake = stretch.lake.snapshot()
        if not lake.has(MINUTE_BAR.name):
            return
        held = np.isin(stretch.sessions, lake.sessions(MINUTE_BAR.name, stretch.fresh[0], stretch.fresh[-1]))
        for row in range(stretch.lead, len(stretch.sessions)):
            day = stretch.sessions[row]
            if held[row]:
                self._see(stretch, row, lake.read(MINUTE_BAR.name, day, day, COLUMNS))

    def _see(self, stretch: Stretch, row: int, bars: pa.Table) -> None:
        bars = _in_order(bars)
        of_day = day_sums(bars)
        symbols = np.array(of_day["symbol"].to_pylist(), dtype=str)
        known = np.isin(symbols, stretch.symbols)
        at = np.searchsorted(stretch.symbols, symbols[known])
        sums = {name: numbers(of_day[name])[known] for name in (*SUMS, *PRICES)}
        differs = self._differences(stretch, row, at, sums)
        faulty = np.any(list(differs.values()), axis=0)
        counts = pd.DataFrame({"faulty": 0, "examined": 0}, stretch.symbols)
        counts.iloc[at] = np.column_stack([faulty, np.ones_like(faulty)]).astype(int)
        self.by_stock = counts if self.by_stock is None else self.by_stock + counts
        lacking, empty = self._missing(bars, of_day, symbols, stretch.sessions[row])
        traded = stretch.traded[row] & (stretch["volume"][row] > 0)
        self.seen.append(
            _Session(
                session=stretch.sessions[row],
                examined=len(at),
                faulty=int(faulty.sum()),
                lacking=int((lacking > 0).sum()),
                bars_lacking=int(lacking.clip(min=0).sum()),
                traded=int(traded.sum()),
                without=int(traded.sum() - traded[at].sum()),
                empty=empty,
                strangers=tuple(symbols[~known].tolist()),
                worst=_worst(stretch, row, at, sums, differs),
            )
        )

    def _differences(
        self, stretch: Stretch, row: int, at: np.ndarray, sums: Mapping[str, np.ndarray]
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """By column, the stocks `at` whose bars do not come to the daily figure; a stock without a daily bar has 0."""
        quiet, found = sums["volume"] == 0, {}
        for name, values in sums.items():
            daily = np.nan_to_num(stretch[name][row, at])
            if name in SUMS:
                slack = np.maximum(self.config.minute_sum_slack, self.config.minute_sum_within * np.abs(daily))
                found[name] = np.abs(values - daily) > slack
            else:
                # Bars of a day without trades stand at the last close, which is no price of the day.
                found[name] = (np.abs(values - daily) > self.config.minute_price_slack) & ~quiet
            self.causes[name] = self.causes.get(name, 0) + int(found[name].sum())
        return found

    def _missing(
        self, bars: pa.Table, of_day: pa.Table, symbols: np.ndarray, session: np.datetime64
    ) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """Bars that each stock lacks of those that a session has, and the ends of bars that most stocks lack.

        Where the close is an auction, nothing trades between 14:57 and 15:00: bars that end there may be left out.
        """
        length = intraday.bar_minutes_of(bars)
        ends = intraday.bar_ends(length)
        ends = ends[ends <= intraday.session_end(session)]
        call = intraday.closing_auction_begins(symbols, session)
        minute = intraday.minutes_of(bars["minute"])
        stock = np.repeat(np.arange(len(symbols)), of_day["rows"].to_numpy())
        in_call = (minute > call[stock]) & (minute < intraday.CLOSE)
        counted = np.isin(minute, ends) & ~in_call
        expected = np.array([(~((ends > begin) & (ends < intraday.CLOSE))).sum() for begin in np.unique(call)])
        wanted = expected[np.searchsorted(np.unique(call), call)]
        lacking = wanted - np.bincount(stock[counted], minlength=len(symbols))
        if len(symbols) < self.config.few:
            return lacking, ()
        certain = ends[(ends <= call.min()) | (ends == intraday.CLOSE)]
        having = np.bincount(minute.clip(min=0), minlength=intraday.CLOSE + 1)[certain]
        most = having < (1 - self.config.lacking_minutes) * len(symbols)
        return lacking, tuple(intraday.label_of(int(end)) for end in certain[most])

    def findings(self, statics: Statics) -> Iterator[Finding]:
        if not self.seen or self.by_stock is None:
            return
        yield from self._sums(self.by_stock)
        yield from self._emptied()
        yield from self._strangers()
        yield from self._lacking()

    def _sums(self, stocks: pd.DataFrame) -> Iterator[Finding]:
        """Stock-days whose bars do not come to the daily bar, the worst of them by name."""
        counts = pd.DataFrame(
            {"faulty": [s.faulty for s in self.seen], "examined": [s.examined for s in self.seen]},
            [s.session for s in self.seen],
        )
        count, of = int(counts["faulty"].sum()), int(counts["examined"].sum())
        if not count:
            return
        tolerance = self.config.minute_sums
        known = max(tolerance.few, tolerance.note_share * of)
        severity: Severity = "error" if is_grave(counts, stocks, tolerance) else "warning" if count > known else "note"
        causes = sorted(((n, name) for name, n in self.causes.items() if n), reverse=True)
        of_what = ", ".join(f"{name} ({n:,})" for n, name in causes)
        worst = sorted((each for s in self.seen for each in s.worst), key=_excess, reverse=True)[:EXAMPLES]
        yield self._finding(
            severity,
            f"the bars of a session do not come to its daily bar: {share(count, of)} stock-days on "
            f"{span(counts.index[counts['faulty'] > 0])}, in {of_what}; worst: "
            + ", ".join(f"{e['symbol']} {e['what']} {e['of bars']:,.10g} for {e['of day']:,.10g}" for e in worst),
            "import bars and daily bars of these sessions again from one source, in shares and CNY",
            count,
            of,
            tuple(worst),
        )

    def _emptied(self) -> Iterator[Finding]:
        """Sessions on which bars of one end are missing for nearly all stocks: a file that was cut."""
        cut = [s for s in self.seen if s.empty]
        if cut:
            first = cut[0]
            yield self._finding(
                "warning",
                f"hardly any stock has the bar of {', '.join(first.empty[:EXAMPLES])} on {first.session}"
                + (f", and the like on {len(cut) - 1} more sessions" if len(cut) > 1 else ""),
                "the file looks truncated: fetch the session again",
                len(cut),
                len(self.seen),
                tuple({"date": str(s.session), "bars": ", ".join(s.empty[:EXAMPLES])} for s in cut[:EXAMPLES]),
            )

    def _strangers(self) -> Iterator[Finding]:
        """Stocks of which there is nothing but bars."""
        with_some = [s for s in self.seen if s.strangers]
        names = sorted({symbol for s in with_some for symbol in s.strangers})
        if names:
            yield self._finding(
                "warning",
                f"stocks have bars and stand neither in daily_bar nor in security, on "
                f"{span(s.session for s in with_some)}: {', '.join(names[:EXAMPLES])}",
                "import their daily bars, or leave the bars out",
                len(names),
                len(names) + (0 if self.by_stock is None else int((self.by_stock["examined"] > 0).sum())),
            )

    def _lacking(self) -> Iterator[Finding]:
        """Bars that single stocks lack, as vendors leave out minutes without trades; and stocks without any."""
        bars, days, of = (sum(getattr(s, name) for s in self.seen) for name in ("bars_lacking", "lacking", "examined"))
        if days:
            yield self._finding(
                "note",
                f"stock-days have fewer bars than their length implies: {share(days, of)}, {bars:,} bars missing on "
                f"{span(s.session for s in self.seen if s.lacking)}",
                "minutes without trades may be left out; where they had trades, fetch the sessions again",
                days,
                of,
            )
        if without := sum(s.without for s in self.seen):
            traded = sum(s.traded for s in self.seen)
            yield self._finding(
                "note",
                f"stocks traded and have no bars at all: {share(without, traded)} stock-days",
                "import their bars where indicators of them are wanted",
                without,
                traded,
            )

    def _finding(
        self,
        severity: Severity,
        text: str,
        remedy: str,
        count: int,
        examined: int,
        examples: tuple[Mapping[str, object], ...] = (),
    ) -> Finding:
        return Finding(self.check.name, self.check.table, severity, text, remedy, count, examined, examples)


def _in_order(bars: pa.Table) -> pa.Table:
    """Bars by symbol and minute, as a lake has them unless an importer wrote them otherwise."""
    code = bars["symbol"].combine_chunks().dictionary_encode()
    at = code.indices.to_numpy(zero_copy_only=False)
    step = np.diff(at)
    ordered = np.all((step > 0) | ((step == 0) & (np.diff(intraday.minutes_of(bars["minute"])) > 0)))
    names = code.dictionary.to_pylist()
    return bars if ordered and names == sorted(names) else bars.sort_by(KEY)


def _worst(
    stretch: Stretch, row: int, at: np.ndarray, sums: Mapping[str, np.ndarray], differs: Mapping[str, np.ndarray]
) -> tuple[Mapping[str, object], ...]:
    """The stocks of a session that are furthest off, by what: the sum of the bars and the daily figure."""
    found = []
    for name, off in differs.items():
        daily = stretch[name][row, at]
        for place in np.flatnonzero(off):
            found.append(
                {
                    "date": str(stretch.sessions[row]),
                    "symbol": str(stretch.symbols[at[place]]),
                    "what": name,
                    "of bars": float(sums[name][place]),
                    "of day": float(np.nan_to_num(daily[place])),
                }
            )
    return tuple(sorted(found, key=_excess, reverse=True)[:EXAMPLES])


def _excess(example: Mapping[str, object]) -> float:
    """How far the bars are off, relative to the larger of the two figures."""
    bars, day = (float(str(example[name])) for name in ("of bars", "of day"))
    return abs(bars - day) / max(abs(bars), abs(day))


CHECKS = (MinuteBarsOfDay(),)
