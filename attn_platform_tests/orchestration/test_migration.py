"""Homes of other versions: older ones are read and can be brought up to date, newer ones are refused."""

import re
from pathlib import Path

import pytest
import yaml

from attn_platform.cli import main
from attn_platform.errors import ConfigurationError
from attn_platform.orchestration import migration
from attn_platform.orchestration.instance import CONFIGURATION, packaged_configuration
from attn_platform.orchestration.migration import migrate
from attn_platform.studies import loading
from attn_platform.studies.loading import load_study
from attn_platform.studies.places import SETTINGS_FILE
from attn_platform.studies.settings import Home
from attn_platform.studies.versions import SCHEMA_VERSION, VERSION_KEY, with_new_names
from attn_platform_tests.homes import tiny_home


def settings_of(home: Home) -> dict:
    content: dict = yaml.safe_load((home.root / SETTINGS_FILE).read_text(encoding="utf-8"))
    return content


@pytest.fixture
def older(tmp_path: Path) -> Home:
    """A home as the version before schema versions left it."""
    home = tiny_home(tmp_path / "older")
    home.save()
    content = {name: value for name, value in settings_of(home).items() if name != VERSION_KEY}
    (home.root / SETTINGS_FILE).write_text(yaml.safe_dump(content), encoding="utf-8")
    home.dagster.mkdir()
    without_coordinator = re.sub(r"run_coordinator:\n(  .*\n)+\n", "", packaged_configuration())
    (home.dagster / CONFIGURATION).write_text(without_coordinator, encoding="utf-8")
    return Home.open(home.root)


def test_a_new_home_has_the_version_of_today(tmp_path: Path) -> None:
    home = tiny_home(tmp_path / "new")
    home.save()
    assert settings_of(home)[VERSION_KEY] == SCHEMA_VERSION
    assert list(migrate(Home.open(home.root))) == [f"{home.root} is up to date (schema version {SCHEMA_VERSION})"]


def test_an_older_home_is_read_as_it_is_and_stays_so(older: Home) -> None:
    assert older.settings.schema_version == 1
    assert older.study.name == "tiny"
    older.save()
    assert settings_of(older)[VERSION_KEY] == 1, "only a migration makes it newer"


def test_an_older_home_is_brought_up_to_date_with_a_backup(
    older: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (older.root / name).read_bytes() for name in (SETTINGS_FILE, f"dagster/{CONFIGURATION}")}
    main_exits_well(["migrate", "--home", str(older.root)])
    said = " ".join(capsys.readouterr().out.split())
    assert f"schema version 1 → {SCHEMA_VERSION}; what was replaced is in" in said
    backup = older.root / "backup-version-1"
    assert {name: (backup / Path(name).name).read_bytes() for name in before} == before
    migrated = Home.open(older.root)
    assert migrated.settings == older.settings.model_copy(update={VERSION_KEY: SCHEMA_VERSION})
    assert (older.dagster / CONFIGURATION).read_text(encoding="utf-8") == packaged_configuration()
    main_exits_well(["migrate", "--home", str(older.root)])
    assert "is up to date" in " ".join(capsys.readouterr().out.split())


def test_a_configuration_that_somebody_edited_is_left_alone(older: Home) -> None:
    file = older.dagster / CONFIGURATION
    edited = file.read_text(encoding="utf-8").replace("max_concurrent_runs: 2", "max_concurrent_runs: 8")
    file.write_text(edited, encoding="utf-8")
    said, _ = list(migrate(older))
    assert said.startswith(f"{file} was edited and is left as it is")
    assert file.read_text(encoding="utf-8") == edited
    assert not (older.root / "backup-version-1" / CONFIGURATION).exists()


def test_a_killed_migration_goes_on_with_the_first_backup(older: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (older.dagster / CONFIGURATION).read_bytes()

    def killed(home: Home) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Home, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            list(migrate(older))
    assert Home.open(older.root).settings.schema_version == 1
    list(migrate(Home.open(older.root)))
    assert Home.open(older.root).settings.schema_version == SCHEMA_VERSION
    assert (older.root / "backup-version-1" / CONFIGURATION).read_bytes() == before


def test_a_newer_home_is_refused_by_name(older: Home) -> None:
    newer = {**settings_of(older), VERSION_KEY: SCHEMA_VERSION + 1}
    (older.root / SETTINGS_FILE).write_text(yaml.safe_dump(newer), encoding="utf-8")
    message = f"schema version {SCHEMA_VERSION + 1}, made by a newer attn_platform; this one knows versions up to"
    with pytest.raises(ConfigurationError, match=f"{SETTINGS_FILE}: a home of {message}"):
        Home.open(older.root)


def test_a_former_name_is_understood_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loading, "RENAMED_IN_STUDIES", {("strategies", "limits", "one_way"): "turnover"})
    changes = {"strategies": [{"name": "multi_task_baseline_10d", "limits": {"one_way": 0.25}}]}
    study = load_study("ai69", changes)
    assert study.strategy("multi_task_baseline_10d").limits.turnover == 0.25
    assert "changes of the home: strategies.limits.one_way is now called turnover; rename it" in caplog.text
    changes["strategies"][0]["limits"]["turnover"] = 0.3
    with pytest.raises(ConfigurationError, match="is now called turnover, which is there as well"):
        load_study("ai69", changes)


def test_names_that_did_not_change_are_left_alone() -> None:
    content = {"a": {"b": [1, {"c": 2}]}, "d": "e"}
    assert with_new_names(content, {("a", "x"): "y", ("d", "e"): "f"}, "here") == content


def test_the_earlier_configurations_are_those_that_were_written(older: Home) -> None:
    content = (older.dagster / CONFIGURATION).read_bytes()
    assert migration.sha256(content).hexdigest()[:16] in migration.EARLIER_CONFIGURATIONS


def main_exits_well(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
