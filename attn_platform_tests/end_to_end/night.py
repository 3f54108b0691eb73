"""A night as an operator has it: the processes of an installation on PostgreSQL, while the clock runs fast.

    python -m attn_platform_tests.end_to_end.night --seed 1 --days 10

Each session's files arrive in the folder of deliveries at an hour of its day, some days late; runs are killed, the
daemon is, one session is delivered again with other volumes, and the orders of each week are approved in the morning
(`night_plan`). The clock runs at one rate while there is work, and at a faster one while there is none
(`compressed_clock`). What happened goes into a log beside the folder, line by line. In the end each piece of work that
was owed has one successful run (`night_log`), and lake and checkpoints are those of a straight backfill, bit for bit;
the exit code says so.

The history before the night is begun by a backfill, as `test_replay` does, and the home is its home.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from datetime import time as hour
from functools import cache
from pathlib import Path

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus

from attn_platform.automation import Decision, Duty
from attn_platform.definitions import build_defs
from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform.orchestration import jobs as names
from attn_platform.orchestration.automation import DUTY, SENSOR, UNDER_WAY, decision_now
from attn_platform.orchestration.instance import open_instance, prepare
from attn_platform.orchestration.owed import owed
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.settings import Home
from attn_platform_tests.end_to_end.compressed_clock import CompressedClock
from attn_platform_tests.end_to_end.night_log import Run, Work, markdown, problems, summary
from attn_platform_tests.end_to_end.night_plan import Happening, plan_night
from attn_platform_tests.end_to_end.replay import Vendor, approve_all, backfill, imported_home
from attn_platform_tests.end_to_end.services import Services, keep_records_in_postgresql, postgresql
from attn_platform_tests.homes import FIRST_WINDOW, LAST_SESSION, STRATEGY, tiny_home, write_raw_tables

BEGINS, ENDS = hour(6), hour(12)  # of the day after the first window's first session, and of that after the last one
SECONDS_BETWEEN_LOOKS = 0.5
STEP_ENV = "ATTN_NIGHT_STEP"
PROCESS = re.compile(r"pid: (\d+)")


class Night:
    """The home of a night, its processes, and what has happened."""

    def __init__(self, folder: Path, clock: CompressedClock, rates: tuple[float, float], log: Path) -> None:
        self.folder, self.clock, self.log = folder, clock, log
        self.working, self.quiet = rates
        self.runs: dict[str, Run] = {}
        self.killed: set[str] = set()
        self.delivered: dict[str, datetime] = {}
        self.corrected: dict[str, datetime] = {}
        self.changed_at = clock.now()
        self.is_watched = True  # there is a daemon

    def write(self, event: str, **fields: object) -> None:
        """A line of the log."""
        self.changed_at = self.clock.now()
        line = {"at": self.changed_at.astimezone(EXCHANGE_ZONE), "event": event, **fields}
        text = json.dumps(line, default=_plain)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        print(text, flush=True)

    def live(self, vendor: Vendor, services: Services, instance: dg.DagsterInstance, plan: Sequence[Happening]) -> None:
        """Let everything happen, until nothing is left to do."""
        waiting, victims, midnight = list(plan), [], None
        home = Home.open(self.folder / "home")
        while True:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            now = self.clock.now().astimezone(EXCHANGE_ZONE)
            if midnight != now.date():
                midnight = now.date()
                self.write("day", day=str(midnight))
            while waiting and waiting[0].at <= now:
                happening = waiting.pop(0)
                if happening.action == "kill run":
                    victims.append(happening.key)
                    continue
                self._do(happening, vendor, services, home)
            is_at_work = self._follow(instance)
            victims = [duty for duty in victims if not self._kill(instance, duty)]
            is_calm = not is_at_work and (not self.is_watched or self._has_looked(instance))
            self.clock.run_at(self.quiet if is_calm and waiting else self.working)
            if is_calm and not waiting:
                decision = decision_of(home, instance, now)
                if not decision.launched and not decision.under_way:
                    self.write("over", waiting={duty.name: why for duty, why in decision.waiting}, unkilled=victims)
                    return
                self.changed_at = self.clock.now()

    def _has_looked(self, instance: dg.DagsterInstance) -> bool:
        """Whether the sensor has found nothing to launch since the last change: only then the clock may run fast."""
        (state,) = [state for state in instance.all_instigator_state() if state.instigator_name == SENSOR]
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        return any(tick.status == TickStatus.SKIPPED and tick.timestamp > self.changed_at.timestamp() for tick in ticks)

    def _do(self, happening: Happening, vendor: Vendor, services: Services, home: Home) -> None:
        key = happening.key
        if happening.action == "deliver":
            vendor.deliver(key)
            self.delivered[key] = self.clock.now()
        elif happening.action == "correct":
            vendor.deliver(key, corrected=True)
            self.corrected[key] = self.clock.now()
        elif happening.action == "approve":
            if weeks := approve_all(home, self.clock.now()):
                self.write("approve", key=key, weeks=weeks)
            return
        elif happening.action == "stop daemon":
            services.kill("daemon")
            self.is_watched = False
        elif happening.action == "start daemon":
            services.start_daemon()
            self.is_watched = True
        self.write(happening.action, key=key, planned=happening.at)

    def _follow(self, instance: dg.DagsterInstance) -> bool:
        """Write down how the runs go on; whether any is under way."""
        found = {run.run: run for run in runs_of(instance, self.runs)}
        for run in found.values():
            if run.run not in self.runs or self.runs[run.run].status != run.status:
                self.write("run", duty=run.duty, run=run.run, status=run.status)
        self.runs = found
        return any(run.ended is None for run in found.values())

    def _kill(self, instance: dg.DagsterInstance, duty: str) -> bool:
        """Kill the process of a duty's first run once it has begun; whether this is done, or too late."""
        for run in self.runs.values():
            if run.duty == duty and run.status == "STARTED" and run.run not in self.killed:
                for entry in instance.all_logs(run.run):
                    if found := PROCESS.search(entry.message):
                        os.kill(int(found[1]), signal.SIGKILL)
                        self.killed.add(run.run)
                        self.write("kill run", duty=duty, run=run.run)
                        return True
            if run.duty == duty and run.status == "SUCCESS":
                self.write("not killed", duty=duty, run=run.run)
                return True
        return False


def runs_of(instance: dg.DagsterInstance, known: Mapping[str, Run]) -> list[Run]:
    """The runs of the sensor and those that Dagster has tried again, oldest first; `known` ones stay as they ended."""
    found = []
    for record in reversed(instance.get_run_records()):
        run = record.dagster_run
        if DUTY not in run.tags:
            continue
        if run.run_id in known and known[run.run_id].ended is not None:
            found.append(known[run.run_id])
            continue
        stats = [None if at is None else datetime.fromtimestamp(at, EXCHANGE_ZONE) for at in _times(record)]
        launched = datetime.fromtimestamp(instance.get_run_stats(run.run_id).enqueued_time or 0.0, EXCHANGE_ZONE)
        status = "UNDER WAY" if run.status in UNDER_WAY and run.status.value != "STARTED" else run.status.value
        found.append(Run(run.tags[DUTY], run.run_id, status, launched, *stats))
    return found


def _times(record: dg.RunRecord) -> tuple[float | None, float | None]:
    return record.start_time, record.end_time if record.dagster_run.is_finished else None


def decision_of(home: Home, instance: dg.DagsterInstance, now: datetime) -> Decision:
    """What the sensor would do at a moment."""
    return decision_now(home, partitions_of(home), instance, now, lambda: build_defs(home).resolve_asset_graph())


def work_of(home: Home, instance: dg.DagsterInstance, now: datetime, delivered: Mapping[str, datetime]) -> list[Work]:
    """What was owed until now and does not wait, with its runs; then the imports of earlier deliveries."""

    @cache
    def made(asset: str) -> Collection[str]:
        return instance.get_materialized_partitions(dg.AssetKey(asset))

    config = home.settings.automation
    duties = owed(home, partitions_of(home), made, now, config.catch_up_sessions)
    waiting = {duty.name for duty, _ in decision_of(home, instance, now).waiting}
    runs: dict[str, list[Run]] = {}
    for run in runs_of(instance, {}):
        runs.setdefault(run.duty, []).append(run)
    done = {
        place: min(ends)
        for duty in duties
        if (ends := [run.ended for run in runs.get(duty.name, ()) if run.status == "SUCCESS" and run.ended])
        for place in ((asset, duty.key) for asset in duty.assets)
    }
    found = []
    for duty in duties:
        # What the backfill has made before the night is not the night's; the files of the last one are imports
        is_made_before = duty.assets and duty.name not in runs and all(duty.key in made(asset) for asset in duty.assets)
        if duty.name not in waiting and not is_made_before:
            inputs_at, own = _inputs_at(duty, done, delivered), tuple(runs.pop(duty.name, ()))
            found.append(Work(duty.name, inputs_at, _deadline(home, duty), own))
    return [*(Work(name, None, None, tuple(of_duty)) for name, of_duty in runs.items()), *found]


def _inputs_at(
    duty: Duty, done: Mapping[tuple[str, str], datetime], delivered: Mapping[str, datetime]
) -> datetime | None:
    """When everything was there: files of the session, what other work makes, the end of the day."""
    moments = [done[place] for place in duty.needs if place in done]
    if duty.job == names.SESSION_JOB:
        moments += [at for session, at in delivered.items() if session == duty.key]
        moments.append(datetime.combine(date.fromisoformat(duty.key) + timedelta(days=1), hour(), EXCHANGE_ZONE))
    return max(moments, default=None)


def _deadline(home: Home, duty: Duty) -> datetime | None:
    config = home.settings.automation
    deadline = {names.WEEK_JOB: config.portfolio, names.REPORT_JOB: config.report}.get(duty.job)
    return None if deadline is None else deadline.of(date.fromisoformat(duty.key), EXCHANGE_ZONE)


def differences(night: Home, straight: Home) -> Iterator[str]:
    """Files of lake and checkpoints that a straight backfill has, and the night has otherwise or not."""
    for table in straight.lake.tables():
        sessions = straight.lake.sessions(table)
        for session in [*sessions] or [None]:
            wanted, found = (home.lake.path(table, session) for home in (straight, night))
            if not found.exists() or found.read_bytes() != wanted.read_bytes():
                yield f"{table} {'' if session is None else session}".strip()
    for file in sorted(straight.checkpoints.rglob("*.safetensors")):
        found = night.checkpoints / file.relative_to(straight.checkpoints)
        if not found.exists() or found.read_bytes() != file.read_bytes():
            yield str(file.relative_to(straight.checkpoints))


def begin(root: Path, history: Path, deliveries: Path, is_live: bool, patience: float) -> None:
    """A home with what was delivered so far, and everything made of it; the records of a live one in PostgreSQL."""
    home = imported_home(root, history, deliveries)
    if is_live:
        keep_records_in_postgresql(home, patience)
    backfill(home)


def run_night(folder: Path, seed: int, days: int, rates: tuple[float, float], log: Path) -> int:
    """The whole of it; the exit code."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    market = tiny_home(folder / "market")
    write_raw_tables(market)
    history, vendor = Vendor(market.lake, folder / "history"), Vendor(market.lake, folder / "in")
    calendar = market.calendar
    sessions = calendar.between(FIRST_WINDOW, LAST_SESSION)[1 : days + 1].astype(str).tolist()
    history.deliver(*calendar.between(market.first_session, FIRST_WINDOW).astype(str))
    day_after = date.fromisoformat(sessions[-1]) + timedelta(days=1)
    plan = plan_night(sessions, datetime.combine(day_after, ENDS, EXCHANGE_ZONE), seed)
    first = date.fromisoformat(FIRST_WINDOW) + timedelta(days=1)
    clock = CompressedClock(folder / "clock", datetime.combine(first, BEGINS, EXCHANGE_ZONE), 1.0)
    night = Night(folder, clock, rates, log)
    logs = folder / "logs"
    logs.mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(postgresql(folder / "postgresql"))
        os.environ.update(database)
        stack.enter_context(clock.running())
        night.write("begin", seed=seed, sessions=sessions, plan=plan, rates=rates)
        parts = (history.folder, vendor.folder)
        _step(clock, logs, folder / "home", *parts, "live", max(rates))
        work, wrong = spend(night, vendor, history.folder, plan, logs)
    print(markdown(summary(work)))
    return 1 if wrong else 0


def spend(
    night: Night, vendor: Vendor, history: Path, plan: Sequence[Happening], logs: Path
) -> tuple[list[Work], list[str]]:
    """From the start of the services to the comparison with a straight backfill: the work, and what is wrong."""
    clock, home = night.clock, Home.open(night.folder / "home")
    services = Services(home, logs, {**os.environ, **prepare(home), **clock.environment()})
    try:
        services.start_code_server()
        if services.call("dagster", "sensor", "start", "--start-all", "--workspace", str(services.workspace)):
            raise RuntimeError(f"the sensors could not be switched on: see {logs}/calls.log")
        services.start_daemon()
        night.write("services", port=services.port)
        with open_instance(home) as instance:
            night.live(vendor, services, instance, plan)
            work = work_of(home, instance, clock.now().astimezone(EXCHANGE_ZONE), night.delivered)
            for each in work:
                night.write(**each.record())
            consent = ("--accept", STRATEGY, "--by", "Li Lei", "--home", str(home.root))
            if services.attn("rebuilds", *consent) == 0:  # else none is offered
                night.write("accept")
                night.live(vendor, services, instance, [])
    finally:
        services.stop()
    _step(clock, logs, night.folder / "straight", history, vendor.folder, "straight", 1.0)
    wrong = problems(work, night.corrected)
    others = differences(home, Home.open(night.folder / "straight"))
    wrong += [f"other than by a straight backfill: {name}" for name in others]
    night.write("end", problems=wrong)
    return work, wrong


def _step(clock: CompressedClock, logs: Path, *arguments: object) -> None:
    """A part of the night in a process of its own, which is told the night's time."""
    command = [sys.executable, "-m", f"{__package__}.night", *map(str, arguments)]
    environment = {**os.environ, **clock.environment(), STEP_ENV: "1"}
    with (logs / "steps.log").open("ab") as stream:
        subprocess.run(command, env=environment, stdout=stream, stderr=stream, check=True)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(EXCHANGE_ZONE).isoformat(timespec="seconds")
    if isinstance(value, Happening):
        return vars(value)
    if isinstance(value, Run):
        return vars(value)
    return str(value)


def main() -> int:
    """Of the command line."""
    if os.environ.get(STEP_ENV):
        root, history, deliveries, kind, patience = sys.argv[1:]
        begin(Path(root), Path(history), Path(deliveries), kind == "live", float(patience))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=10, help="sessions, 38 at most")
    parser.add_argument("--folder", type=Path, help="a new one, beside which the log lies; default: a temporary one")
    parser.add_argument("--rate", type=float, default=60.0, help="seconds of the night a second, while there is work")
    parser.add_argument("--quiet-rate", type=float, default=600.0, help="while there is none")
    options = parser.parse_args()
    folder = options.folder
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="attn-night-")) / "night"
        folder.parent.chmod(0o755)  # PostgreSQL's user has its folder within
    log = folder.with_suffix(".jsonl")
    print(f"home, processes' output and log: {folder}, {log}", flush=True)
    return run_night(folder, options.seed, options.days, (options.rate, options.quiet_rate), log)


if __name__ == "__main__":
    sys.exit(main())
