"""Batch norm of several seeds, each over its own valid rows."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

# torch.nn.BatchNorm1d's defaults; the studies name none
MOMENTUM = 0.1
EPSILON = 1e-5


class StackedBatchNorm(nn.Module):
    """torch.nn.BatchNorm1d for every seed of a stack.

    In training, mean and variance are those of a seed's valid rows; in evaluation the running statistics make each
    row's output independent of all other rows. Padded rows come out as zeros.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, seed_count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(seed_count, features))
        self.bias = nn.Parameter(torch.zeros(seed_count, features))
        self.register_buffer("running_mean", torch.zeros(seed_count, features))
        self.register_buffer("running_var", torch.ones(seed_count, features))

    def forward(self, x: Tensor, valid_rows: Sequence[int]) -> Tensor:
        """[S, M, features] → the same shape and dtype."""
        if valid_rows == (x.shape[1],):  # one seed without padding: nothing to keep apart
            statistics = self.running_mean[0], self.running_var[0]
            parameters = self.weight[0], self.bias[0]
            return functional.batch_norm(x[0], *statistics, *parameters, self.training, MOMENTUM, EPSILON)[None]
        return _NormaliseValidRows.apply(
            x, self.weight, self.bias, self.running_mean, self.running_var, valid_rows, self.training
        )


class _NormaliseValidRows(torch.autograd.Function):
    """torch's batch-norm kernel on each seed's valid rows, which are contiguous.

    Slicing and padding left to autograd gives the same numbers with more passes over the activations: a training step
    of 5 seeds × 830 stocks took 11.6 ms of CPU time so, 10.0 ms this way (one thread, bfloat16 products).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        valid_rows: Sequence[int],
        training: bool,
    ) -> Tensor:
        outputs = torch.empty_like(x)
        batch_statistics: list[Tensor] = []
        for seed, rows in enumerate(valid_rows):
            mean, inverse_std = torch.empty_like(weight[seed]), torch.empty_like(weight[seed])
            torch.native_batch_norm(
                x[seed, :rows],
                weight[seed],
                bias[seed],
                running_mean[seed],
                running_var[seed],
                training,
                MOMENTUM,
                EPSILON,
                out=(outputs[seed, :rows], mean, inverse_std),
            )
            outputs[seed, rows:] = 0
            batch_statistics += [mean, inverse_std]
        # In evaluation the gradient needs the running statistics; training steps rewrite them, so they are not saved
        ctx.running = (None, None) if training else (running_mean, running_var)
        ctx.valid_rows, ctx.training = valid_rows, training
        ctx.save_for_backward(x, weight, *batch_statistics)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *batch_statistics = ctx.saved_tensors
        running_mean, running_var = ctx.running
        of_x, of_weight, of_bias = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        for seed, rows in enumerate(ctx.valid_rows):
            of_x[seed, :rows], of_weight[seed], of_bias[seed] = torch.ops.aten.native_batch_norm_backward(
                gradient[seed, :rows],
                x[seed, :rows],
                weight[seed],
                None if running_mean is None else running_mean[seed],
                None if running_var is None else running_var[seed],
                batch_statistics[2 * seed],
                batch_statistics[2 * seed + 1],
                ctx.training,
                EPSILON,
                [True, True, True],
            )
            of_x[seed, rows:] = 0
        return of_x, of_weight, of_bias, None, None, None, None
