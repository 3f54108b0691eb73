import torch

from attn_platform.models.layers.encoder import StackedEncoderBlock
from attn_platform.models.layers.self_attention import ShortSequenceAttention, StockAttention
from attn_platform_tests.models.attention_references import (
    assert_same_gradients,
    generators,
    normal,
    plain_encoder_layer,
    shaken,
)

SEEDS = (3, 0)
WIDTH, HEADS, FEED_FORWARD = 6, 2, 10


def block(attention: type, dropout: float = 0.0) -> StackedEncoderBlock:
    layer = attention(WIDTH, HEADS, generators(SEEDS))
    return shaken(StackedEncoderBlock(layer, WIDTH, FEED_FORWARD, dropout, generators(SEEDS)))


def test_over_steps_equals_torchs_encoder_layer() -> None:
    encoder = block(ShortSequenceAttention)
    x, upstream = normal(2, 5, 4, WIDTH).requires_grad_(), normal(2, 5, 4, WIDTH, seed=1)
    y = encoder(x)
    y.backward(upstream)
    for seed in range(2):
        plain, pairs = plain_encoder_layer(encoder, seed)
        sequences = x.detach()[seed].clone().requires_grad_()
        expected = plain(sequences)
        expected.backward(upstream[seed])
        torch.testing.assert_close(y[seed], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(x.grad[seed], sequences.grad, rtol=0, atol=1e-12)
        assert_same_gradients(pairs, seed)


def test_over_stocks_equals_torchs_encoder_layer_with_padding_mask() -> None:
    encoder = block(StockAttention)
    x, upstream = normal(2, 9, WIDTH), normal(2, 9, WIDTH, seed=1)
    x[1, 7:] = 1e6
    upstream[1, 7:] = 0
    x.requires_grad_()
    y = encoder(x, ((4, 5), (7,)))
    y.backward(upstream)
    for seed, (sizes, count) in enumerate((((4, 5), 9), ((7,), 7))):
        plain, pairs = plain_encoder_layer(encoder, seed)
        rows = x.detach()[seed, :count].clone().requires_grad_()
        padded = torch.nn.utils.rnn.pad_sequence(rows.split(sizes), batch_first=True, padding_value=7.0)
        padding = torch.arange(max(sizes)) >= torch.tensor(sizes)[:, None]
        expected = plain(padded, src_key_padding_mask=padding)[~padding]
        expected.backward(upstream[seed, :count])
        torch.testing.assert_close(y[seed, :count], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(x.grad[seed, :count], rows.grad, rtol=0, atol=1e-12)
        assert_same_gradients(pairs, seed)


def test_the_last_query_alone_gives_the_last_element_of_the_whole() -> None:
    encoder = block(ShortSequenceAttention)
    x = normal(2, 5, 4, WIDTH)
    torch.testing.assert_close(encoder(x, True), encoder(x)[:, :, -1:], rtol=0, atol=1e-12)


def test_dropout_stands_where_torch_has_it() -> None:
    """With every element dropped at one of its three places, the block loses what passes through that place."""
    encoder = block(StockAttention)
    x, sizes = normal(2, 9, WIDTH), ((9,), (9,))

    def without(*places: str) -> torch.Tensor:
        hooks = [getattr(encoder, place).register_forward_hook(lambda *call: call[2] * 0) for place in places]
        y = encoder(x, sizes)
        for hook in hooks:
            hook.remove()
        return y

    z = encoder.attention_norm(x + encoder.attention(x, sizes))
    hidden_dropped = encoder.feed_forward_norm(z + encoder.contract.bias)
    torch.testing.assert_close(without("expand_dropout"), hidden_dropped, rtol=0, atol=1e-12)
    torch.testing.assert_close(without("contract_dropout"), encoder.feed_forward_norm(z), rtol=0, atol=1e-12)
    both = encoder.feed_forward_norm(encoder.attention_norm(x))
    torch.testing.assert_close(without("attention_dropout", "contract_dropout"), both, rtol=0, atol=1e-12)


def test_dropout_is_off_in_evaluation() -> None:
    x, sizes = normal(2, 9, WIDTH), ((9,), (9,))
    torch.testing.assert_close(
        block(StockAttention, dropout=0.4).eval()(x, sizes), block(StockAttention)(x, sizes), rtol=0, atol=0
    )
