"""Index weights: percent or fractions, sums that are off, snapshots between which they are carried."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.market.quality.weights import scaled_to_one
from attn_platform.market.vendors import ImportReport
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.market.vendors.contract_files import import_contract_files
from attn_platform_tests.market.small_market import Frames, of_sessions, sessions_of, small_market, write_csv

CALENDAR = exchange_calendar()


@pytest.fixture
def market() -> Frames:
    return small_market()


def imported(frames: Frames, folder: Path, lake: Lake, **options: object) -> ImportReport:
    return import_contract_files(write_csv(frames, folder), lake, CALENDAR, **options)  # type: ignore[arg-type]


def weights(lake: Lake) -> pd.DataFrame:
    return lake.read("index_weight").to_pandas().pivot(index="date", columns="symbol", values="weight")


def noted(report: ImportReport) -> dict[str, int]:
    return {finding.check: finding.count for finding in report.findings}


def test_percent_and_fractions_are_told_by_date_and_index(market: Frames, tmp_path: Path) -> None:
    days, weight = sessions_of(market), market["index_weight"].copy()
    percent = weight["date"] >= days[5]
    weight.loc[percent, "weight"] = (weight.loc[percent, "weight"] * 100).round(3)  # as publishers round them
    lake = Lake(tmp_path / "lake")
    report = imported(market | {"index_weight": weight}, tmp_path / "files", lake)
    assert noted(report)["weights_in_percent"] == percent.sum()
    found = weights(lake)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.iloc[-1], found.iloc[0], atol=1e-5)


def test_sums_off_by_rounding_are_scaled_and_others_refused(market: Frames, tmp_path: Path) -> None:
    days, weight = sessions_of(market), market["index_weight"].copy()
    first = weight["date"] == days[2]
    weight.loc[first, "weight"] *= 1.0011  # the widest of 358 published lists
    weight.loc[weight.index[first][0], "weight"] = -1e-12
    lake = Lake(tmp_path / "lake")
    report = imported(market | {"index_weight": weight}, tmp_path / "files", lake)
    assert noted(report)["weights_scaled"] == first.sum()
    np.testing.assert_allclose(weights(lake).sum(axis=1), 1.0, rtol=1e-12)
    assert weights(lake).min().min() == 0
    lost = market["index_weight"].drop(index=market["index_weight"].index[first][-3:])
    with pytest.raises(
        ContractError,
        match=rf"date {days[2]}, index csi500, .*0\.83361345 over 31 members.*16\.6% of the index is missing",
    ):
        imported(market | {"index_weight": lost}, tmp_path / "lost", lake)


def test_a_snapshot_is_carried_to_the_next_one_and_never_back(market: Frames, tmp_path: Path) -> None:
    days, weight = sessions_of(market), market["index_weight"]
    equal = weight.assign(weight=1 / 34)
    snapshots = pd.concat([weight[weight["date"] == days[2]], equal[equal["date"] == days[9]]])
    lake = Lake(tmp_path / "lake")
    report = imported(market | {"index_weight": snapshots}, tmp_path / "files", lake)
    found = weights(lake)
    assert list(found.index) == [day.item() for day in days[2:]]
    assert noted(report)["weights_carried"] == 34 * (12 - 2)
    assert (found.iloc[:7] == found.iloc[0]).all().all()
    np.testing.assert_allclose(found.iloc[7:], 1 / 34)


def test_weights_drift_with_the_prices_of_their_members(market: Frames, tmp_path: Path) -> None:
    days, weight = sessions_of(market), market["index_weight"]
    lake = Lake(tmp_path / "lake")
    snapshot = weight[weight["date"] == days[0]]
    imported(market | {"index_weight": snapshot}, tmp_path / "files", lake, config=ImportConfig(weight_carry="drift"))
    bar = market["daily_bar"].assign(growth=lambda f: f["close"] / f["pre_close"])
    growth = bar.pivot(index="date", columns="symbol", values="growth")[snapshot["symbol"].tolist()]
    value = snapshot["weight"].to_numpy() * growth.iloc[1:8].prod().to_numpy()
    np.testing.assert_allclose(weights(lake).iloc[7], value / value.sum())


def test_a_nightly_import_without_weights_carries_those_of_the_lake(market: Frames, tmp_path: Path) -> None:
    days, lake = sessions_of(market), Lake(tmp_path / "lake")
    imported(of_sessions(market, days[:3]), tmp_path / "first", lake)
    tonight = of_sessions(market, days[3:4])
    del tonight["index_weight"]
    report = imported(tonight, tmp_path / "second", lake)
    assert noted(report)["weights_carried"] == 34
    assert (weights(lake).iloc[3] == weights(lake).iloc[2]).all()
    assert "index_weight" not in report.absent_tables


def test_members_without_a_bar_are_named(market: Frames, tmp_path: Path) -> None:
    weight = market["index_weight"].copy()
    weight.loc[0, "symbol"] = "600098.SH"
    report = imported(market | {"index_weight": weight}, tmp_path / "files", Lake(tmp_path / "lake"))
    (said,) = [finding for finding in report.findings if finding.check == "members_without_bar"]
    assert said.count == 1
    assert said.examples[0]["symbol"] == "600098.SH"


def test_groups_are_scaled_by_themselves() -> None:
    weight = np.array([0.5, 0.5, 60.0, 40.1, 0.3, 0.3, np.inf])
    group = np.array([0, 0, 1, 1, 2, 2, 3])
    found, in_percent, rounded = scaled_to_one(weight, group)
    np.testing.assert_allclose(found, [0.5, 0.5, 60 / 100.1, 40.1 / 100.1, 0.3, 0.3, np.inf])
    assert in_percent.tolist() == [False, False, True, True, False, False, False]
    assert rounded.tolist() == [False, False, True, True, False, False, False]
