"""What is planted: rows that are said to be wrong are, the others are left alone, and a seed says it all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform_tests.faults import KINDS, Fault, write_fault
from attn_platform_tests.faults.delivery import Frames
from attn_platform_tests.market.vendor_files import tree

SEED = 11
KEYS = {
    "daily_bar": ["date", "symbol"],
    "valuation": ["date", "symbol"],
    "index_bar": ["date", "index"],
    "index_weight": ["date", "index", "symbol"],
    "security": ["symbol"],
    "fundamental": ["symbol", "report_period", "announced"],
}
# Their rows' keys are the planted cells themselves, or they spoil files only; an ex-right that lacks spoils all rows
# after it, and what scales weights up again touches the rows that are left.
BY_OTHER_MEANS = {"ex_right_missing", "members_missing_renormalised", "survivors_only", "members_of_today"}


@pytest.mark.slow
def test_the_clean_delivery_is_the_market_it_was_taken_from(frames: Frames, clean: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    import_contract_files(clean, lake, exchange_calendar())
    for name, frame in frames.items():
        stored = lake.read(name).to_pandas(date_as_object=False)
        by = [
            column for column in ("date", "index", "symbol", "in_date", "report_period", "announced") if column in frame
        ]
        left, right = (each.sort_values(by, ignore_index=True) for each in (frame, stored[frame.columns]))
        pd.testing.assert_frame_equal(left, right.astype(left.dtypes.to_dict()))


@pytest.mark.parametrize("name", KINDS)
def test_a_fault_is_where_it_says_and_nowhere_else(name: str, frames: Frames, clean: Path, tmp_path: Path) -> None:
    kind = KINDS[name]
    before = {table: frames[table].copy() for table in frames}
    fault, again = (kind.planted(frames, SEED) for _ in range(2))
    assert len(fault.rows)
    assert set(kind.tables) & set(fault.rows["table"])
    assert set(fault.rows["table"]) <= set(fault.frames)
    pd.testing.assert_frame_equal(fault.rows, again.rows)
    assert fault.frames.keys() == again.frames.keys()
    for table, frame in fault.frames.items():
        pd.testing.assert_frame_equal(frame, again.frames[table])
    files = tree(write_fault(fault, clean, tmp_path / "files"))
    assert files != tree(clean)
    if fault.damage is not None:
        assert files == tree(write_fault(again, clean, tmp_path / "again"))
    for table, frame in fault.frames.items():
        pd.testing.assert_frame_equal(frames[table], before[table])
        if table in KEYS and name not in BY_OTHER_MEANS and not set(KEYS[table]) & set(kind.columns):
            assert touched(frames[table], frame, KEYS[table]) <= planted_keys(fault, table)


@pytest.mark.parametrize("name", ["day_missing", "day_halved", "halts_missing", "members_missing", "weights_monthly"])
def test_rows_that_are_left_out_are_the_planted_ones(name: str, frames: Frames) -> None:
    fault = KINDS[name].planted(frames, SEED)
    for table, frame in fault.frames.items():
        assert touched(frames[table], frame, KEYS[table]) == planted_keys(fault, table)


@pytest.mark.parametrize(
    "name", ["stale_quotes", "misplaced_point", "ex_right_missing", "day_missing", "members_missing"]
)
def test_another_seed_plants_elsewhere(name: str, frames: Frames) -> None:
    places = [set(map(tuple, KINDS[name].planted(frames, seed).rows.astype(str).to_numpy())) for seed in (1, 2)]
    assert places[0] != places[1]


def test_volume_in_lots_by_hand(frames: Frames) -> None:
    fault = KINDS["volume_in_lots_of_one_board"].planted(frames, SEED)
    bar, wrong = frames["daily_bar"], fault.frames["daily_bar"]
    growth = bar["symbol"].str.startswith("30").to_numpy()
    np.testing.assert_allclose(wrong["volume"][growth] * 100, bar["volume"][growth])
    np.testing.assert_array_equal(wrong["volume"][~growth], bar["volume"][~growth])
    assert len(fault.rows) == growth.sum() > 0


def test_a_forgotten_ex_right_takes_its_step_out_of_all_later_factors(frames: Frames) -> None:
    fault = KINDS["ex_right_missing"].planted(frames, SEED)
    for row in fault.rows.itertuples():
        bars = [each[each["symbol"] == row.symbol].set_index("date")["adj_factor"] for each in
                (frames["daily_bar"], fault.frames["daily_bar"])]  # fmt: skip
        true, wrong = (each.loc[row.date] / each[each.index < row.date].iloc[-1] for each in bars)
        assert abs(true - 1) > 1e-4
        assert wrong == pytest.approx(1, abs=1e-12)


def test_instants_in_utc_show_the_day_before(frames: Frames) -> None:
    date = KINDS["dates_in_utc"].planted(frames, SEED).frames["daily_bar"]["date"]
    assert str(frames["daily_bar"]["date"].iloc[0].date()) == "2020-01-02"
    assert date.iloc[0].isoformat() == "2020-01-01T16:00:00+00:00"


def touched(clean: pd.DataFrame, wrong: pd.DataFrame, by: list[str]) -> set[tuple[str, ...]]:
    """Keys of the rows that only one of two tables has, or whose cells differ (but for rounding)."""
    columns = [name for name in clean.columns if name in wrong and name not in by]
    both = wrong[by + columns].merge(clean, on=by, how="outer", suffixes=("", "_clean"), indicator=True)
    differs = (both["_merge"] != "both").to_numpy()
    for name in columns:
        left, right = both[name], both[f"{name}_clean"]
        same = (left == right) | (left.isna() & right.isna())
        differs = differs | ~same.to_numpy(dtype=bool)
    return set(both.loc[differs, by].astype(str).itertuples(index=False, name=None))


def planted_keys(fault: Fault, table: str) -> set[tuple[str, ...]]:
    """Keys of a table's planted rows."""
    rows = fault.rows[fault.rows["table"] == table]
    return set(rows[KEYS[table]].astype(str).itertuples(index=False, name=None))
