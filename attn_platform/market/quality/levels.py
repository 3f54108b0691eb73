"""Units of whole columns: levels that no market has, and medians that jump from one session to the next.

A unit that is wrong everywhere shows in figures without a unit (yields, ratios, shares of a company); one that changes
from one day on shows in the ratio of a session to the one before, stock by stock. Both are looked at by board and
exchange, since vendors mix their units by these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attn_platform.market.contract import BOARDS
from attn_platform.market.quality.check import SessionCheck, Verdict, records, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics, Stretch

TRADING = ("volume", "amount", "turnover_rate")
"""Columns that may well double overnight, each stock by itself."""
SLOW = (
    "close", "total_mv", "float_mv", "pb_lf", "pe_ttm", "pcf_ocf_ttm", "dividend_12m", "eps_fy1", "roe_fy1",
    "net_profit_fy1",
)  # fmt: skip
"""Columns that a stock carries from day to day."""
SIGNED = ("pb_lf", "pe_ttm", "pcf_ocf_ttm", "eps_fy1", "roe_fy1", "net_profit_fy1")
SEASONED_DAYS = np.timedelta64(120, "D")
"""Half of a new board changes hands on its first day."""
TABLE_OF = {
    **dict.fromkeys(("close", *TRADING), "daily_bar"),
    **dict.fromkeys(("eps_fy1", "roe_fy1", "net_profit_fy1"), "consensus"),
}
"""Tables of columns that are not of `valuation`."""


@dataclass(frozen=True)
class Level:
    """A figure without a unit, and the range in which its median over the stocks of a session must lie."""

    words: str
    table: str
    reads: tuple[str, ...]
    low: float
    high: float
    value: Callable[[Stretch], np.ndarray]
    too_low: str
    too_high: str


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _seasoned(stretch: Stretch) -> np.ndarray:
    """[T, N]: listed long enough that the first days' frenzy is over."""
    return stretch.sessions[:, None] >= stretch.listed + SEASONED_DAYS


# Ranges: a third to ten times beyond the extremes of the real medians of 2000 to 2022.
LEVELS = (
    Level(
        "total_mv / close, the shares of a company,", "valuation", ("total_mv",), 1e7, 1e11,
        lambda s: s["total_mv"] / s["close"],
        "market values look like thousands or ten thousands of CNY", "market values look like fen, or prices are wrong",
    ),
    Level(
        "float_mv / total_mv", "valuation", ("total_mv", "float_mv"), 0.02, 1.001,
        lambda s: s["float_mv"] / s["total_mv"],
        "float_mv is in another unit than total_mv", "the columns look swapped, or in different units",
    ),
    Level(
        "turnover_rate", "daily_bar", ("turnover_rate",), 1e-5, 0.2,
        lambda s: np.where(s.traded & _seasoned(s), _positive(s["turnover_rate"]), np.nan),
        "it looks like less than a fraction", "it looks like percent",
    ),
    Level(
        "pb_lf", "valuation", ("pb_lf",), 0.4, 20.0, lambda s: _positive(s["pb_lf"]),
        "it looks inverted (book / price)", "the columns pb_lf and pe_ttm look swapped, or the unit is wrong",
    ),
    Level(
        "pe_ttm", "valuation", ("pe_ttm",), 6.0, 400.0, lambda s: _positive(s["pe_ttm"]),
        "the columns pb_lf and pe_ttm look swapped, or it is inverted (earnings / price)", "the unit is wrong",
    ),
    Level(
        "dividend_12m / total_mv, of payers,", "valuation", ("dividend_12m", "total_mv"), 3e-4, 0.2,
        lambda s: _positive(s["dividend_12m"]) / s["total_mv"],
        "dividend_12m looks like CNY a share, a yield, or ten thousands of CNY", "dividend_12m is in a smaller unit",
    ),
    Level(
        "pcf_ocf_ttm", "valuation", ("pcf_ocf_ttm",), 2.0, 1000.0, lambda s: _positive(s["pcf_ocf_ttm"]),
        "it looks inverted (cash flow / price)", "the unit is wrong",
    ),
    Level(
        "roe_fy1", "consensus", ("roe_fy1",), 5e-3, 0.7, lambda s: _positive(s["roe_fy1"]),
        "it looks like less than a fraction", "it looks like percent",
    ),
    Level(
        "net_profit_fy1 / total_mv", "consensus", ("net_profit_fy1", "total_mv"), 2e-3, 0.5,
        lambda s: _positive(s["net_profit_fy1"]) / s["total_mv"],
        "net_profit_fy1 looks like ten thousands of CNY, or CNY a share", "net_profit_fy1 is in a smaller unit",
    ),
    Level(
        "eps_fy1 × shares / net_profit_fy1", "consensus", ("eps_fy1", "net_profit_fy1", "total_mv"), 0.5, 2.0,
        lambda s: _positive(s["eps_fy1"]) * s["total_mv"] / s["close"] / _positive(s["net_profit_fy1"]),
        "eps_fy1 and net_profit_fy1 are in different units", "eps_fy1 and net_profit_fy1 are in different units",
    ),
)  # fmt: skip


def groups_of(stretch: Stretch) -> dict[str, np.ndarray]:
    """Stocks [N] of each board and exchange that the stretch has: "main SH" and so on."""
    suffix = np.array([symbol[-2:] for symbol in stretch.symbols])
    groups = {
        f"{board} {exchange}": (stretch.board == code) & (suffix == exchange)
        for code, board in enumerate(BOARDS)
        for exchange in ("SH", "SZ", "BJ")
    }
    return {name: members for name, members in groups.items() if members.any()}


def _medians(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """By session, level and group: the median over the stocks and how many they are."""
    parts = []
    for level in LEVELS:
        if not stretch.has(*level.reads):
            continue
        values = level.value(stretch)[stretch.lead :]
        for group, members in groups_of(stretch).items():
            median, known = _median(values[:, members])
            frame = pd.DataFrame({"session": stretch.fresh, "level": level.words, "group": group})
            parts.append(frame.assign(median=median, stocks=known)[known >= config.few])
    return pd.concat(parts, ignore_index=True) if parts else None


def _judge_levels(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    for level in LEVELS:
        medians = seen[seen["level"] == level.words]
        outside = medians[(medians["median"] < level.low) | (medians["median"] > level.high)]
        if outside.empty:
            continue
        sessions, all_sessions = outside["session"].unique(), medians["session"].unique()
        typical = float(outside["median"].median())
        yield Verdict(
            "error",
            f"{level.words} has a median of {typical:.3g} over the stocks of {_named(outside['group'])} on "
            f"{span(sessions)}, where markets have {level.low:g} to {level.high:g}: "
            f"{level.too_low if typical < level.low else level.too_high}",
            "convert the column to the unit of the data contract, and import again",
            len(sessions),
            len(all_sessions),
            records(outside[["session", "group", "median", "stocks"]]),
            level.table,
        )


def _ratios(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    """By session, column and group: median log10 of the ratio to the row before, stocks that jumped or changed sign."""
    parts, groups = [], groups_of(stretch)
    for name in (*TRADING, *SLOW):
        if not stretch.has(name):
            continue
        now, before = (values[stretch.lead :] for values in (stretch[name], stretch.previous(name)))
        if name in TRADING:
            now = np.where(stretch.traded[stretch.lead :], now, np.nan)
        growth = np.log10(np.abs(now / before))
        growth[~np.isfinite(growth)] = np.nan
        turned = (now * before < 0) if name in SIGNED else np.zeros(now.shape, dtype=bool)
        for group, members in groups.items():
            median, known = _median(growth[:, members])
            jumped = (np.abs(growth[:, members]) > np.log10(config.jump)).sum(axis=1)
            frame = pd.DataFrame({"session": stretch.fresh, "column": name, "group": group})
            frame = frame.assign(median=median, stocks=known, jumped=jumped, turned=turned[:, members].sum(axis=1))
            parts.append(frame[known >= config.few_of_group])
    return pd.concat(parts, ignore_index=True)


def _judge_ratios(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    for column, figures in seen.groupby("column", sort=False):
        crowd = config.jump_share * figures["stocks"]
        trades = column in TRADING
        jumped = figures["median"].abs() > np.log10(config.trading_jump if trades else config.jump)
        if not trades:
            jumped |= figures["jumped"] > crowd
        for cells, what in ((jumped, "jumps"), (figures["turned"] > crowd, "changes its sign")):
            hit = figures[cells]
            if hit.empty:
                continue
            first, sessions = hit.iloc[0], hit["session"].unique()
            power = int(np.rint(first["median"]))
            guess = (
                f", about {10.0**power:g} times the day before: its unit changes" if what == "jumps" and power else ""
            )
            yield Verdict(
                "error",
                f"{column} {what} for a good part of the stocks of {_named(hit['group'])} on {span(sessions)}; "
                f"on {first['session']:%Y-%m-%d}{guess}",
                "bring one unit (and sign) to all sessions, that of the data contract, and import again",
                len(sessions),
                figures["session"].nunique(),
                records(hit[["session", "group", "median", "stocks", "jumped"]]),
                TABLE_OF.get(str(column), "valuation"),
            )


def _median(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median of each row over its known values, and how many these are; NaN where there is none."""
    known = (~np.isnan(values)).sum(axis=1)
    ordered = np.sort(values, axis=1)  # NaN comes last
    rows = np.arange(len(values))
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, values.shape[1] - 1)
    return (ordered[rows, low] + ordered[rows, high]) / 2, known


def _named(groups: pd.Series) -> str:
    return ", ".join(sorted(groups.unique()))


CHECKS = (
    SessionCheck(
        name="levels_plausible",
        table="valuation",
        states="medians of yields, ratios and shares lie where markets have them",
        look=_medians,
        judge=_judge_levels,
    ),
    SessionCheck(
        name="units_constant",
        table="valuation",
        states="no column becomes many times as large, or changes its sign, for a good part of the stocks overnight",
        look=_ratios,
        judge=_judge_ratios,
    ),
)
