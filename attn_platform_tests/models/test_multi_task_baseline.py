import pytest
import torch

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import MultiTaskBaselineConfig
from attn_platform.models.registry import build_network
from attn_platform_tests.models.references import plain_baseline, plain_state

SEEDS = (3, 0, 8)
CONFIG = MultiTaskBaselineConfig(width=16, normalisation="batch")


def batch(sizes: tuple[int, ...], padding_value: float = 0.0) -> SessionBatch:
    features = torch.randn(len(sizes), max(sizes), 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for seed, size in enumerate(sizes):
        features[seed, size:] = padding_value
    return SessionBatch(features, tuple((size,) for size in sizes))


def test_the_studys_shape_is_the_default() -> None:
    network = build_network(MultiTaskBaselineConfig(), 42, 2, range(5))
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert shapes["shared.linears.0.weight"] == (5, 42, 256)
    assert shapes["shared.linears.1.weight"] == (5, 256, 256)
    assert shapes["heads.weight"] == (5, 256, 2)


def test_equals_plain_torch_layers_in_training_and_evaluation() -> None:
    network = build_network(CONFIG, 5, 2, SEEDS).double()
    sizes = (20, 14, 17)
    inputs = batch(sizes)
    training = network(inputs)
    network.eval()
    evaluation = network(inputs)
    for position, (seed, size) in enumerate(zip(SEEDS, sizes, strict=True)):
        plain = plain_baseline(seed, 5, 16, 2)
        rows = inputs.features[position, :size]
        torch.testing.assert_close(training[position, :size], plain(rows), rtol=0, atol=1e-12)
        for name, expected in plain_state(plain).items():
            torch.testing.assert_close(network.state_dict()[name][position], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(evaluation[position, :size], plain.eval()(rows), rtol=0, atol=1e-12)


def test_what_stands_in_the_padding_changes_no_valid_prediction_and_no_gradient() -> None:
    outcomes = []
    for padding_value in (0.0, 1e6):
        network = build_network(CONFIG, 5, 2, SEEDS).double()
        predictions = network(batch((20, 14, 17), padding_value))
        valid = torch.cat([predictions[0], predictions[1, :14], predictions[2, :17]])
        valid.square().sum().backward()
        outcomes.append([valid.detach(), *(parameter.grad for parameter in network.parameters())])
    for zeros, garbage in zip(*outcomes, strict=True):
        assert torch.equal(zeros, garbage)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("normalisation", ["batch", "none"])
@pytest.mark.parametrize("depth", [1, 3])
def test_configuration_gives_the_network_it_says(activation: str, normalisation: str, depth: int) -> None:
    config = MultiTaskBaselineConfig(width=4, depth=depth, activation=activation, normalisation=normalisation)
    network = build_network(config, 5, 2, [0]).double()
    inputs = batch((9,))
    x = inputs.features[0]
    for linear in network.shared.linears:
        x = getattr(torch, activation)(x @ linear.weight[0] + linear.bias[0])
        if normalisation == "batch":
            x = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + 1e-5)
    expected = x @ network.heads.weight[0] + network.heads.bias[0]
    assert len(network.shared.linears) == depth
    torch.testing.assert_close(network(inputs)[0], expected, rtol=0, atol=1e-11)


def test_dropping_seeds_leaves_the_others_as_they_are() -> None:
    network = build_network(CONFIG, 5, 2, SEEDS).double()
    inputs = batch((20, 20, 20))
    network(inputs)
    network.eval()
    before = network(inputs)
    parameters = list(network.parameters())
    network.keep_seeds(torch.tensor([2, 0]))
    assert all(a is b for a, b in zip(parameters, network.parameters(), strict=True))
    after = network(SessionBatch(inputs.features[[2, 0]], inputs.session_sizes[:2]))
    torch.testing.assert_close(after, before[[2, 0]], rtol=0, atol=1e-14)
