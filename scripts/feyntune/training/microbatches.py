"""Which abstracts a step trains on, and how they are laid out so that next to nothing is padding.

A step's abstracts are a random draw, as they would be without any thought for their lengths. Its loss is the mean over
its tokens, so that it does not matter how they are dealt out to devices and packed into rows: the gradient is that of a
plain padded batch. Several abstracts share a row; positions start anew with each of them, from which transformers
makes the mask (for flash attention: the sequence bounds) that keeps them apart.
"""

import heapq

import numpy as np

IGNORED = -100  # the label of what is not to be predicted, in torch's cross entropy
MULTIPLE = 8  # row lengths that tensor cores like
PADDING = 0.08  # largest share of padding that shorter rows may cost


def order_steps(lengths, batch_size, steps, seed):
    """Draw the abstracts of every step: one shuffled pass over all of them after another, cut into batches.

    The step with the most tokens changes places with the first one, so that memory fails at once or never.

    Args:
        lengths: tokens in each abstract, shape (abstracts,).
        batch_size: abstracts in a step.
        steps: number of steps.
        seed: seed of the shuffling.

    Returns:
        Numbers of abstracts, shape (steps, batch_size).
    """
    passes = -(-steps * batch_size // len(lengths))
    shuffled = [np.random.default_rng([seed, number]).permutation(len(lengths)) for number in range(passes)]
    order = np.concatenate(shuffled)[: steps * batch_size].reshape(steps, batch_size)
    longest = lengths[order].sum(axis=1).argmax()
    order[[0, longest]] = order[[longest, 0]]
    return order


def pieces_per_device(batch_size, devices, most):
    """How many pieces each device works through in a step: the fewest of equal size, of at most ``most`` abstracts."""
    share = batch_size // devices
    return next(pieces for pieces in range(1, share + 1) if share % pieces == 0 and share // pieces <= (most or share))


def deal(lengths, pieces):
    """Deal a step's abstracts out into pieces of equal number and nearly equal tokens, to and fro like cards.

    Args:
        lengths: tokens in each abstract, shape (batch,); ``pieces`` divides batch.

    Returns:
        Positions in ``lengths``, shape (pieces, batch / pieces).
    """
    ranked = np.argsort(-lengths, kind="stable").reshape(-1, pieces)
    ranked[1::2] = ranked[1::2, ::-1]
    return ranked.T


def pack(lengths, hidden_size):
    """Pack abstracts into rows, by which the least is computed without much padding.

    A token costs ``6 * hidden_size + width`` in a row of ``width`` tokens, in units of its attention: 24 h^2 operations
    in a layer's matrices and 4 h width in its attention, which computes also what the mask hides. So a wide model has
    few long rows and no padding, a narrow one has short rows.

    Args:
        lengths: tokens in each abstract.
        hidden_size: width of the model; None if its attention knows the bounds of sequences: all go into one row.

    Returns:
        A list of rows, each a list of positions in ``lengths``.
    """
    layouts = [_balanced(lengths, count) for count in range(1, len(lengths) + 1 if hidden_size else 2)]
    widths = [rounded(max(sum(lengths[item] for item in row) for row in rows)) for rows in layouts]
    areas = [len(rows) * width for rows, width in zip(layouts, widths, strict=True)]
    allowed = max(min(areas), sum(lengths) / (1 - PADDING))
    costs = [area * (6 * (hidden_size or 0) + width) for area, width in zip(areas, widths, strict=True)]
    return min(zip(costs, areas, layouts, strict=True), key=lambda layout: (layout[1] > allowed, layout[0]))[2]


def _balanced(lengths, count):
    """Rows of nearly equal length: the longest abstract first, each into the shortest row so far."""
    rows = [[] for _ in range(count)]
    shortest = [(0, row) for row in range(count)]
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        length, row = heapq.heappop(shortest)
        rows[row].append(item)
        heapq.heappush(shortest, (length + lengths[item], row))
    return rows


def rounded(width):
    """The next multiple of ``MULTIPLE``."""
    return -(-width // MULTIPLE) * MULTIPLE


def lay_out(sequences, rows, pad_id):
    """Make a model's input of packed sequences.

    The first token of each sequence is no label: nothing in front of it may predict it. Padding stands at the end of
    a row as a sequence of its own, without labels.

    Args:
        sequences: arrays of token ids.
        rows: from ``pack``.
        pad_id: any token id.

    Returns:
        ``input_ids``, ``position_ids`` and ``labels``: int64 arrays of shape (rows, width).
    """
    width = rounded(max(sum(len(sequences[item]) for item in row) for row in rows))
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


class Pieces:
    """All pieces of a whole training, in the order in which devices take them: a dataset for ``Trainer``.

    In each step every device works through its pieces, which are dealt out to devices in turn.

    Args:
        sequences: arrays of token ids, one an abstract.
        order: from ``order_steps``.
        devices: number of devices.
        most: most abstracts in a piece, or None.
        pad_id: any token id.
        hidden_size: see ``pack``.
    """

    def __init__(self, sequences, order, devices, most, pad_id, hidden_size):
        self.sequences, self.order, self.pad_id, self.hidden_size = sequences, order, pad_id, hidden_size
        self.per_device = pieces_per_device(order.shape[1], devices, most)
        self.per_step = devices * self.per_device

    def __len__(self):
        return len(self.order) * self.per_step

    def __getitem__(self, number):
        import torch

        step, piece = divmod(number, self.per_step)
        drawn = [self.sequences[abstract] for abstract in self.order[step]]
        chosen = deal(np.array([len(sequence) for sequence in drawn]), self.per_step)[piece]
        return {name: torch.from_numpy(array) for name, array in self._arrays([drawn[item] for item in chosen]).items()}

    def _arrays(self, sequences):
        rows = pack([len(sequence) for sequence in sequences], self.hidden_size)
        return lay_out(sequences, rows, self.pad_id)
