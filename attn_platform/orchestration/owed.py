"""What is owed to a home: the import of what was delivered, and of each job the keys of the last sessions.

In the order in which a day's work is done. A key exists once its day is over, so a session's work is owed from the
midnight after it; universe and adjacency from the first day of their period on; training one window ahead, as soon as
the last session before its test range is there. What was made from rows that were corrected since is owed again. Only
keys after the first one that was made are owed: a history is begun by `attn run` or a backfill.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.automation import Duty, delivery_in
from attn_platform.errors import MissingDataError
from attn_platform.factors.store import family_table
from attn_platform.orchestration import jobs as names
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.assets.training import trained_alike
from attn_platform.orchestration.freshness import Lineage, stale_inputs
from attn_platform.orchestration.partitions import Partitions
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import checkpoint_asset, prediction_table
from attn_platform.studies.settings import SESSIONS_TABLE, Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.training.windows import window_holding
from attn_platform.universe.store import ADJACENCY, quarter_of, year_of
from attn_platform.workflows.consent import orders_were_sent
from attn_platform.workflows.portfolios import previous_rebalance, rebalances_on

Made = Callable[[str], Collection[str]]
BEGIN = "nothing has been made yet: begin with attn run, or a backfill"


def owed(home: Home, partitions: Partitions, made: Made, now: datetime, catch_up: int) -> list[Duty]:
    """Duties of the last `catch_up` sessions before `now`, done or not.

    Where no history was begun, imports, and the last session, which waits for somebody to begin.
    """
    deliveries = list(_deliveries(home, now))
    raw = assets_made_at(home)[MadeAt.RAW]
    begun = min((key for table in raw for key in made(table)), default=None)
    ended = partitions.sessions.get_partition_keys(now)
    if begun is None:
        unbegun = (Duty(names.SESSION_JOB, key, raw, waits_for=lambda: BEGIN) for key in ended[-1:])
        return [*deliveries, *unbegun]
    ended = [key for key in ended if key > begun][-catch_up:]
    if not ended:
        return deliveries
    since = ended[0]
    return [
        *deliveries,
        *_static(home),
        *_sessions(home, ended),
        *_intraday(home, ended),
        *_periods(home, partitions, now, since),
        *_windows(home, partitions, now, since),
        *_cross_sections(home, partitions, now, since),
        *_portfolios(home, partitions, now, since),
        *_reports(home, partitions, made, now, since),
    ]


def after_corrections(duty: Duty, logged: Made, stale: Mapping[str, pd.Series], lineage: Lineage) -> Duty:
    """A duty where partitions are `stale` by corrected rows: it waits for those that it is made from.

    Where all of its assets have been made, only the stale ones of them are made again. What it had to wait for from
    outside came before.
    """
    key = duty.key
    again = tuple(asset for asset in duty.assets if asset in stale and key in stale[asset].index)
    is_made = bool(duty.assets) and all(key in logged(asset) for asset in duty.assets)
    if is_made and not again:
        return duty
    assets = again if is_made else duty.assets

    def missing() -> str | None:
        if not is_made and (from_outside := duty.waits_for()) is not None:
            return from_outside
        for asset in assets:
            for source, read in stale_inputs(lineage, asset, key, stale):
                if source not in assets or read != key:
                    return f"waiting for {source} of {read}, which is made again"
        return None

    return replace(duty, assets=assets, waits_for=missing, is_part=duty.is_part or assets != duty.assets)


def _deliveries(home: Home, now: datetime) -> Iterator[Duty]:
    """Imports of the files that lie in the folders of the home's vendors, once they are whole."""
    for name, config in home.settings.automation.deliveries.items():
        found = delivery_in(home.root / config.folder, config)
        if found is not None:
            yield Duty(names.import_job(name), found.name, waits_for=partial(found.missing, config, now))


def _static(home: Home) -> Iterator[Duty]:
    """Tables without sessions change with an import, and never in a simulated market."""
    if last := home.lake.last_import():
        yield Duty(names.STATIC_JOB, last)


def _sessions(home: Home, keys: Iterable[str]) -> Iterator[Duty]:
    stages = assets_made_at(home)
    assets = (*stages[MadeAt.RAW], *stages[MadeAt.FACTORS])
    for key in keys:
        yield Duty(names.SESSION_JOB, key, assets, waits_for=_raw_rows(home, stages[MadeAt.RAW], key))


def _intraday(home: Home, keys: Iterable[str]) -> Iterator[Duty]:
    """Intraday tables, and what is made of them: work of its own, so that a day's other work does not wait for it.

    From the first session on that the lake holds of each table; an indicator also waits for its own history.
    """
    stages = assets_made_at(home)
    tables = stages[MadeAt.INTRADAY]
    if not tables:
        return
    assets = (*tables, *stages[MadeAt.INDICATORS], *stages[MadeAt.INTRADAY_FACTORS])
    for key in keys:
        needs = tuple((table, key) for table in stages[MadeAt.RAW])
        yield Duty(names.INTRADAY_JOB, key, assets, needs, _raw_rows(home, tables, key))


def _raw_rows(home: Home, tables: Iterable[str], key: str) -> Callable[[], str | None]:
    """Which raw table an import has not brought yet; a simulated market makes its own.

    Nor bars of the session before: prices go on from there, and a check would refuse a day that follows a hole.
    """

    def missing() -> str | None:
        if home.settings.source.kind == "simulated":
            return None
        absent = [table for table in tables if not home.lake.path(table, key).exists()]
        if absent:
            return f"waiting for an import of {', '.join(absent)} of {key}"
        before = home.calendar.shift(key, -1)
        is_whole = home.lake.path(SESSIONS_TABLE, before).exists()
        return None if is_whole else f"waiting for an import of {SESSIONS_TABLE} of {before}"

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
    """Panels, and predictions from the first test range on."""
    study, stages = home.study, assets_made_at(home)
    for key in _since(partitions.cross_sections, now, since):
        date = np.datetime64(key)
        needs = [(universe.table, str(quarter_of(date))) for universe in study.universes]
        needs += [(family, key) for family in (*stages[MadeAt.FACTORS], *_intraday_features(home))]
        needs.append((ADJACENCY, str(year_of(date))))
        is_tested = date >= np.datetime64(study.windows.first_test)
        if is_tested:
            needs += [
                (checkpoint_asset(model.name), window_holding(home.calendar, study.windows_of(model), key).key)
                for model in study.models
            ]
        assets = (*stages[MadeAt.PANELS], *(stages[MadeAt.PREDICTIONS] if is_tested else ()))
        yield Duty(names.CROSS_SECTION_JOB, key, assets, tuple(needs), _forecasts(home, key), is_part=not is_tested)


def _intraday_features(home: Home) -> list[str]:
    """Families of intraday factors that some panel reads."""
    features = {name for panel in home.study.panels for name in panel.features}
    read = {family_table(home.study.catalogue.definition(name).family) for name in features}
    return [table for table in assets_made_at(home)[MadeAt.INTRADAY_FACTORS] if table in read]


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
            yield Duty(names.portfolio_job(study, every), key, tables, tuple(needs), _consent(home, strategies, key))


def _consent(home: Home, strategies: Iterable[StrategyConfig], key: str) -> Callable[[], str | None]:
    """Whose orders of a rebalance were sent: it is made again by a person's consent only."""

    def missing() -> str | None:
        sent = [each.name for each in strategies if orders_were_sent(home, each.name, np.datetime64(key))]
        return (
            f"waiting for consent, the orders of {', '.join(sent)} of {key} were sent: attn rebuilds" if sent else None
        )

    return missing


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
            needs = tuple((table, day) for table in rebalanced[day])
            yield Duty(names.REPORT_JOB, day, needs=needs, waits_for=_first_return(home))


def _first_return(home: Home) -> Callable[[], str | None]:
    """A home's first forecasts can be traded, but not evaluated before a return of theirs is known."""

    def missing() -> str | None:
        sessions = home.calendar.between(home.study.windows.first_test, home.calendar.sessions[-1])
        known = sessions[home.study.evaluation_horizon + 1 :][:1]  # none where the calendar ends before
        with suppress(MissingDataError):  # where nothing was imported
            if len(known) and home.last_session >= known[0]:
                return None
        return "waiting for the first realised return" + (f", on {known[0]}" if len(known) else "")

    return missing


def _since(definition: dg.TimeWindowPartitionsDefinition, now: datetime, since: str) -> list[str]:
    return [key for key in definition.get_partition_keys(now) if key >= since]
