"""What the calendar owes a home: for each job the keys of the last sessions, with what each needs.

In the order in which a day's work is done. A key exists once its day is over, so a session's work is owed from the
midnight after it; universe and adjacency from the first day of their period on; training one window ahead, as soon as
the last session before its test range is there. Only keys after the first one that was made are owed: a history is
begun by `attn run` or a backfill.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

import dagster as dg
import numpy as np

from attn_platform.automation import Duty
from attn_platform.orchestration import jobs as names
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.assets.training import checkpoint_asset, trained_alike
from attn_platform.orchestration.partitions import Partitions
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home
from attn_platform.training.windows import window_holding
from attn_platform.universe.store import ADJACENCY, quarter_of, year_of
from attn_platform.workflows.portfolios import previous_rebalance, rebalances_on

Made = Callable[[str], Collection[str]]
BEGIN = "nothing has been made yet: begin with attn run, or a backfill"


def owed(home: Home, partitions: Partitions, made: Made, now: datetime, catch_up: int) -> list[Duty]:
    """Duties of the last `catch_up` sessions before `now`, done or not; empty where no history was begun."""
    raw = assets_made_at(home)[MadeAt.RAW]
    begun = min((key for table in raw for key in made(table)), default=None)
    if begun is None:
        return []
    ended = [key for key in partitions.sessions.get_partition_keys(now) if key > begun][-catch_up:]
    if not ended:
        return []
    since = ended[0]
    return [
        *_static(home),
        *_sessions(home, ended),
        *_periods(home, partitions, now, since),
        *_windows(home, partitions, now, since),
        *_cross_sections(home, partitions, now, since),
        *_portfolios(home, partitions, now, since),
        *_reports(home, partitions, made, now, since),
    ]


def _static(home: Home) -> Iterator[Duty]:
    """Tables without sessions change with an import, and never in a simulated market."""
    if last := home.lake.last_import():
        yield Duty(names.STATIC_JOB, last)


def _sessions(home: Home, keys: Iterable[str]) -> Iterator[Duty]:
    stages = assets_made_at(home)
    assets = (*stages[MadeAt.RAW], *stages[MadeAt.FACTORS])
    for key in keys:
        yield Duty(names.SESSION_JOB, key, assets, waits_for=_raw_rows(home, stages[MadeAt.RAW], key))


def _raw_rows(home: Home, tables: Iterable[str], key: str) -> Callable[[], str | None]:
    """Which raw table an import has not brought yet; a simulated market makes its own."""

    def missing() -> str | None:
        if home.settings.source.kind == "simulated":
            return None
        absent = [table for table in tables if not home.lake.path(table, key).exists()]
        return f"waiting for an import of {', '.join(absent)} of {key}" if absent else None

    return missing


def _periods(home: Home, partitions: Partitions, now: datetime, since: str) -> Iterator[Duty]:
    """Universe and adjacency of the periods that hold the sessions, from the last session before each."""
    stages, first = assets_made_at(home), np.datetime64(since)
    for job, stage, definition, start in (
        (names.QUARTER_JOB, MadeAt.UNIVERSE, partitions.quarters, str(quarter_of(first))),
        (names.YEAR_JOB, MadeAt.ADJACENCY, partitions.years, str(year_of(first))),
    ):
        for key in definition.get_partition_keys(now):
            if key >= start:
                before = str(home.calendar.on_or_before(np.datetime64(key) - 1))
                yield Duty(job, key, stages[stage], tuple((table, before) for table in stages[MadeAt.RAW]))


def _windows(home: Home, partitions: Partitions, now: datetime, since: str) -> Iterator[Duty]:
    """Windows that test the sessions, and the next one once the session before its first one has its panel."""
    study = home.study
    for (test, together), models in trained_alike(study).items():
        start = np.datetime64(since)
        for key in partitions.windows_by_test[test].get_partition_keys(now):
            first = np.datetime64(key)
            window_end = home.calendar.shift(first, test - 1) if _reaches(home, first, test) else None
            if window_end is not None and window_end < start:
                continue
            before = str(home.calendar.shift(first, -1))
            panels = sorted({study.panel_of(model).table for model in models})
            years = {str(year_of(home.calendar.shift(first, -1)))}
            needs = [(panel, before) for panel in panels] + [(ADJACENCY, year) for year in sorted(years)]
            assets = tuple(checkpoint_asset(model.name) for model in models)
            yield Duty(names.window_job(study, test, together), key, assets, tuple(needs))


def _reaches(home: Home, first: np.datetime64, test: int) -> bool:
    return home.calendar.position(first) + test <= len(home.calendar.sessions)


def _cross_sections(home: Home, partitions: Partitions, now: datetime, since: str) -> Iterator[Duty]:
    study, stages = home.study, assets_made_at(home)
    assets = (*stages[MadeAt.PANELS], *stages[MadeAt.PREDICTIONS])
    for key in _since(partitions.cross_sections, now, since):
        date = np.datetime64(key)
        needs = [(universe.table, str(quarter_of(date))) for universe in study.universes]
        needs += [(family, key) for family in stages[MadeAt.FACTORS]]
        needs.append((ADJACENCY, str(year_of(date))))
        if date >= np.datetime64(study.windows.first_test):
            needs += [
                (checkpoint_asset(model.name), window_holding(home.calendar, study.windows_of(model), key).key)
                for model in study.models
            ]
        yield Duty(names.CROSS_SECTION_JOB, key, assets, tuple(needs), _forecasts(home, key))


def _forecasts(home: Home, key: str) -> Callable[[], str | None]:
    """Which imported forecasts of a rebalance are not in the lake yet."""

    def missing() -> str | None:
        for forecast in home.study.forecasts:
            is_needed = np.datetime64(key) in rebalances_on(home, forecast)
            if is_needed and not home.lake.path(prediction_table(forecast.name), key).exists():
                return f"waiting for forecasts {forecast.name} of {key}: attn import predictions"
        return None

    return missing


def _portfolios(home: Home, partitions: Partitions, now: datetime, since: str) -> Iterator[Duty]:
    """A rebalance starts from the one before it, so they come in order."""
    study = home.study
    for every, strategies in study.strategies_by_frequency.items():
        tables = tuple(portfolio_table(strategy.name) for strategy in strategies)
        for key in _since(partitions.rebalances_by_frequency[every], now, since):
            needs = [(prediction_table(forecaster.name), key) for forecaster in study.forecasters]
            before = previous_rebalance(home, np.datetime64(key), strategies[0])
            if before is not None:
                needs += [(table, str(before)) for table in tables]
            yield Duty(names.portfolio_job(study, every), key, tables, tuple(needs))


def _reports(home: Home, partitions: Partitions, made: Made, now: datetime, since: str) -> Iterator[Duty]:
    """Pages of the newest rebalance day whose portfolios are there, and of later ones that wait for theirs.

    Those of earlier days would be the same pages.
    """
    rebalanced: dict[str, list[str]] = {}
    for every, strategies in home.study.strategies_by_frequency.items():
        for key in _since(partitions.rebalances_by_frequency[every], now, since):
            rebalanced.setdefault(key, []).extend(portfolio_table(strategy.name) for strategy in strategies)
    ready = [day for day, tables in rebalanced.items() if all(day in made(table) for table in tables)]
    for day in sorted(rebalanced):
        if day >= max(ready, default=since):
            yield Duty(names.REPORT_JOB, day, needs=tuple((table, day) for table in rebalanced[day]))


def _since(definition: dg.TimeWindowPartitionsDefinition, now: datetime, since: str) -> list[str]:
    return [key for key in definition.get_partition_keys(now) if key >= since]
