"""The models that a configuration can name: networks, and trees.

A new network is one file in `networks/`: a `NetworkConfig` with its own literal `name`, and a `StackedNetwork` under
`@register_network(ThatConfig)`. It is then trained by naming it in a configuration: `{"name": "my_network", ...}`.
A network kept outside of this package registers itself when its module is imported.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import torch
from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from attn_platform.errors import ConfigurationError
from attn_platform.models import networks
from attn_platform.models.networks.base import NetworkConfig, StackedNetwork

TREES = "attn_platform.models.trees"

_ConfigType = TypeVar("_ConfigType", bound=type[NetworkConfig])
_NetworkType = TypeVar("_NetworkType", bound=type[StackedNetwork])
_Entry = tuple[type[NetworkConfig], type[StackedNetwork] | None]
_registry: dict[str, _Entry] = {}


def register_config(config_type: _ConfigType) -> _ConfigType:
    """Class decorator: a model that is configured like a network and is none, and so is trained in its own way."""
    _register(config_type, None)
    return config_type


def register_network(config_type: type[NetworkConfig]) -> Callable[[_NetworkType], _NetworkType]:
    """Class decorator: `config_type` (its `name` has a default) configures the decorated network."""

    def register(registered: _NetworkType) -> _NetworkType:
        _register(config_type, registered)
        return registered

    return register


def _register(config_type: type[NetworkConfig], registered: type[StackedNetwork] | None) -> None:
    name = config_type.model_fields["name"].default
    held_config, held_network = _registry.get(name, (config_type, registered))
    held, own = held_network or held_config, registered or config_type
    if held.__qualname__ != own.__qualname__:
        raise ConfigurationError(f"two networks are called {name!r}: {held.__qualname__} and {own}")
    _registry[name] = (config_type, registered)


def _entry(name: object) -> _Entry:
    for module in pkgutil.iter_modules(networks.__path__, prefix=f"{networks.__name__}."):
        importlib.import_module(module.name)
    importlib.import_module(TREES)
    if not isinstance(name, str) or name not in _registry:
        raise ConfigurationError(f"there is no network {name!r}; the networks are {', '.join(sorted(_registry))}")
    return _registry[name]


def parse_network_config(config: Mapping[str, Any] | NetworkConfig) -> NetworkConfig:
    """The typed configuration of the network that `config["name"]` names; ConfigurationError if it is none."""
    if isinstance(config, NetworkConfig):
        return config
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"a network's configuration is a mapping with a name, not {config!r}")
    config_type, _ = _entry(config.get("name"))
    try:
        return config_type.model_validate(config)
    except ValidationError as error:
        raise ConfigurationError(f"configuration of network {config['name']!r}: {error}") from error


def network_type(config: NetworkConfig) -> type[StackedNetwork] | None:
    """The class of the network that `config` configures; None of a model that is no network."""
    return _entry(config.name)[1]


def build_network(config: NetworkConfig, feature_count: int, task_count: int, seeds: Sequence[int]) -> StackedNetwork:
    """The network of `config` with one member a seed; a member depends on its own seed only."""
    built = network_type(config)
    if built is None:
        raise ConfigurationError(f"{config.name!r} is no network that is trained by gradient descent")
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return built(config, feature_count, task_count, generators)


AnyNetworkConfig = Annotated[NetworkConfig, BeforeValidator(parse_network_config), SerializeAsAny()]
"""Field type for configurations that hold a network's: a mapping becomes the named network's own type."""
