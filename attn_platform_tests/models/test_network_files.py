"""A user's networks: they join by their file, and a name has one place."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.models import registry
from attn_platform.models.configuration import LSTMConfig
from attn_platform.models.networks.lstm import LSTM
from attn_platform.models.registry import build_network, enter_files, network_file, network_type, parse_network_config
from attn_platform.register import Register
from attn_platform.source_identity import source_identity
from attn_platform.studies.loading import load_study
from attn_platform.studies.study import StudyConfig

NETWORK = """
from typing import Literal

from attn_platform.models import NetworkConfig, StackedNetwork, register_network
from attn_platform.models.layers.stacked_linear import StackedLinear


class OwnConfig(NetworkConfig):
    name: Literal["NAME"] = "NAME"
    bias: float = 1.0


@register_network(OwnConfig)
class Own(StackedNetwork):
    def __init__(self, config, feature_count, task_count, generators):
        super().__init__(config, feature_count, task_count, generators)
        self.heads = StackedLinear(feature_count, task_count, generators)

    def forward(self, batch):
        return self.heads(batch.features)
"""
STUDY = """
name: mine
title: Mine
features: [ret_5d]
network_files: [FILES]
models: [{name: first, network: {name: NAME, bias: 2.0}, labels: {horizons: [10]}}]
strategies: [{name: first, model: first, horizon: 10d}]
"""


@pytest.fixture(autouse=True)
def _registered_for_a_test_only(scratch: Callable[[Register], None]) -> None:
    scratch(registry.REGISTER)


def write(file: Path, name: str = "own", text: str = NETWORK) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.replace("NAME", name), encoding="utf-8")
    return file


def load(folder: Path, name: str = "own", files: str = "my_networks.py") -> StudyConfig:
    folder.mkdir(parents=True, exist_ok=True)
    study = folder / "study.yaml"
    study.write_text(STUDY.replace("NAME", name).replace("FILES", files), encoding="utf-8")
    return load_study(str(study))


def test_a_study_names_a_network_of_its_file(tmp_path: Path) -> None:
    file = write(tmp_path / "my_networks.py")
    config = load(tmp_path).models[0].network
    assert config.model_dump() == {"name": "own", "bias": 2.0}
    assert network_file(config) == file
    assert network_file(LSTMConfig()) is None
    assert build_network(config, 3, 1, [0, 1]).heads.weight.shape[0] == 2
    assert type(parse_network_config({"name": "own"})) is type(config), "as a checkpoint's manifest is parsed"


@pytest.mark.slow
def test_another_process_knows_it_once_it_has_opened_the_study(tmp_path: Path) -> None:
    write(tmp_path / "my_networks.py")
    load(tmp_path)
    code = (
        "from attn_platform.studies.loading import load_study\n"
        "from attn_platform.models.registry import parse_network_config\n"
        f"load_study({str(tmp_path / 'study.yaml')!r})\n"
        "print(type(parse_network_config({'name': 'own', 'bias': 3})).__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "OwnConfig"


def test_a_study_that_does_not_name_the_file_lacks_the_network(tmp_path: Path) -> None:
    """Though the process knows it: the next one would not."""
    file = write(tmp_path / "one" / "my_networks.py")
    load(tmp_path / "one")
    with pytest.raises(ConfigurationError, match=rf"model first: network own is of {file}; name it in network_files"):
        load(tmp_path / "other", files="")


def test_an_edited_file_replaces_its_own_networks(tmp_path: Path) -> None:
    file = write(tmp_path / "my_networks.py")
    before = load(tmp_path).models[0].network
    first, first_identity = network_type(before), source_identity(network_type(before))
    write(file, text=NETWORK.replace("self.heads(batch", "2 * self.heads(batch"))
    after = load(tmp_path).models[0].network
    assert source_identity(network_type(after)) != first_identity
    write(file, "renamed")
    load(tmp_path, "renamed")
    with pytest.raises(ConfigurationError, match="there is no network 'own'"):
        parse_network_config({"name": "own"})
    write(file)
    assert network_type(load(tmp_path).models[0].network) is first, "a text that has run is not run again"
    source_identity.cache_clear()
    assert source_identity(first) == first_identity, "of its own text, not of the last one that ran"


def test_identities_tell_what_a_network_does(tmp_path: Path) -> None:
    def identity(folder: str, text: str) -> str:
        write(tmp_path / folder / "my_networks.py", folder, text)
        config = load(tmp_path / folder, folder).models[0].network
        return source_identity(network_type(config))

    plain = identity("plain", NETWORK)
    assert identity("comment", f"# a comment\n{NETWORK}") == plain
    assert identity("minus", NETWORK.replace("return self", "return -self")) != plain


def test_the_name_of_a_platforms_network_is_taken(tmp_path: Path) -> None:
    """Also where its class is called the same."""
    file = write(tmp_path / "my_networks.py", "lstm", NETWORK.replace("class Own(", "class LSTM("))
    message = rf"network lstm is defined by attn_platform\.models\.networks\.lstm\.LSTM and by {file} \(LSTM\)"
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path, "lstm")
    assert network_type(LSTMConfig()) is LSTM


def test_the_name_of_another_files_network_is_taken(tmp_path: Path) -> None:
    one, other = (write(tmp_path / name) for name in ("one.py", "other.py"))
    enter_files([one])
    with pytest.raises(ConfigurationError, match=rf"network own is defined by {one} \(Own\) and by {other} \(Own\)"):
        enter_files([other])
    assert network_file(parse_network_config({"name": "own"})) == one


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r": defines no network; decorate a class with @register_network"),
        ("import not_there\n", r", line 1: ModuleNotFoundError: No module named 'not_there'; correct it"),
        (NETWORK + NETWORK, r", line \d+: network own is defined by .* \(Own\) and by .* \(Own\); rename one"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path / "my_networks.py", text=text)
    with pytest.raises(ConfigurationError, match=f"study.yaml: {file}{message}"):
        load(tmp_path)


def test_an_installed_package_brings_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "brought_networks.py", "brought")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("brought", "brought_networks", "attn_platform.networks")
    asked: list[str] = []
    monkeypatch.setattr("attn_platform.register.entry_points", lambda group: asked.append(group) or [point])
    monkeypatch.setattr(registry.REGISTER, "_is_loaded", False)
    assert network_file(parse_network_config({"name": "brought"})) is None
    assert asked == ["attn_platform.networks"]
