"""What holds for each of AI-69's networks with attention or recurrence, whatever its formula."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import (
    ALSTMConfig,
    InterStockAttentionConfig,
    InterTaskAttentionConfig,
    LSTMConfig,
    NetworkConfig,
    TemporalTransformerConfig,
)
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.registry import build_network
from attn_platform_tests.models.attention_references import normal

SEEDS, FEATURES, STEPS, TASKS = (3, 0, 8), 6, 4, 2
SIZES = ((5, 6), (4, 3), (9,))
CROSS_SECTION = (
    InterTaskAttentionConfig(width=8, attention_heads=2),
    InterStockAttentionConfig(feed_forward=8, hidden=8, dropout=0.2),
)
TIME_SERIES = (
    LSTMConfig(steps=STEPS, hidden=5),
    ALSTMConfig(steps=STEPS, hidden=5, attention_width=4),
    TemporalTransformerConfig(steps=STEPS, feed_forward=8, dropout=0.2),
)


def named(configs: Sequence[NetworkConfig]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("config", configs, ids=[config.name for config in configs])


def batch_for(config: NetworkConfig, sizes: Sequence[tuple[int, ...]] = SIZES, padding: float = 0.0) -> SessionBatch:
    """Every seed has rows of its own, the same ones whatever it is stacked with."""
    steps = (config.sample_steps,) if config.sample_steps > 1 else ()
    longest = max(sum(of_seed) for of_seed in sizes)
    features = torch.full((len(sizes), longest, *steps, FEATURES), padding, dtype=torch.float64)
    for position, of_seed in enumerate(sizes):
        features[position, : sum(of_seed)] = normal(sum(of_seed), *steps, FEATURES, seed=sum(of_seed))
    return SessionBatch(features, tuple(sizes))


def three_adam_steps(config: NetworkConfig, seeds: Sequence[int], sizes: Sequence[tuple[int, ...]]) -> StackedNetwork:
    """Trained on targets of a seed's own, with dropout, for three steps of different batches."""
    network = build_network(config, FEATURES, TASKS, seeds).double().train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    network.start_epoch(seeds, 1)
    for step in range(3):
        of_step = [tuple(size + step for size in of_seed) for of_seed in sizes]
        predictions = network(batch_for(config, of_step))
        for position, of_seed in enumerate(of_step):
            target = normal(sum(of_seed), TASKS, seed=100 + sum(of_seed))
            loss = (predictions[position, : sum(of_seed)] - target).square().mean()
            loss.backward(retain_graph=True)
        optimizer.step()
        optimizer.zero_grad()
    return network


@named(CROSS_SECTION + TIME_SERIES)
def test_stacked_training_equals_separate_training(config: NetworkConfig) -> None:
    together = three_adam_steps(config, SEEDS, SIZES)
    for position, (seed, of_seed) in enumerate(zip(SEEDS, SIZES, strict=True)):
        alone = three_adam_steps(config, [seed], [of_seed])
        untrained = build_network(config, FEATURES, TASKS, [seed]).double()
        # 1e-10: the gradient of the keys' bias is zero but for rounding, which Adam's step blows up
        for (name, stacked), own, before in zip(
            together.named_parameters(), alone.parameters(), untrained.parameters(), strict=True
        ):
            torch.testing.assert_close(stacked[position], own[0], rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")
            assert not torch.equal(own, before)


@named(CROSS_SECTION + TIME_SERIES)
def test_what_stands_in_the_padding_changes_no_valid_prediction_and_no_gradient(config: NetworkConfig) -> None:
    outcomes = []
    for padding in (0.0, 1e6):
        network = build_network(config, FEATURES, TASKS, SEEDS).double()
        network.start_epoch(SEEDS, 1)
        predictions = network(batch_for(config, padding=padding))
        valid = torch.cat([predictions[seed, : sum(sizes)] for seed, sizes in enumerate(SIZES)])
        valid.square().sum().backward()
        outcomes.append([valid.detach(), *(parameter.grad for parameter in network.parameters())])
    for zeros, garbage in zip(*outcomes, strict=True):
        torch.testing.assert_close(garbage, zeros, rtol=0, atol=1e-13)


@named(CROSS_SECTION)
def test_the_order_of_the_stocks_does_not_matter(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, [0]).double().eval()
    features = batch_for(config, [(9,)]).features
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    expected = network(SessionBatch(features, ((9,),)))[:, order]
    torch.testing.assert_close(network(SessionBatch(features[:, order], ((9,),))), expected, rtol=0, atol=1e-13)


def test_stocks_of_one_session_matter_to_each_other_and_those_of_another_do_not() -> None:
    config = CROSS_SECTION[1]
    network = build_network(config, FEATURES, TASKS, [0]).double().eval()
    features = batch_for(config, [(4, 5)]).features
    before = network(SessionBatch(features, ((4, 5),)))
    features[0, 1] += 1
    changed = (network(SessionBatch(features, ((4, 5),))) != before).any(-1)[0]
    assert changed[:4].all()
    assert not changed[4:].any()


@named(TIME_SERIES)
def test_a_sample_depends_on_all_of_its_own_steps_and_on_nothing_else(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, [0]).double().eval()
    features = batch_for(config, [(6,)]).features
    before = network(SessionBatch(features, ((6,),)))
    for step in range(STEPS):
        moved = features.clone()
        moved[0, 2, step] += 1
        difference = (network(SessionBatch(moved, ((6,),))) - before).abs().amax(-1)[0]
        assert difference[2] > 1e-6
        assert difference[[0, 1, 3, 4, 5]].max() < 1e-13


@named(TIME_SERIES)
def test_the_order_of_the_steps_matters(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, [0]).double().eval()
    features = batch_for(config, [(6,)]).features
    swapped = features[:, :, [1, 0, 2, 3]]
    difference = network(SessionBatch(swapped, ((6,),))) - network(SessionBatch(features, ((6,),)))
    assert difference.abs().min() > 1e-8


@named(CROSS_SECTION + TIME_SERIES)
def test_dropping_seeds_leaves_the_others_as_they_are(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, SEEDS).double().eval()
    batch = batch_for(config, [(9,), (9,), (9,)])
    before = network(batch)
    network.keep_seeds(torch.tensor([2, 0]))
    after = network(SessionBatch(batch.features[[2, 0]], ((9,), (9,))))
    torch.testing.assert_close(after, before[[2, 0]], rtol=0, atol=1e-14)


@named((CROSS_SECTION[1], TIME_SERIES[2]))
def test_dropout_is_off_in_evaluation_and_a_seeds_own_in_training(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, SEEDS).double()
    batch = batch_for(config)

    def trained(epoch: int) -> Tensor:
        network.train().start_epoch(SEEDS, epoch)
        return network(batch)

    first = trained(1)
    assert torch.equal(trained(1), first)
    assert not torch.equal(trained(2), first)
    network.eval()
    assert torch.equal(network(batch), network(batch))
    without = build_network(config.model_copy(update={"dropout": 0.0}), FEATURES, TASKS, SEEDS).double()
    assert torch.equal(network(batch), without(batch))


@named(CROSS_SECTION + TIME_SERIES)
def test_starting_from_a_constant_forecasts_it_for_every_stock(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, SEEDS).double().eval()
    level = normal(len(SEEDS), TASKS)
    network.start_from_constant(level)
    predictions = network(batch_for(config))
    assert predictions.shape == (3, 11, TASKS)
    torch.testing.assert_close(predictions, level[:, None].expand(-1, 11, -1), rtol=0, atol=1e-14)


@named(CROSS_SECTION + TIME_SERIES)
def test_bfloat16_products_stay_close_to_float32(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, SEEDS).eval()
    batch = batch_for(config)
    batch = SessionBatch(batch.features.float(), batch.session_sizes)
    exact = network(batch)
    exact.sum().backward()
    exact_gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(batch)
    rounded.float().sum().backward()
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=0.03)
    for gradient, parameter in zip(exact_gradients, network.parameters(), strict=True):
        assert parameter.grad.dtype == torch.float32
        assert (parameter.grad - gradient).norm() < 0.05 * gradient.norm() + 1e-3


@named((*CROSS_SECTION, *TIME_SERIES[1:]))
def test_attention_weights_sum_to_one_in_every_precision(config: NetworkConfig) -> None:
    network = build_network(config, FEATURES, TASKS, SEEDS).eval()
    batch = batch_for(config)
    batch = SessionBatch(batch.features.float(), batch.session_sizes)
    for enabled in (False, True):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            network(batch)
            (weights,) = network.attention(batch).values()
        for seed, sizes in enumerate(SIZES):
            sums = weights[seed, : sum(sizes)].float().sum(-1)
            torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)
