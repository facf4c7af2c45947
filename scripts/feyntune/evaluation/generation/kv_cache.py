"""Keys and values of rows that come and go: kept with room to grow, and put together from several batches."""

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

KINDS = ("keys", "values")
ROOM = 64
"""Columns by which a buffer is longer than what is in it: a copy of everything once in so many tokens, not at each."""


class RoomyLayer(DynamicLayer):
    """A layer's keys and values (rows × heads × columns × size), as the front parts of longer buffers."""

    def update(self, key_states, value_states, *args, **kwargs):
        """Write new columns behind those that are there; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.hold(key_states, value_states)
            return self.keys, self.values
        start, end = self.get_seq_length(), self.get_seq_length() + key_states.shape[2]
        if end > self.buffers[0].shape[2]:
            self.hold(torch.cat([self.keys, key_states], dim=2), torch.cat([self.values, value_states], dim=2))
            return self.keys, self.values
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self._show(end)
        return self.keys, self.values

    def hold(self, *contents):
        """Move keys and values into new buffers, with room behind them."""
        rows, heads, columns, size = contents[0].shape
        self.buffers = [content.new_empty(rows, heads, columns + ROOM, size) for content in contents]
        for buffer, content in zip(self.buffers, contents, strict=True):
            buffer[:, :, :columns] = content
        self._show(columns)

    def _show(self, columns):
        self.keys, self.values = (buffer[:, :, :columns] for buffer in self.buffers)


def empty_cache():
    """A cache of roomy layers, as many as the model will ask for."""
    return Cache(layer_class_to_replicate=RoomyLayer)


def joined_caches(parts, width):
    """One cache of chosen rows of several, aligned on the right, and cut to their last ``width`` columns.

    Args:
        parts: pairs of a cache and the places of its rows that are kept.
        width: columns that the longest of these rows needs; where a row is shorter, what stands in front is masked.
    """
    joined = empty_cache()
    for layers in zip(*(cache.layers for cache, _ in parts), strict=True):
        chosen = [(layer, places) for layer, (_, places) in zip(layers, parts, strict=True)]
        layer = RoomyLayer()
        layer.lazy_initialization(layers[0].keys, layers[0].values)
        layer.hold(*(_joined([(getattr(part, name), places) for part, places in chosen], width) for name in KINDS))
        joined.layers.append(layer)
    return joined


def _joined(parts, width):
    cut = [tensor[places, :, -width:] for tensor, places in parts]
    return torch.cat([torch.nn.functional.pad(tensor, (0, 0, width - tensor.shape[2], 0)) for tensor in cut])
