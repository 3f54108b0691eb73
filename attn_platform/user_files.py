"""Python files of a user's own, outside of any package: factors (`factor_files`), networks (`network_files`),
constraints and terms of portfolios (`portfolio_files`), importers (`attn import FILE`).

A file is run once for each of its contents and each kind of thing that it is named for, each time as another module.
So a file of factors and networks gives its factors to those who name it for factors. What it registers goes into a
`register`.
"""

import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from hashlib import blake2b
from importlib.abc import InspectLoader
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from attn_platform.errors import ConfigurationError

MODULE_PREFIX = "user_file_"  # of the names of the modules that files are run as
Item = TypeVar("Item")
Registering = Callable[[Path], AbstractContextManager[Mapping[str, Item]]]
"""Opens a register for a file, which fills while the file runs."""


def registered_in(file: str | Path, option: str, registering: Registering[Item], empty: str) -> tuple[Item, ...]:
    """What a file registers, in its order.

    `option` is the setting that names the file, `empty` the remedy where it registers nothing ("": it may).
    `ConfigurationError` names the file, and the line where there is one: no such file, no valid Python, an error while
    it runs, or nothing registered.
    """
    path = Path(file).resolve()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; put it there, or correct {option}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); give a Python file") from None
    return _run(path, content, registering, empty)


@cache
def _run(file: Path, content: bytes, registering: Registering[Item], empty: str) -> tuple[Item, ...]:
    module = ModuleType(_module_name(file, content))
    module.__file__ = str(file)
    module.__loader__ = _SourceThatRan(content)
    sys.modules[module.__name__] = module  # dataclasses, pydantic, pickle, numba and `source_identity` look it up there
    try:
        with registering(file) as registered:
            exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
        if empty and not registered:
            raise ConfigurationError(empty)
    except Exception as error:
        del sys.modules[module.__name__]
        raise ConfigurationError(f"{_place(file, error)}: {_reason(error)}") from error
    return tuple(registered.values())


class _SourceThatRan(InspectLoader):
    """The text of a user's module as it was run; the file may have been edited since."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get_source(self, fullname: str) -> str:
        """The text, decoded."""
        return decode_source(self.content)


def _module_name(file: Path, content: bytes) -> str:
    """The same for the same content of the same file, another one for a file of that name elsewhere."""
    text = b"\0".join((str(file).encode(), content))
    return f"{MODULE_PREFIX}{file.stem}_{blake2b(text, digest_size=8).hexdigest()}"


def _place(file: Path, error: Exception) -> str:
    """The file, and its last line that the error passed through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(file) else (lines or [None])[-1]
    return f"{file}, line {line}" if line is not None else str(file)


def _reason(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return str(error)
    text = error.msg if isinstance(error, SyntaxError) else error
    return f"{type(error).__name__}: {text}; correct it"
