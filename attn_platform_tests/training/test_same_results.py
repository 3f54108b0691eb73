"""Rewritten code that is on record for computing what older code did is still the code that was compared."""

import pytest

from attn_platform.models.configuration import MODELS
from attn_platform.same_results import SAME_RESULTS
from attn_platform.source_identity import source_identity
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import network_parts, training_parts


def test_every_entry_is_of_code_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [config() for config in MODELS]
    monkeypatch.setattr("attn_platform.source_identity.SAME_RESULTS", {})
    source_identity.cache_clear()
    parts = [{**network_parts(config), **training_parts(TrainingConfig(), config, [0])} for config in configs]
    hashes = {part.code for of_model in parts for part in of_model.values()}
    source_identity.cache_clear()
    assert set(SAME_RESULTS) <= hashes, "this code changed: drop its entry, or replace its key if results are the same"
