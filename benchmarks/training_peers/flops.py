"""FLOPs of the matrix products and attention kernels of a training step, those that torch's counter omits included."""

from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

Shape = Sequence[int]


def counted_flops(step: Callable[[], object]) -> int:
    """FLOPs of a step, forward and backward."""
    aten = torch.ops.aten
    missing = {
        aten.mkldnn_rnn_layer: _lstm_layer,
        aten.mkldnn_rnn_layer_backward: _lstm_layer_backward,
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    with FlopCounterMode(display=False, custom_mapping=missing) as counter:
        step()
    return counter.get_total_flops()


def _lstm_layer(x: Shape, weight_ih: Shape, weight_hh: Shape, *others: object, **options: object) -> int:
    """Products of the input [L, M, in] and the hidden state [M, H] of each step with the weights of the gates."""
    steps, rows, inputs = x
    gates, hidden = weight_hh
    return 2 * steps * rows * gates * (inputs + hidden)


def _lstm_layer_backward(x: Shape, weight_ih: Shape, weight_hh: Shape, *others: object, **options: object) -> int:
    """Two products for each one forward: the gradients of its two factors."""
    return 2 * _lstm_layer(x, weight_ih, weight_hh)


def _attention(query: Shape, key: Shape, value: Shape, *others: object, **options: object) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: Shape, query: Shape, key: Shape, value: Shape, *others: object, **o: object) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)
