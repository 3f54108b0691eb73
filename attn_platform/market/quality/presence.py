"""A row for every listed stock and session, in every table, and none besides.

Source: the data contract (one row for every listed stock and session, suspended or not; `list_date` and `delist_date`
bound a stock's life).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attn_platform.market.quality.check import CellCheck, Faults, SessionCheck, Verdict, records, share, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.stretch import Statics, Stretch

DENSE = {"daily_bar": "close", "valuation": "total_mv"}
"""A column of each dense table that every row of it has."""
CONSENSUS = ("eps_fy1", "roe_fy1", "net_profit_fy1")


def _alive(stretch: Stretch) -> np.ndarray:
    """[T, N]: inside a stock's life; one without a list date lives from its first row on."""
    day = stretch.sessions[:, None]
    began = ~np.isnan(stretch.previous("close")) | stretch.present
    since = np.where(
        np.isnat(stretch.begins)[None], began, day >= np.where(np.isnat(stretch.begins), day, stretch.begins)
    )
    return since & (day < stretch.delisted)


def _row_for_every_session(stretch: Stretch, config: QualityConfig) -> Faults:
    held = np.asarray(stretch.present.any(axis=1))  # whole sessions that are missing are another check's
    examined = _alive(stretch) & held[:, None]
    began = ~np.isnan(stretch.previous("close"))
    missing = examined & ~stretch.present
    kinds = {"not one row since listing: the data begins later than the stock": missing & ~began}
    return Faults(missing, examined, kinds)


def _within_listing(stretch: Stretch, config: QualityConfig) -> Faults:
    day = stretch.sessions[:, None]
    early, late = stretch.present & (day < stretch.begins), stretch.present & (day >= stretch.delisted)
    unknown = stretch.present & stretch.security["board"].isna().to_numpy()[None]
    kinds = {
        "before the list date": early,
        "on or after the delist date": late,
        "of a stock that table security does not have": unknown,
    }
    return Faults(early | late | unknown, stretch.present, kinds)


def _bar_has_valuation(stretch: Stretch, config: QualityConfig) -> Faults | None:
    if not stretch.has("total_mv"):
        return None
    values = ~np.isnan(stretch["total_mv"])
    held = np.logical_and(values.any(axis=1), stretch.present.any(axis=1))[:, None]
    kinds = {"a bar without valuation": stretch.present & ~values, "a valuation without bar": values & ~stretch.present}
    return Faults((values != stretch.present) & held, (values | stretch.present) & held, kinds)


def row_counts(stretch: Stretch) -> pd.DataFrame:
    """Rows of each table by session of the stretch: session, whether it is one of its own, of (the table), rows."""
    counts = {name: (~np.isnan(stretch[column])).sum(axis=1) for name, column in DENSE.items() if stretch.has(column)}
    forecasts = [~np.isnan(stretch[name]) for name in CONSENSUS if stretch.has(name)]
    if forecasts:
        counts["consensus"] = np.any(forecasts, axis=0).sum(axis=1)
    for name, frame in stretch.frames.items():
        by_day = frame.groupby("date").size()
        counts[name] = by_day.reindex(pd.DatetimeIndex(stretch.sessions), fill_value=0).to_numpy()
    fresh = np.arange(len(stretch.sessions)) >= stretch.lead
    frame = pd.DataFrame(counts).assign(session=stretch.sessions, fresh=fresh)
    return frame.melt(["session", "fresh"], var_name="of", value_name="rows")


def _row_figures(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    counts = row_counts(stretch)
    # The last session of the lead lets the first new one be compared with it.
    last = stretch.sessions[max(stretch.lead - 1, 0)]
    return counts[counts["session"] >= last]


def _judge_rows(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    ordered = seen.sort_values(["session", "fresh"]).drop_duplicates(["of", "session"], keep="last")
    for table, counts in ordered.groupby("of"):
        rows, fresh = (counts.set_index("session")[name] for name in ("rows", "fresh"))
        if not rows.any():
            continue
        inside = rows.loc[rows[rows > 0].index.min() : rows[rows > 0].index.max()]
        empty = inside[(inside == 0) & fresh]
        if len(empty) and not (table == "index_weight" and (inside > 0).mean() < config.most):
            yield Verdict(
                "error",
                f"no row on {span(empty.index)} between the first and the last session held",
                "import these sessions again",
                len(empty),
                len(inside),
                [{"session": str(day.date())} for day in empty.index],
                str(table),
            )
        held = inside[inside > 0]
        # The larger neighbour on the quieter side: a market grows and shrinks by few stocks a session.
        before, after = held.shift(), held.shift(-1)
        around = pd.concat([before, after], axis=1).min(axis=1)
        thin = held[(held < (1 - config.thin_session) * around) & fresh]
        if len(thin):
            examples = pd.DataFrame({"session": thin.index, "rows": thin.to_numpy(), "around": around[thin.index]})
            yield Verdict(
                "error",
                f"far fewer rows than on the sessions around on {span(thin.index)}; the fewest, {thin.min():,}, on "
                f"{thin.idxmin():%Y-%m-%d}: a file looks cut off",
                "fetch these sessions again, whole, and import them again",
                len(thin),
                len(held),
                records(examples),
                str(table),
            )


def _life_figures(stretch: Stretch, config: QualityConfig) -> pd.DataFrame:
    """By stock: sessions of its life in this stretch, rows, and the last session with a row."""
    new = slice(stretch.lead, None)
    alive, present = _alive(stretch)[new], stretch.present[new]
    last = np.where(present.any(axis=0), len(present) - 1 - present[::-1].argmax(axis=0), -1)
    figures = {
        "symbol": stretch.symbols,
        "alive": alive.sum(axis=0),
        "rows": present.sum(axis=0),
        "last": np.where(last >= 0, stretch.fresh[np.maximum(last, 0)], np.datetime64("NaT")),
        "end": stretch.fresh[-1],
        "delisted": stretch.delisted,
    }
    return pd.DataFrame(figures)


def _judge_lives(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    end = seen["end"].max()
    lives = seen.groupby("symbol").agg(
        alive=("alive", "sum"), rows=("rows", "sum"), last=("last", "max"), delisted=("delisted", "first")
    )
    without = lives[(lives["alive"] >= config.few) & (lives["rows"] == 0)]
    if len(without):
        yield Verdict(
            "warning",
            f"{share(len(without), len(lives))} stocks of table security have no bar within their lives",
            "import their bars, or correct list_date and delist_date",
            len(without),
            len(lives),
            records(without.reset_index()[["symbol", "alive", "rows"]]),
        )
    held = lives[lives["rows"] > 0]
    # Rows that end before the data does, of a stock that was not delisted then: it looks sold at its last price.
    ended = held[(held["last"] < end) & (held["delisted"] > held["last"] + pd.Timedelta(days=config.delist_gap_days))]
    if len(ended):
        yield Verdict(
            "warning",
            f"the bars of {share(len(ended), len(held))} stocks end before the data does, and before any delist date",
            "give suspended stocks their rows, and delisted ones their delist_date",
            len(ended),
            len(held),
            records(ended.reset_index()[["symbol", "last", "rows"]]),
        )
    years = len(seen["end"].unique())
    if years >= config.survivor_years and len(held) >= config.many and not (held["delisted"] <= end).any():
        yield Verdict(
            "warning",
            f"none of {len(held):,} stocks is delisted in {years} years: the data looks like survivors only",
            "add the stocks that are gone, with their delist dates; without them every backtest is too good",
            len(held),
            len(held),
        )


CHECKS = (
    CellCheck(
        name="row_for_every_session",
        table="daily_bar",
        states="every stock has a row on every session from its list date to its delist date",
        fault="a listed stock has no row",
        remedy="give suspended stocks their rows (is_suspended, close carried), or import the sessions again",
        shown=(),
        faults=_row_for_every_session,
        tolerance=lambda config: config.missing_rows,
    ),
    CellCheck(
        name="rows_within_listing",
        table="daily_bar",
        states="no stock has a row before its list date, or from its delist date on",
        fault="a row lies outside its stock's life",
        remedy="correct list_date and delist_date in table security, or drop the rows",
        shown=("close", "volume"),
        faults=_within_listing,
        tolerance=lambda config: config.outside_life,
    ),
    CellCheck(
        name="valuation_for_every_bar",
        table="valuation",
        states="bars and valuations have the same stocks on every session",
        fault="a stock stands in one of daily_bar and valuation only",
        remedy="import both tables of these sessions again",
        shown=("close", "total_mv"),
        faults=_bar_has_valuation,
        tolerance=lambda config: config.missing_rows,
    ),
    SessionCheck(
        name="sessions_whole",
        table="daily_bar",
        states="no session is missing, and none has far fewer rows than those around it",
        look=_row_figures,
        judge=_judge_rows,
    ),
    SessionCheck(
        name="lives_whole",
        table="daily_bar",
        states="bars reach from listing to delisting, and delisted stocks are among them",
        look=_life_figures,
        judge=_judge_lives,
    ),
)
