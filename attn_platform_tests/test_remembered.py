"""Hashes of the package's source are kept as long as the source is as it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from attn_platform import remembered as module
from attn_platform.factors.catalogue import catalogue
from attn_platform.factors.kernels import rolling_mean
from attn_platform.remembered import remembered, remembering_in, source_state
from attn_platform.source_identity import Definition, source_identity


class Computation:
    """Counts how often it is made."""

    def __init__(self, result: str = "result") -> None:
        self.result, self.count = result, 0

    def __call__(self) -> str:
        self.count += 1
        return self.result


@pytest.fixture(autouse=True)
def nothing_cached() -> Iterator[None]:
    source_identity.cache_clear()
    yield
    source_identity.cache_clear()


def test_what_was_computed_once_is_found_again(tmp_path: Path) -> None:
    compute = Computation()
    for _ in range(2):
        with remembering_in(tmp_path / "kept"):
            assert remembered("key", compute) == "result"
            assert remembered("key", compute) == "result"
    assert compute.count == 1
    [file] = (tmp_path / "kept").iterdir()
    assert file.name == f"{source_state()}.json"
    assert json.loads(file.read_text(encoding="utf-8")) == {"key": "result"}


def test_another_source_knows_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with remembering_in(tmp_path):
        assert remembered("key", Computation("old")) == "old"
    monkeypatch.setattr(module, "source_state", lambda: "changed")
    with remembering_in(tmp_path):
        assert remembered("key", Computation("new")) == "new"


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    compute = Computation()
    with remembering_in(None):
        remembered("key", compute)
    remembered("key", compute)
    assert compute.count == 2
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_read_or_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / f"{source_state()}.json").write_text("{", encoding="utf-8")
    with remembering_in(tmp_path):
        assert remembered("key", Computation()) == "result"
    (tmp_path / "file").touch()
    with remembering_in(tmp_path / "file"):  # no folder can be made there
        assert remembered("key", Computation()) == "result"


def test_a_state_is_that_of_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"remembered.py": "", "deep/other.py": "x = 1", "deep/page.html": "<p>"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "remembered.py"))

    def state() -> str:
        source_state.cache_clear()
        return source_state()

    first = state()
    assert state() == first
    (tmp_path / "deep" / "other.py").write_text("x = 2", encoding="utf-8")
    second = state()
    (tmp_path / "deep" / "other.py").rename(tmp_path / "deep" / "another.py")
    third = state()
    (tmp_path / "deep" / "page.html").write_text("<b>", encoding="utf-8")
    fourth = state()
    assert len({first, second, third, fourth}) == 4
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "other.pyc").write_bytes(b"compiled")
    assert state() == fourth
    monkeypatch.undo()
    source_state.cache_clear()


def test_identities_of_the_package_are_kept_and_others_are_not(tmp_path: Path) -> None:
    own = Definition("attn_platform.models.networks.lstm", "LSTM")

    def elsewhere(x: int) -> int:
        return x

    plain = [source_identity(each) for each in (own, rolling_mean, elsewhere)]
    for _ in range(2):
        source_identity.cache_clear()
        with remembering_in(tmp_path):
            assert [source_identity(each) for each in (own, rolling_mean, elsewhere)] == plain
    [file] = tmp_path.iterdir()
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "1 0 0 attn_platform.factors.kernels.rolling_mean": plain[1],
        "1 0 0 attn_platform.models.networks.lstm.LSTM": plain[0],
    }


def test_a_function_that_was_made_with_values_is_known_by_them(tmp_path: Path) -> None:
    """The factors of a family that one function makes: same name and line, other columns."""
    families = ("inter_day", "intra_day", "expectation")
    made = [each.function for each in catalogue() if each.family in families]
    plain = [source_identity(each) for each in made]
    source_identity.cache_clear()
    with remembering_in(tmp_path):
        assert [source_identity(each) for each in made] == plain
    [file] = tmp_path.iterdir()
    known = json.loads(file.read_text(encoding="utf-8"))
    assert len(known) == len(set(made))
    source_identity.cache_clear()
    file.write_text(json.dumps(dict.fromkeys(known, "remembered")), encoding="utf-8")
    with remembering_in(tmp_path):
        assert {source_identity(each) for each in made} == {"remembered"}


def test_code_without_what_is_cached_is_kept(tmp_path: Path) -> None:
    """As the training's is, which compares identities."""
    with remembering_in(tmp_path):
        source_identity(rolling_mean, without=(source_identity,))
    [file] = tmp_path.iterdir()
    assert list(json.loads(file.read_text(encoding="utf-8"))) == [
        "1 0 1 attn_platform.factors.kernels.rolling_mean attn_platform.source_identity.source_identity"
    ]
