import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.nn import GATConv

from attn_platform.models.layers.additive_attention import blocks_of
from attn_platform.models.layers.graph_attention import StackedGraphAttention
from attn_platform_tests.models.graph_references import plain_attention

SLOPE = 0.2
STOCKS, WIDTH = 60, 8


def layer(seeds: tuple[int, ...]) -> StackedGraphAttention:
    return StackedGraphAttention(WIDTH, SLOPE, [torch.Generator().manual_seed(seed) for seed in seeds]).double()


def inputs(members: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return 3 * torch.randn(members, STOCKS, WIDTH, dtype=torch.float64, generator=generator)


def graphs() -> dict[str, Tensor]:
    """Group ids: all stocks linked, and sectors with one stock alone in its own."""
    sectors = torch.arange(STOCKS) % 4
    sectors[17] = 9
    return {"global": torch.zeros(STOCKS, dtype=torch.int64), "sector": sectors}


@pytest.mark.parametrize("graph", ["global", "sector"])
def test_equals_the_studys_formula_over_pairs(graph: str) -> None:
    ids, attention, x = graphs()[graph], layer((0, 3)), inputs(2).requires_grad_()
    outcome = attention(x, blocks_of(ids.expand(2, -1)))
    upstream = torch.randn(outcome.shape, dtype=torch.float64)
    outcome.backward(upstream)
    for member in range(2):
        h, W = (tensor.detach()[member].clone().requires_grad_() for tensor in (x, attention.weight))
        a = attention.scores.detach()[member].T.flatten().requires_grad_()  # first the half of i, then that of j
        _, attended = plain_attention(h, W, a, SLOPE, ids[:, None] == ids[None, :])
        expected = h + functional.leaky_relu(attended, SLOPE)
        expected.backward(upstream[member])
        pairs = (
            (outcome[member], expected),
            (x.grad[member], h.grad),
            (attention.weight.grad[member], W.grad),
            (attention.scores.grad[member].T.flatten(), a.grad),
        )
        for actual, wanted in pairs:
            torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("graph", ["global", "sector"])
def test_equals_gat_conv_of_pytorch_geometric(graph: str) -> None:
    ids, attention, x = graphs()[graph], layer((7,)), inputs(1).requires_grad_()
    conv = GATConv(WIDTH, WIDTH, heads=1, negative_slope=SLOPE, add_self_loops=False, bias=False).double()
    with torch.no_grad():
        conv.lin.weight.copy_(attention.weight[0].T)
        conv.att_dst.copy_(attention.scores[0, :, 0].view(1, 1, -1))
        conv.att_src.copy_(attention.scores[0, :, 1].view(1, 1, -1))
    edges = (ids[:, None] == ids[None, :]).nonzero().T.flip(0)  # from j to i, loops among them
    outcome = attention(x, blocks_of(ids[None]))
    h = x.detach()[0].clone().requires_grad_()
    expected = h + functional.leaky_relu(conv(h, edges), SLOPE)
    upstream = torch.randn(expected.shape, dtype=torch.float64)
    outcome.backward(upstream[None])
    expected.backward(upstream)
    pairs = (
        (outcome[0], expected),
        (x.grad[0], h.grad),
        (attention.weight.grad[0].T, conv.lin.weight.grad),
        (attention.scores.grad[0, :, 0], conv.att_dst.grad.flatten()),
        (attention.scores.grad[0, :, 1], conv.att_src.grad.flatten()),
    )
    for actual, wanted in pairs:
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-10)


def test_attention_is_what_the_layer_weighs_with() -> None:
    ids, attention, x = graphs()["sector"], layer((1,)), inputs(1)
    alpha = attention.attention(x, blocks_of(ids[None]))[0]
    expected, _ = plain_attention(
        x[0], attention.weight[0], attention.scores[0].T.flatten(), SLOPE, ids[:, None] == ids[None, :]
    )
    torch.testing.assert_close(alpha, expected, rtol=0, atol=1e-14)


def test_a_members_initial_weights_are_its_own() -> None:
    together, alone = layer((4, 2)), layer((2,))
    for name, tensor in alone.named_parameters():
        assert torch.equal(together.get_parameter(name)[1], tensor[0])
        assert not torch.equal(*together.get_parameter(name))


def test_weights_are_single_precision_under_autocast() -> None:
    ids, attention, x = graphs()["global"], layer((1,)).float(), inputs(1).float()
    blocks = blocks_of(ids[None])
    with torch.autocast("cpu", torch.bfloat16):
        outcome = attention(x.bfloat16(), blocks)
        alpha = attention.attention(x.bfloat16(), blocks)
    assert outcome.dtype == alpha.dtype == torch.float32
    torch.testing.assert_close(alpha.sum(-1), torch.ones(1, STOCKS), rtol=0, atol=1e-6)
    torch.testing.assert_close(outcome, attention(x, blocks), rtol=0.03, atol=0.05)
