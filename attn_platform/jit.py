"""numba's `njit` and `vectorize`, with numba loaded when a function is first called.

Loading numba takes twice as long as loading pandas, and most commands call no kernel. A decorated function is given to
numba with all that it calls of the same kind, as it would have been where it is defined; numba's own cache of compiled
code stands. What is computed is numba's, and so `source_identity` takes these decorators for numba's.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

Decorator = Callable[[Callable[..., Any]], "Compiled"]

_lock = RLock()  # kernels are first called by several threads at once


def njit(**options: Any) -> Decorator:
    """`numba.njit(**options)`."""
    return _decorator("njit", (), options)


def vectorize(signatures: list[str], **options: Any) -> Decorator:
    """`numba.vectorize(signatures, **options)`."""
    return _decorator("vectorize", (signatures,), options)


def _decorator(name: str, arguments: tuple[object, ...], options: dict[str, Any]) -> Decorator:
    return lambda function: Compiled(function, name, arguments, options)


class Compiled:
    """A function that numba compiles; `py_func` is the function as it is written."""

    def __init__(
        self, function: Callable[..., Any], decorator: str, arguments: tuple[object, ...], options: dict[str, Any]
    ) -> None:
        self.py_func = function
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self._decoration = decorator, arguments, options
        self._numba: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """What the compiled function gives."""
        return (self._numba or self.compiled())(*arguments)

    def compiled(self) -> Callable[..., Any]:
        """The function in numba's hands; so are, in the globals of its module, those that it calls."""
        with _lock:
            if self._numba is None:
                import numba

                names = self.py_func.__globals__
                for name in self.py_func.__code__.co_names:
                    if isinstance(called := names.get(name), Compiled):
                        names[name] = called.compiled()
                decorator, arguments, options = self._decoration
                self._numba = getattr(numba, decorator)(*arguments, **options)(self.py_func)
        assert self._numba is not None
        return self._numba
