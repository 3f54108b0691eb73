import pytest
import torch

from attn_platform.errors import TrainingError
from attn_platform.models.layers.dropout import StackedDropout

CPU = torch.device("cpu")


def restarted(seeds: list[int], epoch: int = 1, site: int = 0, probability: float = 0.1) -> StackedDropout:
    layer = StackedDropout(probability)
    layer.restart(seeds, epoch, site, CPU)
    return layer


def masks(layer: StackedDropout, calls: int, *shape: int) -> torch.Tensor:
    return torch.stack([layer(torch.ones(shape)) for _ in range(calls)])


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_share_and_scale_of_the_kept_elements(probability: float) -> None:
    y = masks(restarted([0, 1], probability=probability), 3, 2, 1000, 101)
    kept = y[y != 0]
    deviation = (probability * (1 - probability) / y.numel()) ** 0.5
    assert abs(1 - kept.numel() / y.numel() - probability) < 4 * deviation
    # the scale is one over the probability that is really used, a multiple of 2⁻¹⁶, so that the mean is kept exactly
    used = round((1 - probability) * 65536) / 65536
    assert torch.equal(kept, torch.full_like(kept, 1 / used))


def test_masks_have_no_structure() -> None:
    """Neighbours along both axes, calls, sites, epochs and seeds are uncorrelated."""
    base = masks(restarted([0, 1]), 2, 2, 400, 250).bool().float()
    others = [
        (base[..., 1:, :], base[..., :-1, :]),
        (base[..., 1:], base[..., :-1]),
        (base[..., 4:], base[..., :-4]),
        (base[0], base[1]),
        (base[:, 0], base[:, 1]),
        (base, masks(restarted([0, 1], site=1), 2, 2, 400, 250).bool().float()),
        (base, masks(restarted([0, 1], epoch=2), 2, 2, 400, 250).bool().float()),
    ]
    for a, b in others:
        correlation = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()
        assert abs(correlation) < 5 / a.numel() ** 0.5


def test_a_seeds_masks_do_not_depend_on_the_stack() -> None:
    together = masks(restarted([4, 2, 9]), 3, 3, 50, 7)
    assert torch.equal(together[:, 1:2], masks(restarted([2]), 3, 1, 50, 7))


def test_masks_of_valid_rows_do_not_depend_on_the_padding_in_this_or_an_earlier_call() -> None:
    short, long = restarted([2]), restarted([2])
    for rows, padded_rows in ((5, 9), (3, 3), (7, 20)):
        assert torch.equal(short(torch.ones(1, rows, 3, 3)), long(torch.ones(1, padded_rows, 3, 3))[:, :rows])


def test_the_same_epoch_gives_the_same_masks_again() -> None:
    layer = restarted([0])
    first = masks(layer, 2, 1, 30, 5)
    layer.restart([0], 1, 0, CPU)
    assert torch.equal(first, masks(layer, 2, 1, 30, 5))


def test_gradient_passes_where_elements_are_kept() -> None:
    x = torch.randn(2, 30, 5, dtype=torch.float64, requires_grad=True)
    y = restarted([0, 1], probability=0.5)(x)
    y.backward(torch.full_like(y, 3.0))
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0.0, 6.0).double(), rtol=0, atol=0)
    torch.testing.assert_close(y, 2 * x * (y != 0), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_masks_do_not_depend_on_the_precision(dtype: torch.dtype) -> None:
    y = restarted([3])(torch.ones(1, 40, 6, dtype=dtype))
    assert y.dtype == dtype
    assert torch.equal(y != 0, restarted([3])(torch.ones(1, 40, 6)) != 0)


def test_nothing_is_dropped_in_evaluation_or_at_probability_zero() -> None:
    x = torch.randn(2, 30, 5)
    assert StackedDropout(0.1).eval()(x) is x
    assert StackedDropout(0.0)(x) is x


def test_training_before_an_epoch_was_begun_is_an_error() -> None:
    with pytest.raises(TrainingError, match="2 are stacked"):
        restarted([0])(torch.ones(2, 3, 4))
