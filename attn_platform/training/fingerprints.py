"""What a training depended on, in a few characters: the data it read, and whatever can be written as JSON."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

if TYPE_CHECKING:
    from attn_platform.training.samples import Samples


def samples_fingerprint(*sets: Samples) -> str:
    """Hash over sessions, symbols, labels, groups and the features of every step: changes when any of them does."""
    digest = hashlib.blake2b(digest_size=16)
    for samples in sets:
        read = np.zeros(len(samples.panel), dtype=bool)
        for step in range(samples.steps):
            read[samples.rows - step] = True
        # Where a sample's rows lie among those that are read; the array may hold more, which nothing depends on
        places = (np.cumsum(read) - 1)[samples.rows]
        parts = [samples.sessions, samples.offsets, samples.symbols, samples.labels, places, samples.panel[read]]
        for array in parts if samples.groups is None else [*parts, samples.groups]:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def content_fingerprint(content: object) -> str:
    """SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def configuration_fingerprint(*configurations: BaseModel) -> str:
    """Hash over typed configurations, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for configuration in configurations:
        digest.update(configuration.model_dump_json().encode())
    return digest.hexdigest()
