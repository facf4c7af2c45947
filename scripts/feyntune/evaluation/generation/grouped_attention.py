"""Attention of one new token per row that reads less padding: rows of similar length are computed together.

The cache of a batch has as many columns as its longest row. Decoding on a CPU is limited by the speed of memory, and
texts of different lengths make more than half of these columns padding. Rows are sorted by length, longest first, and
each group of neighbours reads only the columns that its longest row uses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "sdpa_in_groups"
"""Its name among the attention functions of transformers."""
MOST_GROUPS = 8
LEAST_ROWS = 2
"""Rows of a group: with fewer, the calls cost more than the padding."""

Groups = Sequence[tuple[slice, int]]
"""Slices of rows, and the first column that any row of a slice uses."""

_groups: ContextVar[Groups] = ContextVar("groups", default=())


def groups_of(padding: Sequence[int]) -> Groups:
    """Groups of rows from the number of padding columns before each row."""
    size = max(LEAST_ROWS, -(-len(padding) // MOST_GROUPS))
    slices = [slice(first, first + size) for first in range(0, len(padding), size)]
    return [(rows, min(padding[rows])) for rows in slices]


@contextlib.contextmanager
def attending(groups: Groups) -> Iterator[None]:
    """Use these groups for the rows of all attention inside the block."""
    token = _groups.set(groups)
    try:
        yield
    finally:
        _groups.reset(token)


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """As ``sdpa_attention_forward``: tensors of rows x heads x positions x size, mask of rows x 1 x queries x keys."""
    groups = _groups.get()
    rows, columns = query.shape[0], key.shape[2]
    fits = attention_mask is None or attention_mask.shape[-1] == columns
    if query.shape[2] > 1 or len(groups) < 2 or groups[-1][0].stop < rows or not fits or "position_bias" in options:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    outputs = []
    for part, start in groups:
        mask = None if attention_mask is None else attention_mask[part, ..., start:]
        cut = (query[part], key[part, :, start:], value[part, :, start:])
        outputs.append(sdpa_attention_forward(module, *cut, mask, **options)[0])
    return torch.cat(outputs), None


def additive_mask(*arguments: Any, **options: Any) -> torch.Tensor | None:
    """As ``sdpa_mask``, but for one new token per row as numbers: torch would convert it in every layer and group."""
    mask = sdpa_mask(*arguments, **options)
    if mask is None or mask.shape[-2] > 1:
        return mask
    return torch.zeros(mask.shape, dtype=options.get("dtype"), device=mask.device).masked_fill_(~mask, -torch.inf)


def use_groups(model: PreTrainedModel) -> None:
    """Let a model on a CPU that computes with ``sdpa`` attend in groups; other models stay as they are."""
    if model.device.type != "cpu" or model.config._attn_implementation != "sdpa":
        return
    if not model.is_backend_compatible():
        return
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, additive_mask)
    model.set_attn_implementation(NAME)
