"""A file of several kinds of things gives each to those who name the file for it, and to nobody else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.factors.catalogue import catalogue, catalogue_with
from attn_platform.market.vendors import importers
from attn_platform.market.vendors.registry import importer_of
from attn_platform.models.registry import enter_files, parse_network_config
from attn_platform.portfolio.extension import known_functions

TEXT = """
from typing import Literal

from attn_platform.factors.catalogue import factor
from attn_platform.market.vendors import vendor
from attn_platform.models import NetworkConfig, StackedNetwork, register_network
from attn_platform.portfolio import limit


@factor(name="ret_9d_KIND", family="mine", inputs=("close",), lookback=9, formula="own", source="own")
def ret_9d(x):
    return x.last_close


class MixedConfig(NetworkConfig):
    name: Literal["mixed_KIND"] = "mixed_KIND"


@register_network(MixedConfig)
class Mixed(StackedNetwork):
    pass


@limit
def mixed_limit_KIND(problem):
    return [], 0.0, 1.0


@vendor("mixed_KIND")
def import_mixed(folder, lake, calendar, first=None, last=None, config=None, quarantine=False):
    raise NotImplementedError
"""


def known(kind: str) -> set[str]:
    """Of the things in the file of a kind, those that everybody in this process can have."""
    found = {"factor"} if f"ret_9d_{kind}" in {each.name for each in catalogue()} else set()
    found |= {"vendor"} if f"mixed_{kind}" in importers() else set()
    found |= {"limit"} if f"mixed_limit_{kind}" in known_functions() else set()
    try:
        parse_network_config({"name": f"mixed_{kind}"})
    except ConfigurationError:
        return found
    return found | {"network"}


@pytest.mark.parametrize(
    ("kind", "enter", "everybodys"),
    [
        ("factor", lambda file: catalogue_with((str(file),)), set()),
        ("network", lambda file: enter_files([file]), {"network"}),  # which stay for the process
        ("limit", lambda file: known_functions([file]), set()),
        ("vendor", lambda file: importer_of(str(file)), set()),
    ],
)
def test_a_file_of_several_kinds(
    tmp_path: Path, kind: str, enter: Callable[[Path], object], everybodys: set[str]
) -> None:
    file = tmp_path / "mixed.py"
    file.write_text(TEXT.replace("KIND", kind), encoding="utf-8")
    enter(file)
    assert known(kind) == everybodys


def test_each_kind_is_had_by_naming_the_file_for_it(tmp_path: Path) -> None:
    file = tmp_path / "mixed.py"
    file.write_text(TEXT.replace("KIND", "all"), encoding="utf-8")
    assert catalogue_with((str(file),)).definition("ret_9d_all").file == file
    assert known_functions([file])["mixed_limit_all"].file == file
    enter_files([file])
    assert parse_network_config({"name": "mixed_all"}).name == "mixed_all"
    assert importer_of(str(file)).__name__ == "import_mixed"
