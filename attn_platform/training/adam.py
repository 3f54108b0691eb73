"""Adam (AI-69, AI-55; Kingma & Ba 2015) for every member of a stack, each with its own count of steps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from attn_platform.models.networks.base import StackedNetwork

# torch.optim.Adam's defaults; the studies name the learning rate only
BETA_1, BETA_2 = 0.9, 0.999
EPSILON = 1e-8


class StackedAdam:
    """torch.optim.Adam for parameters [S, ...]; members that sit a step out keep weights, moments and count.

    With m and v the decaying means of gradient and squared gradient and t the member's steps so far,

        weight ← weight − rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε).

    All parameters of a member lie in one row of `weights` [S, P], which the network's parameters become views of: a
    step is a few operations, however many layers there are. torch's own Adam counts steps for the stack as a whole.
    """

    def __init__(self, network: StackedNetwork, learning_rate: float) -> None:
        self.parameters = list(network.parameters())  # which the network finds anew at each request
        self.learning_rate = learning_rate
        self.weights = torch.cat([parameter.detach().flatten(1) for parameter in self.parameters], dim=1)
        self.means, self.squares = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        # On the CPU, whatever the device: the corrections are a few numbers
        self.steps = torch.zeros(len(self.weights), dtype=torch.float64)
        self._bind()

    def _bind(self) -> None:
        """Let the network's parameters be views of `weights`."""
        start = 0
        for parameter in self.parameters:
            shape = parameter.shape[1:]
            parameter.data = self.weights[:, start : start + shape.numel()].view(-1, *shape)
            parameter.grad = None
            start += shape.numel()

    def forget_gradients(self) -> None:
        """Begin a step: no parameter has a gradient."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, active: Sequence[bool] | None = None) -> Tensor:
        """One step of the active members (None: all); whether each member's gradient is finite [S]."""
        gradient = torch.cat(
            [torch.zeros_like(p).flatten(1) if p.grad is None else p.grad.flatten(1) for p in self.parameters],
            dim=1,
        )
        stepping = torch.ones(len(self.steps), dtype=torch.bool) if active is None else torch.tensor(active)
        before = None if active is None else (self.weights.clone(), self.means.clone(), self.squares.clone())
        self.steps += stepping
        # The formula with both corrections drawn out of the quotient, which saves a pass
        spread = (1 - BETA_2**self.steps).sqrt()
        rate = self.learning_rate / (1 - BETA_1**self.steps) * spread
        rate, floor = (column.to(self.weights)[:, None] for column in (rate, EPSILON * spread))
        self.means.lerp_(gradient, 1 - BETA_1)
        self.squares.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        self.weights.addcdiv_(self.means * rate, self.squares.sqrt().add_(floor), value=-1)
        if before is not None:
            idle = ~stepping.to(self.weights.device)
            for tensor, earlier in zip((self.weights, self.means, self.squares), before, strict=True):
                tensor[idle] = earlier[idle]
        return gradient.sum(dim=1).isfinite()

    def keep(self, positions: Tensor) -> None:
        """Drop all members but those at `positions`, of the network's parameters too."""
        self.weights, self.means, self.squares = (t[positions] for t in (self.weights, self.means, self.squares))
        self.steps = self.steps[positions.cpu()]
        self._bind()

    def state(self) -> dict[str, Tensor]:
        """All that a later step depends on, by name."""
        return {"weights": self.weights, "means": self.means, "squares": self.squares, "steps": self.steps}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.weights, self.means, self.squares = (
            state[name].to(self.weights) for name in ("weights", "means", "squares")
        )
        self.steps = state["steps"].clone()
        self._bind()
