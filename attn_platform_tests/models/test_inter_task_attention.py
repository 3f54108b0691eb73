import torch
from torch import nn

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import InterTaskAttentionConfig
from attn_platform.models.registry import build_network
from attn_platform_tests.models.attention_references import (
    assert_same_gradients,
    normal,
    plain_attention,
    plain_linear,
    shaken,
)

SEEDS, TASKS = (3, 0), 3
CONFIG = InterTaskAttentionConfig(width=8, attention_heads=2)


def test_the_studys_shape_is_the_default() -> None:
    network = build_network(InterTaskAttentionConfig(), 42, 2, range(5))
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert shapes["shared.linears.0.weight"] == (5, 42, 256)
    assert shapes["task_features.weight"] == shapes["task_tokens.weight"] == (5, 2, 256, 256)
    assert shapes["task_attention.in_proj.weight"] == (5, 256, 768)
    assert shapes["heads.weight"] == (5, 256, 2)
    assert network.task_attention.heads == 4


def test_against_the_formula_stock_by_stock_and_task_by_task() -> None:
    network = shaken(build_network(CONFIG, 5, TASKS, SEEDS))
    batch = SessionBatch(normal(2, 6, 5), ((6,), (6,)))
    predictions, weights = network(batch), network.attention(batch)["tasks"]
    upstream = normal(2, 6, TASKS, seed=1)
    predictions.backward(upstream)
    for seed in range(2):
        plain: list[nn.Linear] = []
        pairs = []
        for linear in network.shared.linears:
            of_seed, linear_pairs = plain_linear(linear, seed)
            plain.append(of_seed)
            pairs += linear_pairs
        attention, attention_pairs = plain_attention(network.task_attention, seed)
        first, second = network.task_features, network.task_tokens
        for stock in range(6):
            hidden = batch.features[seed, stock]
            for linear in plain:
                hidden = torch.relu(linear(hidden))
            tokens = []
            for task in range(TASKS):
                feature = torch.relu(hidden @ first.weight[seed, task] + first.bias[seed, task, 0])
                tokens.append(feature @ second.weight[seed, task] + second.bias[seed, task, 0])
            sequence = torch.stack(tokens)[None]
            attended, expected_weights = attention(sequence, sequence, sequence)
            torch.testing.assert_close(weights[seed, stock], expected_weights[0], rtol=0, atol=1e-12)
            for task in range(TASKS):
                combined = sequence[0, task] + attended[0, task]
                expected = combined @ network.heads.weight[seed, :, task] + network.heads.bias[seed, 0, task]
                torch.testing.assert_close(predictions[seed, stock, task], expected, rtol=0, atol=1e-11)
                (expected * upstream[seed, stock, task]).backward(
                    inputs=[parameter for _, parameter in pairs + attention_pairs], retain_graph=True
                )
        assert_same_gradients(pairs + attention_pairs, seed, tolerance=1e-10)


def test_one_task_is_a_token_that_attends_to_itself() -> None:
    network = build_network(CONFIG, 5, 1, [0]).double()
    batch = SessionBatch(normal(1, 6, 5), ((6,),))
    assert network(batch).shape == (1, 6, 1)
    assert torch.equal(network.attention(batch)["tasks"], torch.ones(1, 6, 1, 1).double())
