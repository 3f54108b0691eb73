"""`attn import` that is killed at any step: lake and settings stay as they were, or both are what the import makes."""

import shutil
from pathlib import Path

import pytest

# What the command imports when it runs: once here, not in each process that is killed
from attn_platform.cli import main
from attn_platform.market.lake.layout import IMPORTED
from attn_platform.market.vendors import importers
from attn_platform.studies.places import SETTINGS_FILE
from attn_platform.studies.settings import PENDING, Home
from attn_platform_tests.killing import killed_at_every_step
from attn_platform_tests.market.vendor_files import SESSIONS, contract_tables, write_files

VENDOR = "contract"


def attn_import(folder: Path, *options: str) -> None:
    """Run the command on the files of a folder, into its home."""
    with pytest.raises(SystemExit) as end:
        main(["import", VENDOR, str(folder / "files"), "--home", str(folder / "home"), *options])
    assert not end.value.code


def import_the_first_day(folder: Path) -> None:
    attn_import(folder, "--end", SESSIONS[0])


def state(folder: Path) -> tuple[str | None, str | None]:
    """First session of the lake, and of the settings where there are any."""
    home = Home.open(folder / "home")
    held = home.lake.sessions("daily_bar")
    return (
        str(held[0]) if len(held) else None,
        home.settings.first_session if home.has_settings else None,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "held",
    [pytest.param(None, id="new home"), pytest.param(SESSIONS[1], id="home with a lake")],
)
def test_lake_and_settings_change_together(tmp_path: Path, held: str | None) -> None:
    start = tmp_path / "start"
    write_files(start / "files", contract_tables())
    if held:
        attn_import(start, "--start", held)
    # The files of the lake that nobody reads yet have a test of their own
    folders = killed_at_every_step(import_the_first_day, start, tmp_path / "killed", but_for=f"/{IMPORTED}")
    waiting = [len([*(folder / "home").glob(f"{PENDING}*")]) for folder in folders]
    states = [state(folder) for folder in folders]
    turn = states.index((SESSIONS[0], SESSIONS[0]))
    assert states == [(held, held)] * turn + [(SESSIONS[0], SESSIONS[0])] * (len(folders) - turn)
    # Somewhere the settings waited for an import that never came, and somewhere it was there already.
    assert any(waiting[:turn])
    assert any(waiting[turn:])
    for folder in (folders[turn - 1], folders[turn]):
        import_the_first_day(folder)
        assert state(folder) == (SESSIONS[0], SESSIONS[0])
        assert not [*(folder / "home").glob(f"{PENDING}*")]


def test_settings_that_a_user_changes_after_an_import_are_the_users(tmp_path: Path) -> None:
    write_files(tmp_path / "files", contract_tables())
    attn_import(tmp_path, "--start", SESSIONS[1])
    old = tmp_path / "old.yaml"
    shutil.copy(tmp_path / "home" / SETTINGS_FILE, old)
    import_the_first_day(tmp_path)
    shutil.copy(old, tmp_path / "home" / SETTINGS_FILE)
    assert state(tmp_path) == (SESSIONS[0], SESSIONS[1])


def test_the_vendor_is_one_that_can_be_imported() -> None:
    assert VENDOR in importers()
