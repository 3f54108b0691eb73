"""Sums on either side of the kink, both ways of computing them, against loops over all pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from attn_platform.models.layers import side_sums
from attn_platform.models.layers.side_sums import Blocks, blocks_of, sums_by_side

SCORES = st.sampled_from([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])  # ties, and pairs exactly on the kink


def pair_by_pair(s: Tensor, t: Tensor, x: Tensor, ids: np.ndarray) -> np.ndarray:
    out = np.zeros(x.shape)
    for member, i, j in np.ndindex(len(s), s.shape[1], s.shape[1]):
        if ids[member, i] == ids[member, j]:
            side = 0 if s[member, i] + t[member, j] > 0 else 1
            out[member, i, side] += x[member, j, side].numpy()
    return out


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
    rows = draw(st.integers(1, 9))
    s, t = (
        torch.tensor([draw(st.lists(SCORES, min_size=rows, max_size=rows)) for _ in range(2)], dtype=torch.float64)
        for _ in range(2)
    )
    ids = np.array([draw(st.lists(st.integers(-2, 2), min_size=rows, max_size=rows)) for _ in range(2)])
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    return s, t, torch.randn(2, rows, 2, 3, generator=generator, dtype=torch.float64), ids


@pytest.mark.parametrize("way", ["running sums", "differences of cumulative sums"])
def test_sums_of_all_pairs(way: str) -> None:
    @settings(deadline=None, max_examples=60)
    @given(cases())
    def holds(case: tuple[Tensor, Tensor, Tensor, np.ndarray]) -> None:
        s, t, x, ids = case
        blocks = blocks_of(torch.from_numpy(ids))
        np.testing.assert_allclose(summed(way, s, t, x, blocks), pair_by_pair(s, t, x, ids), atol=1e-12)

    holds()


def summed(way: str, s: Tensor, t: Tensor, x: Tensor, blocks: Blocks) -> Tensor:
    if way == "running sums":
        return sums_by_side(s, t, x, blocks)
    order, kink = side_sums._sorted_rows(s, t, blocks)
    return side_sums._by_differences(x, order, kink, blocks)


def test_float32_sums_have_float64_digits() -> None:
    """A small number a hundred thousand times beside a large one: float32 would lose a part of it."""
    rows = 100_000
    x = torch.full((1, rows, 2, 1), 1e-4)
    x[0, 0] = 1e4
    s, t = torch.ones(1, rows), torch.linspace(0, 1, rows)[None]
    found = sums_by_side(s, t, x, blocks_of(torch.zeros(1, rows, dtype=torch.int64)))
    expected = x.double()[..., 0].sum(1)[0, 0].item()
    assert found.dtype == torch.float32
    assert found[0, 0, 0, 0].item() == pytest.approx(expected, rel=1e-7)
