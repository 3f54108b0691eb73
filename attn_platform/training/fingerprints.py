"""What a training depended on, in a few characters: its code and its data."""

import hashlib
import json
from pathlib import Path

import numpy as np

import attn_platform.models
import attn_platform.training
from attn_platform.training.samples import CrossSections


def code_fingerprint() -> str:
    """SHA-256 of the source files of `attn_platform.models` and `attn_platform.training`, names and contents."""
    digest = hashlib.sha256()
    for package in (attn_platform.models, attn_platform.training):
        root = Path(next(iter(package.__path__)))
        for source in sorted(root.rglob("*.py")):
            digest.update(f"{package.__name__}/{source.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def samples_fingerprint(*sets: CrossSections) -> str:
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
