"""A home that is run day by day by Dagster's daemon, in this process, with the clock set.

The daemon's own code looks at the sensors, takes runs from its queue, and finds runs that have died. Runs are executed
here instead of in processes of their own (`Launcher`), which can be told to let one die. Files come as a vendor
delivers them: contract files of a market that is known, with a marker.

The clock is the daemon's and the sensors'. Files keep the time of the machine, so that a delivery is whole by its
marker, and what failed before newer rows came is tried again at once.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import ClassVar
from unittest import mock

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from dagster._core.execution.api import execute_run
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.launcher.base import CheckRunHealthResult
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._utils.error import SerializableErrorInfo
from dagster._utils.hosted_user_process import recon_job_from_origin

from attn_platform.automation import AutomationConfig, DeliveryConfig
from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform.market.contract import TABLES
from attn_platform.market.lake import Lake
from attn_platform.orchestration import alerting, automation
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.instance import CONFIGURATION, open_instance, prepare
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.portfolio.trading.blotter import Blotter
from attn_platform.studies.settings import Home
from attn_platform.workflows.imports import import_data
from attn_platform.workflows.orders import approve_orders, orders_for, record_look
from attn_platform_tests.homes import IMPORTED, MODEL, STRATEGY, STUDY, tiny_home
from attn_platform_tests.pipelines import instance_of, run_pipeline

MARKER = "_SUCCESS"
FEW = {
    "models": [model for model in STUDY["models"] if model["name"] == MODEL],
    "ensembles": [],
    "strategies": [strategy for strategy in STUDY["strategies"] if strategy["name"] == STRATEGY],
}
MONEY = 2e7
LOOKS_A_DAY = 60
BETWEEN_LOOKS = timedelta(minutes=2)
_log = logging.getLogger(__name__)


class Launcher(SyncInMemoryRunLauncher):
    """Executes a run where it stands; the next one of a duty in `dies` begins and is never heard of again."""

    dies: ClassVar[list[str]] = []
    dead: ClassVar[set[str]] = set()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Execute the run, or let it die."""
        run = context.dagster_run
        duty = run.tags.get(automation.DUTY, "")
        if duty not in self.dies:
            execute_run(recon_job_from_origin(context.job_code_origin), run, self._instance)
            return
        self.dies.remove(duty)
        self.dead.add(run.run_id)
        begun = dg.DagsterEvent(event_type_value=dg.DagsterEventType.PIPELINE_START.value, job_name=run.job_name)
        self._instance.report_dagster_event(begun, run.run_id)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """So that the daemon finds those that died."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run still has a process."""
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND if run.run_id in self.dead else WorkerStatus.RUNNING)


class Vendor:
    """Delivers what a lake holds as contract files: of static tables all, of the others a file a session."""

    def __init__(self, market: Lake, folder: Path) -> None:
        self.market, self.folder = market, folder
        folder.mkdir(parents=True)

    def deliver(self, *sessions: str, corrected: bool = False) -> None:
        """Put the files of sessions into the folder, then the marker; `corrected` closes are others by a little."""
        for name, table in TABLES.items():
            if not self.market.has(name):
                continue
            if not table.by_session:
                pq.write_table(self.market.read(name), self.folder / f"{name}.parquet")
                continue
            (self.folder / name).mkdir(exist_ok=True)
            for session in sessions:
                rows = self.market.read(name, session, session)
                if corrected and name == "daily_bar":
                    rows = _corrected(rows)
                pq.write_table(rows, self.folder / name / f"{session}.parquet")
        (self.folder / MARKER).unlink(missing_ok=True)
        (self.folder / MARKER).touch()


def _corrected(bars: pa.Table) -> pa.Table:
    """Twice the volume and amount in every fifth stock: other turnover factors, and the same prices."""
    factor = pa.array(np.where(np.arange(bars.num_rows) % 5 == 0, 2.0, 1.0))
    for column in ("volume", "amount"):
        changed = pc.multiply(bars[column], factor).cast(bars.schema.field(column).type)
        bars = bars.set_column(bars.column_names.index(column), column, changed)
    return bars


class Replay:
    """The daemon of a home at moments that one chooses."""

    def __init__(self, workspace: WorkspaceProcessContext, instance: dg.DagsterInstance) -> None:
        self.workspace, self.instance = workspace, instance

    def morning(self, day: np.datetime64) -> None:
        """Look again and again from 6:00 on a day, until nothing more is launched."""
        moment = datetime.combine(day.astype(object), time(6), EXCHANGE_ZONE)
        for _ in range(LOOKS_A_DAY):
            runs = self.instance.get_runs_count()
            with clock_at(moment):
                self._look()
            moment += BETWEEN_LOOKS
            under_way = self.instance.get_runs_count(dg.RunsFilter(statuses=list(automation.UNDER_WAY)))
            if not under_way and self.instance.get_runs_count() == runs:
                return
        raise AssertionError(f"the work of {day} does not end: {LOOKS_A_DAY} looks have all launched something")

    def _look(self) -> None:
        _exhaust(execute_sensor_iteration(self.workspace, _log, None, None))
        _exhaust(QueuedRunCoordinatorDaemon(interval_seconds=1).run_iteration(self.workspace))
        _exhaust(execute_run_monitoring_iteration(self.workspace, _log))

    def runs(self) -> list[dg.DagsterRun]:
        """Those that the sensor has launched, oldest first."""
        return [run for run in reversed(self.instance.get_runs()) if automation.DUTY in run.tags]


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """Dagster's clock, and the one that the sensors read."""
    with ExitStack() as stack:
        stack.enter_context(freeze_time(moment.astimezone(UTC)))
        for module in (automation, alerting):
            stack.enter_context(mock.patch.object(module, "exchange_now", return_value=moment))
        yield


@contextmanager
def replaying(home: Home) -> Iterator[Replay]:
    """A replay of a home whose sensors are switched on."""
    prepare(home)
    file = home.dagster / CONFIGURATION
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["run_launcher"] = {"module": __name__, "class": Launcher.__name__}
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    origin = LoadableTargetOrigin(module_name="attn_platform.definitions", working_directory=str(home.root))
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin))
    with open_instance(home) as instance, create_test_daemon_workspace_context(target, instance) as workspace:
        (entry,) = workspace.create_request_context().get_code_location_entries().values()
        assert entry.code_location is not None, entry.load_error
        (repository,) = entry.code_location.get_repositories().values()
        for name in (automation.SENSOR, alerting.SENSOR):
            instance.start_sensor(repository.get_sensor(name))
        yield Replay(workspace, instance)


def _exhaust(iteration: Iterator[object]) -> None:
    for error in iteration:
        if isinstance(error, SerializableErrorInfo):
            raise AssertionError(error.to_string())


def imported_home(root: Path, *folders: Path) -> Home:
    """A home that holds what the folders hold, and imports by itself what is delivered into the last one."""
    home = tiny_home(root, IMPORTED, **FEW)
    delivery = DeliveryConfig(vendor="contract", folder=str(folders[-1]), marker=MARKER)
    automation = AutomationConfig(deliveries={"nightly": delivery}, attempts=2, retry_minutes=5)
    home = home.with_settings(home.settings.model_copy(update={"automation": automation, "last_session": None}))
    home.save()
    for folder in folders:
        if any(folder.iterdir()):
            import_data(home.root, "contract", folder)
    return Home.open(root)


def backfill(home: Home) -> None:
    """All but reports, in one go."""
    stages = assets_made_at(home)
    last = [name for stage in (MadeAt.REPORTS, MadeAt.SUMMARIES, MadeAt.PAGES) for name in stages[stage]]
    with instance_of(home) as instance:
        run_pipeline(home, instance, without=last)


def portfolios(home: Home) -> dict[str, bytes]:
    """The file of each week."""
    table = portfolio_table(STRATEGY)
    return {str(day): home.lake.path(table, day).read_bytes() for day in home.lake.sessions(table)}


def approve_all(home: Home, now: datetime | None = None) -> list[str]:
    """Somebody looks at the orders of each new week and approves them; returns the weeks."""
    sent = []
    config, blotter = home.study.strategy(STRATEGY), Blotter(home.root, STRATEGY)
    for week in home.lake.sessions(portfolio_table(STRATEGY)):
        if blotter.is_sent(week):
            continue
        at = now or datetime.combine(week.astype(object), datetime.min.time(), UTC)
        record_look(home, config, orders_for(home, config, week, money=MONEY), "Li Lei", at)
        approve_orders(home, config, week, "Li Lei", at)
        sent.append(str(week))
    return sent
