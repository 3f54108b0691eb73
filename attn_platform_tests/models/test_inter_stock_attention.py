import pytest
import torch
from torch import nn

from attn_platform.errors import ConfigurationError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import InterStockAttentionConfig
from attn_platform.models.registry import build_network
from attn_platform_tests.models.attention_references import (
    assert_same_gradients,
    normal,
    plain_encoder_layer,
    plain_linear,
    shaken,
)

SEEDS, TASKS = (3, 0), 2
CONFIG = InterStockAttentionConfig(feed_forward=10, hidden=24, dropout=0.0)
SIZES = ((4, 5), (7,))


def test_the_studys_shape_is_the_default() -> None:
    network = build_network(InterStockAttentionConfig(), 42, 2, range(5))
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert len(network.first_blocks) == 1
    for block in ("first_blocks.0", "last_block"):
        assert shapes[f"{block}.attention.in_proj.weight"] == (5, 42, 126)
        assert shapes[f"{block}.expand.weight"] == (5, 42, 64)
    assert network.last_block.attention.heads == 2
    assert shapes["hidden.weight"] == (5, 42, 256)
    assert shapes["heads.weight"] == (5, 256, 2)


def test_equals_torchs_encoder_with_padding_mask() -> None:
    network = shaken(build_network(CONFIG, 6, TASKS, SEEDS))
    features, upstream = normal(2, 9, 6), normal(2, 9, TASKS, seed=1)
    features[1, 7:], upstream[1, 7:] = 1e6, 0
    batch = SessionBatch(features, SIZES)
    predictions = network(batch)
    predictions.backward(upstream)
    for seed, sizes in enumerate(SIZES):
        layers, pairs = zip(
            *(plain_encoder_layer(block, seed) for block in (*network.first_blocks, network.last_block)), strict=True
        )
        hidden, hidden_pairs = plain_linear(network.hidden, seed)
        head, head_pairs = plain_linear(network.heads, seed)
        rows = features[seed, : sum(sizes)]
        x = nn.utils.rnn.pad_sequence(rows.split(sizes), batch_first=True, padding_value=7.0)
        padding = torch.arange(max(sizes)) >= torch.tensor(sizes)[:, None]
        for layer in layers:
            x = layer(x, src_key_padding_mask=padding)
        expected = head(torch.relu(hidden(x)))[~padding]
        expected.backward(upstream[seed, : sum(sizes)])
        torch.testing.assert_close(predictions[seed, : sum(sizes)], expected, rtol=0, atol=1e-11)
        assert_same_gradients([*pairs[0], *pairs[1], *hidden_pairs, *head_pairs], seed, tolerance=1e-10)


def test_attention_is_that_of_the_last_block() -> None:
    network = shaken(build_network(CONFIG, 6, TASKS, SEEDS))
    batch = SessionBatch(normal(2, 9, 6), ((9,), (9,)))
    weights = network.attention(batch)["stocks"]
    for seed in range(2):
        (first, _), (last, _) = (
            plain_encoder_layer(block, seed) for block in (network.first_blocks[0], network.last_block)
        )
        x = first(batch.features[seed][None])
        torch.testing.assert_close(weights[seed], last.self_attn(x, x, x)[1][0], rtol=0, atol=1e-12)


def test_features_that_the_heads_do_not_divide_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="7 features cannot have 2 heads"):
        build_network(InterStockAttentionConfig(), 7, 1, [0])
