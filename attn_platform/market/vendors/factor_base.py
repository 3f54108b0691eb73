"""The base of a vendor's adjustment factors, which may start anew in every file, and must not in the lake.

A factor says nothing by itself; only its change from one session to the next does. Vendors normalise it to 1 on the
day of the download, or per file, so that a new block has another base than the one before. Where the factors of a
large part of a session's stocks break at once, that is what has happened: from there on each stock's factor is
multiplied by the constant that makes it continuous, also for a stock that is suspended on that session and comes back
later. The constants are kept in the lake, so that the next import goes on from them. The factor of a single stock that
breaks is a fault; nothing that rests on it can be believed until it is corrected.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.market.completion import Grid
from attn_platform.market.inspection import Inspection
from attn_platform.market.quality import adjustment
from attn_platform.market.settle import numbers, with_column
from attn_platform.market.tolerance import TICK, is_same_price
from attn_platform.market.vendors.config import ImportConfig

TABLE = "adjustment_base"
SCHEMA = pa.schema(
    [("date", pa.date32()), ("symbol", pa.string()), ("factor", pa.float64()), ("is_pending", pa.bool_())]
)
"""From `date` on the vendor's factor of `symbol` is multiplied by `factor`; a pending one is found at its next row."""

CHECK = "adjustment"
DIGITS = 12
"""Constants are rounded to so many decimals, so that they do not depend on the way they were computed."""


class FactorBase:
    """Constants of the stocks in force before a stretch, and the stocks whose factor is in doubt."""

    def __init__(self, known: pa.Table | None = None, doubtful: Collection[str] = ()) -> None:
        self.known = SCHEMA.empty_table() if known is None else known
        self.new: list[pa.Table] = []
        self.doubtful = set(doubtful)
        self._found_faulty: set[str] = set()

    def rows(self) -> pa.Table:
        """All constants, in order."""
        return pa.concat_tables([self.known, *self.new]).sort_by([("date", "ascending"), ("symbol", "ascending")])

    def continued(
        self,
        rows: pa.Table,
        grid: Grid,
        before: np.ndarray,
        follows: np.ndarray,
        limit: np.ndarray,
        config: ImportConfig,
        inspection: Inspection,
    ) -> pa.Table:
        """`rows` with factors that go on from those held (the rows of session 0 of `grid`, which come first).

        `before` [T, N] is the row of the session before each cell, `follows` [T] whether that was the calendar's,
        `limit` [R] each row's price limit as a fraction. Rows whose factor breaks with no restart to explain it fail
        the `inspection` (of the rows of the other sessions); then nothing has been done. A few that a single wrong
        price explains are noted.
        """
        session, stock = grid.places(rows.num_rows)
        own = session > 0
        base, pending = self._in_force(grid.symbols)
        raw, close, pre_close = (numbers(rows[name]) for name in ("adj_factor", "close", "pre_close"))
        factor = raw * np.where(own, base[stock], 1.0)
        previous = before[session, stock]
        # Over sessions that are in no file, any change of price and factor may be right.
        gaps = np.cumsum(~follows)
        known = (previous >= 0) & (gaps[session] == gaps[session[previous]]) & own
        last_close = close[previous]
        reference = np.where(np.isnan(pre_close), last_close, pre_close)
        ratio = adjustment.reference_ratio(reference, factor, last_close, factor[previous])
        ratio = np.where(known, ratio, np.nan)
        broken = adjustment.is_broken(ratio, reference, config.adjustment_tolerance)

        restarts = _restarts(session[broken], session[known], len(grid.at), config)
        count = np.cumsum(restarts)
        anew = known & ((count[session] > count[session[previous]]) | (pending[stock] & (session[previous] == 0)))
        broken &= ~anew & ~np.isnan(pre_close)
        after_halt = (session[previous] < session - 1) | (numbers(rows["volume"])[previous] == 0)
        slips = broken & adjustment.is_one_price(ratio, factor, factor[previous], limit, after_halt)
        if slips.sum() > config.few_stocks:
            slips[:] = False
        faulty = _with_what_follows(broken & ~slips, session, stock, grid.at.shape)
        faulty |= own & np.isin(grid.symbols, list(self.doubtful))[stock] & (previous < 0)
        if faulty.any():
            self._found_faulty |= set(grid.symbols[np.unique(stock[faulty])])
            held = int((~own).sum())
            last = rows.take(pa.array(np.maximum(previous, 0)))
            _refuse(rows.slice(held), last.slice(held), faulty[held:], (broken & ~slips)[held:], inspection)
            return rows
        self.doubtful = self.doubtful - set(grid.symbols[np.unique(stock[own])]) | self._found_faulty
        self._found_faulty = set()
        held = int((~own).sum())
        inspection.journal.add(
            "reference_off", rows.slice(held), slips[held:], inspection.table, ("pre_close", "adj_factor")
        )
        if not anew.any() and not restarts.any():
            return rows if (base == 1).all() else with_column(rows, "adj_factor", pa.array(factor))

        noise = np.where(
            is_same_price(reference, last_close), adjustment.SAME_FACTOR, adjustment.ROUNDING_TICKS * TICK / reference
        )
        steps = np.where(anew & (np.abs(ratio - 1) > noise), np.round(1 / ratio, DIGITS), 1.0)
        inspection.journal.add(
            "factors_rebased", rows.slice(held), (steps != 1)[held:], inspection.table, ("adj_factor",)
        )
        starts = own & ~pd.Series(np.where(own, stock, -1)).duplicated().to_numpy()
        constant = pd.Series(np.where(starts, base[stock], 1.0) * steps).groupby(stock).cumprod().to_numpy()
        self._keep(grid, restarts, before >= 0, session[anew], stock[anew], constant[anew])
        return with_column(rows, "adj_factor", pa.array(np.where(own, raw * constant, raw)))

    def _in_force(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The newest constant of each stock, and whether its next row brings another one."""
        newest = self.rows().to_pandas().drop_duplicates("symbol", keep="last").set_index("symbol").reindex(symbols)
        factor, is_pending = newest["factor"].astype(float), newest["is_pending"].eq(True)
        return factor.fillna(1.0).to_numpy(), is_pending.to_numpy(dtype=bool)

    def _keep(
        self,
        grid: Grid,
        restarts: np.ndarray,
        is_known: np.ndarray,
        session: np.ndarray,
        stock: np.ndarray,
        constant: np.ndarray,
    ) -> None:
        """Remember the constants of rows of `stock` on `session`, and the stocks whose constant is yet to come."""
        found = pd.DataFrame({"session": session, "stock": stock, "factor": constant, "is_pending": False})
        absent_session, absent = np.nonzero(restarts[:, None] & is_known & (grid.at < 0))
        open_ = pd.DataFrame({"session": absent_session, "stock": absent, "factor": np.nan, "is_pending": True})
        base, _ = self._in_force(grid.symbols)
        entries = pd.concat([found, open_]).sort_values(["session", "stock"], kind="stable")
        entries["factor"] = (
            entries.groupby("stock")["factor"].ffill().fillna(pd.Series(base[entries["stock"]], entries.index))
        )
        self.new.append(
            pa.table(
                [
                    pa.array(grid.sessions[entries["session"]], pa.date32()),
                    pa.array(grid.symbols[entries["stock"]].tolist(), pa.string()),
                    pa.array(entries["factor"].to_numpy(dtype=float)),
                    pa.array(entries["is_pending"].to_numpy(dtype=bool)),
                ],
                schema=SCHEMA,
            )
        )


def _restarts(broken: np.ndarray, known: np.ndarray, sessions: int, config: ImportConfig) -> np.ndarray:
    """Sessions [T] on which so many of the stocks known break (given by their sessions) that the base is a new one."""
    of_broken, of_known = np.bincount(broken, minlength=sessions), np.bincount(known, minlength=sessions)
    return (of_broken > config.few_stocks) & (of_broken > config.restart_share * of_known)


def _with_what_follows(
    faulty: np.ndarray, session: np.ndarray, stock: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """`faulty` rows, and all later ones of their stocks: their factors go on from a wrong one."""
    since = np.full(shape[1], shape[0])
    np.minimum.at(since, stock[faulty], session[faulty])
    return session >= since[stock]


def _refuse(own: pa.Table, last: pa.Table, faulty: np.ndarray, broken: np.ndarray, inspection: Inspection) -> None:
    """The faulty rows fail; `last` are the rows of the session before, row by row."""

    def guess() -> str:
        if not broken.any():
            return (
                "an earlier row of the stock was put aside for its factor; correct that, and import its session again"
            )
        names = ("pre_close", "adj_factor")
        cells = [numbers(own[name])[broken] for name in names] + [
            numbers(last[name])[broken] for name in ("close", "adj_factor")
        ]
        looks = adjustment.break_guess(*cells)
        ratio = float(np.median(adjustment.reference_ratio(*cells)))
        says = f"pre_close × adj_factor is {ratio:.4g} × the last session's close × factor"
        return f"{says}: {looks}" if looks else says

    inspection.require(
        ~faulty,
        own,
        ("pre_close", "adj_factor"),
        "pre_close × adj_factor equal to the last session's close × adj_factor",
        "correct the factor or the reference price, from that session on",
        guess,
        check=CHECK,
    )
