"""Graph attention as AI-55 writes it, one network at a time, over N × N pairs."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional


def plain_attention(h: Tensor, W: Tensor, a: Tensor, slope: float, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    """α [N, N] and Σ_j α_ij W h_j [N, H'] of h [N, H], by concatenating W h_i and W h_j for every pair."""
    stocks = len(h)
    projected = h @ W
    of_i = projected[:, None].expand(-1, stocks, -1)
    of_j = projected[None].expand(stocks, -1, -1)
    e = functional.leaky_relu(torch.cat([of_i, of_j], dim=-1) @ a, slope)
    alpha = torch.where(neighbours, e, -torch.inf).softmax(dim=1)
    return alpha, alpha @ projected


def plain_gat_residual(
    state: Mapping[str, Tensor], member: int, x: Tensor, neighbours: Tensor | None, whole: Tensor | None, slope: float
) -> dict[str, Tensor]:
    """AI-55's six steps for one seed in training mode: y⁰, y¹, y² (those that there are) and the prediction.

    `neighbours` and `whole` [N, N] say who attends to whom in the two stages; None leaves a stage out.
    """
    weights = {name: tensor[member] for name, tensor in state.items()}
    h = x
    for block in ("0", "1"):
        linear, norm = f"encoder.linears.{block}", f"encoder.norms.{block}"
        h = torch.sigmoid(h @ weights[f"{linear}.weight"] + weights[f"{linear}.bias"])
        h = functional.batch_norm(h, None, None, weights[f"{norm}.weight"], weights[f"{norm}.bias"], training=True)
    parts = {}
    stages = [name for name in ("sector", "industry") if f"stages.{name}.linear.weight" in weights] + ["factor_links"]
    for stage, connected in ((stages[0], neighbours), ("factor_links", whole)):
        if connected is None:
            continue
        at = f"stages.{stage}"
        a = weights[f"{at}.graph.scores"].T.flatten()
        _, attended = plain_attention(h, weights[f"{at}.graph.weight"], a, slope, connected)
        with_links = h + functional.leaky_relu(attended, slope)
        estimate = with_links @ weights[f"{at}.linear.weight"] + weights[f"{at}.linear.bias"]
        h = h - estimate
        parts[stage] = functional.leaky_relu(estimate, slope)
    parts["specific"] = functional.leaky_relu(h, slope)
    total = torch.stack(list(parts.values())).sum(0)
    return parts | {"prediction": total @ weights["heads.weight"] + weights["heads.bias"]}
