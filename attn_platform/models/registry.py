"""The models that a configuration can name: networks, and trees.

A new network is one file: a `NetworkConfig` with its own literal `name`, and a `StackedNetwork` under
`@register_network(ThatConfig)`. It is then trained by naming it in a configuration: `{"name": "my_network", ...}`.
Such a file is a user's own that a study names (`enter_files`), or a module that an installed package names under the
entry-point group `attn_platform.networks`. The platform's own are those of `configuration.MODELS`; the module of a
network is loaded when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from attn_platform.errors import ConfigurationError
from attn_platform.models.configuration import MODELS, NetworkConfig
from attn_platform.register import Register, origin_of
from attn_platform.source_identity import Definition

if TYPE_CHECKING:
    from attn_platform.models.networks.base import StackedNetwork

_NetworkType = TypeVar("_NetworkType", bound="type[StackedNetwork]")


class _Entry(NamedTuple):
    """A model: its configuration, its network if it is one, its name, and the user's file that defines it."""

    config: type[NetworkConfig]
    network: type[StackedNetwork] | Definition | None
    name: str
    file: Path | None

    @property
    def origin(self) -> str:
        """The user's file and the class in it, or module and class."""
        if isinstance(self.network, Definition):
            return ".".join(self.network)
        return origin_of(self.network or self.config, self.file)


def _name_of(config_type: type[NetworkConfig]) -> str:
    name: str = config_type.model_fields["name"].default
    return name


# Part of what every training is, through `build_network`: rewritten, it would refuse the checkpoints made before.
_registry: dict[str, _Entry] = {}
_registry.update(
    {_name_of(config): _Entry(config, network, _name_of(config), None) for config, network in MODELS.items()}
)
REGISTER = Register[_Entry](
    "network",
    option="network_files",
    remedy="defines no network; decorate a class with @register_network(…)",
    group="attn_platform.networks",
    entries=_registry,
)


def register_network(config_type: type[NetworkConfig]) -> Callable[[_NetworkType], _NetworkType]:
    """Class decorator: `config_type` (its `name` has a default) configures the decorated network."""

    def register(registered: _NetworkType) -> _NetworkType:
        REGISTER.enter(registered, lambda file: _Entry(config_type, registered, _name_of(config_type), file))
        return registered

    return register


def enter_files(files: Iterable[str | Path]) -> None:
    """Enter the networks of a user's files, each in place of what an earlier text of the same file defined.

    They stay for the process: checkpoints name their network. `ConfigurationError` names the file, and the line where
    there is one: no such file, no valid Python, an error while it runs, no network in it, or a name that is taken.
    """
    REGISTER.keep_files(files)


def _entry(name: object) -> _Entry:
    if not isinstance(name, str) or name not in _registry:
        raise ConfigurationError(
            f"there is no network {name!r}; the networks are {', '.join(sorted(_registry))}. A network of your own: "
            "name its file in network_files"
        )
    return _registry[name]


def parse_network_config(config: Mapping[str, Any] | NetworkConfig) -> NetworkConfig:
    """The typed configuration of the network that `config["name"]` names; ConfigurationError if it is none."""
    if isinstance(config, NetworkConfig):
        return config
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"a network's configuration is a mapping with a name, not {config!r}")
    REGISTER.everybodys()  # those of installed packages are entered by now
    config_type = _entry(config.get("name")).config
    try:
        return config_type.model_validate(config)
    except ValidationError as error:
        raise ConfigurationError(f"configuration of network {config['name']!r}: {error}") from error


def network_source(config: NetworkConfig) -> type[StackedNetwork] | Definition | None:
    """The class of the network that `config` configures, or where it stands; None of a model that is no network."""
    return _entry(config.name).network


def network_type(config: NetworkConfig) -> type[StackedNetwork] | None:
    """The class of the network that `config` configures; None of a model that is no network."""
    source = network_source(config)
    if not isinstance(source, Definition):
        return source
    loaded: type[StackedNetwork] = source.load()
    return loaded


def network_file(config: NetworkConfig) -> Path | None:
    """The user's file that defines the network of `config`; None of one of the platform or of an installed package."""
    return _entry(config.name).file


def build_network(config: NetworkConfig, feature_count: int, task_count: int, seeds: Sequence[int]) -> StackedNetwork:
    """The network of `config` with one member a seed; a member depends on its own seed only."""
    import torch

    built = network_type(config)
    if built is None:
        raise ConfigurationError(f"{config.name!r} is no network that is trained by gradient descent")
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return built(config, feature_count, task_count, generators)


AnyNetworkConfig = Annotated[NetworkConfig, BeforeValidator(parse_network_config), SerializeAsAny()]
"""Field type for configurations that hold a network's: a mapping becomes the named network's own type."""
