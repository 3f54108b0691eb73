"""What every partition of an asset must fulfil, as one table; each row becomes a blocking check of the asset.

A check looks at all sessions of a run and names those that fail; only a warning does not stop what comes after it. Raw
tables were checked row by row on their way in (`market.contract`), and have the checks of `data_quality` besides; these
ask whether a whole day is there and whether what was computed can be trusted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.factors.store import CHUNK, chunks, compute_session, family_of
from attn_platform.market.lake import days
from attn_platform.portfolio.checking import limit_failures
from attn_platform.portfolio.limits.budget import Budget
from attn_platform.portfolio.problem import TOLERANCE
from attn_platform.portfolio.rebalance import stored_problem
from attn_platform.portfolio.strategy import account_table, limits_table, stale_weeks, strategy_of
from attn_platform.studies.settings import Home
from attn_platform.workflows.portfolios import resolve

Finder = Callable[[Home, str, np.ndarray], Iterator[str]]
SHOWN = 10
FAILURES = "first failures"
MEAN_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Expectation:
    """One line of the table. `failures` yields a text for every session that fails.

    It is given the sessions of a run in pieces, or all at once where `whole_run` is set.
    """

    name: str
    description: str
    failures: Finder
    warning: bool = False
    whole_run: bool = False

    def spec(self, asset: str) -> dg.AssetCheckSpec:
        """The check of `asset`, blocking unless it only warns."""
        return dg.AssetCheckSpec(
            self.name, asset=dg.AssetKey(asset), blocking=not self.warning, description=self.description
        )

    def result(self, home: Home, asset: str, sessions: np.ndarray) -> dg.AssetCheckResult:
        """Evaluate the check on the sessions of a run."""
        pieces = [sessions] if self.whole_run else chunks(sessions, CHUNK)
        found = [text for piece in pieces for text in self.failures(home, asset, piece)]
        return dg.AssetCheckResult(
            check_name=self.name,
            asset_key=dg.AssetKey(asset),
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN if self.warning else dg.AssetCheckSeverity.ERROR,
            metadata={
                "sessions": len(sessions),
                "failures": len(found),
                **({FAILURES: "; ".join(found[:SHOWN])} if found else {}),
            },
        )


def _no_empty_session(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    for session in sessions:
        path = home.lake.path(table, session)
        if not path.exists() or home.lake.rows(table, session) == 0:
            yield f"{session}: no rows"


def _keys_unique(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    keys = home.lake.read(table, sessions[0], sessions[-1], ["date", "symbol"]).to_pandas()
    for date, symbol in keys[keys.duplicated()].itertuples(index=False):
        yield f"{date}: {symbol} twice"


def _rows_follow_bars(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    for session in sessions:
        bars, rows = home.lake.rows("daily_bar", session), home.lake.rows(table, session)
        if bars != rows:
            yield f"{session}: {rows} rows for {bars} bars"


def _as_from_its_past(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    """The first session of a run was computed together with later ones; alone it must have the same values.

    One session alone has nothing later to read.
    """
    if len(sessions) == 1:
        return
    study, family, first = home.study, family_of(table), sessions[0]
    alone = compute_session(home.lake, home.calendar, [family], first, study.factors, study.catalogue)
    held = home.lake.read(table, first, first).to_pandas().set_index("symbol").reindex(alone["symbol"])
    for definition in study.catalogue.family(family):
        values = held[definition.name].to_numpy(dtype=alone[definition.name].dtype, na_value=np.nan)
        if not np.array_equal(values, alone[definition.name], equal_nan=True):
            yield f"{first}: {definition.name} is not what its look-back alone gives"


def _finite(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    data = home.lake.read(table, sessions[0], sessions[-1])
    date = days(data["date"])
    for name in data.column_names:
        if name not in ("date", "symbol"):
            values = data[name].combine_chunks().to_numpy(zero_copy_only=False).astype(float)
            for session in np.unique(date[~np.isfinite(values)]):
                yield f"{session}: {name} has missing values"


def _standardised(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    """Means over a day are 0 up to what filling and float32 leave, and no value lies beyond what a z-score can be."""
    frame = home.lake.read(table, sessions[0], sessions[-1]).to_pandas().drop(columns="symbol")
    by_day = frame.groupby("date")
    off = (by_day.mean().abs() > MEAN_TOLERANCE) | (by_day.std(ddof=0) > 1 + MEAN_TOLERANCE)
    for date, row in off[off.any(axis=1)].iterrows():
        yield f"{date}: {', '.join(row.index[row])}"


def _weights(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    frame = home.lake.read(table, sessions[0], sessions[-1], ["date", "weight"]).to_pandas()
    limits = _limits(home, table, sessions)
    budget = limits[limits["kind"] == Budget.kind].set_index("date")["upper"]
    sums = frame.groupby("date")["weight"].agg(["sum", "min"])
    for date, row in sums[((sums["sum"] - budget).abs() > TOLERANCE) | (sums["min"] < 0)].iterrows():
        yield f"{date}: weights sum to {row['sum']:.8f}, not {budget[date]:.8f}, least {row['min']:.2e}"


def _within_limits(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    """Every limit, computed again from the stored rows; one that was relaxed must be on record."""
    strategy = resolve(home, home.study.strategy(strategy_of(table)))
    frame = home.lake.read(table, sessions[0], sessions[-1]).to_pandas()
    accounts = home.lake.read(strategy.account_table, sessions[0], sessions[-1], ["date", "relaxed"])
    relaxed = {
        (date, relaxation["limit"], relaxation["name"])
        for date, text in accounts.to_pandas().itertuples(index=False)
        for relaxation in json.loads(text)
    }
    problem_of = partial(stored_problem, home.lake, home.calendar, strategy)
    yield from limit_failures(frame, _limits(home, table, sessions), relaxed, strategy.extension, problem_of)


def _limits(home: Home, table: str, sessions: np.ndarray) -> pd.DataFrame:
    return home.lake.read(limits_table(strategy_of(table)), sessions[0], sessions[-1]).to_pandas()


def _solved(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    """A relaxed week is a result; a week without an answer is not."""
    held = home.lake.read(
        account_table(strategy_of(table)), sessions[0], sessions[-1], ["date", "status", "relaxed"]
    ).to_pandas()
    for row in held[~held["status"].isin(["optimal", "relaxed"])].itertuples():
        yield f"{row.date}: {row.status}"
    for row in held.itertuples():
        if (row.status == "relaxed") != bool(json.loads(row.relaxed)):
            yield f"{row.date}: {row.status}, but relaxed limits: {row.relaxed}"


def _nothing_after_is_stale(home: Home, table: str, sessions: np.ndarray) -> Iterator[str]:
    """The weeks after those of the run still start from what the run has left."""
    stale = stale_weeks(home.lake, strategy_of(table), sessions[0])
    if len(stale):
        last = home.lake.sessions(table)[-1]
        yield f"{stale[0]} and {len(stale) - 1} more weeks start from an older week; materialise {stale[0]}...{last}"


EXPECTATIONS: dict[str, Sequence[Expectation]] = {
    "bars": (Expectation("no_empty_session", "every session has rows", _no_empty_session),),
    "list": (Expectation("no_empty_period", "every period has stocks", _no_empty_session),),
    "family": (
        Expectation("one_row_a_bar", "every stock with a bar has a row, and no other", _rows_follow_bars),
        Expectation("unique_keys", "no stock stands twice in a session", _keys_unique),
        Expectation(
            "point_in_time",
            "the first session of a run has the values that it would have had on its day",
            _as_from_its_past,
            whole_run=True,
        ),
    ),
    "panel": (
        Expectation("no_empty_session", "every session has a cross-section", _no_empty_session),
        Expectation("finite", "no value is missing after pre-processing", _finite),
        Expectation("standardised", "every factor has mean 0 and deviation at most 1 in a session", _standardised),
    ),
    "prediction": (
        Expectation("no_empty_session", "every session has predictions", _no_empty_session),
        Expectation("finite", "every prediction is a number", _finite),
    ),
    "portfolio": (
        Expectation("fully_invested", "weights are at least 0 and sum to 1 less the cash", _weights),
        Expectation("within_limits", "every limit holds to 1e-6, or is on record as relaxed", _within_limits),
        Expectation("solved", "every week has an answer, and every relaxation is recorded", _solved),
        Expectation("chain", "later weeks start from the weeks as they are now", _nothing_after_is_stale, warning=True),
    ),
}
"""Expectations by kind of asset."""


def specs(kind: str, asset: str) -> list[dg.AssetCheckSpec]:
    """Check specs of an asset of that kind."""
    return [expectation.spec(asset) for expectation in EXPECTATIONS[kind]]


def results(kind: str, home: Home, asset: str, sessions: np.ndarray) -> list[dg.AssetCheckResult]:
    """Evaluate all checks of an asset of that kind."""
    return [expectation.result(home, asset, sessions) for expectation in EXPECTATIONS[kind]]
