"""Rewritten code that is on record for computing what older code did is still the code that was compared."""

import pkgutil

import pytest

from attn_platform.models import networks
from attn_platform.models.registry import parse_network_config
from attn_platform.same_results import SAME_RESULTS
from attn_platform.source_identity import source_identity
from attn_platform.training.identity import network_parts


def test_every_entry_is_of_code_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [module.name for module in pkgutil.iter_modules(networks.__path__) if module.name != "base"]
    configs = [parse_network_config({"name": name}) for name in names]
    monkeypatch.setattr("attn_platform.source_identity.SAME_RESULTS", {})
    source_identity.cache_clear()
    hashes = {part.code for config in configs for part in network_parts(config).values()}
    source_identity.cache_clear()
    assert set(SAME_RESULTS) <= hashes, "this code changed: drop its entry, or replace its key if results are the same"
