"""Files of a computed table keep what they were made of, and who reads them hears where that has changed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from attn_platform.errors import StaleDataError
from attn_platform.market.lake import Lake
from attn_platform.market.origins import origins_of, require_origins, with_origins

DAYS = np.array(["2021-01-04", "2021-01-05", "2021-01-06"], dtype="datetime64[D]")
OLD, NEW = {"x": "1", "y": "2"}, {"x": "1", "y": "3"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three sessions: without origins, with old ones, with new ones."""
    made = Lake(tmp_path)
    for day, origins in zip(DAYS, (None, OLD, NEW), strict=True):
        rows = pa.table({"date": pa.array([day.item()], pa.date32()), "x": [1.0], "y": [2.0]})
        made.write("factor_own", rows if origins is None else with_origins(rows, origins), day)
    return made


def test_files_keep_them(lake: Lake) -> None:
    assert [origins_of(lake, "factor_own", day) for day in DAYS] == [None, OLD, NEW]
    assert lake.read("factor_own").num_rows == len(DAYS)
    lake.write_sessions("factor_other", with_origins(lake.read("factor_own"), NEW), DAYS)
    assert [origins_of(lake, "factor_other", day) for day in DAYS] == [NEW] * 3


def test_the_session_that_is_something_else_is_named(lake: Lake) -> None:
    require_origins(lake, "factor_own", DAYS[[0, 2]], NEW)
    require_origins(lake, "factor_own", DAYS, {"x": "1"})
    require_origins(lake, "factor_own", DAYS, {})
    with pytest.raises(
        StaleDataError,
        match=r"^'factor_own' of 2021-01-05 \(1 of 3 sessions\) was made before a change of y; "
        r"materialise b, then factor_own from 2021-01-05 to 2021-01-05 again$",
    ):
        require_origins(lake, "factor_own", DAYS, NEW, after="b")


def test_what_was_missing_and_is_there_now_is_a_change_and_so_is_the_reverse(lake: Lake) -> None:
    for origins in ({"z": "4"}, {"x": ""}):
        with pytest.raises(StaleDataError, match=f"change of {next(iter(origins))};"):
            require_origins(lake, "factor_own", DAYS, origins)
    require_origins(lake, "factor_own", DAYS, {"z": ""})
