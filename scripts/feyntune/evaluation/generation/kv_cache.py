"""A KV cache for rows that start and finish at different times: it grows in place, and caches can be joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

SPARE_COLUMNS = 64
"""Columns that a buffer has in reserve, so that the cache is copied once in so many tokens and not at each token."""


class PreallocatedLayer(DynamicLayer):
    """Keys and values of one layer (rows x heads x columns x size), stored in the first columns of larger buffers."""

    keys: torch.Tensor
    values: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns; returns all keys and all values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.store(key_states, value_states)
            return self.keys, self.values
        start, end = self.get_seq_length(), self.get_seq_length() + key_states.shape[2]
        if end > self.buffers[0].shape[2]:
            self.store(torch.cat([self.keys, key_states], dim=2), torch.cat([self.values, value_states], dim=2))
            return self.keys, self.values
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self.set_length(end)
        return self.keys, self.values

    def store(self, *contents: torch.Tensor) -> None:
        """Copy keys and values into new buffers with spare columns."""
        self.buffers = [_new_buffer(content, content.shape[0], content.shape[2]) for content in contents]
        columns = contents[0].shape[2]
        for buffer, content in zip(self.buffers, contents, strict=True):
            buffer[:, :, :columns] = content
        self.set_length(columns)

    def set_length(self, columns: int) -> None:
        """Use the first columns of the buffers."""
        self.keys, self.values = (buffer[:, :, :columns] for buffer in self.buffers)


def empty_cache() -> Cache:
    """A cache that creates a ``PreallocatedLayer`` for each layer of the model."""
    return Cache(layer_class_to_replicate=PreallocatedLayer)


def join_caches(sources: Sequence[tuple[Cache, int]], lengths: Sequence[int]) -> Cache:
    """Join rows of several caches, aligned on the right.

    The given caches are emptied layer by layer, so that the memory of only one layer is needed twice. The buffers of an
    emptied layer are used for the next one: new memory costs a page fault for every 4 KiB, as much time as the copying.

    Args:
        sources: for each row its cache and its index there.
        lengths: columns of each row. Shorter rows start with columns of zeros, which the
            attention mask hides.
    """
    joined = empty_cache()
    caches = list({id(cache): cache for cache, _ in sources}.values())
    free: list[torch.Tensor] = []
    for index in range(len(caches[0].layers)):
        layers = {id(cache): cast("PreallocatedLayer", cache.layers[index]) for cache in caches}
        layer = _joined_layer([(layers[id(cache)], row) for cache, row in sources], lengths, free)
        joined.layers.append(layer)
        free = sorted((buffer for each in layers.values() for buffer in each.buffers), key=torch.numel)
        for cache in caches:
            cache.layers[index] = PreallocatedLayer()
    return joined


def _joined_layer(
    rows: Sequence[tuple[PreallocatedLayer, int]], lengths: Sequence[int], free: list[torch.Tensor]
) -> PreallocatedLayer:
    """One layer of ``join_caches``; takes the largest of the free buffers, which are sorted by size, where they fit."""
    joined = PreallocatedLayer()
    joined.lazy_initialization(rows[0][0].keys, rows[0][0].values)
    joined.buffers = [
        _aligned([(layer.keys, row) for layer, row in rows], lengths, free),
        _aligned([(layer.values, row) for layer, row in rows], lengths, free),
    ]
    joined.set_length(max(lengths))
    return joined


def _aligned(
    rows: Sequence[tuple[torch.Tensor, int]], lengths: Sequence[int], free: list[torch.Tensor]
) -> torch.Tensor:
    """A buffer with the last columns of each row, which end at the column of the longest row."""
    width, first = max(lengths), rows[0][0]
    buffer = _recycled(free, len(rows), width, first)
    if buffer is None:
        buffer = _new_buffer(first, len(rows), width)
    for place, ((tensor, row), length) in enumerate(zip(rows, lengths, strict=True)):
        buffer[place, :, : width - length] = 0
        buffer[place, :, width - length : width] = tensor[row, :, -length:]
    return buffer


def _new_buffer(like: torch.Tensor, rows: int, width: int) -> torch.Tensor:
    """Memory for so many rows and columns of keys or values, with spare columns."""
    return like.new_empty(rows, like.shape[1], width + SPARE_COLUMNS, like.shape[3])


def _recycled(free: list[torch.Tensor], rows: int, width: int, like: torch.Tensor) -> torch.Tensor | None:
    """The largest free buffer, with as many columns as it has room for; None if that is too small."""
    (heads, _, size) = like.shape[1:]
    columns = free[-1].numel() // (rows * heads * size) if free else 0
    if columns <= width:
        return None
    return free.pop().view(-1)[: rows * heads * columns * size].view(rows, heads, columns, size)
