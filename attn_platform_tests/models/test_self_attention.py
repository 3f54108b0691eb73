import pytest
import torch
from torch import Tensor

from attn_platform.errors import ConfigurationError
from attn_platform.models.layers import self_attention
from attn_platform.models.layers.self_attention import ShortSequenceAttention, StockAttention
from attn_platform_tests.models.attention_references import (
    assert_same_gradients,
    generators,
    normal,
    plain_attention,
    shaken,
)

SEEDS = (3, 0)
WIDTH, HEADS = 6, 2
SIZES = ((4, 5), (7,))


def stocks_in_sessions() -> Tensor:
    """Two seeds with sessions of 4 and 5 stocks, and of 7; the padding holds values that would show if they leaked."""
    x = normal(2, 9, WIDTH)
    x[1, 7:] = 1e6
    return x.requires_grad_()


@pytest.mark.parametrize("formulation", ["attend_slices", "attend_padded"])
def test_stock_attention_equals_torch_in_each_session(formulation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_attention, "attend_slices", getattr(self_attention, formulation))
    layer = shaken(StockAttention(WIDTH, HEADS, generators(SEEDS)))
    x, upstream = stocks_in_sessions(), normal(2, 9, WIDTH, seed=1)
    upstream[1, 7:] = 0
    y, weights = layer(x, SIZES), layer.weights(x, SIZES)
    y.backward(upstream)
    for seed, sizes in enumerate(SIZES):
        plain, pairs = plain_attention(layer, seed)
        rows = x.detach()[seed].clone().requires_grad_()
        start = 0
        for size in sizes:
            of_session = slice(start, start + size)
            session = rows[None, of_session]
            expected, expected_weights = plain(session, session, session)
            torch.testing.assert_close(y[seed, of_session], expected[0], rtol=0, atol=1e-12)
            torch.testing.assert_close(weights[seed, of_session, of_session], expected_weights[0], rtol=0, atol=1e-12)
            expected[0].backward(upstream[seed, of_session])
            start += size
        torch.testing.assert_close(x.grad[seed], rows.grad, rtol=0, atol=1e-12)
        assert_same_gradients(pairs, seed)
        torch.testing.assert_close(weights[seed, :start].sum(-1), torch.ones(start).double(), rtol=0, atol=1e-12)


def test_weights_are_zero_between_sessions_and_in_the_padding() -> None:
    weights = shaken(StockAttention(WIDTH, HEADS, generators(SEEDS))).weights(stocks_in_sessions(), SIZES)
    assert not weights[0, :4, 4:].any()
    assert not weights[0, 4:, :4].any()
    assert not weights[1, 7:].any()
    assert not weights[1, :, 7:].any()


def test_a_seed_without_rows_is_all_padding() -> None:
    layer = shaken(StockAttention(WIDTH, HEADS, generators(SEEDS)))
    x = stocks_in_sessions()
    torch.testing.assert_close(layer(x, ((), (7,)))[1, :7], layer(x, SIZES)[1, :7], rtol=0, atol=1e-13)


def test_short_sequences_equal_torch() -> None:
    layer = shaken(ShortSequenceAttention(WIDTH, HEADS, generators(SEEDS)))
    x, upstream = normal(2, 5, 4, WIDTH).requires_grad_(), normal(2, 5, 4, WIDTH, seed=1)
    y, weights = layer(x), layer.weights(x)
    y.backward(upstream)
    for seed in range(2):
        plain, pairs = plain_attention(layer, seed)
        sequences = x.detach()[seed].clone().requires_grad_()
        expected, expected_weights = plain(sequences, sequences, sequences)
        expected.backward(upstream[seed])
        torch.testing.assert_close(y[seed], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(weights[seed], expected_weights, rtol=0, atol=1e-12)
        torch.testing.assert_close(x.grad[seed], sequences.grad, rtol=0, atol=1e-12)
        assert_same_gradients(pairs, seed)


def test_the_last_query_alone_gives_the_last_element_of_the_whole() -> None:
    layer = shaken(ShortSequenceAttention(WIDTH, HEADS, generators(SEEDS)))
    x, upstream = normal(2, 5, 4, WIDTH), normal(2, 5, 1, WIDTH, seed=1)
    gradients = []
    for last in (layer(x, last_query_only=True), layer(x)[:, :, -1:]):
        layer.zero_grad()
        last.backward(upstream)
        gradients.append([last.detach(), *(parameter.grad.clone() for parameter in layer.parameters())])
    for alone, of_whole in zip(*gradients, strict=True):
        torch.testing.assert_close(alone, of_whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.weights(x, last_query_only=True), layer.weights(x)[:, :, -1:], rtol=0, atol=1e-13)


def test_attention_weights_are_dropped_in_training_only() -> None:
    layer = shaken(ShortSequenceAttention(WIDTH, HEADS, generators([0]), dropout=0.5))
    x = normal(1, 5, 4, WIDTH)
    layer.dropout.restart([0], 1, 0, torch.device("cpu"))
    (scale,) = {1 / 0.5}
    query, key, value = layer._project(x, last_query_only=False)
    weights = (query @ key.mT / (WIDTH / HEADS) ** 0.5).softmax(-1)
    layer.dropout.restart([0], 1, 0, torch.device("cpu"))
    kept = layer.dropout(torch.ones(1, 5 * HEADS, 4, 4)).view(-1, 4, 4) != 0
    attended = ((weights * kept * scale) @ value).view(1, 5, HEADS, 4, -1).transpose(2, 3).flatten(3)
    expected = attended @ layer.out_proj.weight[0] + layer.out_proj.bias[0]
    layer.dropout.restart([0], 1, 0, torch.device("cpu"))
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    without = layer.eval()(x)
    assert not torch.allclose(without, expected)
    torch.testing.assert_close(without, plain_attention(layer, 0)[0](x[0], x[0], x[0])[0][None], rtol=0, atol=1e-12)


def test_initial_weights_are_distributed_as_torchs() -> None:
    layer = StockAttention(42, 2, generators([5]))
    torch.manual_seed(0)
    plain = torch.nn.MultiheadAttention(42, 2)
    for ours, theirs in ((layer.in_proj, plain.in_proj_weight), (layer.out_proj, plain.out_proj.weight)):
        assert ours.weight.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.01)
        assert ours.weight.std().item() == pytest.approx(theirs.std().item(), rel=0.05)
        assert not ours.bias.any()


def test_a_seeds_initial_weights_do_not_depend_on_the_stack() -> None:
    together, alone = StockAttention(WIDTH, 2, generators([4, 2, 9])), StockAttention(WIDTH, 2, generators([2]))
    for of_stack, own in zip(together.parameters(), alone.parameters(), strict=True):
        assert torch.equal(of_stack[1:2], own)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigurationError, match=r"42 features cannot have 4 heads.*1, 2, 3, 6, 7, 14, 21, 42"):
        StockAttention(42, 4, generators([0]))
