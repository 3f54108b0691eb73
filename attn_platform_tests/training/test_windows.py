"""Published windows to the day (AI-69, AI-55; spec of the rolling windows) and the counts that hang on them."""

import numpy as np
import pytest
from pydantic import ValidationError

from attn_platform.errors import CalendarError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.training.windows import WindowConfig, window_holding, window_keys, window_of

CALENDAR = exchange_calendar()
NETWORKS = WindowConfig()
XGBOOST = WindowConfig(train=252 * 5, valid=252)


@pytest.mark.parametrize(
    ("config", "key", "expected"),
    [
        (NETWORKS, "2011-01-04", "2002-09-10 2008-12-05 2008-12-08 2010-12-31 2011-01-04 2011-07-11"),
        (NETWORKS, "2011-07-12", "2003-03-25 2009-06-16 2009-06-17 2011-07-11 2011-07-12 2012-01-13"),
        (XGBOOST, "2011-01-04", "2004-10-18 2009-12-17 2009-12-18 2010-12-31 2011-01-04 2011-07-11"),
        (XGBOOST, "2011-07-12", "2005-04-22 2010-06-28 2010-06-29 2011-07-11 2011-07-12 2012-01-13"),
    ],
)
def test_published_windows_come_out_to_the_day(config: WindowConfig, key: str, expected: str) -> None:
    window = window_of(CALENDAR, config, key)
    found = [
        window.train_first, window.train_last, window.valid_first,
        window.valid_last, window.test_first, window.test_last,
    ]  # fmt: skip
    assert [str(day) for day in found] == expected.split()


def test_counts_of_the_studies() -> None:
    assert len(CALENDAR.between("2011-01-04", "2023-07-31")) == 3056
    assert len(window_keys(CALENDAR, NETWORKS, "2023-07-31")) == 25
    assert len(CALENDAR.between("2011-01-04", "2022-03-31")) == 2733
    assert len(window_keys(CALENDAR, NETWORKS, "2022-03-31")) == 22


def test_every_session_has_the_window_whose_test_range_holds_it() -> None:
    for session in CALENDAR.between("2011-01-04", "2013-12-31"):
        window = window_holding(CALENDAR, NETWORKS, session)
        assert window.test_first <= session <= window.test_last


def test_ranges_touch_and_have_their_lengths() -> None:
    for key in window_keys(CALENDAR, NETWORKS, "2023-07-31")[:-1]:
        w = window_of(CALENDAR, NETWORKS, key)
        lengths = [
            len(CALENDAR.between(a, b))
            for a, b in ((w.train_first, w.train_last), (w.valid_first, w.valid_last), (w.test_first, w.test_last))
        ]
        assert lengths == [1512, 504, 126]
        assert CALENDAR.shift(w.train_last, 1) == w.valid_first
        assert CALENDAR.shift(w.valid_last, 1) == w.test_first


def test_bad_windows_are_named() -> None:
    with pytest.raises(CalendarError, match="starts no test window"):
        window_of(CALENDAR, NETWORKS, "2011-01-05")
    with pytest.raises(CalendarError, match="is no session"):
        window_of(CALENDAR, NETWORKS, "2011-01-01")
    with pytest.raises(CalendarError, match="before the first test range"):
        window_holding(CALENDAR, NETWORKS, "2010-12-31")
    with pytest.raises(ValidationError, match="multiple of test"):
        WindowConfig(train=100, valid=50, test=126)
    assert np.datetime64("2010-12-31") == window_of(CALENDAR, NETWORKS, "2011-01-04").valid_last
