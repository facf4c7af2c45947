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
        self._set_length(end)
        return self.keys, self.values

    def store(self, *contents: torch.Tensor) -> None:
        """Copy keys and values into new buffers with spare columns."""
        rows, heads, columns, size = contents[0].shape
        self.buffers = [content.new_empty(rows, heads, columns + SPARE_COLUMNS, size) for content in contents]
        for buffer, content in zip(self.buffers, contents, strict=True):
            buffer[:, :, :columns] = content
        self._set_length(columns)

    def _set_length(self, columns: int) -> None:
        self.keys, self.values = (buffer[:, :, :columns] for buffer in self.buffers)


def empty_cache() -> Cache:
    """A cache that creates a ``PreallocatedLayer`` for each layer of the model."""
    return Cache(layer_class_to_replicate=PreallocatedLayer)


def join_caches(parts: Sequence[tuple[Cache, Sequence[int]]], width: int) -> Cache:
    """Join selected rows of several caches, aligned on the right, and cut to their last ``width`` columns.

    The given caches are emptied layer by layer, so that the memory of only one layer is needed twice.

    Args:
        parts: pairs of a cache and the indices of the rows to keep.
        width: columns of the longest of these rows; shorter rows start with columns that the attention mask hides.
    """
    joined = empty_cache()
    for index in range(len(parts[0][0].layers)):
        chosen = [(cast("PreallocatedLayer", cache.layers[index]), rows) for cache, rows in parts]
        layer = PreallocatedLayer()
        layer.lazy_initialization(chosen[0][0].keys, chosen[0][0].values)
        layer.store(
            _aligned([(part.keys, rows) for part, rows in chosen], width),
            _aligned([(part.values, rows) for part, rows in chosen], width),
        )
        joined.layers.append(layer)
        del chosen
        for cache, _ in parts:
            cache.layers[index] = PreallocatedLayer()
    return joined


def _aligned(parts: Sequence[tuple[torch.Tensor, Sequence[int]]], width: int) -> torch.Tensor:
    cut = [tensor[rows, :, -width:] for tensor, rows in parts]
    return torch.cat([torch.nn.functional.pad(tensor, (0, 0, width - tensor.shape[2], 0)) for tensor in cut])
