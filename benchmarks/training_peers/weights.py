"""A member of the platform's stack under the names and shapes of the plain networks: its weights, or its gradient."""

from collections.abc import Callable, Mapping

from torch import Tensor

from attn_platform.models.configuration import GatResidualConfig, NetworkConfig
from attn_platform.models.networks.gat_residual import FACTOR_LINKS

Tensors = dict[str, Tensor]
_EXPAND = ".expand.weight"  # a parameter that every encoder block has once


def plain_tensors(config: NetworkConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    """Tensors of a plain network from one member's, named as in the stacked network, less the stack's axis."""
    return _NETWORKS[config.name](config, member, tasks)


def _multi_task_baseline(config: NetworkConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    return _shared_mlp(member) | _heads(member, tasks)


def _inter_task_attention(config: NetworkConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    found = _shared_mlp(member) | _heads(member, tasks) | _attention(member, "task_attention", "attention")
    for layer in ("task_features", "task_tokens"):
        for task in range(tasks):
            found[f"{layer}.{task}.weight"] = member[f"{layer}.weight"][task].T
            found[f"{layer}.{task}.bias"] = member[f"{layer}.bias"][task, 0]
    return found


def _inter_stock_attention(config: NetworkConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    return _encoder(member) | _linear(member, "hidden", "hidden") | _heads(member, tasks)


def _lstm(config: NetworkConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    recurrent = {
        name.replace("recurrent.", "lstm."): tensor for name, tensor in member.items() if name.startswith("recurrent.")
    }
    return recurrent | _linear(member, "heads", "output")


def _alstm(config: NetworkConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    hidden = _linear(member, "step_attention.hidden_layer", "score.0")
    score = _linear(member, "step_attention.score", "score.2")
    return _lstm(config, member, tasks) | hidden | score


def _temporal_transformer(config: NetworkConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    return _encoder(member) | _linear(member, "heads", "output")


def _gat_residual(config: GatResidualConfig, member: Mapping[str, Tensor], tasks: int) -> Tensors:
    found = _linear(member, "heads", "output")
    for block in range(2):
        found |= _linear(member, f"encoder.linears.{block}", f"encoder.{3 * block}")
        for part in ("weight", "bias"):
            found[f"encoder.{3 * block + 2}.{part}"] = member[f"encoder.norms.{block}.{part}"]
    for has_stage, ours, theirs in (
        (config.masked_attention, config.adjacency, "masked"),
        (config.global_attention, FACTOR_LINKS, "all"),
    ):
        if has_stage:
            found[f"{theirs}.weight.weight"] = member[f"stages.{ours}.graph.weight"].T
            found[f"{theirs}.score.weight"] = member[f"stages.{ours}.graph.scores"].T.reshape(1, -1)
            found |= _linear(member, f"stages.{ours}.linear", f"{theirs}_linear")
    return found


_NETWORKS: dict[str, Callable[..., Tensors]] = {
    "multi_task_baseline": _multi_task_baseline,
    "inter_task_attention": _inter_task_attention,
    "inter_stock_attention": _inter_stock_attention,
    "lstm": _lstm,
    "alstm": _alstm,
    "temporal_transformer": _temporal_transformer,
    "gat_residual": _gat_residual,
}


def _linear(member: Mapping[str, Tensor], ours: str, theirs: str) -> Tensors:
    return {f"{theirs}.weight": member[f"{ours}.weight"].T, f"{theirs}.bias": member[f"{ours}.bias"][0]}


def _heads(member: Mapping[str, Tensor], tasks: int) -> Tensors:
    found: Tensors = {}
    for task in range(tasks):
        found[f"heads.{task}.weight"] = member["heads.weight"][:, task][None]
        found[f"heads.{task}.bias"] = member["heads.bias"][0, task : task + 1]
    return found


def _shared_mlp(member: Mapping[str, Tensor]) -> Tensors:
    blocks = sum(name.startswith("shared.linears.") and name.endswith(".weight") for name in member)
    found: Tensors = {}
    for block in range(blocks):
        found |= _linear(member, f"shared.linears.{block}", f"shared.{2 * block}")
    return found


def _attention(member: Mapping[str, Tensor], ours: str, theirs: str) -> Tensors:
    return {
        f"{theirs}.in_proj_weight": member[f"{ours}.in_proj.weight"].T,
        f"{theirs}.in_proj_bias": member[f"{ours}.in_proj.bias"][0],
        **_linear(member, f"{ours}.out_proj", f"{theirs}.out_proj"),
    }


def _encoder(member: Mapping[str, Tensor]) -> Tensors:
    """All encoder blocks, which are named in their order."""
    blocks = [name.removesuffix(_EXPAND) for name in member if name.endswith(_EXPAND)]
    found: Tensors = {}
    for number, ours in enumerate(blocks):
        theirs = f"encoder.layers.{number}"
        found |= _attention(member, f"{ours}.attention", f"{theirs}.self_attn")
        found |= _linear(member, f"{ours}.expand", f"{theirs}.linear1")
        found |= _linear(member, f"{ours}.contract", f"{theirs}.linear2")
        for norm, name in (("attention_norm", "norm1"), ("feed_forward_norm", "norm2")):
            for part in ("weight", "bias"):
                found[f"{theirs}.{name}.{part}"] = member[f"{ours}.{norm}.{part}"]
    return found
