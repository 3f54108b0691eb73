"""Every network of the package through the trainer: stacked as alone, killed as whole, any batch, any precision."""

import pkgutil
import shutil
from typing import Any

import numpy as np
import pytest
import torch

from attn_platform.models import networks
from attn_platform.models.batch import SessionBatch
from attn_platform.models.registry import build_network, parse_network_config
from attn_platform.training.config import TrainingConfig
from attn_platform.training.resume import SavedState
from attn_platform.training.setting import WindowSamples
from attn_platform.training.trainer import TrainingResult, train, train_together
from attn_platform_tests.training.synthetic import FEATURES, ragged

STEPS = 4
SMALL: dict[str, dict[str, Any]] = {
    "multi_task_baseline": {"width": 8},
    "inter_task_attention": {"width": 8, "attention_heads": 2},
    "inter_stock_attention": {"attention_heads": 1, "feed_forward": 6, "hidden": 8},
    "lstm": {"steps": STEPS, "hidden": 6},
    "alstm": {"steps": STEPS, "hidden": 6},
    "temporal_transformer": {"steps": STEPS, "attention_heads": 1, "feed_forward": 6},
    "gat_residual": {"hidden": 6},
}
CASES = {name: {"name": name, **small} for name, small in SMALL.items()} | {
    "baseline with batch norm": {"name": "multi_task_baseline", "width": 8, "normalisation": "batch"},
    "gat_mask by industry": {"name": "gat_residual", "hidden": 6, "global_attention": False, "adjacency": "industry"},
    "gat_global": {"name": "gat_residual", "hidden": 6, "masked_attention": False},
    "nn": {"name": "gat_residual", "hidden": 6, "masked_attention": False, "global_attention": False},
}
CONFIG = TrainingConfig(learning_rate=3e-3, patience=1, max_epochs=3, precision="float64", threads=1, device="cpu")
SEEDS = (0, 1, 2)


def config_of(case: str, **changes: Any) -> TrainingConfig:
    """Batches of samples for the networks of several sessions, of two sessions for the others."""
    steps = parse_network_config(CASES[case]).sample_steps
    unit = {"batch_unit": "stock", "batch_size": 50} if steps > 1 else {"batch_size": 2}
    return CONFIG.model_copy(update=unit | changes)


def windows_of(case: str) -> list[WindowSamples]:
    steps = parse_network_config(CASES[case]).sample_steps
    return [
        WindowSamples(
            ragged(sessions, seed=number, noise=2.0, steps=steps),
            ragged(3, first="2011-06-01", seed=10 + number, noise=2.0, steps=steps),
        )
        for number, sessions in enumerate((6, 5))
    ]


def trained(case: str, **changes: Any) -> TrainingResult:
    window = windows_of(case)[0]
    network = parse_network_config(CASES[case])
    return train(network, window.train, window.valid, config_of(case, **changes), SEEDS, progress=False)


def test_no_network_is_left_out() -> None:
    found = {module.name for module in pkgutil.iter_modules(networks.__path__)} - {"base"}
    assert found == set(SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_windows_and_seeds_together_equal_each_alone(case: str) -> None:
    network, windows = parse_network_config(CASES[case]), windows_of(case)
    together = train_together(network, windows, config_of(case), SEEDS, progress=False)
    for found, window in zip(together, windows, strict=True):
        assert isinstance(found, TrainingResult)
        for position, seed in enumerate(SEEDS):
            alone = train(network, window.train, window.valid, config_of(case), [seed], progress=False)
            np.testing.assert_allclose(found.histories[position].valid_loss, alone.histories[0].valid_loss, rtol=1e-9)
            for name, expected in alone.weights.items():
                torch.testing.assert_close(found.weights[name][position], expected[0], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_trains_and_the_seeds_differ(case: str) -> None:
    result = trained(case, max_epochs=3, patience=3)
    start = build_network(parse_network_config(CASES[case]), FEATURES, 2, SEEDS).double().state_dict()
    for history in result.histories:
        assert history.train_loss[-1] < history.train_loss[0]
    for name, _ in build_network(parse_network_config(CASES[case]), FEATURES, 2, SEEDS).named_parameters():
        moved = (result.weights[name] - start[name]).flatten(1).abs().amax(1)
        assert (moved > 0).all(), f"{name} does not learn"
        assert not torch.equal(result.weights[name][0], result.weights[name][1]), f"{name} is the same for two seeds"


@pytest.mark.parametrize("case", CASES)
def test_goes_on_where_it_was_stopped(case: str, tmp_path, monkeypatch) -> None:
    write = SavedState.write

    def stop_after_the_first(self, state):
        write(self, state)
        raise KeyboardInterrupt

    network, windows = parse_network_config(CASES[case]), windows_of(case)
    arguments = (network, windows, config_of(case, precision="float32"), SEEDS, False)
    monkeypatch.setattr(SavedState, "write", stop_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        train_together(*arguments, state=tmp_path)
    monkeypatch.setattr(SavedState, "write", write)
    resumed, whole = train_together(*arguments, state=tmp_path), train_together(*arguments)
    for found, expected in zip(resumed, whole, strict=True):
        assert found.histories == expected.histories
        assert all(torch.equal(found.weights[name], tensor) for name, tensor in expected.weights.items())


# Half a step of bfloat16's 8 bits on outputs of order 1, over a few Adam steps: the losses stay within this share
BFLOAT16_TOLERANCE = 0.02


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_other_precisions_train_alike_and_repeat_bit_for_bit(case: str, precision: str) -> None:
    exact = trained(case, max_epochs=3, patience=3)
    first, second = (trained(case, max_epochs=3, patience=3, precision=precision) for _ in range(2))
    tolerance = BFLOAT16_TOLERANCE if precision == "bfloat16" else 1e-3
    for found, expected in zip(first.histories, exact.histories, strict=True):
        np.testing.assert_allclose(found.valid_loss, expected.valid_loss, rtol=tolerance)
    assert first.histories == second.histories
    assert all(torch.equal(first.weights[name], tensor) for name, tensor in second.weights.items())


@pytest.mark.parametrize("case", CASES)
def test_bfloat16_stacked_is_near_bfloat16_alone(case: str) -> None:
    stacked = trained(case, precision="bfloat16", patience=3)
    window, network = windows_of(case)[0], parse_network_config(CASES[case])
    config = config_of(case, precision="bfloat16", patience=3)
    for position, seed in enumerate(SEEDS):
        alone = train(network, window.train, window.valid, config, [seed], progress=False)
        np.testing.assert_allclose(
            stacked.histories[position].valid_loss, alone.histories[0].valid_loss, rtol=BFLOAT16_TOLERANCE
        )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for the CPU with a C++ compiler")
@pytest.mark.parametrize("case", ["multi_task_baseline", "inter_task_attention"])
def test_compiled_networks_train_like_others(case: str) -> None:
    assert build_network(parse_network_config(CASES[case]), FEATURES, 2, SEEDS).compiles
    compiled, plain = (trained(case, precision="float32", patience=3, compile=c) for c in ("on", "off"))
    for found, expected in zip(compiled.histories, plain.histories, strict=True):
        np.testing.assert_allclose(found.valid_loss, expected.valid_loss, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_padded_rows_and_other_members_change_nothing(case: str) -> None:
    """A session's forecast is the same with garbage behind it, beside other members' data, and alone."""
    config = parse_network_config(CASES[case])
    network = build_network(config, FEATURES, 2, SEEDS).double().eval()
    generator = torch.Generator().manual_seed(1)
    shape = (len(SEEDS), 12, *([STEPS] if config.sample_steps > 1 else []), FEATURES)
    features = torch.randn(shape, generator=generator, dtype=torch.float64)
    groups = torch.randint(0, 3, shape[:2], generator=generator)
    sizes = ((5, 7), (6, 2), (9,))
    for seed, of_seed in enumerate(sizes):
        features[seed, sum(of_seed) :] = 1e6
    together = network(SessionBatch(features, sizes, groups))
    for seed, of_seed in enumerate(sizes):
        alone = build_network(config, FEATURES, 2, [SEEDS[seed]]).double().eval()
        start = 0
        for size in of_seed:
            rows = slice(start, start + size)
            batch = SessionBatch(features[seed : seed + 1, rows], ((size,),), groups[seed : seed + 1, rows])
            torch.testing.assert_close(alone(batch)[0], together[seed, rows], rtol=1e-9, atol=1e-9)
            start += size
