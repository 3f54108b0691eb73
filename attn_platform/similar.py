"""What a misspelt name may have meant: the hint that a message about an unknown name ends with."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def similar_to(name: str, known: Iterable[str]) -> str:
    """`"; similar: …"` with up to three names that are spelt like `name`, the nearest first; empty where none is."""
    near = get_close_matches(name, list(known))
    return f"; similar: {', '.join(near)}" if near else ""
