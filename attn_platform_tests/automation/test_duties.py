"""Which duties are launched: hand-worked days, and any history at all keeps the rules."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from attn_platform.automation import AutomationConfig, Duty, History, decide

NOW = datetime(2024, 1, 5, 8, 0, tzinfo=UTC)
CONFIG = AutomationConfig(runs_at_once=2, attempts=3, retry_minutes=10)
RAW = [Duty("session", day, ("daily_bar", "factor")) for day in ("2024-01-02", "2024-01-03", "2024-01-04")]
PANEL = [Duty("panel", duty.key, ("panel",), needs=(("factor", duty.key),)) for duty in RAW]


def of(**made: Collection[str]) -> Callable[[str], Collection[str]]:
    return lambda asset: made.get(asset, ())


def names(duties: object) -> list[str]:
    return [(each[0] if isinstance(each, tuple) else each).name for each in duties]  # type: ignore[attr-defined]


def test_earlier_days_first_and_no_more_than_so_many() -> None:
    decision = decide([*RAW, *PANEL], of(), {}, NOW, CONFIG)
    assert names(decision.launched) == ["session:2024-01-02", "session:2024-01-03"]
    assert ("session:2024-01-04", "2 runs are under way") in [(d.name, why) for d, why in decision.waiting]
    assert ("panel:2024-01-02", "waiting for factor of 2024-01-02") in [(d.name, why) for d, why in decision.waiting]


def test_a_day_is_finished_before_the_next_one_begins() -> None:
    done = of(daily_bar={"2024-01-02"}, factor={"2024-01-02"})
    decision = decide([*RAW, *PANEL], done, {}, NOW, CONFIG)
    assert names(decision.launched) == ["panel:2024-01-02", "session:2024-01-03"]


def test_what_is_half_done_is_owed() -> None:
    decision = decide(RAW[:1], of(daily_bar={"2024-01-02"}), {}, NOW, CONFIG)
    assert names(decision.launched) == ["session:2024-01-02"]


def test_nothing_is_launched_beside_a_run_of_the_same_work() -> None:
    decision = decide(RAW, of(), {"session:2024-01-02": History(is_under_way=True)}, NOW, CONFIG)
    assert names(decision.under_way) == ["session:2024-01-02"]
    assert names(decision.launched) == ["session:2024-01-03"]  # one of two places is taken


def test_pauses_double_and_end() -> None:
    def at(minutes: float, failures: int) -> list[str]:
        history = History(failures, failures, NOW - timedelta(minutes=minutes))
        decision = decide(RAW[:1], of(), {"session:2024-01-02": history}, NOW, CONFIG)
        assert not (decision.given_up and decision.launched)
        return [f"{attempt}" for _, attempt in decision.launched] or names(decision.given_up)

    assert at(9, 1) == []
    assert at(10, 1) == ["2"]
    assert at(19, 2) == []
    assert at(20, 2) == ["3"]
    assert at(1000, 3) == ["session:2024-01-02"]


def test_without_partitions_a_run_of_its_own_has_to_succeed() -> None:
    report = Duty("report", "2024-01-05")
    assert names(decide([report], of(), {}, NOW, CONFIG).launched) == ["report:2024-01-05"]
    done = {"report:2024-01-05": History(runs=2, failures=1, failed_at=NOW, has_succeeded=True)}
    decision = decide([report], of(), done, NOW, CONFIG)
    assert not [*decision.launched, *decision.waiting, *decision.given_up]


def test_a_run_that_was_undone_gets_a_number_of_its_own() -> None:
    """Dagster launches a run key once, and the number is part of it."""
    history = {"session:2024-01-02": History(runs=4, has_succeeded=True)}
    assert decide(RAW[:1], of(), history, NOW, CONFIG).launched == ((RAW[0], 5),)


def test_it_waits_for_what_comes_from_outside() -> None:
    duty = Duty("session", "2024-01-02", ("daily_bar",), waits_for=lambda: "daily_bar of 2024-01-02 is not imported")
    decision = decide([duty], of(), {}, NOW, CONFIG)
    assert decision.waiting == ((duty, "daily_bar of 2024-01-02 is not imported"),)


HISTORIES = st.dictionaries(
    st.sampled_from([duty.name for duty in (*RAW, *PANEL)]),
    st.builds(
        History,
        failures=st.integers(0, 4),
        failed_at=st.one_of(st.none(), st.integers(0, 90).map(lambda minutes: NOW - timedelta(minutes=minutes))),
        is_under_way=st.booleans(),
    ),
)
KEYS = st.sets(st.sampled_from([duty.key for duty in RAW]))


@given(histories=HISTORIES, bars=KEYS, factors=KEYS, panels=KEYS)
def test_each_owed_duty_is_in_one_place(
    histories: dict[str, History], bars: set[str], factors: set[str], panels: set[str]
) -> None:
    made = {"daily_bar": bars, "factor": factors, "panel": panels}
    decision = decide([*RAW, *PANEL], of(**made), histories, NOW, CONFIG)
    placed = names([*decision.launched, *decision.waiting, *decision.under_way, *decision.given_up])
    assert sorted(placed) == sorted(
        duty.name for duty in (*RAW, *PANEL) if not all(duty.key in made[asset] for asset in duty.assets)
    )
    assert len(decision.launched) + len(decision.under_way) <= max(CONFIG.runs_at_once, len(decision.under_way))
    for duty, _ in decision.launched:
        assert histories.get(duty.name, History()).failures < CONFIG.attempts
        assert all(key in made[asset] for asset, key in duty.needs)
