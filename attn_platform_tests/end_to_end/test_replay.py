"""Eight weeks around a New Year, day by day in the daemon: whatever went wrong, they end as one straight backfill does.

Files come each evening. One comes two days late, three days nothing runs, a training fails, a run dies, and one day is
delivered again with other volumes after the orders of three weeks have gone out. What is behind that day and was not
sent is made again by itself, each key once; the weeks that were sent are offered.
"""

from collections import Counter
from itertools import pairwise

import dagster as dg
import pytest

from attn_platform import training
from attn_platform.alerts import AlertBook
from attn_platform.cli import main
from attn_platform.errors import PlatformError
from attn_platform.orchestration.automation import DUTY
from attn_platform_tests.end_to_end.replay import (
    Launcher,
    Vendor,
    approve_all,
    backfill,
    imported_home,
    portfolios,
    replaying,
)
from attn_platform_tests.homes import (
    FIRST_WINDOW,
    LAST_SESSION,
    SECOND_WINDOW,
    STRATEGY,
    THIRD_WINDOW,
    tiny_home,
    write_raw_tables,
)

pytestmark = pytest.mark.slow

LATE, CAME = "2020-12-15", "2020-12-17"
CORRECTED, CORRECTED_ON = "2020-12-24", "2021-01-08"
OUTAGE = ("2021-01-12", "2021-01-13", "2021-01-14")
DIES = "session:2020-12-22"
FAILS = SECOND_WINDOW


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    market = tiny_home(tmp_path_factory.mktemp("market"))
    write_raw_tables(market)
    return Vendor(market.lake, tmp_path_factory.mktemp("vendor") / "in")


def test_a_replayed_quarter_ends_as_one_straight_backfill(vendor, tmp_path, monkeypatch):
    calendar = tiny_home(tmp_path / "calendar").calendar
    days = calendar.between(FIRST_WINDOW, LAST_SESSION)
    before = calendar.between(tiny_home(tmp_path / "calendar").first_session, FIRST_WINDOW)
    vendor.deliver(*before.astype(str))
    home = imported_home(tmp_path / "replayed", vendor.folder)
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
    straight = imported_home(tmp_path / "straight", vendor.folder)
    backfill(straight)
    assert home.lake.sessions("daily_bar").tolist() == straight.lake.sessions("daily_bar").tolist()
    replayed, wanted = portfolios(home), portfolios(straight)
    assert replayed.keys() == wanted.keys()
    assert len(wanted) == 8
    differing = [week for week in wanted if replayed[week] != wanted[week]]
    assert differing == [week for week in wanted if week >= CORRECTED]

    # Nothing is left to `attn run`; the weeks that were sent are made again once somebody consents.
    attn("run", "--home", home.root)
    assert portfolios(home) == replayed
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


def each_key_ran_once(runs: list[dg.DagsterRun]) -> None:
    """Every duty has one successful run, and a second one where it was made from the day that was corrected since.

    Only those that were made to fail have another.
    """
    done = Counter(run.tags[DUTY] for run in runs if run.status == dg.DagsterRunStatus.SUCCESS)
    assert set(done.values()) == {1, 2}
    again = {name for name, count in done.items() if count == 2}
    assert all(name.split(":")[1] >= CORRECTED for name in again)
    assert not any(name.startswith("weekly_portfolio") for name in again), "they were sent"
    assert {f"session:{CORRECTED}", f"cross_section:{CORRECTED}", "quarter:2021-01-01"} <= again
    assert f"window:{THIRD_WINDOW}" not in again, "it was trained after the correction"
    failed = [run.tags[DUTY] for run in runs if run.status != dg.DagsterRunStatus.SUCCESS]
    assert sorted(failed) == sorted([DIES, f"window:{FAILS}"])
    assert {f"window:{SECOND_WINDOW}", f"window:{THIRD_WINDOW}", "year:2021-01-01", "quarter:2021-01-01"} <= set(done)
