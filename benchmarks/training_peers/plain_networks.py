"""The studies' networks (AI-69, AI-55) as torch.nn modules of one seed, written to be read, not to be fast.

Each takes features, and what else its study gives it, and returns predictions [..., K]. Shapes, activations and initial
weights are the platform's defaults, so that `agreement` can give both sides the same weights.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from attn_platform.models.configuration import (
    ALSTMConfig,
    GatResidualConfig,
    InterStockAttentionConfig,
    InterTaskAttentionConfig,
    LSTMConfig,
    MultiTaskBaselineConfig,
    TemporalTransformerConfig,
)
from training_peers.plain_data import PlainBatch


class PlainMultiTaskBaseline(nn.Module):
    """Shared MLP, a linear head a task."""

    def __init__(self, config: MultiTaskBaselineConfig, features: int, tasks: int) -> None:
        super().__init__()
        self.shared = shared_mlp(features, config.width, config.depth)
        self.heads = nn.ModuleList(nn.Linear(config.width, 1) for _ in range(tasks))

    def forward(self, batch: PlainBatch) -> Tensor:
        """Predictions [..., K]."""
        hidden = self.shared(batch.features)
        return torch.cat([head(hidden) for head in self.heads], -1)


def shared_mlp(features: int, width: int, depth: int) -> nn.Sequential:
    """linear → ReLU, `depth` times."""
    sizes = [features] + [width] * depth
    return nn.Sequential(*(layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())))


class PlainInterTaskAttention(nn.Module):
    """A feature layer and a token layer a task, attention over the stock's tokens, a head a task."""

    def __init__(self, config: InterTaskAttentionConfig, features: int, tasks: int) -> None:
        super().__init__()
        width = config.width
        self.shared = shared_mlp(features, width, config.depth)
        self.task_features = nn.ModuleList(nn.Linear(width, width) for _ in range(tasks))
        self.task_tokens = nn.ModuleList(nn.Linear(width, width) for _ in range(tasks))
        self.attention = nn.MultiheadAttention(width, config.attention_heads, batch_first=True)
        self.heads = nn.ModuleList(nn.Linear(width, 1) for _ in range(tasks))

    def forward(self, batch: PlainBatch) -> Tensor:
        """Predictions [..., K]."""
        shared = self.shared(batch.features)
        of_task = zip(self.task_features, self.task_tokens, strict=True)
        tokens = torch.stack([token(torch.relu(feature(shared))) for feature, token in of_task], 1)
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        by_task = zip(self.heads, (tokens + attended).unbind(1), strict=True)
        return torch.cat([head(token) for head, token in by_task], -1)


class PlainInterStockAttention(nn.Module):
    """Transformer encoder over the stocks of padded sessions, hidden layer, a head a task.

    No dropout on the attention weights, as on the platform: it would keep torch from its fused kernels as well.
    """

    def __init__(self, config: InterStockAttentionConfig, features: int, tasks: int) -> None:
        super().__init__()
        self.encoder = encoder(features, config.attention_heads, config.feed_forward, config.dropout, config.blocks)
        for block in self.encoder.layers:
            block.self_attn.dropout = 0.0
        self.hidden = nn.Linear(features, config.hidden)
        self.heads = nn.ModuleList(nn.Linear(config.hidden, 1) for _ in range(tasks))

    def forward(self, batch: PlainBatch) -> Tensor:
        """Predictions [..., K]."""
        hidden = torch.relu(self.hidden(self.encoder(batch.features, src_key_padding_mask=batch.padding)))
        return torch.cat([head(hidden) for head in self.heads], -1)


def encoder(width: int, heads: int, feed_forward: int, dropout: float, blocks: int) -> nn.TransformerEncoder:
    """torch's own."""
    block = nn.TransformerEncoderLayer(width, heads, feed_forward, dropout, batch_first=True)
    return nn.TransformerEncoder(block, blocks, enable_nested_tensor=False)


class PlainLSTM(nn.Module):
    """LSTM, linear layer on the last hidden state."""

    def __init__(self, config: LSTMConfig, features: int, tasks: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, config.hidden, config.layers, batch_first=True)
        self.output = nn.Linear(config.hidden, tasks)

    def forward(self, batch: PlainBatch) -> Tensor:
        """Predictions [..., K]."""
        states, _ = self.lstm(batch.features)
        return self.output(states[:, -1])


class PlainALSTM(nn.Module):
    """LSTM, additive attention over its steps, linear layer on attended and last hidden state."""

    def __init__(self, config: ALSTMConfig, features: int, tasks: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, config.hidden, config.layers, batch_first=True)
        self.score = nn.Sequential(
            nn.Linear(config.hidden, config.attention_width), nn.Tanh(), nn.Linear(config.attention_width, 1)
        )
        self.output = nn.Linear(2 * config.hidden, tasks)

    def forward(self, batch: PlainBatch) -> Tensor:
        """Predictions [..., K]."""
        states, _ = self.lstm(batch.features)
        attended = (self.score(states).softmax(1) * states).sum(1)
        return self.output(torch.cat([attended, states[:, -1]], -1))


class PlainTemporalTransformer(nn.Module):
    """Positional encoding, Transformer encoder over the steps, linear layer on the last step."""

    def __init__(self, config: TemporalTransformerConfig, features: int, tasks: int) -> None:
        super().__init__()
        step = torch.arange(config.steps)[:, None]
        angle = step * torch.exp(torch.arange(0, features, 2) * (-math.log(10_000) / features))
        self.position = nn.Buffer(torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :features])
        self.encoder = encoder(features, config.attention_heads, config.feed_forward, config.dropout, config.blocks)
        self.output = nn.Linear(features, tasks)

    def forward(self, batch: PlainBatch) -> Tensor:
        """Predictions [..., K]."""
        return self.output(self.encoder(batch.features + self.position)[:, -1])


class ConcatenationAttention(nn.Module):
    """GAT as its formula is written: a · [W h_i ‖ W h_j] on an N × N × 2H tensor."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.weight = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(2 * width, 1, bias=False)
        self.slope = slope

    def forward(self, h: Tensor, neighbours: Tensor | None) -> Tensor:
        """[N, H] → [N, H]; `neighbours` [N, N], or all."""
        values = self.weight(h)
        scores = functional.leaky_relu(self.scores(values), self.slope)
        if neighbours is not None:
            scores = scores.masked_fill(~neighbours, -torch.inf)
        return h + functional.leaky_relu(scores.softmax(-1) @ values, self.slope)

    def scores(self, values: Tensor) -> Tensor:
        """a · [W h_i ‖ W h_j] [N, N]."""
        n, width = values.shape
        pairs = torch.cat([values[:, None].expand(n, n, width), values[None].expand(n, n, width)], -1)
        return self.score(pairs)[..., 0]


class BroadcastAttention(ConcatenationAttention):
    """The same with a cut in halves: N × N scores by broadcasting."""

    def scores(self, values: Tensor) -> Tensor:
        """a · [W h_i ‖ W h_j] [N, N]."""
        ours, theirs = self.score.weight[0].chunk(2)
        return (values @ ours)[:, None] + (values @ theirs)[None]


class PlainGatResidual(nn.Module):
    """Encoder, residual stages of graph attention, output layer."""

    def __init__(
        self, config: GatResidualConfig, features: int, tasks: int, attention: type[ConcatenationAttention]
    ) -> None:
        super().__init__()
        width = config.hidden
        self.slope = config.slope
        self.encoder = nn.Sequential(
            *(nn.Linear(features, width), nn.Sigmoid(), nn.BatchNorm1d(width)),
            *(nn.Linear(width, width), nn.Sigmoid(), nn.BatchNorm1d(width)),
        )
        self.has_masked, self.has_global = config.masked_attention, config.global_attention
        if self.has_masked:
            self.masked, self.masked_linear = attention(width, config.slope), nn.Linear(width, width)
        if self.has_global:
            self.all, self.all_linear = attention(width, config.slope), nn.Linear(width, width)
        self.output = nn.Linear(width, tasks)

    def forward(self, batch: PlainBatch) -> Tensor:
        """Predictions [..., K]."""
        h = self.encoder(batch.features)
        parts = []
        if self.has_masked:
            neighbours = batch.groups[:, None] == batch.groups[None]
            estimate = self.masked_linear(self.masked(h, neighbours))
            h = h - estimate
            parts.append(functional.leaky_relu(estimate, self.slope))
        if self.has_global:
            estimate = self.all_linear(self.all(h, None))
            h = h - estimate
            parts.append(functional.leaky_relu(estimate, self.slope))
        parts.append(functional.leaky_relu(h, self.slope))
        return self.output(sum(parts))
