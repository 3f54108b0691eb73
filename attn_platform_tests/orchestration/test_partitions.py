"""Partitions of the studies, 2011 to 2023: their counts, their keys, and what each key is made from.

Expected keys come from the calendar alone; the published windows (AI-69, AI-55) are those of the studies' tables.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from attn_platform.market.calendar import exchange_calendar
from attn_platform.orchestration.partitions import TIMEZONE, build_partitions
from attn_platform.training.windows import WindowConfig
from attn_platform.universe.membership import selection_session

FIRST, LAST = np.datetime64("2002-01-04"), np.datetime64("2023-07-31")
XGBOOST = WindowConfig(train=1260, valid=252)


@pytest.fixture(scope="module")
def calendar():
    return exchange_calendar()


@pytest.fixture(scope="module")
def partitions(calendar):
    return build_partitions(calendar, FIRST, LAST, WindowConfig(), 5)


@pytest.fixture(scope="module")
def tested(calendar):
    """The 3,056 sessions that AI-69 tests on."""
    return calendar.between("2011-01-04", "2023-07-31")


def keys_at(definition: dg.PartitionsDefinition, moment: str) -> list[str]:
    """Keys that exist at a moment of the exchange's day."""
    at = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(TIMEZONE))
    with partition_loading_context(effective_dt=at):
        return list(definition.get_partition_keys())


def upstream(mapping, downstream: dg.PartitionsDefinition, keys: str | list[str], upstream_definition) -> list[str]:
    """Keys of `upstream_definition` that the downstream keys are made from."""
    subset = downstream.empty_subset().with_partition_keys([keys] if isinstance(keys, str) else keys)
    result = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, downstream, upstream_definition)
    assert not result.required_but_nonexistent_subset.get_partition_keys()
    return sorted(result.partitions_subset.get_partition_keys())


def test_counts_of_the_studies(partitions, calendar, tested):
    assert len(tested) == 3_056
    keys = partitions.sessions.get_partition_keys()
    assert keys == [str(day) for day in calendar.between(FIRST, LAST)]
    assert sum(key >= "2011-01-04" for key in keys) == 3_056
    assert len(partitions.windows.get_partition_keys()) == 25
    assert len(partitions.rebalances.get_partition_keys()) == 612
    assert len(partitions.quarters.get_partition_keys()) == 4 * 20 + 3
    assert len(partitions.years.get_partition_keys()) == 21


def test_keys_lie_on_the_grids(partitions, tested):
    assert partitions.windows.get_partition_keys() == [str(day) for day in tested[::126]]
    assert partitions.windows.get_partition_keys()[:2] == ["2011-01-04", "2011-07-12"]
    assert partitions.rebalances.get_partition_keys() == [str(day) for day in tested[::5]]


@pytest.mark.parametrize(
    ("config", "length", "first_window", "second_window"),
    [
        (WindowConfig(), 1512 + 504, ("2002-09-10", "2010-12-31"), ("2003-03-25", "2011-07-11")),
        (XGBOOST, 1260 + 252, ("2004-10-18", "2010-12-31"), ("2005-04-22", "2011-07-11")),
    ],
)
def test_checkpoint_is_made_from_exactly_train_and_validation(partitions, config, length, first_window, second_window):
    """Of models with lengths of their own, too: the grid is that of the model that reaches furthest back."""
    sessions = partitions.sessions.get_partition_keys()
    mapping = partitions.samples_of_window(config)
    found = {}
    windows = partitions.windows.get_partition_keys()
    for key in (*windows[:2], *windows[2:-1:4], windows[-1]):
        at = sessions.index(key)
        found[key] = upstream(mapping, partitions.windows, key, partitions.sessions)
        assert found[key] == sessions[at - length : at]
    assert (found["2011-01-04"][0], found["2011-01-04"][-1]) == first_window
    assert (found["2011-07-12"][0], found["2011-07-12"][-1]) == second_window


@pytest.mark.slow
@pytest.mark.parametrize("config", [WindowConfig(), XGBOOST])
def test_checkpoint_is_made_from_the_years_of_its_samples(partitions, config):
    """And from the year of the window's first session where holidays lie between: it is known by then."""
    keys = set(partitions.years.get_partition_keys())
    for window in partitions.windows.get_partition_keys()[::3]:
        found = upstream(partitions.years_of_window(config), partitions.windows, window, partitions.years)
        samples = upstream(partitions.samples_of_window(config), partitions.windows, window, partitions.sessions)
        wanted = {f"{session[:4]}-01-01" for session in samples} & keys
        assert wanted <= set(found) <= wanted | {f"{window[:4]}-01-01"}


def test_a_window_of_samples_is_made_from_the_sessions_of_its_steps(partitions):
    sessions = partitions.sessions.get_partition_keys()
    assert upstream(partitions.back(20), partitions.sessions, sessions[500], partitions.sessions) == sessions[480:501]


def test_prediction_is_made_from_the_one_window_that_tests_its_session(partitions, tested):
    """All sessions of a window together and its first and last one alone: those between lie between."""
    windows = list(enumerate(partitions.windows.get_partition_keys()))
    for number, window in [*windows[::4], windows[-1]]:
        sessions = [str(day) for day in tested[number * 126 : (number + 1) * 126]]
        for keys in (sessions, sessions[0], sessions[-1]):
            found = upstream(
                partitions.window_of_session(WindowConfig()), partitions.sessions, keys, partitions.windows
            )
            assert found == [window]


def test_portfolio_is_made_from_the_same_day_and_the_week_before(partitions, tested):
    weeks = partitions.rebalances.get_partition_keys()
    same_day = dg.TimeWindowPartitionMapping()
    assert upstream(partitions.previous, partitions.rebalances, weeks, partitions.rebalances) == weeks[:-1]
    assert upstream(partitions.previous, partitions.rebalances, weeks[0], partitions.rebalances) == []
    for at in (1, *range(2, 612, 61)):
        assert upstream(same_day, partitions.rebalances, weeks[at], partitions.sessions) == [weeks[at]]
        found = upstream(partitions.previous, partitions.rebalances, weeks[at], partitions.rebalances)
        assert found == [weeks[at - 1]]
        drifted = [str(day) for day in tested[5 * at - 5 : 5 * at + 1]]
        assert upstream(partitions.sessions_held(5), partitions.rebalances, weeks[at], partitions.sessions) == drifted


@pytest.fixture(scope="module")
def own(calendar):
    """A model trained anew every 63 sessions, and strategies that rebalance at the end of weeks and of months."""
    models = [WindowConfig(), WindowConfig(train=504, valid=126, test=63)]
    return build_partitions(calendar, FIRST, LAST, WindowConfig(), 5, models, [5, "week", "month"])


def test_other_models_and_strategies_leave_the_studys_partitions_as_they_are(partitions, own):
    for name in ("sessions", "cross_sections", "windows", "rebalances", "quarters", "years"):
        one, other = getattr(partitions, name), getattr(own, name)
        assert one.get_serializable_unique_identifier() == other.get_serializable_unique_identifier(), name


def test_a_model_has_windows_of_its_own(own, tested, calendar):
    config = WindowConfig(train=504, valid=126, test=63)
    windows, sessions = own.windows_of(config), own.sessions.get_partition_keys()
    keys = windows.get_partition_keys()
    assert keys == [str(day) for day in tested[::63]]
    for number in (0, 1, 20, len(keys) - 1):
        at = sessions.index(keys[number])
        assert upstream(own.samples_of_window(config), windows, keys[number], own.sessions) == sessions[at - 630 : at]
        of_window = [str(day) for day in tested[number * 63 : (number + 1) * 63]]
        for predicted in (of_window, of_window[0], of_window[-1]):
            assert upstream(own.window_of_session(config), own.sessions, predicted, windows) == [keys[number]]


def test_a_portfolio_is_made_from_the_sessions_since_its_own_rebalance_before(own, calendar):
    for every, dates in (("week", "W-SUN"), ("month", "M")):
        rebalances = own.rebalances_by_frequency[every]
        keys = rebalances.get_partition_keys()
        sessions = pd.Series(pd.DatetimeIndex(calendar.between("2011-01-04", "2023-07-31")))
        ends = sessions.groupby(sessions.dt.to_period(dates)).max()
        # 2023-07-31 is a Monday: the week goes on, the month is over.
        assert keys == [str(day.date()) for day in (ends[:-1] if every == "week" else ends)]
        for at in (1, 2, 50, len(keys) - 1):
            assert upstream(own.previous, rebalances, keys[at], rebalances) == [keys[at - 1]]
            since = calendar.between(keys[at - 1], keys[at]).astype(str).tolist()
            assert upstream(own.sessions_held(every), rebalances, keys[at], own.sessions) == since
        found = upstream(own.sessions_held(every, 60), rebalances, keys[30], own.sessions)
        assert len(found) > 60
        assert found[-1] == keys[30]


def test_families_are_made_from_their_look_back(partitions):
    sessions = partitions.sessions.get_partition_keys()
    found = upstream(partitions.back(63), partitions.sessions, sessions[1000], partitions.sessions)
    assert found == sessions[1000 - 63 : 1001]
    at_the_start = upstream(partitions.back(63), partitions.sessions, sessions[10], partitions.sessions)
    assert at_the_start == sessions[:11]


@pytest.mark.slow
def test_lists_are_made_from_the_sessions_before_their_period(partitions, calendar):
    """The 252 sessions up to the selection for a quarter, the session of selection for a year; none of the period."""
    for key in partitions.quarters.get_partition_keys():
        found = upstream(partitions.sessions_before_quarter, partitions.quarters, key, partitions.sessions)
        at = selection_session(calendar, key, "Q")
        needed = calendar.between(max(FIRST, calendar.shift(at, -251)), at)
        assert found[-1] == str(at)
        assert set(map(str, needed)) <= set(found)
    for key in partitions.years.get_partition_keys():
        found = upstream(partitions.sessions_before_year, partitions.years, key, partitions.sessions)
        assert found[-1] == str(selection_session(calendar, key, "Y"))
        assert found[-1] < key


def test_lists_hold_for_the_sessions_of_their_period(partitions):
    quarters, years = set(partitions.quarters.get_partition_keys()), set(partitions.years.get_partition_keys())
    mapping = dg.TimeWindowPartitionMapping()
    for key in partitions.sessions.get_partition_keys()[300::97]:
        quarter = f"{key[:4]}-{(int(key[5:7]) - 1) // 3 * 3 + 1:02d}-01"
        assert {quarter, f"{key[:4]}-01-01"} <= quarters | years
        assert upstream(mapping, partitions.sessions, key, partitions.quarters) == [quarter]
        assert upstream(mapping, partitions.sessions, key, partitions.years) == [f"{key[:4]}-01-01"]


def test_a_session_is_a_key_once_its_day_is_over(partitions):
    for definition in (partitions.sessions, partitions.rebalances):
        assert keys_at(definition, "2011-01-04T23:59:59")[-1:] != ["2011-01-04"]
        assert keys_at(definition, "2011-01-05T00:00:01")[-1] == "2011-01-04"
    assert keys_at(partitions.sessions, "2011-01-09T12:00:00")[-1] == "2011-01-07"  # a Sunday


def test_a_window_is_a_key_ahead_of_its_test_range(partitions):
    assert keys_at(partitions.windows, "2010-12-31T12:00:00") == ["2011-01-04"]
    assert keys_at(partitions.windows, "2011-01-04T23:59:59") == ["2011-01-04"]
    assert keys_at(partitions.windows, "2011-01-05T00:00:01") == ["2011-01-04", "2011-07-12"]


def test_a_period_is_a_key_from_its_first_day(partitions):
    assert keys_at(partitions.quarters, "2011-03-31T23:59:59")[-1] == "2011-01-01"
    assert keys_at(partitions.quarters, "2011-04-01T00:00:01")[-1] == "2011-04-01"
    assert keys_at(partitions.years, "2010-12-31T23:59:59")[-1] == "2010-01-01"
    assert keys_at(partitions.years, "2011-01-01T00:00:01")[-1] == "2011-01-01"


def test_no_key_lies_beyond_the_data(partitions):
    for definition in (partitions.sessions, partitions.rebalances, partitions.windows):
        assert keys_at(definition, "2030-01-01T00:00:00")[-1] <= "2023-07-31"
    assert keys_at(partitions.quarters, "2030-01-01T00:00:00")[-1] == "2023-07-01"
    assert keys_at(partitions.years, "2030-01-01T00:00:00")[-1] == "2023-01-01"


def test_holidays_are_no_keys(partitions):
    """Weekdays on which the exchange was closed, the unscheduled ones among them."""
    keys = set(partitions.sessions.get_partition_keys())
    for holiday in ("2015-09-03", "2015-09-04", "2020-01-31", "2012-01-23", "2011-01-03"):
        assert holiday not in keys
