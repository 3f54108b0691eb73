"""The models that a configuration can name: networks, and trees.

A new network is one file: a `NetworkConfig` with its own literal `name`, and a `StackedNetwork` under
`@register_network(ThatConfig)`. It is then trained by naming it in a configuration: `{"name": "my_network", ...}`.
Such a file is a user's own that a study names (`enter_files`), or a module that an installed package names under the
entry-point group `attn_platform.networks`. The platform's own are those of `configuration.MODELS`; the module of a
network is loaded when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from attn_platform.errors import ConfigurationError
from attn_platform.models.configuration import MODELS, NetworkConfig
from attn_platform.source_identity import Definition
from attn_platform.user_files import RunningFile, registered_in

if TYPE_CHECKING:
    from attn_platform.models.networks.base import StackedNetwork

ENTRY_POINT_GROUP = "attn_platform.networks"

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
        defined = self.network or self.config
        return f"{self.file} ({defined.__qualname__})" if self.file else f"{defined.__module__}.{defined.__qualname__}"


_registry: dict[str, _Entry] = {}
_running_file = RunningFile[_Entry]("networks")


def register_network(config_type: type[NetworkConfig]) -> Callable[[_NetworkType], _NetworkType]:
    """Class decorator: `config_type` (its `name` has a default) configures the decorated network."""

    def register(registered: _NetworkType) -> _NetworkType:
        _register(config_type, registered)
        return registered

    return register


def _register(config_type: type[NetworkConfig], registered: type[StackedNetwork]) -> None:
    file, register = _running_file.register_for(registered, _registry)
    entry = _Entry(config_type, registered, _name_of(config_type), file)
    known = register.get(entry.name)
    if file is None and known is not None and known.origin == entry.origin:
        del register[entry.name]  # a module reloaded, a notebook's cell run again
    _add(register, entry)


def _name_of(config_type: type[NetworkConfig]) -> str:
    name: str = config_type.model_fields["name"].default
    return name


def _add(register: dict[str, _Entry], entry: _Entry) -> None:
    known = register.get(entry.name)
    if known is not None:
        raise ConfigurationError(
            f"network {entry.name!r} is defined by {known.origin} and by {entry.origin}; rename one of them"
        )
    register[entry.name] = entry


def enter_files(files: Iterable[str | Path]) -> None:
    """Enter the networks of a user's files, each in place of what an earlier text of the same file defined.

    They stay for the process: checkpoints name their network. `ConfigurationError` names the file, and the line where
    there is one: no such file, no valid Python, an error while it runs, no network in it, or a name that is taken.
    """
    for file in dict.fromkeys(Path(file).resolve() for file in files):
        entries = registered_in(
            file, "network_files", _registering, "defines no network; decorate a class with @register_network(…)"
        )
        kept = {name: entry for name, entry in _registry.items() if entry.file != file}
        for entry in entries:
            _add(kept, entry)
        _registry.clear()
        _registry.update(kept)


@contextmanager
def _registering(file: Path) -> Iterator[dict[str, _Entry]]:
    _load_installed()  # what a package registers when it is imported first must not count as the file's
    with _running_file.registering(file) as registered:
        yield registered


@cache
def _load_installed() -> None:
    """Enter the networks of installed packages."""
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()


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
    _load_installed()
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

_registry.update(
    {_name_of(config): _Entry(config, network, _name_of(config), None) for config, network in MODELS.items()}
)
