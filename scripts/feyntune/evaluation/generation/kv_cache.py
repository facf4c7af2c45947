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
        rows, heads, columns, size = contents[0].shape
        self.buffers = [content.new_empty(rows, heads, columns + SPARE_COLUMNS, size) for content in contents]
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

    The given caches are emptied layer by layer, so that the memory of only one layer is needed twice.

    Args:
        sources: for each row its cache and its index there.
        lengths: columns of each row. Shorter rows start with columns of zeros, which the
            attention mask hides.
    """
    joined = empty_cache()
    caches = list({id(cache): cache for cache, _ in sources}.values())
    for index in range(len(caches[0].layers)):
        rows = [(cast("PreallocatedLayer", cache.layers[index]), row) for cache, row in sources]
        first, layer = rows[0][0], PreallocatedLayer()
        layer.lazy_initialization(first.keys, first.values)
        layer.buffers = [
            _aligned([(each.keys, row) for each, row in rows], lengths),
            _aligned([(each.values, row) for each, row in rows], lengths),
        ]
        layer.set_length(max(lengths))
        joined.layers.append(layer)
        del rows, first
        for cache in caches:
            cache.layers[index] = PreallocatedLayer()
    return joined


def _aligned(rows: Sequence[tuple[torch.Tensor, int]], lengths: Sequence[int]) -> torch.Tensor:
    """A buffer with the last columns of each row, which end at the column of the longest row."""
    width, (heads, _, size) = max(lengths), rows[0][0].shape[1:]
    buffer = rows[0][0].new_zeros(len(rows), heads, width + SPARE_COLUMNS, size)
    for place, ((tensor, row), length) in enumerate(zip(rows, lengths, strict=True)):
        buffer[place, :, width - length : width] = tensor[row, :, -length:]
    return buffer
