import math

import pytest
import torch

from attn_platform.models.layers.positional_encoding import sinusoidal_encoding


@pytest.mark.parametrize("width", [1, 5, 42])
def test_against_the_formula(width: int) -> None:
    encoding = sinusoidal_encoding(torch.empty(2, 3, 21, width, dtype=torch.float64))
    assert encoding.shape == (21, width)
    for step in range(21):
        for column in range(width):
            angle = step / 10_000 ** ((column - column % 2) / width)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert encoding[step, column].item() == pytest.approx(expected, abs=1e-13)
