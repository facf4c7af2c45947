"""Cosines between all pairs of an evaluation set's embeddings, and exact statistics over them.

For 16,000 abstracts the matrix is 1 GB. Only one is ever in memory: its upper half is computed in blocks from
embeddings that stay in their file, these are let go, and the lower half is its mirror image.
"""

import math

from feyntune.core.errors import FeynTuneError
from feyntune.core.ids import examples
from feyntune.core.tensors import read_tensors, write_tensors

BLOCK = 1024
"""Rows and columns of a block of the matrix."""
QUARTILES = {"q25": 1, "median": 2, "q75": 3}


def has_bos(path):
    """Whether the model behind a file of embeddings puts a BOS in front of a text."""
    return read_tensors(path, ["bos"])["bos"] is not None


def cosine_matrix(path, pool_bos, dtype):
    """The cosines between all pairs of embeddings.

    Args:
        path: ``.pt`` file of ``perplexity.py``: ``ids``, ``embeddings`` (N×D), ``tokens`` (N) and ``bos`` (D or None).
        pool_bos: count the BOS into the means that embeddings are.
        dtype: torch's type of the result.

    Returns:
        A symmetric N×N tensor with ones on the diagonal.

    Raises:
        FeynTuneError: an embedding of norm zero or of no finite norm, or a BOS is wanted and there is none.
    """
    matrix = _upper_half(_Embeddings(path, pool_bos), dtype)
    _mirror(matrix)
    return matrix


class _Embeddings:
    """Blocks of embeddings that are scaled to norm one, made when they are asked for."""

    def __init__(self, path, pool_bos):
        content = read_tensors(path, ["ids", "embeddings", "tokens", "bos"])
        if pool_bos and content["bos"] is None:
            raise FeynTuneError(f"{path}: its tokenizer has no BOS to count; set similarity.pool_bos: false")
        self.path, self.ids, self.means = path, content["ids"], content["embeddings"]
        self.tokens, self.bos = content["tokens"], content["bos"] if pool_bos else None

    def unit(self, start):
        """The block of rows from ``start``, scaled to norm one."""
        rows = slice(start, start + BLOCK)
        means = self.means[rows].float()
        if self.bos is not None:
            tokens = self.tokens[rows, None]
            means = (means * tokens + self.bos) / (tokens + 1)
        norms = means.norm(dim=1, keepdim=True)
        self._check(norms.flatten(), start)
        return means / norms

    def _check(self, norms, start):
        wrong = (norms.isfinite() & (norms > 0)).logical_not().nonzero().flatten().tolist()
        if wrong:
            names = examples([self.ids[start + row] for row in wrong])
            raise FeynTuneError(f"{self.path}: embeddings whose norm is zero or not finite: {names}; score them again")


def _upper_half(embeddings, dtype):
    """The matrix with its blocks on and above the diagonal filled in; the other pages stay untouched."""
    import torch

    size = len(embeddings.ids)
    matrix = torch.empty(size, size, dtype=dtype)
    for top in range(0, size, BLOCK):
        rows = embeddings.unit(top)
        for left in range(top, size, BLOCK):
            columns = rows if left == top else embeddings.unit(left)
            matrix[top : top + BLOCK, left : left + BLOCK] = (rows @ columns.T).clamp_(-1, 1)
    return matrix


def _mirror(matrix):
    """Copy the upper half onto the lower, and set the diagonal, where rounding leaves cosines near 1, to 1."""
    size = len(matrix)
    for top in range(0, size, BLOCK):
        rows = slice(top, top + BLOCK)
        for left in range(0, top, BLOCK):
            matrix[rows, left : left + BLOCK] = matrix[left : left + BLOCK, rows].T
        block = matrix[rows, rows]
        block.copy_(block.triu() + block.triu(1).T)
    matrix.fill_diagonal_(1)


def write_similarity(path, matrix, embeddings, settings):
    """Write ``ids``, ``matrix``, the ``settings`` and, under ``perplexity``, where the embeddings come from.

    Args:
        path: ``.pt`` file to write.
        matrix: from ``cosine_matrix``.
        embeddings: ``.pt`` file that it was made of.
        settings: ``settings.similarity.Similarity``.
    """
    content = read_tensors(embeddings, ["ids"])
    scoring = {key: value for key, value in content.items() if key not in ("ids", "embeddings", "tokens", "bos")}
    kept = {"ids": content["ids"], "matrix": matrix, "settings": settings.model_dump(mode="json"), "scoring": scoring}
    write_tensors(path, kept)


def similarity_statistics(matrix):
    """Statistics of a symmetric matrix of cosines, with and without its diagonal of ones.

    Returns:
        A flat dict of ``min``, ``mean``, ``std`` (population) and the exact quartiles by nearest rank (the value at
        rank ⌈qn⌉ of n): over pairs of different abstracts, and with ``_diagonal`` behind the name over all entries.
        Without pairs, the former are None.
    """
    size = len(matrix)
    pairs = size * (size - 1) // 2
    if pairs == 0:
        ones = {"min": 1.0, "mean": 1.0, "std": 0.0, **dict.fromkeys(QUARTILES, 1.0)}
        return {**dict.fromkeys(ones), **_with_diagonal(ones)}
    least, mean, variance = _moments(matrix, pairs)
    return {
        **{"min": least, "mean": mean, "std": math.sqrt(variance)},
        **_quartiles(matrix, 2 * pairs),
        **_with_diagonal(
            {"min": least, **_moments_with_ones(mean, variance, size), **_quartiles(matrix, 2 * pairs + size)}
        ),
    }


def _with_diagonal(statistics):
    return {f"{name}_diagonal": value for name, value in statistics.items()}


def _pairs(matrix):
    """The entries above the diagonal as one-dimensional float32 tensors, some rows at a time."""
    import torch

    columns = torch.arange(len(matrix))
    step = max(1, 2**21 // len(matrix))
    for rows in columns.split(step):
        yield matrix[rows[0] : rows[-1] + 1][columns > rows[:, None]].float()


def _moments(matrix, pairs):
    """Least value, mean and variance over the pairs, added in fp64."""
    least = min(part.min().item() for part in _pairs(matrix) if len(part))
    mean = sum(part.double().sum().item() for part in _pairs(matrix)) / pairs
    squares = sum((part.double() - mean).square().sum().item() for part in _pairs(matrix))
    return least, mean, squares / pairs


def _moments_with_ones(mean, variance, size):
    """Mean and standard deviation where ``size`` ones stand beside the ``size`` (``size`` - 1) entries of the pairs."""
    total = (mean * (size - 1) + 1) / size
    spread = (variance + (mean - total) ** 2) * (size - 1) / size + (1 - total) ** 2 / size
    return {"mean": total, "std": math.sqrt(spread)}


def _quartiles(matrix, count):
    """Quartiles of ``count`` entries: each pair twice, then ones, which no cosine exceeds."""
    ranks = {name: -(-quarter * count // 4) for name, quarter in QUARTILES.items()}
    return {name: _pair_at_rank(matrix, (rank + 1) // 2) for name, rank in ranks.items()}


def _pair_at_rank(matrix, rank):
    """The pairs' value at a 1-based rank, 1 beyond the last: no sort, no copy of the matrix, no limit on its size.

    A first count over the upper 16 bits of ordered keys finds the bin in which the rank lies, a second one over the
    lower 16 bits of that bin's keys finds the value.
    """
    import torch

    upper = _count(matrix, lambda keys: keys >> 16)
    if rank > upper.sum():
        return 1.0
    bin_ = int(torch.searchsorted(upper.cumsum(0), rank))
    lower = _count(matrix, lambda keys: keys[keys >> 16 == bin_] & 0xFFFF)
    rest = rank - int(upper[:bin_].sum())
    return _value(bin_ << 16 | int(torch.searchsorted(lower.cumsum(0), rest)))


def _count(matrix, digit):
    import torch

    return sum(torch.bincount(digit(_keys(part)), minlength=2**16) for part in _pairs(matrix))


def _keys(values):
    """Integers from 0 to 2^32 - 1 in the order of float32 values: their bits, those of negative numbers flipped."""
    import torch

    bits = values.view(torch.int32).long()
    return torch.where(bits < 0, ~bits, bits + 2**31)


def _value(key):
    """The float32 number of a key."""
    import torch

    bits = key - 2**31 if key >= 2**31 else ~key
    return torch.tensor(bits, dtype=torch.int32).view(torch.float32).item()
