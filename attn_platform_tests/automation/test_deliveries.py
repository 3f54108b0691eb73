"""Files that a vendor delivers: the same ones are one delivery, and half of them is none."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from attn_platform.automation import AutomationConfig, DeliveryConfig, delivery_in

PLAIN = DeliveryConfig(vendor="contract", folder="in", settled_seconds=60)
MARKED = DeliveryConfig(vendor="contract", folder="in", marker="DONE")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "daily_bar").mkdir()
    (tmp_path / "daily_bar" / "2024-01-02.csv").write_text("a", encoding="utf-8")
    (tmp_path / "security.csv").write_text("b", encoding="utf-8")
    return tmp_path


def name_of(folder: Path, config: DeliveryConfig = PLAIN) -> str:
    found = delivery_in(folder, config)
    assert found is not None
    return found.name


def reason(folder: Path, config: DeliveryConfig, seconds: float) -> str | None:
    """What the newest file is waited for, so many seconds after now."""
    found = delivery_in(folder, config)
    assert found is not None
    return found.missing(config, datetime.now(UTC) + timedelta(seconds=seconds))


def test_no_files_are_no_delivery(tmp_path: Path) -> None:
    assert delivery_in(tmp_path, PLAIN) is None
    assert delivery_in(tmp_path / "not there yet", PLAIN) is None
    (tmp_path / "DONE").touch()
    assert delivery_in(tmp_path, MARKED) is None


def test_files_are_whole_once_nothing_changes(folder: Path) -> None:
    assert reason(folder, PLAIN, 59) == "files are coming into in"
    assert reason(folder, PLAIN, 61) is None
    # A copy that keeps the original's time came now all the same
    os.utime(folder / "security.csv", (1e9, 1e9))
    assert reason(folder, PLAIN, 50) == "files are coming into in"


def test_files_are_whole_with_a_marker_that_came_after_them(folder: Path) -> None:
    marker = folder / "DONE"
    assert reason(folder, MARKED, 1e6) == f"waiting for {marker}"
    time.sleep(0.02)
    marker.touch()
    assert reason(folder, MARKED, 0) is None
    time.sleep(0.02)
    (folder / "daily_bar" / "2024-01-03.csv").write_text("c", encoding="utf-8")
    assert reason(folder, MARKED, 1e6) == f"waiting for {marker}"
    time.sleep(0.02)
    marker.touch()
    assert reason(folder, MARKED, 0) is None


def test_the_same_files_are_the_same_delivery(folder: Path) -> None:
    first = name_of(folder)
    assert name_of(folder) == first
    assert datetime.strptime(first.split()[0], "%Y-%m-%dT%H%M%S").year == datetime.now(UTC).year
    (folder / "DONE").touch()
    assert name_of(folder, MARKED) == first
    corrected = folder / "security.csv"
    corrected.write_text("B", encoding="utf-8")
    assert name_of(folder) != first
    second = name_of(folder)
    corrected.unlink()
    assert name_of(folder) != second


def test_names_go_by_the_newest_file(folder: Path) -> None:
    """By when it came: its own time may be that of the original, or of a clock that is ahead."""
    first = name_of(folder)
    time.sleep(1.1)  # names count seconds
    os.utime(folder / "security.csv", (1e9, 1e9))
    assert name_of(folder) > first
    ahead = time.time() + 1e6
    os.utime(folder / "security.csv", (ahead, ahead))
    assert reason(folder, PLAIN, 61) is None


def test_names_of_deliveries_are_names_of_jobs() -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        AutomationConfig.model_validate({"deliveries": {"my files": {"vendor": "contract", "folder": "in"}}})
