"""A user's factor files: they join the catalogues that name them and no other, and every mistake has its place."""

import sys
from pathlib import Path

import numpy as np
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.factors import catalogue, engine
from attn_platform.factors.catalogue import Catalogue, catalogue_with
from attn_platform.factors.inputs import FactorConfig, FactorInputs
from attn_platform_tests.factors.hostile import hostile_panel

FACTOR = """\
from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import lag, ratio


@factor(name="{name}", family="{family}", inputs=("{column}", "adj_factor"), lookback={n},
        formula="close[T] / close[T−{n}] − 1", source="our own")
def own(x):
    return ratio(x.last_close, lag(x.last_close, {n})) - 1
"""


def write(file: Path, name: str = "ret_2d", family: str = "mine", column: str = "close", n: int = 2) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(FACTOR.format(name=name, family=family, column=column, n=n), encoding="utf-8")
    return file


def names(known: Catalogue) -> list[str]:
    return [definition.name for definition in known]


def test_a_files_factor_stands_after_those_of_the_package(tmp_path: Path) -> None:
    file = write(tmp_path / "my_factors.py")
    known = catalogue_with([file])
    assert names(known) == [*names(catalogue.catalogue()), "ret_2d"]
    assert known.families[-1] == "mine"
    definition = known.definition("ret_2d")
    assert definition.file == file
    assert definition.origin == f"{file} (own)"
    panel = hostile_panel()
    values = engine.factor_values(definition, FactorInputs(panel, FactorConfig()))
    close = panel.fields["close"] * panel.fields["adj_factor"]
    np.testing.assert_allclose(values[2:, :6], close[2:, :6] / close[:-2, :6] - 1, rtol=1e-12)


def test_a_file_may_add_to_an_existing_family(tmp_path: Path) -> None:
    known = catalogue_with([write(tmp_path / "my_factors.py", family="reversal")])
    assert [definition.name for definition in known.family("reversal")][-1] == "ret_2d"
    assert known.families == catalogue.catalogue().families


def test_nothing_of_a_file_is_left_in_the_process(tmp_path: Path) -> None:
    before = names(catalogue.catalogue())
    catalogue_with([write(tmp_path / "my_factors.py")])
    assert names(catalogue.catalogue()) == before
    with pytest.raises(ConfigurationError, match="no factor 'ret_2d'"):
        catalogue.catalogue().definition("ret_2d")
    assert names(catalogue_with([])) == before


def test_two_homes_may_have_files_and_factors_of_the_same_names(tmp_path: Path) -> None:
    one, other = (write(tmp_path / home / "my_factors.py", n=n) for home, n in (("one", 2), ("other", 3)))
    first, second = (catalogue_with([file]).definition("ret_2d") for file in (one, other))
    assert (first.lookback, second.lookback) == (2, 3)
    assert first.function.__module__ != second.function.__module__
    assert {definition.function.__module__ for definition in (first, second)} <= set(sys.modules)
    assert catalogue_with([one]).definition("ret_2d") is first, "the other home's file changes nothing here"


def test_a_file_is_run_once_for_each_of_its_contents(tmp_path: Path) -> None:
    file = write(tmp_path / "my_factors.py")
    (tmp_path / "runs").write_text("", encoding="utf-8")
    counting = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n"
    file.write_text(counting + file.read_text(encoding="utf-8"), encoding="utf-8")
    first = catalogue_with([file]).definition("ret_2d")
    assert catalogue_with([file]).definition("ret_2d") is first
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "x"
    write(file, n=3)
    assert catalogue_with([file]).definition("ret_2d").lookback == 3


def test_a_file_named_twice_is_one_file(tmp_path: Path) -> None:
    file = write(tmp_path / "my_factors.py")
    assert names(catalogue_with([file, tmp_path / "." / ".." / tmp_path.name / "my_factors.py"]))[-1:] == ["ret_2d"]


def test_a_module_that_a_file_imports_joins_with_its_helpers_only(tmp_path: Path) -> None:
    """Factors of the package stay where they are, also where a file imports their modules."""
    file = write(tmp_path / "my_factors.py")
    text = file.read_text(encoding="utf-8")
    file.write_text(f"from attn_platform.factors.families import volatility\n{text}", encoding="utf-8")
    own = [definition for definition in catalogue_with([file]) if definition.file is not None]
    assert [definition.name for definition in own] == ["ret_2d"]


def test_dataclasses_of_a_file_find_their_module(tmp_path: Path) -> None:
    file = write(tmp_path / "my_factors.py")
    text = file.read_text(encoding="utf-8")
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n"
        f"@dataclass(slots=True)\nclass Window:\n    length: int = 3\n\n\n{text}",
        encoding="utf-8",
    )
    assert names(catalogue_with([file]))[-1] == "ret_2d"


GOOD = FACTOR.format(name="ret_2d", family="mine", column="close", n=2)
MISTAKES = {
    "syntax": (GOOD.replace("def own(x):", "def own(x:"), ", line 7: SyntaxError: "),
    "import": ("import not_there\n" + GOOD, ", line 1: ModuleNotFoundError: No module named 'not_there'; correct it"),
    "error of a helper": (
        GOOD + "\n\nlag([1], -1)\n",
        ", line 11: a lag of -1 sessions would read the future",
    ),
    "column": (GOOD.replace('"close"', '"clsoe"'), ", line 5: factor ret_2d: no raw table has a column 'clsoe' "),
    "future": (GOOD.replace("lookback=2", "lookback=-2"), ", line 5: factor ret_2d: a look-back of -2 sessions would"),
    "argument": (GOOD.replace("lookback=2", "look_back=2"), ", line 5: TypeError: "),
    "no factor": ("x = 1\n", ": defines no factor; decorate a function with @factor"),
    "empty": ("", ": defines no factor"),
    "twice": (
        GOOD + GOOD.split("\n", 2)[2],
        "factor ret_2d is defined by {file} (own) and by {file} (own); rename one of",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, mistake: str) -> None:
    content, expected = MISTAKES[mistake]
    file = tmp_path / "my_factors.py"
    file.write_text(content, encoding="utf-8")
    modules = set(sys.modules)
    with pytest.raises(ConfigurationError) as raised:
        catalogue_with([file])
    assert str(raised.value).startswith(str(file))
    assert expected.format(file=file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not {name for name in set(sys.modules) - modules if "my_factors" in name}


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.py: no such file; put it there, or correct factor_files"):
        catalogue_with([tmp_path / "none.py"])
    with pytest.raises(ConfigurationError, match=r"cannot be read \(.*\); give a Python file"):
        catalogue_with([tmp_path])
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"bytes\.py"):
        catalogue_with([tmp_path / "bytes.py"])


def test_a_clash_names_both(tmp_path: Path) -> None:
    file = write(tmp_path / "my_factors.py", name="std_1m")
    with pytest.raises(ConfigurationError) as raised:
        catalogue_with([file])
    assert str(raised.value) == (
        f"factor std_1m is defined by attn_platform.factors.families.volatility.std_1m and by {file} (own); "
        "rename one of them"
    )
    one, other = write(tmp_path / "one.py"), write(tmp_path / "other.py")
    with pytest.raises(ConfigurationError) as raised:
        catalogue_with([one, other])
    assert str(raised.value) == f"factor ret_2d is defined by {one} (own) and by {other} (own); rename one of them"


def test_a_file_corrected_after_a_mistake_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "my_factors.py"
    file.write_text(MISTAKES["syntax"][0], encoding="utf-8")
    with pytest.raises(ConfigurationError):
        catalogue_with([file])
    assert "ret_2d" in names(catalogue_with([write(file)]))
