"""Partitions: sessions, windows, rebalances (exactly the exchange's sessions on their grids), quarters and years.

Windows have a definition for each length of test ranges among the models, rebalances one for each frequency among the
strategies.

All in Asia/Shanghai. Session-based partitions are daily with every other weekday excluded, so a key exists only once
its day is over. Universe and adjacency are keyed by the period in which they hold, whose key must exist from its first
day on, and windows by the first session that they test, which they train ahead of: hence `end_offset=1` there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
import numpy as np

from attn_platform.errors import ConfigurationError
from attn_platform.market.calendar import EXCHANGE_ZONE, Calendar
from attn_platform.orchestration.dagster_internals.partition_lookups import quicken_lookups
from attn_platform.studies.rebalancing import RebalanceFrequency, rebalances_back, rebalances_between
from attn_platform.studies.settings import Home
from attn_platform.training.windows import WindowConfig, window_keys

TIMEZONE = EXCHANGE_ZONE.key
FORMAT = "%Y-%m-%d"
DAILY = "0 0 * * *"
QUARTERLY = "0 0 1 1,4,7,10 *"
YEARLY = "0 0 1 1 *"
WEEKEND = ("0 0 * * 6", "0 0 * * 0")
MONTHS_A_QUARTER, MONTHS_A_YEAR = 3, 12
# A run of a backfill makes so many sessions: as many as factors are computed at a time, so that nothing is read twice.
# One run over decades would be lost as a whole, a run a session would start a process for each (docs/operation.md).
SESSIONS_IN_RUN = 504
# 252 sessions of liquidity reach back a little more than four quarters.
QUARTERS_OF_LIQUIDITY = 5


quicken_lookups()


def sessions_in_runs() -> dg.BackfillPolicy:
    """How a backfill of assets by session is cut into runs."""
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=SESSIONS_IN_RUN)


@dataclass(frozen=True)
class Partitions:
    """The partitions definitions of one home, and the mappings between them.

    `cross_sections` are the sessions of panels and predictions: from the first quarter on that has a universe, or from
    the first test range on, where forecasts are imported for an earlier one.
    """

    sessions: dg.TimeWindowPartitionsDefinition
    cross_sections: dg.TimeWindowPartitionsDefinition
    windows_by_test: Mapping[int, dg.TimeWindowPartitionsDefinition]
    """By the length of the test ranges in sessions."""
    rebalances_by_frequency: Mapping[RebalanceFrequency, dg.TimeWindowPartitionsDefinition]
    quarters: dg.TimeWindowPartitionsDefinition
    years: dg.TimeWindowPartitionsDefinition
    calendar: Calendar
    window_config: WindowConfig
    rebalance_every: RebalanceFrequency
    """Both of the study."""

    @property
    def windows(self) -> dg.TimeWindowPartitionsDefinition:
        """Those of the study, which hold for all models without a test length of their own."""
        return self.windows_of(self.window_config)

    @property
    def rebalances(self) -> dg.TimeWindowPartitionsDefinition:
        """Those of the study, which hold for all strategies without a frequency of their own."""
        return self.rebalances_by_frequency[self.rebalance_every]

    def windows_of(self, windows: WindowConfig) -> dg.TimeWindowPartitionsDefinition:
        """Those of a model with such windows."""
        return self.windows_by_test[windows.test]

    def samples_of_window(self, windows: WindowConfig) -> dg.TimeWindowPartitionMapping:
        """checkpoint[window] ← sessions of a model's train and validation, exactly."""
        return dg.TimeWindowPartitionMapping(start_offset=-windows.windows_back, end_offset=-1)

    def years_of_window(self, windows: WindowConfig) -> dg.TimeWindowPartitionMapping:
        """checkpoint[window] ← the years that hold those sessions."""
        return dg.TimeWindowPartitionMapping(
            start_offset=-windows.windows_back, end_offset=-1, allow_nonexistent_upstream_partitions=True
        )

    def window_of_session(self, windows: WindowConfig) -> dg.TimeWindowPartitionMapping:
        """prediction[session] ← checkpoint of the one window of a model whose test range holds the session."""
        return dg.TimeWindowPartitionMapping(
            start_offset=1 - windows.test, end_offset=0, allow_nonexistent_upstream_partitions=True
        )

    @property
    def sessions_before_quarter(self) -> dg.TimeWindowPartitionMapping:
        """universe[quarter] ← the sessions of the five quarters before, which hold its 252."""
        return dg.TimeWindowPartitionMapping(
            start_offset=-QUARTERS_OF_LIQUIDITY, end_offset=-1, allow_nonexistent_upstream_partitions=True
        )

    @property
    def sessions_before_year(self) -> dg.TimeWindowPartitionMapping:
        """adjacency[year] ← the sessions of the year before, whose last one counts."""
        return dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)

    def back(self, count: int) -> dg.TimeWindowPartitionMapping:
        """asset[T] ← all from `count` of its own partitions before T up to T."""
        return dg.TimeWindowPartitionMapping(
            start_offset=-count, end_offset=0, allow_nonexistent_upstream_partitions=True
        )

    def before(self, count: int) -> dg.TimeWindowPartitionMapping:
        """asset[T] ← the `count` of its own partitions before T, and not T."""
        return dg.TimeWindowPartitionMapping(
            start_offset=-count, end_offset=-1, allow_nonexistent_upstream_partitions=True
        )

    def sessions_held(self, every: RebalanceFrequency, history: int = 0) -> dg.TimeWindowPartitionMapping:
        """portfolio[T] ← the sessions from the rebalance before T on, over which what is held has drifted.

        With the rebalances that reach so many sessions further back, whose returns terms of the objective read.
        """
        return self.back(1 + rebalances_back(self.calendar, every, history))

    @property
    def previous(self) -> dg.TimeWindowPartitionMapping:
        """asset[T] ← itself one partition earlier."""
        return dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)


def partitions_of(home: Home) -> Partitions:
    """Partitions of a home's sessions, windows and rebalances."""
    study = home.study
    return build_partitions(
        home.calendar,
        home.first_session,
        home.horizon,
        study.windows,
        study.rebalance_every,
        [study.windows_of(model) for model in study.models],
        [study.rebalance_every_of(strategy) for strategy in study.strategies],
    )


def build_partitions(
    calendar: Calendar,
    first: np.datetime64,
    last: np.datetime64,
    windows: WindowConfig,
    rebalance_every: RebalanceFrequency,
    windows_of_models: Sequence[WindowConfig] = (),
    frequencies: Sequence[RebalanceFrequency] = (),
) -> Partitions:
    """Partitions of the sessions from `first` to `last` (both included), which bound every definition.

    `windows` and `rebalance_every` are the study's, the others those of its models and its strategies.
    `ConfigurationError` where there is no session between `first` and `last`, or none that a window tests.
    """
    sessions = calendar.between(first, last)
    first_test = np.datetime64(windows.first_test, "D")
    if not len(sessions):
        raise ConfigurationError(f"there is no session from {first} to {last}; correct first_session and last_session")
    if first_test > sessions[-1]:
        raise ConfigurationError(
            f"the first test range begins on {first_test}, but the sessions end on {sessions[-1]}; let "
            "windows.first_test of the study lie before"
        )
    first_quarter = first.astype("datetime64[M]") + MONTHS_A_YEAR
    first_quarter -= int(first_quarter.astype(int)) % -MONTHS_A_QUARTER  # the first month of one
    with_universe = sessions[sessions >= min(first_quarter.astype("datetime64[D]"), first_test)]
    return Partitions(
        sessions=_on_sessions(sessions, sessions[0], last),
        cross_sections=_on_sessions(with_universe, with_universe[0], last),
        windows_by_test={
            each.test: _windows(calendar, each, last) for each in _longest_by_test(windows, windows_of_models)
        },
        rebalances_by_frequency={
            every: _on_sessions(rebalances_between(calendar, first_test, last, every), first_test, last)
            for every in dict.fromkeys([rebalance_every, *frequencies])
        },
        quarters=_by_cron(QUARTERLY, first.astype("datetime64[M]") + MONTHS_A_YEAR, last, MONTHS_A_QUARTER),
        years=_by_cron(YEARLY, first.astype("datetime64[Y]") + 1, last, MONTHS_A_YEAR),
        calendar=calendar,
        window_config=windows,
        rebalance_every=rebalance_every,
    )


def _longest_by_test(windows: WindowConfig, of_models: Sequence[WindowConfig]) -> list[WindowConfig]:
    """By length of the test ranges the windows that reach furthest back; the study's where no model has its length."""
    together: dict[int, list[WindowConfig]] = {windows.test: []}
    for each in of_models:
        together.setdefault(each.test, []).append(each)
    return [max(alike or [windows], key=lambda each: each.windows_back) for alike in together.values()]


def _windows(calendar: Calendar, windows: WindowConfig, last: np.datetime64) -> dg.TimeWindowPartitionsDefinition:
    """The test ranges up to `last`. Their grid goes on before the first: offsets into the past are counted along it."""
    first_test = np.datetime64(windows.first_test, "D")
    grid = calendar.grid(first_test, windows.test)
    history = grid[grid < first_test][-windows.windows_back :]
    tested = np.array(window_keys(calendar, windows, last), dtype=grid.dtype)
    # A window trains on what lies before its first test session: its key exists one window ahead.
    return _on_sessions(np.concatenate([history, tested]), first_test, last, ahead=1)


def _on_sessions(
    keys: np.ndarray, first_key: np.datetime64, last: np.datetime64, ahead: int = 0
) -> dg.TimeWindowPartitionsDefinition:
    weekdays = np.arange(min([first_key, *keys[:1]]), last + 1, dtype="datetime64[D]")
    weekdays = weekdays[np.is_busday(weekdays)]
    excluded = weekdays[~np.isin(weekdays, keys)]
    return dg.TimeWindowPartitionsDefinition(
        start=_midnight(first_key),
        end=_midnight(last + 1),
        cron_schedule=DAILY,
        fmt=FORMAT,
        timezone=TIMEZONE,
        exclusions=[*WEEKEND, *(_midnight(day) for day in excluded)],
        end_offset=ahead,
    )


def _by_cron(cron: str, first: np.datetime64, last: np.datetime64, months: int) -> dg.TimeWindowPartitionsDefinition:
    period = int(last.astype("datetime64[M]").astype(int)) // months
    return dg.TimeWindowPartitionsDefinition(
        start=_midnight(first),
        # The period that holds `last` is a key: the bound is the first day after it.
        end=_midnight(np.datetime64((period + 1) * months, "M")),
        cron_schedule=cron,
        fmt=FORMAT,
        timezone=TIMEZONE,
        end_offset=1,
    )


def _midnight(day: np.datetime64) -> datetime:
    midnight: datetime = day.astype("datetime64[s]").item()
    return midnight
