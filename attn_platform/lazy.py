"""Public names of a package that are imported when they are first asked for.

A package states them once, as imports under `if TYPE_CHECKING` and in `__all__`: type checkers, editors and
`source_identity` read them there, and importing the package costs nothing.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


def lazy_attributes(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package; AttributeError for what its `__all__` does not name."""

    @cache
    def modules() -> dict[str, str]:
        tree = ast.parse(inspect.getsource(sys.modules[package]))
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        return {alias.name: str(node.module) for node in imports for alias in node.names}

    def attribute(name: str) -> Any:
        module = sys.modules[package]
        if name not in module.__all__:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules()[name]), name)
        setattr(module, name, value)
        return value

    return attribute
