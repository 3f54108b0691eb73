"""What every vendor's importer has in common: check the source, convert, stage, move into the lake at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market import inspection
from attn_platform.market.calendar import Calendar, Day, as_day
from attn_platform.market.contract import DAILY_BAR, INDEX_WEIGHT, VALUATION
from attn_platform.market.inspection import Journal, Quarantine
from attn_platform.market.lake import Lake
from attn_platform.market.quality.findings import Finding
from attn_platform.market.settle import day_scalar
from attn_platform.market.vendors import factor_base
from attn_platform.market.vendors.completer import Held
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.factor_base import FactorBase


@dataclass(frozen=True)
class ImportReport:
    """What an import brought: rows by table, the sessions covered, the scheme of the industries.

    `absent_tables` and `absent_columns` (`table.column`) say what the vendor lacks, and why or what stands in;
    `findings` what was done to rows beyond copying them; `put_aside` how many rows of a table are in quarantine.
    `is_closed` for a history to which no sessions will be added.
    """

    vendor: str
    description: str
    rows: Mapping[str, int]
    first_session: str
    last_session: str
    industry_scheme: str
    absent_tables: Mapping[str, str] = field(default_factory=dict)
    absent_columns: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    put_aside: Mapping[str, int] = field(default_factory=dict)
    is_closed: bool = False


class Importer(Protocol):
    """Read a vendor's folder, write tables of the contract into `lake`; nothing is written where anything is wrong.

    With `quarantine`, single rows that are wrong are put aside into the lake's table of that name instead.
    """

    def __call__(
        self,
        folder: Path,
        lake: Lake,
        calendar: Calendar,
        first: Day | None = None,
        last: Day | None = None,
        config: ImportConfig | None = None,
        quarantine: bool = False,
    ) -> ImportReport:
        """Import sessions from `first` to `last` (all that the vendor has without them)."""
        ...


def bounds(calendar: Calendar, first: Day | None, last: Day | None) -> tuple[np.datetime64, np.datetime64]:
    """The range asked for, in days; the calendar's ends where it is open."""
    return (
        as_day(first if first is not None else calendar.sessions[0]),
        as_day(last if last is not None else calendar.sessions[-1]),
    )


def held_before(lake: Lake, session: np.datetime64) -> Held:
    """The last session of daily bars that the lake holds before `session`."""
    earlier = lake.sessions(DAILY_BAR.name, last=session - np.timedelta64(1, "D"))
    if not len(earlier):
        return Held()
    day = earlier[-1]
    values = lake.read_sessions(VALUATION.name, [day])
    return Held(
        day,
        _in_contract(lake.read(DAILY_BAR.name, day, day), DAILY_BAR.schema),
        VALUATION.schema.empty_table() if values is None else _in_contract(values, VALUATION.schema),
    )


def weights_before(lake: Lake, held: Held) -> pa.Table:
    """Index weights of the session of `held`."""
    found = lake.read_sessions(INDEX_WEIGHT.name, [held.session])
    return INDEX_WEIGHT.schema.empty_table() if found is None else _in_contract(found, INDEX_WEIGHT.schema)


def base_before(lake: Lake, held: Held) -> FactorBase:
    """Constants of the factors in force on the session of `held`, and the stocks whose factor is in doubt there."""
    known = lake.read(factor_base.TABLE) if lake.has(factor_base.TABLE) else factor_base.SCHEMA.empty_table()
    known = known.filter(pc.less_equal(known["date"], day_scalar(held.session)))
    doubtful: set[str] = set()
    if lake.has(inspection.TABLE):
        aside = lake.read(inspection.TABLE)
        before = pc.less_equal(aside["date"], day_scalar(held.session))
        aside = aside.filter(pc.and_(pc.equal(aside["check"], factor_base.CHECK), before))
        doubtful = set(aside["symbol"].to_pylist()) - set(held.bars["symbol"].to_pylist())
    return FactorBase(known, doubtful)


def stage_records(
    stage: Lake,
    lake: Lake,
    sessions: np.ndarray,
    tables: Sequence[str],
    aside: Quarantine | None = None,
    base: FactorBase | None = None,
) -> dict[str, int]:
    """Stage what the import leaves beside the tables: rows put aside, constants of factors; counts of the former.

    Records of `tables` and `sessions` that are imported again give way to the new ones.
    """
    aside, base = aside or Quarantine(), base or FactorBase()
    first, last = (day_scalar(day) for day in (sessions[0], sessions[-1]))
    new = aside.rows()
    in_range = pc.and_(pc.greater_equal(new["date"], first), pc.less_equal(new["date"], last))
    new = new.filter(pc.fill_null(in_range, True))
    old = lake.read(inspection.TABLE) if lake.has(inspection.TABLE) else inspection.SCHEMA.empty_table()
    again = pc.and_(pc.greater_equal(old["date"], first), pc.less_equal(old["date"], last))
    again = pc.fill_null(again, True)  # what has no date is told by its table alone
    kept = old.filter(pc.invert(pc.and_(again, pc.is_in(old["table"], value_set=pa.array(list(tables), pa.string())))))
    if kept.num_rows or new.num_rows or old.num_rows:
        stage.write(inspection.TABLE, pa.concat_tables([kept, new]).sort_by(inspection.ORDER))
    constants = base.rows()
    if lake.has(factor_base.TABLE):
        later = lake.read(factor_base.TABLE)
        constants = pa.concat_tables([constants, later.filter(pc.greater(later["date"], last))])
    if constants.num_rows:
        stage.write(factor_base.TABLE, constants)
    counts = pc.value_counts(new["table"]).to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts}


def findings_of(journal: Journal) -> list[Finding]:
    """What was done to rows, in words."""
    return journal.findings(SAYS)


def _in_contract(data: pa.Table, schema: pa.Schema) -> pa.Table:
    return data.select(schema.names).cast(schema).combine_chunks()


SAYS = {
    "taken_as_suspended": (
        "rows without volume whose flag says that they traded are taken as suspended",
        "set is_suspended at the source",
    ),
    "widened_bars": ("bars whose high or low a price exceeds by rounding are widened to it", ""),
    "weights_in_percent": ("weights sum to 100 and are divided by it", ""),
    "weights_scaled": ("weights whose sum is off by rounding are scaled to 1", ""),
    "weights_carried": (
        "rows of sessions without weights are carried from the session before",
        "import a newer snapshot; how they are carried: `imports.weight_carry` of the study",
    ),
    "members_without_bar": ("members have no daily bar", "import their bars, and their rows in table security"),
    "missing_rows": (
        "rows that the files leave out are filled in as suspended, at the close of the session before",
        "a stock that is gone needs its delist_date in table security",
    ),
    "missing_values": ("rows of suspended stocks that the files leave out are carried from the session before", ""),
    "traded_without_value": ("stocks traded and have no row", "import their market values"),
    "average_price_outside": (
        "bars have an amount / volume outside of low and high, by less than a multiple; their vwap is left missing",
        "correct amount or volume at the source",
    ),
    "up_limit_by_rules": ("upper limits that the files leave out are worked out by the exchanges' rules", ""),
    "down_limit_by_rules": ("lower limits that the files leave out are worked out by the exchanges' rules", ""),
    "vwap_worked_out": ("average prices that the files leave out are worked out as amount / volume", ""),
    "no_limit_refuted": (
        "rows say by up_limit and down_limit that there is no limit where the exchanges' rules have one; the rules' "
        "limits stand in",
        "give the limits of these rows",
    ),
    "reference_off": (
        "rows have a pre_close that is not the session before's close though the factor is unchanged: one of the two "
        "is wrong, or the factor lacks a dividend",
        "correct them at the source",
    ),
    "bars_without_volume": (
        "bars of stock-days without any volume are left out: the stock is suspended",
        "",
    ),
    "snapshots_outside_trading": (
        "snapshots from before 09:15, or of a status outside of trading, are left out",
        "",
    ),
    "snapshots_of_one_time": ("snapshots have the time of a later one of their stock and are left out for it", ""),
    "parts_of_days": (
        "stock-days have no trades of the opening auction, or none of the close: their daily bar sums what there is",
        "fetch the day again, or do not rely on its sums",
    ),
    "factors_rebased": (
        "factors start anew on another base; the new block is multiplied by what makes each stock's continuous",
        "have the vendor give cumulative factors of one base",
    ),
}
"""What the notes of an import say, and what there is to do."""
