"""Micro-batches: which abstracts each step trains on, and how they are packed so that padding is minimal.

The abstracts of a step are a random draw, regardless of their lengths. The loss of a step is the mean over its tokens,
so it does not depend on how the abstracts are distributed over devices and packed into rows: the gradient equals that
of an ordinary padded batch. Several abstracts share a row. Position ids restart at each of them, from which
transformers builds the mask (for flash attention: the sequence boundaries) that separates them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

IGNORED = -100  # label of tokens without a loss, as in torch's cross entropy
MULTIPLE = 8  # row lengths are multiples of this, for tensor cores
PADDING = 0.08  # largest fraction of padding that shorter rows may cost


def order_steps(lengths: np.ndarray, batch_size: int, steps: int, seed: int) -> np.ndarray:
    """Draw the abstracts of every step: shuffled passes over all abstracts, cut into batches.

    The step with the most tokens is swapped with the first one, so that a lack of memory shows at once.

    Args:
        lengths: tokens in each abstract, shape (abstracts,).
        batch_size: abstracts in a step.
        steps: number of steps.
        seed: seed of the shuffling.

    Returns:
        Indices of abstracts, shape (steps, batch_size).
    """
    passes = -(-steps * batch_size // len(lengths))
    shuffled = [np.random.default_rng([seed, number]).permutation(len(lengths)) for number in range(passes)]
    order = np.concatenate(shuffled)[: steps * batch_size].reshape(steps, batch_size)
    longest = lengths[order].sum(axis=1).argmax()
    order[[0, longest]] = order[[longest, 0]]
    return order


def micro_batches_per_device(abstracts: int, limit: int | None) -> int:
    """Micro-batches of a device in a step: the fewest of equal size, of at most ``limit`` abstracts (None: any)."""
    counts = [count for count in range(1, abstracts + 1) if abstracts % count == 0]
    return next(count for count in counts if abstracts // count <= (limit or abstracts))


def distribute(lengths: np.ndarray, parts: int) -> np.ndarray:
    """Distribute the abstracts of a step over parts with equal numbers of abstracts and nearly equal tokens.

    Abstracts sorted by length go to the parts in turn, in alternating direction.

    Args:
        lengths: tokens in each abstract, shape (batch,); batch is a multiple of ``parts``.
        parts: number of parts.

    Returns:
        Indices into ``lengths``, shape (parts, batch / parts).
    """
    ranked = np.argsort(-lengths, kind="stable").reshape(-1, parts)
    ranked[1::2] = ranked[1::2, ::-1]
    return ranked.T


def pack(lengths: Sequence[int], hidden_size: int | None) -> list[list[int]]:
    """Pack abstracts into rows with the least computation.

    A token in a row of ``width`` tokens costs ``6 * hidden_size + width`` in units of 4 h operations a layer:
    24 h^2 in the matrices, and 4 h width in the attention, which also computes what the mask hides. So a wide model
    gets few long rows without padding, and a narrow one gets short rows.

    Args:
        lengths: tokens in each abstract.
        hidden_size: width of the model; None: attention uses the sequence boundaries, so there is one row.

    Returns:
        Rows, each a list of indices into ``lengths``.
    """
    layouts = [_balanced_rows(lengths, count) for count in range(1, len(lengths) + 1 if hidden_size else 2)]
    widths = [round_up(max(sum(lengths[item] for item in row) for row in rows)) for rows in layouts]
    areas = [len(rows) * width for rows, width in zip(layouts, widths, strict=True)]
    allowed = max(min(areas), sum(lengths) / (1 - PADDING))
    costs = [area * (6 * (hidden_size or 0) + width) for area, width in zip(areas, widths, strict=True)]
    return min(zip(costs, areas, layouts, strict=True), key=lambda layout: (layout[1] > allowed, layout[0]))[2]


def _balanced_rows(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Rows of nearly equal length: longest abstract first, each into the shortest row so far."""
    rows: list[list[int]] = [[] for _ in range(count)]
    shortest = [(0, row) for row in range(count)]
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        length, row = heapq.heappop(shortest)
        rows[row].append(item)
        heapq.heappush(shortest, (length + lengths[item], row))
    return rows


def round_up(width: int) -> int:
    """The next multiple of ``MULTIPLE``."""
    return -(-width // MULTIPLE) * MULTIPLE


def collate(sequences: Sequence[np.ndarray], rows: Sequence[Sequence[int]], pad_id: int) -> dict[str, np.ndarray]:
    """Build the model's input from packed sequences.

    The first token of each sequence has no label, because the token before it belongs to another sequence. Padding is
    at the end of a row, as a sequence of its own without labels.

    Args:
        sequences: arrays of token ids.
        rows: from ``pack``.
        pad_id: any token id.

    Returns:
        ``input_ids``, ``position_ids`` and ``labels``: int64 arrays of shape (rows, width).
    """
    width = round_up(max(sum(len(sequences[item]) for item in row) for row in rows))
    shape = (len(rows), width)
    tokens, positions, labels = np.full(shape, pad_id), np.zeros(shape, dtype=np.int64), np.full(shape, IGNORED)
    for number, row in enumerate(rows):
        start = 0
        for item in row:
            sequence = sequences[item]
            here = slice(start, start + len(sequence))
            tokens[number, here] = labels[number, here] = sequence
            labels[number, start] = IGNORED
            positions[number, here] = np.arange(len(sequence))
            start = here.stop
        positions[number, start:] = np.arange(width - start)
    return {"input_ids": tokens, "position_ids": positions, "labels": labels}


class MicroBatches:
    """The micro-batches of every step, and as a dataset for ``Trainer`` the numbers of the steps, once for each device.

    The trainer itself divides a step into micro-batches, so their number may change during a training.

    Args:
        sequences: arrays of token ids, one for each abstract.
        order: from ``order_steps``.
        devices: number of devices.
        pad_id: any token id.
        hidden_size: see ``pack``.
    """

    def __init__(
        self, sequences: Sequence[np.ndarray], order: np.ndarray, devices: int, pad_id: int, hidden_size: int | None
    ) -> None:
        self.sequences, self.order, self.devices = sequences, order, devices
        self.pad_id, self.hidden_size = pad_id, hidden_size

    def __len__(self) -> int:
        return len(self.order) * self.devices

    def __getitem__(self, number: int) -> int:
        return number // self.devices

    def of_step(self, step: int, device: int, per_device: int) -> list[dict[str, torch.Tensor]]:
        """The micro-batches of a device in a step.

        Args:
            step: number of the step, from 0.
            device: number of the device, from 0.
            per_device: micro-batches of each device; divides the abstracts of a device.

        Returns:
            From ``collate``, as tensors.
        """
        drawn = self._sequences_of(step)
        parts = distribute(np.array([len(sequence) for sequence in drawn]), self.devices * per_device)
        return [self._tensors([drawn[item] for item in part]) for part in parts[device :: self.devices]]

    def target_tokens(self, step: int) -> int:
        """Tokens with a label in a step, on all devices: all but the first of each abstract."""
        return sum(len(sequence) - 1 for sequence in self._sequences_of(step))

    def _sequences_of(self, step: int) -> list[np.ndarray]:
        return [self.sequences[abstract] for abstract in self.order[step]]

    def _tensors(self, sequences: Sequence[np.ndarray]) -> dict[str, torch.Tensor]:
        import torch

        rows = pack([len(sequence) for sequence in sequences], self.hidden_size)
        return {name: torch.from_numpy(array) for name, array in collate(sequences, rows, self.pad_id).items()}
