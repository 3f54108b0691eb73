"""A user's own factors: Python files outside of any package, named in a study's `factor_files`."""

from collections.abc import Iterable
from pathlib import Path

from attn_platform.factors.catalogue import Catalogue, catalogue, registering_for
from attn_platform.user_files import registered_in


def catalogue_with(files: Iterable[str | Path]) -> Catalogue:
    """The catalogue of this process, and the factors of `files` after it.

    `ConfigurationError` names the file, and the line where there is one: no such file, no valid Python, an error while
    it runs, no factor in it, an input that no raw table has, or a name that is taken.
    """
    own = (
        definition
        for file in dict.fromkeys(Path(file).resolve() for file in files)
        for definition in registered_in(
            file, "factor_files", registering_for, "defines no factor; decorate a function with @factor"
        )
    )
    return Catalogue((*catalogue(), *own))
