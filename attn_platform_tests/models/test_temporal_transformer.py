import math

import pytest
import torch
from torch import Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import TemporalTransformerConfig
from attn_platform.models.registry import build_network
from attn_platform_tests.models.attention_references import (
    assert_same_gradients,
    normal,
    plain_encoder_layer,
    plain_linear,
    shaken,
)

SEEDS, STEPS, FEATURES = (3, 0), 5, 6


def positions() -> Tensor:
    rows = [
        [
            (math.cos if column % 2 else math.sin)(step / 10_000 ** ((column // 2 * 2) / FEATURES))
            for column in range(FEATURES)
        ]
        for step in range(STEPS)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def test_the_studys_shape_is_the_default() -> None:
    config = TemporalTransformerConfig()
    assert config.sample_steps == 21
    network = build_network(config, 42, 1, range(5))
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert len(network.first_blocks) == 1
    for block in ("first_blocks.0", "last_block"):
        assert shapes[f"{block}.expand.weight"] == (5, 42, 256)
    assert network.last_block.attention.heads == 2
    assert network.last_block.expand_dropout.kept_levels == round(0.9 * 65536)
    assert shapes["heads.weight"] == (5, 42, 1)


@pytest.mark.parametrize("positional_encoding", [True, False])
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_equals_torchs_encoder_read_at_the_last_step(positional_encoding: bool, blocks: int) -> None:
    config = TemporalTransformerConfig(
        steps=STEPS, feed_forward=10, blocks=blocks, dropout=0.0, positional_encoding=positional_encoding
    )
    network = shaken(build_network(config, FEATURES, 1, SEEDS))
    batch = SessionBatch(normal(2, 8, STEPS, FEATURES), ((8,), (8,)))
    predictions, weights = network(batch), network.attention(batch)["steps"]
    upstream = normal(2, 8, 1, seed=1)
    predictions.backward(upstream)
    for seed in range(2):
        layers, pairs = zip(
            *(plain_encoder_layer(block, seed) for block in (*network.first_blocks, network.last_block)), strict=True
        )
        head, head_pairs = plain_linear(network.heads, seed)
        x = batch.features[seed] + (positions() if positional_encoding else 0)
        for layer in layers[:-1]:
            x = layer(x)
        expected_weights = layers[-1].self_attn(x, x, x)[1][:, -1]
        expected = head(layers[-1](x)[:, -1])
        expected.backward(upstream[seed])
        torch.testing.assert_close(predictions[seed], expected, rtol=0, atol=1e-11)
        torch.testing.assert_close(weights[seed], expected_weights, rtol=0, atol=1e-12)
        assert_same_gradients([pair for of_block in (*pairs, head_pairs) for pair in of_block], seed, tolerance=1e-10)
