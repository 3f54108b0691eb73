from collections.abc import Callable

import pytest
from pydantic import BaseModel

from attn_platform.errors import ConfigurationError
from attn_platform.models import registry
from attn_platform.models.configuration import LSTMConfig, MultiTaskBaselineConfig, NetworkConfig
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.networks.lstm import LSTM
from attn_platform.models.registry import (
    AnyNetworkConfig,
    build_network,
    network_type,
    parse_network_config,
    register_network,
)
from attn_platform.register import Register


def test_a_mapping_becomes_the_named_networks_configuration() -> None:
    config = parse_network_config({"name": "multi_task_baseline", "width": 32})
    assert config == MultiTaskBaselineConfig(width=32)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "no_such_network"}, r"no network 'no_such_network'.*multi_task_baseline"),
        ({"width": 3}, r"no network None"),
        ({"name": "multi_task_baseline", "width": 0}, r"multi_task_baseline.*width"),
        ({"name": "multi_task_baseline", "heads": 4}, r"multi_task_baseline.*heads"),
        ("multi_task_baseline", r"mapping"),
    ],
)
def test_mistakes_are_named(config: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){message}"):
        parse_network_config(config)


def test_unregistered_configuration_cannot_be_built() -> None:
    with pytest.raises(ConfigurationError, match="no network 'nobody'"):
        build_network(NetworkConfig(name="nobody"), 3, 1, [0])


def test_two_networks_cannot_share_a_name() -> None:
    class Impostor(StackedNetwork):
        pass

    with pytest.raises(ConfigurationError, match="multi_task_baseline"):
        register_network(MultiTaskBaselineConfig)(Impostor)


def test_a_class_of_the_same_name_elsewhere_is_refused_with_both_places() -> None:
    elsewhere = type("LSTM", (StackedNetwork,), {"__module__": "elsewhere"})
    with pytest.raises(ConfigurationError, match=r"lstm is defined by attn.*\.LSTM and by elsewhere\.LSTM"):
        register_network(LSTMConfig)(elsewhere)
    assert network_type(LSTMConfig()) is LSTM


def test_a_module_that_runs_again_replaces_its_own_network(scratch: Callable[[Register], None]) -> None:
    scratch(registry.REGISTER)
    again = type("LSTM", (StackedNetwork,), {"__module__": LSTM.__module__})
    register_network(LSTMConfig)(again)
    assert network_type(LSTMConfig()) is again


def test_field_of_any_network_survives_a_round_trip_through_json() -> None:
    class Study(BaseModel):
        network: AnyNetworkConfig

    study = Study(network={"name": "multi_task_baseline", "depth": 3})
    assert study.network == MultiTaskBaselineConfig(depth=3)
    assert Study.model_validate_json(study.model_dump_json()) == study
