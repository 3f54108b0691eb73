"""The pipeline as a sequence of runs: from raw tables to reports for chosen test windows.

Assets of different partitions cannot share a run, so the pipeline is cut where they change. Each stage is an ordinary
Dagster run in the home's instance: the UI shows it, and a stage can be run again by itself.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.errors import ConfigurationError, PlatformError
from attn_platform.market.calendar import as_day
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at, build_assets
from attn_platform.orchestration.assets.training import trained_alike
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.dagster_internals.execution import is_failed_check
from attn_platform.orchestration.freshness import Lineage, stale_partitions
from attn_platform.orchestration.outputs import held_of
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.rebuilds import sent_weeks
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.similar import similar_to
from attn_platform.studies.names import WEEKLY, checkpoint_asset, prediction_table, report_asset
from attn_platform.studies.rebalancing import frequency_text
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig
from attn_platform.universe.store import quarter_of, year_of
from attn_platform.workflows.forecasts import require_forecasts
from attn_platform.workflows.portfolios import previous_rebalance, rebalances, rebalances_on
from attn_platform.workflows.training import windows_testing

logger = logging.getLogger(__name__)

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PLAIN_NAME = re.compile(r"[+*]*\w+[+*]*")
# What fails is raised again by `run_stage`; Dagster would print it before, with every frame of its own.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Stage:
    """One run: assets, and the range of partition keys (None for assets without partitions).

    The parts of a `divisible` stage may as well be runs of their own, side by side (`processes`).
    """

    title: str
    assets: tuple[str, ...]
    first: str | None = None
    last: str | None = None
    divisible: bool = False

    @property
    def label(self) -> str:
        """Title and range, as the terminal shows them."""
        if self.first is None or self.first in self.title:
            return self.title
        return f"{self.title} {self.first}" + (f" … {self.last}" if self.last != self.first else "")


def plan(home: Home, partitions: Partitions, windows: Sequence[str]) -> list[Stage]:
    """Stages of the pipeline for consecutive test windows, each a partition key.

    `ConfigurationError` where the data does not reach back far enough, or the weekly chain would have a gap;
    `MissingDataError` where forecasts that are imported are not there.
    """
    test_first, test_last = _tested(home, sorted(windows))
    tested = {model.name: windows_testing(home, model, test_first, test_last) for model in home.study.models}
    first = min((spans[0].train_first for spans in tested.values()), default=test_first)
    made = assets_made_at(home)
    quarters = _covering(partitions.quarters, quarter_of(first), quarter_of(test_last), "universe")
    years = _covering(partitions.years, year_of(first), year_of(test_last), "sector adjacency")
    absent = without_forecasts(home)
    if absent:
        left_out = _downstream(home, partitions, [prediction_table(name) for name in absent])
        made = {stage: tuple(name for name in names if name not in left_out) for stage, names in made.items()}
    portfolios = _portfolios(home, made[MadeAt.PORTFOLIOS], test_first, test_last)
    for forecast in (each for each in home.study.forecasts if each.name not in absent):
        days = rebalances_on(home, forecast)
        require_forecasts(home, forecast, days[(days >= test_first) & (days <= test_last)])
    stages = [
        Stage("securities and industries", made[MadeAt.STATIC]),
        Stage("raw tables", made[MadeAt.RAW], str(home.first_session), str(_data_end(home, test_last))),
        Stage("intraday tables", made[MadeAt.INTRADAY], str(home.first_session), str(test_last)),
        Stage("indicators", made[MadeAt.INDICATORS], str(home.first_session), str(test_last)),
        Stage("universe", made[MadeAt.UNIVERSE], *quarters),
        Stage("sector adjacency", made[MadeAt.ADJACENCY], *years),
        Stage("factors", (*made[MadeAt.FACTORS], *made[MadeAt.INTRADAY_FACTORS]), str(first), str(test_last)),
        Stage("panel", made[MadeAt.PANELS], str(first), str(test_last)),
        *_training(home, {name: [window.key for window in spans] for name, spans in tested.items()}),
        Stage("predictions", made[MadeAt.PREDICTIONS], str(test_first), str(test_last)),
        *portfolios,
        Stage("evaluation, backtests and reports", made[MadeAt.REPORTS], divisible=True),
        Stage("overview and the study's exhibits", made[MadeAt.SUMMARIES]),
    ]
    return [stage for stage in stages if stage.assets]


def without_forecasts(home: Home) -> list[str]:
    """Imported forecasts that the lake holds nothing of: what is made of them is left out of a run."""
    return [each.name for each in home.study.forecasts if not home.lake.has(prediction_table(each.name))]


def _downstream(home: Home, partitions: Partitions, tables: Sequence[str]) -> set[str]:
    """Assets that are made of these, but for the weekly report, which says in its rows what it lacks."""
    graph = dg.Definitions(assets=build_assets(home, partitions)).resolve_asset_graph()
    chosen = dg.AssetSelection.assets(*(dg.AssetKey(table) for table in tables)).downstream().resolve(graph)
    return {key.to_user_string() for key in chosen} - {report_asset(WEEKLY)}


def _tested(home: Home, windows: Sequence[str]) -> tuple[np.datetime64, np.datetime64]:
    """First and last session of consecutive test windows of the study, as far as there is data."""
    calendar = home.calendar
    end = min(calendar.position(windows[-1]) + home.study.windows.test, len(calendar.sessions)) - 1
    return as_day(windows[0]), min(np.datetime64(calendar.sessions[end], "D"), home.last_session)


def _training(home: Home, keys: Mapping[str, Sequence[str]]) -> list[Stage]:
    """Window by window, all models whose runs train one window; then those that train several together.

    `keys` are the windows by model, the same for models with test ranges of one length.
    """
    stages = []
    for (test, together), models in trained_alike(home.study).items():
        of_own = "" if test == home.study.windows.test else f", test ranges of {test} sessions"
        checkpoints = tuple(checkpoint_asset(model.name) for model in models)
        for first, last in _spans(keys[models[0].name], together):
            title = f"training of window {first}" if first == last else f"training of windows {first} … {last}"
            stages.append(Stage(f"{title}{of_own}", checkpoints, first, last))
    return stages


def _portfolios(home: Home, made: Sequence[str], first: np.datetime64, last: np.datetime64) -> list[Stage]:
    """The rebalances from `first` to `last`, of all strategies in `made` that share them in one stage."""
    stages = []
    for every, together in home.study.strategies_by_frequency.items():
        strategies = [strategy for strategy in together if portfolio_table(strategy.name) in made]
        if not strategies:
            continue
        days = rebalances(home, strategies[0])
        days = days[(days >= first) & (days <= last)].astype(str)
        if not len(days):
            raise ConfigurationError(
                f"no rebalance of {strategies[0].name} from {first} to {last}: the data ends on {home.last_session}"
            )
        title = f"portfolios every {frequency_text(every)}"
        _require_chain(home, str(days[0]), strategies)
        tables = tuple(portfolio_table(strategy.name) for strategy in strategies)
        stages.append(Stage(title, tables, str(days[0]), str(days[-1]), divisible=True))
    return stages


def _spans(keys: Sequence[str], length: int) -> list[tuple[str, str]]:
    """First and last key of each `length` keys in a row."""
    pieces = [keys[start : start + length] for start in range(0, len(keys), length)]
    return [(piece[0], piece[-1]) for piece in pieces]


def stale_part(
    home: Home, lineage: Lineage, stage: Stage, upstream: Mapping[str, pd.Series] | None = None
) -> tuple[Stage | None, dict[str, pd.Series]]:
    """What of a stage has to be made, None where all of it is fresh; and the causes by asset and partition.

    One run makes a range: from the first stale partition of any of its assets to the last one. `upstream` are causes in
    stages before, which will be made first. Weeks whose orders were sent are left as they are (`rebuilds`).
    """
    held = partial(held_of, home, lineage.graph)
    found = stale_partitions(lineage, stage.assets, stage.first, stage.last, held, upstream, sent_weeks(home))
    stale = {asset: causes for asset, causes in found.items() if len(causes)}
    if not stale:
        return None, {}
    part = replace(stage, assets=tuple(asset for asset in stage.assets if asset in stale))
    if stage.first is not None:
        keys = [key for causes in stale.values() for key in causes.index]
        part = replace(part, first=min(keys), last=max(keys))
    return part, stale


def without_sent_weeks(home: Home, stage: Stage) -> list[Stage]:
    """The stage cut around the weeks whose orders were sent, so that no run makes one of them again."""
    sent = {table: keys for table, keys in sent_weeks(home).items() if table in stage.assets}
    parts: list[Stage] = []
    for strategy in home.study.strategies:
        table = portfolio_table(strategy.name)
        days = rebalances(home, strategy).astype(str).tolist()
        days = [day for day in days if stage.first is not None and stage.first <= day <= (stage.last or stage.first)]
        if sent.keys() & {table} and not sent[table].isdisjoint(days):
            for is_sent, run in groupby(days, sent[table].__contains__):
                span = list(run)
                if not is_sent:
                    parts.append(replace(stage, assets=(table,), first=span[0], last=span[-1]))
        else:
            sent.pop(table, None)
    others = tuple(asset for asset in stage.assets if asset not in sent)
    return [*([replace(stage, assets=others)] if others else []), *parts]


def runs_of(lineage: Lineage, stage: Stage) -> list[Stage]:
    """The stage cut into runs as a backfill would be: what one of them has made stays made, whatever comes after."""
    if stage.first is None or stage.last is None:
        return [stage]
    asset, first, last = stage.assets[0], stage.first, stage.last
    keys = [key for key in lineage.keys(asset).tolist() if first <= key <= last]
    length = _keys_in_run(lineage.graph.get(dg.AssetKey(asset)).backfill_policy, len(keys))
    return [replace(stage, first=first, last=last) for first, last in _spans(keys, length)]


def run_stage(
    defs: dg.Definitions, instance: dg.DagsterInstance, stage: Stage, tags: Mapping[str, str] | None = None
) -> float:
    """Run one stage in this process, as a run with `tags` beside Dagster's own; returns its seconds.

    A user's mistake comes out as the `PlatformError` it was, and so does a blocking check that failed: a later stage is
    a run of its own, which Dagster would not stop.
    """
    started = time.perf_counter()
    span = {RANGE_START: stage.first, RANGE_END: stage.last} if stage.first and stage.last else {}
    job = defs.resolve_implicit_global_asset_job_def()
    run_id = str(uuid.uuid4())
    try:
        job.execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in stage.assets],
            tags={**span, **(tags or {})},
            instance=instance,
            run_config=QUIET,
            run_id=run_id,
        )
    except dg.Failure as failure:
        raise failure.__cause__ if isinstance(failure.__cause__, PlatformError) else failure from None
    except dg.DagsterError as error:
        if not is_failed_check(error):
            raise
        # Its evaluation, read below, says which sessions and why.
    for event in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        if evaluation.passed:
            continue
        text = f"check {evaluation.check_name} of {evaluation.asset_key.to_user_string()} failed: {_found(evaluation)}"
        if evaluation.severity == dg.AssetCheckSeverity.ERROR:
            raise PlatformError(text)
        logger.warning(text)
    return time.perf_counter() - started


def _found(evaluation: dg.AssetCheckEvaluation) -> object:
    failures = evaluation.metadata.get(expectations.FAILURES)
    return failures.value if failures else evaluation.description


def _covering(
    definition: dg.TimeWindowPartitionsDefinition, first: np.datetime64, last: np.datetime64, asset: str
) -> tuple[str, str]:
    """First and last key of the periods from that of `first` to that of `last`; all of them must exist."""
    keys = [key for key in definition.get_partition_keys() if str(first) <= key <= str(last)]
    if not keys or keys[0] > str(first):
        raise ConfigurationError(
            f"the {asset} of {first} needs a year of data before it; let the data (first_session) start earlier, or "
            "choose later windows"
        )
    return keys[0], keys[-1]


def _require_chain(home: Home, first: str, strategies: Sequence[StrategyConfig]) -> None:
    """A week starts from the week before: the one before `first` must be in the lake, where there is one."""
    previous = previous_rebalance(home, np.datetime64(first), strategies[0])
    for table in (portfolio_table(strategy.name) for strategy in strategies):
        if previous is not None and not home.lake.path(table, previous).exists():
            raise ConfigurationError(
                f"the weeks from {first} on continue {table} of {previous}, which is not there; run the windows before "
                "them first, or let them begin with the study's first window"
            )


def _data_end(home: Home, test_last: np.datetime64) -> np.datetime64:
    """Raw data beyond the last test session, as far as there is any, for the realised returns of the evaluation."""
    at = home.calendar.position(test_last) + home.study.evaluation_horizon + 1
    return min(home.calendar.sessions[min(at, len(home.calendar.sessions) - 1)], home.last_session)


def stages_of_selection(defs: dg.Definitions, selection: str, partitions: str | None) -> list[Stage]:
    """Runs that materialise a selection, in the order of the pipeline.

    `selection` is names separated by commas, or Dagster's syntax (`group:"factors"`, `+factor_panel`); `partitions` is
    a key or FIRST...LAST, matched against each asset's own keys. `ConfigurationError` for what is unknown or switched
    off.
    """
    graph = defs.resolve_asset_graph()
    known = {key.to_user_string(): key for key in graph.get_all_asset_keys()}
    names_given = [name.strip() for name in selection.split(",")]
    if all(name in known for name in names_given):
        chosen: Set[dg.AssetKey] = {known[name] for name in names_given}
        off = [name for name in names_given if not graph.get(known[name]).is_materializable]
        if off:
            raise ConfigurationError(f"{off[0]} is switched off: {graph.get(known[off[0]]).metadata['switched off']}")
    else:
        chosen = _selected(defs, selection, known)
    nodes = [graph.get(key) for key in graph.toposorted_asset_keys if key in chosen]
    runs = groupby(
        (node for node in nodes if node.is_materializable), lambda node: (node.partitions_def, node.backfill_policy)
    )
    return [
        stage
        for (definition, policy), together in runs
        for stage in _stages([node.key.to_user_string() for node in together], definition, policy, partitions)
    ]


def _selected(defs: dg.Definitions, selection: str, known: Mapping[str, dg.AssetKey]) -> Set[dg.AssetKey]:
    graph = defs.resolve_asset_graph()
    unknown = [name for name in _names_in(selection) if name not in known]
    if unknown:
        raise ConfigurationError(f"there is no asset '{unknown[0]}'{similar_to(unknown[0], known) or _all_of(known)}")
    try:
        chosen = dg.AssetSelection.from_string(selection).resolve(graph)
    except (dg.DagsterError, ValueError):
        raise ConfigurationError(
            f"'{selection}' is neither names of assets, separated by commas, nor a selection in Dagster's syntax "
            '(group:"factors", +factor_panel, factor_panel+)'
        ) from None
    if not chosen:
        groups = sorted({graph.get(key).group_name for key in graph.get_all_asset_keys()})
        raise ConfigurationError(f"'{selection}' selects no asset; groups: {', '.join(groups)}{_all_of(known)}")
    return chosen


def _names_in(selection: str) -> list[str]:
    """Names of assets that a selection consists of, with or without Dagster's + before or after them."""
    parts = [part.strip() for part in selection.split(",")]
    return [part.strip("+*") for part in parts if PLAIN_NAME.fullmatch(part)]


def _all_of(known: Iterable[str]) -> str:
    return f"; assets: {', '.join(sorted(known))}"


def _stages(
    assets: Sequence[str],
    definition: dg.PartitionsDefinition | None,
    policy: dg.BackfillPolicy | None,
    partitions: str | None,
) -> list[Stage]:
    if definition is None:
        return [Stage(", ".join(assets), tuple(assets))]
    if partitions is None:
        raise ConfigurationError(f"{assets[0]} has partitions; name them: --partitions KEY or FIRST...LAST")
    first, _, last = partitions.partition("...")
    keys = [key for key in definition.get_partition_keys() if first <= key <= (last or first)]
    if not keys:
        raise ConfigurationError(f"{assets[0]} has no partition in '{partitions}'")
    title, length = ", ".join(assets), _keys_in_run(policy, len(keys))
    return [Stage(title, tuple(assets), *span) for span in _spans(keys, length)]


def _keys_in_run(policy: dg.BackfillPolicy | None, most: int) -> int:
    return 1 if policy is None else policy.max_partitions_per_run or most
