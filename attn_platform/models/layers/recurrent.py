"""Long short-term memory (Hochreiter & Schmidhuber 1997) of several seeds.

Of layer n, with x_l its input of step l (the features, or the layer below's h_l),

    [i ‖ f ‖ g ‖ o] = W_ih x_l + b_ih + W_hh h_(l-1) + b_hh,
    c_l = σ(f) c_(l-1) + σ(i) tanh(g),  h_l = σ(o) tanh(c_l),  h_0 = c_0 = 0.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Generator, Tensor, nn


class StackedLSTM(nn.Module):
    """torch.nn.LSTM for every seed of a stack: its parameters' names, shapes after S, and default initial weights."""

    def __init__(self, in_features: int, hidden: int, layers: int, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.hidden, self.layers = hidden, layers
        bound = 1 / math.sqrt(hidden)
        for layer in range(layers):
            shapes = {
                "weight_ih": (4 * hidden, hidden if layer else in_features),
                "weight_hh": (4 * hidden, hidden),
                "bias_ih": (4 * hidden,),
                "bias_hh": (4 * hidden,),
            }
            for name, shape in shapes.items():
                drawn = [torch.empty(shape).uniform_(-bound, bound, generator=generator) for generator in generators]
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.stack(drawn)))

    def forward(self, x: Tensor) -> Tensor:
        """M windows of L steps [S, M, L, in] → hidden states of the last layer [S, M, L, hidden].

        On the CPU oneDNN's kernel for one seed after another takes half the time of steps over the stack. On a GPU the
        steps of one seed are too little work for the card, so there all seeds step together.
        """
        return self.step_together(x) if x.is_cuda else self.run_members(x)

    def run_members(self, x: Tensor) -> Tensor:
        """torch's own LSTM for one seed after another."""
        parameters = list(self.parameters())
        with _computable():
            if not torch.is_autocast_enabled(x.device.type):
                x = x.to(parameters[0].dtype)
            start = x.new_zeros(self.layers, x.shape[1], self.hidden)
            return torch.stack(
                [
                    torch.lstm(
                        x[seed],
                        (start, start),
                        [parameter[seed] for parameter in parameters],
                        has_biases=True,
                        num_layers=self.layers,
                        dropout=0.0,
                        train=self.training,
                        bidirectional=False,
                        batch_first=True,
                    )[0]
                    for seed in range(len(x))
                ]
            )

    def step_together(self, x: Tensor) -> Tensor:
        """All seeds side by side, step after step."""
        parameters = list(self.parameters())
        inputs = list(x.unbind(2))
        for layer in range(self.layers):
            weight_ih, weight_hh, bias_ih, bias_hh = parameters[4 * layer : 4 * layer + 4]
            bias = (bias_ih + bias_hh)[:, None]
            hidden = cell = x.new_zeros(len(x), x.shape[1], self.hidden)
            outputs = []
            for step_input in inputs:
                gates = torch.baddbmm(bias, step_input, weight_ih.mT) + torch.bmm(hidden, weight_hh.mT)
                admit, forget, candidate, emit = gates.to(x.dtype).chunk(4, -1)
                cell = forget.sigmoid() * cell + admit.sigmoid() * candidate.tanh()
                hidden = emit.sigmoid() * cell.tanh()
                outputs.append(hidden)
            inputs = outputs
        return torch.stack(inputs, 2)


@cache
def cpu_has_bfloat16_lstm() -> bool:
    """Whether autocast's LSTM in bfloat16 runs on this CPU: oneDNN has one from AVX-512 on and raises elsewhere."""
    x = torch.zeros(1, 1, 1)
    weights = [torch.zeros(4, 1), torch.zeros(4, 1), torch.zeros(4), torch.zeros(4)]
    try:
        with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
            torch.lstm(x, (x, x), weights, True, 1, 0.0, False, False, True)
    except RuntimeError:
        return False
    return True


def _computable() -> AbstractContextManager[object]:
    """Context in which this CPU's LSTM runs: the parameters' own precision, where autocast asks for more than it has.

    For callers of a network under autocast; a training resolves its precision beforehand (`training.device`).
    """
    asked = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    if not asked or cpu_has_bfloat16_lstm():
        return nullcontext()
    return torch.autocast("cpu", enabled=False)
