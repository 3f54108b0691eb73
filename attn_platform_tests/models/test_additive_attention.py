import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from attn_platform.models.batch import SessionBatch
from attn_platform.models.layers.additive_attention import (
    additive_attention,
    attention_weights,
    blocks_of,
    neighbour_blocks,
    session_blocks,
)

SLOPE = 0.2


def plain(s: Tensor, t: Tensor, values: Tensor, ids: Tensor) -> Tensor:
    """The definition over all pairs, one member of the stack at a time."""
    outcomes = []
    for one_s, one_t, one_values, one_ids in zip(s, t, values, ids, strict=True):
        e = functional.leaky_relu(one_s[:, None] + one_t[None, :], SLOPE)
        e = torch.where(one_ids[:, None] == one_ids[None, :], e, -torch.inf)
        outcomes.append(e.softmax(1) @ one_values)
    return torch.stack(outcomes)


def outcome_and_gradients(function, s: Tensor, t: Tensor, values: Tensor, ids) -> list[Tensor]:
    inputs = [tensor.clone().requires_grad_() for tensor in (s, t, values)]
    outcome = function(*inputs, ids)
    upstream = torch.randn(outcome.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    outcome.backward(upstream.to(outcome.dtype))
    return [outcome.detach(), *(tensor.grad for tensor in inputs)]


def ours(s: Tensor, t: Tensor, values: Tensor, ids: Tensor) -> Tensor:
    return additive_attention(s, t, values, blocks_of(ids), SLOPE)


def random_case(members: int, rows: int, width: int, spread: float, groups: int, seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    s, t = (spread * torch.randn(members, rows, dtype=torch.float64, generator=generator) for _ in range(2))
    values = torch.randn(members, rows, width, dtype=torch.float64, generator=generator)
    return s, t, values, torch.randint(-3, groups - 3, (members, rows), generator=generator)


@pytest.mark.parametrize("groups", [1, 5, 90])
@pytest.mark.parametrize("spread", [0.3, 3.0, 300.0])
def test_equals_the_pairwise_form(groups: int, spread: float) -> None:
    case = random_case(members=3, rows=200, width=7, spread=spread, groups=groups)
    for actual, expected in zip(outcome_and_gradients(ours, *case), outcome_and_gradients(plain, *case), strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10 * max(1, expected.abs().max().item()))


# Halves meet the kink exactly, hundreds overflow the exponential of float32, 1e-300 makes sums that round to nothing
SCORES = st.sampled_from([-800.0, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, 800.0, 1e-300, -1e-300])


@settings(deadline=None)
@given(st.lists(st.tuples(SCORES, SCORES, st.integers(-1, 2)), min_size=1, max_size=12), st.integers(0, 99))
def test_ties_kinks_and_huge_scores(rows: list[tuple[float, float, int]], seed: int) -> None:
    s, t, ids = (torch.tensor(column)[None] for column in zip(*rows, strict=True))
    values = torch.randn(1, len(rows), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    case = s.double(), t.double(), values, ids
    for actual, expected in zip(outcome_and_gradients(ours, *case), outcome_and_gradients(plain, *case), strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_gradient_agrees_with_finite_differences() -> None:
    s, t, values, ids = random_case(members=2, rows=9, width=3, spread=1.0, groups=2)
    assert torch.autograd.gradcheck(lambda *x: ours(*x, ids), [x.requires_grad_() for x in (s, t, values)])


def test_a_row_alone_gets_its_own_values_and_no_gradient_of_its_scores() -> None:
    s, t, values, _ = random_case(members=2, rows=6, width=4, spread=50.0, groups=1)
    outcome, of_s, of_t, of_values = outcome_and_gradients(ours, s, t, values, torch.arange(6).expand(2, -1))
    torch.testing.assert_close(outcome, values, rtol=0, atol=1e-14)
    assert max(of_s.abs().max(), of_t.abs().max()) < 1e-13
    assert of_values.abs().min() > 0


@pytest.mark.parametrize("spread", [1.0, 200.0])
def test_single_precision_is_as_good_as_the_pairwise_form(spread: float) -> None:
    case = random_case(members=1, rows=2000, width=16, spread=spread, groups=5)
    single = [tensor.float() if tensor.is_floating_point() else tensor for tensor in case]
    exact = outcome_and_gradients(plain, *(x.double() if x.is_floating_point() else x for x in single))
    fast, pairwise = (outcome_and_gradients(function, *single) for function in (ours, plain))
    for actual, dense, expected in zip(fast, pairwise, exact, strict=True):
        error, of_dense = ((x - expected).square().mean().sqrt() for x in (actual, dense))
        assert actual.dtype == torch.float32
        # Where one weight is all but 1, gradients of scores are differences of equal numbers of the size of the values
        assert error < 1.5 * of_dense + 4 * torch.finfo(torch.float32).eps


def test_rows_of_other_blocks_do_not_matter() -> None:
    s, t, values, _ = random_case(members=1, rows=40, width=3, spread=2.0, groups=1)
    ids = (torch.arange(40) % 2)[None]
    before = ours(s, t, values, ids)
    changed = [torch.where(ids == 1, 1e3 * x, x) for x in (s, t)]
    after = ours(*changed, torch.where(ids[..., None] == 1, -values, values), ids)
    torch.testing.assert_close(after[ids == 0], before[ids == 0], rtol=0, atol=1e-13)


def test_order_of_the_rows_does_not_matter() -> None:
    s, t, values, ids = random_case(members=1, rows=50, width=3, spread=1.0, groups=4)
    shuffle = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    expected = ours(s, t, values, ids)[:, shuffle]
    actual = ours(*(x[:, shuffle] for x in (s, t, values, ids)))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


def test_weights_are_the_softmax_within_blocks() -> None:
    s, t, values, ids = random_case(members=2, rows=30, width=3, spread=1.0, groups=3)
    alpha = attention_weights(s, t, blocks_of(ids), SLOPE)
    torch.testing.assert_close(alpha.sum(-1), torch.ones_like(s), rtol=0, atol=1e-14)
    assert not alpha[ids[:, :, None] != ids[:, None, :]].any()
    torch.testing.assert_close(alpha @ values, plain(s, t, values, ids), rtol=0, atol=1e-13)


def test_equal_seeds_give_equal_bits() -> None:
    case = random_case(members=2, rows=300, width=8, spread=1.0, groups=4)
    for first, second in zip(outcome_and_gradients(ours, *case), outcome_and_gradients(ours, *case), strict=True):
        assert torch.equal(first, second)


SIZES = ((3, 2), (4,))
BATCH = SessionBatch(torch.zeros(2, 6, 1), SIZES)


def members_of(blocks, row: int, member: int) -> list[int]:
    return [i for i in range(6) if blocks.first[member, i] == blocks.first[member, row]]


def test_blocks_of_sessions() -> None:
    blocks = session_blocks(BATCH)
    assert blocks.first.tolist() == [[0, 0, 0, 3, 3, 5], [0, 0, 0, 0, 4, 4]]
    assert blocks.end.tolist() == [[3, 3, 3, 5, 5, 6], [4, 4, 4, 4, 6, 6]]


def test_neighbours_are_of_the_same_session_and_padding_stays_apart() -> None:
    huge = 2**62
    groups = torch.tensor([[7, -huge, 7, 7, -huge, 7], [huge, 1, huge, 1, huge, 1]])
    blocks = neighbour_blocks(BATCH, groups)
    assert [members_of(blocks, row, 0) for row in range(5)] == [[0, 2], [1], [0, 2], [3], [4]]
    assert [members_of(blocks, row, 1) for row in range(4)] == [[0, 2], [1, 3], [0, 2], [1, 3]]
    # Behind all sums over valid rows, so that the padding cannot even change a rounding
    assert min(blocks.first[0, 5], *blocks.first[1, 4:]) >= 4
    assert blocks.first[0, 5] == 5
