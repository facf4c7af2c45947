"""Linear layers with weights in the layout of oneDNN's kernels, which decodes up to twice as fast on a CPU.

torch multiplies the few rows of a decoding step by weights that are stored for large products. oneDNN, which is part of
torch, stores them once in blocks that its kernels read in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

TYPICAL_ROWS = 16
"""Rows of a product for which the layout is chosen; others are multiplied as well."""


class PackedLinear(torch.nn.Module):
    """A linear layer for inference on a CPU in float32.

    Args:
        linear: the layer whose weights are packed.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), TYPICAL_ROWS)
        self.bias = linear.bias

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """As ``torch.nn.Linear``: values (… x inputs) to (… x outputs)."""
        multiply = cast("Callable[..., torch.Tensor]", torch.ops.mkldnn._linear_pointwise)
        return multiply(values, self.packed, self.bias, "none", [], "")


def pack_linears(model: torch.nn.Module) -> int:
    """Replace the float32 linear layers of a model on a CPU; others stay, and so do all where torch has no oneDNN.

    Args:
        model: changed in place, for inference only: packed weights can be neither trained nor saved.

    Returns:
        How many were replaced.
    """
    if not torch.backends.mkldnn.is_available():
        return 0
    found = [  # without the layers themselves, so that each is freed when the next one is packed
        (parent, name)
        for parent in list(model.modules())
        if not isinstance(parent, torch.nn.ModuleDict)  # matrices of adapters: peft reads the types of their weights
        for name, child in parent.named_children()
        if type(child) is torch.nn.Linear and _fits(child.weight)
    ]
    for parent, name in found:
        setattr(parent, name, PackedLinear(getattr(parent, name)))
    return len(found)


def _fits(weight: Any) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32
