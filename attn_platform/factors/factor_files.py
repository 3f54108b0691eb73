"""A user's own factors: Python files outside of any package, named in a study's `factor_files`.

A file is run once for each of its contents. What it registers belongs to the catalogues that name the file and to no
other, so two homes of one process may have files, and factors, of the same names.
"""

import sys
import traceback
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import ModuleType

from attn_platform.errors import ConfigurationError
from attn_platform.factors.catalogue import Catalogue, FactorDefinition, catalogue, registering_for


def catalogue_with(files: Iterable[str | Path]) -> Catalogue:
    """The catalogue of this process, and the factors of `files` after it.

    `ConfigurationError` names the file, and the line where there is one: no such file, no valid Python, an error while
    it runs, no factor in it, an input that no raw table has, or a name that is taken.
    """
    own = (definition for file in dict.fromkeys(Path(file).resolve() for file in files) for definition in _read(file))
    return Catalogue((*catalogue(), *own))


def _read(file: Path) -> tuple[FactorDefinition, ...]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: no such file; put it there, or correct factor_files") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror}); give a Python file") from None
    return _run(file, content)


@cache
def _run(file: Path, content: bytes) -> tuple[FactorDefinition, ...]:
    """The factors that a file of this content registers, in its order."""
    module = ModuleType(_module_name(file))
    module.__file__ = str(file)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # dataclasses, pickle and numba look a function's module up there
    try:
        with registering_for(file) as registered:
            exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
        if not registered:
            raise ConfigurationError("defines no factor; decorate a function with @factor")
    except Exception as error:
        if before is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = before
        raise ConfigurationError(f"{_place(file, error)}: {_reason(error)}") from error
    return tuple(registered.values())


def _module_name(file: Path) -> str:
    """The same for the same file, another one for a file of that name elsewhere."""
    return f"factor_file_{file.stem}_{blake2b(str(file).encode(), digest_size=4).hexdigest()}"


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
