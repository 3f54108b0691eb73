"""Eight weeks around a New Year, day by day in the daemon: whatever went wrong, they end as one straight backfill does.

Files come each evening. One comes two days late, three days nothing runs, a training fails, a run dies, and one day is
delivered again with other volumes after the orders of two weeks have gone out.
"""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import dagster as dg
import pytest

from attn_platform import training
from attn_platform.alerts import AlertBook
from attn_platform.automation import AutomationConfig, DeliveryConfig
from attn_platform.cli import main
from attn_platform.errors import PlatformError
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.automation import DUTY
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.portfolio.trading.blotter import Blotter
from attn_platform.studies.settings import Home
from attn_platform.workflows.imports import import_data
from attn_platform.workflows.orders import approve_orders, orders_for, record_look
from attn_platform_tests.end_to_end.replay import MARKER, Launcher, Vendor, replaying
from attn_platform_tests.homes import (
    FIRST_WINDOW,
    IMPORTED,
    LAST_SESSION,
    MODEL,
    SECOND_WINDOW,
    STRATEGY,
    STUDY,
    THIRD_WINDOW,
    tiny_home,
    write_raw_tables,
)
from attn_platform_tests.pipelines import instance_of, run_pipeline

pytestmark = pytest.mark.slow

FEW = {
    "models": [model for model in STUDY["models"] if model["name"] == MODEL],
    "ensembles": [],
    "strategies": [strategy for strategy in STUDY["strategies"] if strategy["name"] == STRATEGY],
}
LATE, CAME = "2020-12-15", "2020-12-17"
CORRECTED, CORRECTED_ON = "2020-12-24", "2021-01-08"
OUTAGE = ("2021-01-12", "2021-01-13", "2021-01-14")
DIES = "session:2020-12-22"
FAILS = SECOND_WINDOW
MONEY = 2e7


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    market = tiny_home(tmp_path_factory.mktemp("market"))
    write_raw_tables(market)
    return Vendor(market.lake, tmp_path_factory.mktemp("vendor") / "in")


def imported_home(root, vendor: Vendor) -> Home:
    """A home that holds what the vendor has delivered so far, and imports what comes later by itself."""
    home = tiny_home(root, IMPORTED, **FEW)
    delivery = DeliveryConfig(vendor="contract", folder=str(vendor.folder), marker=MARKER)
    automation = AutomationConfig(deliveries={"nightly": delivery}, attempts=2, retry_minutes=5)
    home = home.with_settings(home.settings.model_copy(update={"automation": automation, "last_session": None}))
    home.save()
    import_data(home.root, "contract", vendor.folder)
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


def test_a_replayed_quarter_ends_as_one_straight_backfill(vendor, tmp_path, monkeypatch):
    calendar = tiny_home(tmp_path / "calendar").calendar
    days = calendar.between(FIRST_WINDOW, LAST_SESSION)
    before = calendar.between(tiny_home(tmp_path / "calendar").first_session, FIRST_WINDOW)
    vendor.deliver(*before.astype(str))
    home = imported_home(tmp_path / "replayed", vendor)
    backfill(home)
    monkeypatch.setattr(Launcher, "dies", [DIES])
    fails = failing_once(monkeypatch, FAILS)
    with replaying(home) as replay:
        for day, next_day in pairwise(days[1:]):
            delivered = [str(day)] if str(day) != LATE else []
            delivered += [LATE] if str(day) == CAME else []
            vendor.deliver(*delivered)
            if str(day) == CORRECTED_ON:
                vendor.deliver(CORRECTED, corrected=True)
            if str(day) in OUTAGE:
                continue
            replay.morning(next_day)
            approve_all(home)
            if str(day) == LATE:
                assert any(alert.partition == LATE for alert in AlertBook(home.root).open()), "nobody was told"
        runs = replay.runs()
    assert not Launcher.dies, "nothing died"
    assert fails == [FAILS], "no training failed"
    assert not AlertBook(home.root).open()
    each_key_ran_once(runs)

    vendor.deliver(*days.astype(str)[:-1])
    vendor.deliver(CORRECTED, corrected=True)
    straight = imported_home(tmp_path / "straight", vendor)
    backfill(straight)
    assert home.lake.sessions("daily_bar").tolist() == straight.lake.sessions("daily_bar").tolist()
    replayed, wanted = portfolios(home), portfolios(straight)
    assert replayed.keys() == wanted.keys()
    assert len(wanted) == 8
    differing = [week for week in wanted if replayed[week] != wanted[week]]
    assert differing == [week for week in wanted if week >= CORRECTED]

    # What is behind the corrected day is made again; the weeks that were sent only once somebody consents.
    attn("run", "--home", home.root)
    assert [week for week, content in portfolios(home).items() if content != replayed[week]] == []
    attn("rebuilds", "--accept", STRATEGY, "--by", "Li Lei", "--home", home.root)
    assert portfolios(home) == wanted


def failing_once(monkeypatch, window: str) -> list[str]:
    """The training of a window fails when it is tried first; which have is in the list."""
    failed: list[str] = []
    train = training.train_windows

    def once(task, windows):
        if [each.key for each in windows] == [window] and not failed:
            failed.append(window)
            raise PlatformError("the card has fallen off the bus")
        return train(task, windows)

    monkeypatch.setattr(training, "train_windows", once)
    return failed


def attn(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    assert not ended.value.code


def approve_all(home: Home) -> None:
    """Somebody looks at the orders of each new week and approves them."""
    config, blotter = home.study.strategy(STRATEGY), Blotter(home.root, STRATEGY)
    for week in home.lake.sessions(portfolio_table(STRATEGY)):
        if blotter.is_sent(week):
            continue
        at = datetime.combine(week.astype(object), datetime.min.time(), UTC)
        record_look(home, config, orders_for(home, config, week, money=MONEY), "Li Lei", at)
        approve_orders(home, config, week, "Li Lei", at)


def each_key_ran_once(runs: list[dg.DagsterRun]) -> None:
    """Every duty has one successful run, and only those that were made to fail have another."""
    done = Counter(run.tags[DUTY] for run in runs if run.status == dg.DagsterRunStatus.SUCCESS)
    assert set(done.values()) == {1}
    failed = [run.tags[DUTY] for run in runs if run.status != dg.DagsterRunStatus.SUCCESS]
    assert sorted(failed) == sorted([DIES, f"window:{FAILS}"])
    assert {f"window:{SECOND_WINDOW}", f"window:{THIRD_WINDOW}", "year:2021-01-01", "quarter:2021-01-01"} <= set(done)
