"""Cosines between all pairs of an evaluation set's embeddings, and exact statistics over them.

For 16,000 abstracts the matrix is 1 GB, and only one copy is ever in memory: its upper half is computed in blocks from
embeddings that stay in their file, then the lower half is copied from the upper one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from feyntune.config.schema.similarity import Similarity
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import MADE_AGAIN, write_json
from feyntune.core.ids import examples
from feyntune.core.tensors import read_tensors, write_tensors
from feyntune.models.memory import out_of_memory_remedy

if TYPE_CHECKING:
    import torch

REMEDY = "raise resources.similarity.mem_mb, set similarity.dtype: float16, or the limit of the evaluation set"
BLOCK = 1024
"""Rows and columns of a block of the matrix."""
QUARTILES = {"q25": 1, "median": 2, "q75": 3}

Statistics = dict[str, float | None]


@dataclass(frozen=True)
class SimilarityJob:
    """The similarities between the abstracts of one evaluation set in one model's embeddings."""

    settings: Similarity
    embeddings: Path
    """``.pt`` file of ``perplexity.py``."""
    output: Path
    """``.pt`` file to write, with the matrix."""
    statistics: Path
    """JSON file to write, with a flat dict of numbers."""


def run(job: SimilarityJob) -> None:
    """Write the matrix, and statistics of the cosines between means with and without BOS.

    Raises:
        FeynTuneError: an embedding has no direction, or memory is not sufficient.
    """
    with out_of_memory_remedy("computing all cosines", REMEDY):
        _run(job)


def _run(job: SimilarityJob) -> None:
    import torch

    dtype, kept = getattr(torch, job.settings.dtype), job.settings.pool_bos
    statistics: Statistics = {}
    if has_bos(job.embeddings):
        statistics |= _named(similarity_statistics(cosine_matrix(job.embeddings, not kept, dtype)), not kept)
    matrix = cosine_matrix(job.embeddings, kept, dtype)
    statistics |= _named(similarity_statistics(matrix), kept)
    write_similarity(job.output, matrix, job.embeddings, job.settings)
    write_json(job.statistics, dict(sorted(statistics.items())))


def _named(statistics: Statistics, pool_bos: bool) -> Statistics:
    return {f"{name}_bos" if pool_bos else name: value for name, value in statistics.items()}


def has_bos(path: Path) -> bool:
    """Whether a file of embeddings has the state of BOS, that is whether the model's tokenizer has a BOS."""
    return read_tensors(path, ["bos"])["bos"] is not None


def cosine_matrix(path: Path, pool_bos: bool, dtype: torch.dtype) -> torch.Tensor:
    """The cosines between all pairs of embeddings.

    Args:
        path: ``.pt`` file of ``perplexity.py``: ``ids``, ``embeddings`` (N x D), ``tokens`` (N) and ``bos`` (D, or
            None).
        pool_bos: include BOS in the means.
        dtype: number format of the result.

    Returns:
        A symmetric N x N tensor with ones on the diagonal.

    Raises:
        FeynTuneError: the norm of an embedding is zero or not finite, or ``pool_bos`` is set and there is no BOS.
    """
    matrix = _upper_half(_Embeddings(path, pool_bos), dtype)
    _mirror(matrix)
    return matrix


class _Embeddings:
    """Blocks of embeddings, scaled to norm one when they are read."""

    def __init__(self, path: Path, pool_bos: bool) -> None:
        content = read_tensors(path, ["ids", "embeddings", "tokens", "bos"], verified=True)
        if not _belong_together(content):
            raise FeynTuneError(f"{path}: its ids, embeddings, tokens and BOS do not belong together; {MADE_AGAIN}")
        if pool_bos and content["bos"] is None:
            raise FeynTuneError(f"{path}: its tokenizer has no BOS to include; set similarity.pool_bos: false")
        self.path, self.ids, self.means = path, content["ids"], content["embeddings"]
        self.tokens, self.bos = content["tokens"], content["bos"] if pool_bos else None

    def unit(self, start: int) -> torch.Tensor:
        """The block of rows from ``start``, scaled to norm one."""
        rows = slice(start, start + BLOCK)
        means = self.means[rows].float()
        if self.bos is not None:
            tokens = self.tokens[rows, None]
            means = (means * tokens + self.bos) / (tokens + 1)
        norms = means.norm(dim=1, keepdim=True)
        self._check(norms.flatten(), start)
        return means / norms

    def _check(self, norms: torch.Tensor, start: int) -> None:
        wrong = (norms.isfinite() & (norms > 0)).logical_not().nonzero().flatten().tolist()
        if wrong:
            names = examples([self.ids[start + row] for row in wrong])
            raise FeynTuneError(
                f"{self.path}: the norm of embeddings is zero or not finite: {names}; compute them again"
            )


def _belong_together(content: Mapping[str, Any]) -> bool:
    """Whether there are as many ids as embeddings (N×D floats) and counts (N), and a BOS (D) if there is one."""
    import torch

    ids, means, tokens, bos = (content[name] for name in ("ids", "embeddings", "tokens", "bos"))
    arrays = [means, tokens] if bos is None else [means, tokens, bos]
    if not isinstance(ids, list) or not all(isinstance(each, torch.Tensor) for each in arrays):
        return False
    is_table = means.dim() == 2 and means.is_floating_point() and means.shape[1] > 0
    return is_table and len(ids) == len(means) > 0 and [*tokens.shape] == [len(ids)] and _is_row(bos, means.shape[1])


def _is_row(bos: torch.Tensor | None, width: int) -> bool:
    return bos is None or [*bos.shape] == [width]


def _upper_half(embeddings: _Embeddings, dtype: torch.dtype) -> torch.Tensor:
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


def _mirror(matrix: torch.Tensor) -> None:
    """Copy the upper half to the lower one, and set the diagonal, where rounding gives cosines near 1, to 1."""
    size = len(matrix)
    for top in range(0, size, BLOCK):
        rows = slice(top, top + BLOCK)
        for left in range(0, top, BLOCK):
            matrix[rows, left : left + BLOCK] = matrix[left : left + BLOCK, rows].T
        block = matrix[rows, rows]
        block.copy_(block.triu() + block.triu(1).T)
    matrix.fill_diagonal_(1)


def write_similarity(path: Path, matrix: torch.Tensor, embeddings: Path, settings: Similarity) -> None:
    """Write ``ids``, ``matrix``, ``settings`` and, under ``perplexity``, the record of the embeddings.

    Args:
        path: ``.pt`` file to write.
        matrix: from ``cosine_matrix``.
        embeddings: ``.pt`` file from which it was computed.
        settings: settings of the matrix.
    """
    content = read_tensors(embeddings, ["ids"])
    record = {key: value for key, value in content.items() if key not in ("ids", "embeddings", "tokens", "bos")}
    kept = {"ids": content["ids"], "matrix": matrix, "settings": settings.model_dump(mode="json"), "scoring": record}
    write_tensors(path, kept)


def similarity_statistics(matrix: torch.Tensor) -> Statistics:
    """Statistics of a symmetric matrix of cosines, with and without its diagonal of ones.

    Returns:
        A flat dict of ``min``, ``mean``, ``std`` (population) and the exact quartiles by nearest rank (the value at
        rank ⌈qn⌉ of n): over pairs of different abstracts, and with the suffix ``_diagonal`` over all entries.
        Without pairs, the former are None.
    """
    size = len(matrix)
    pairs = size * (size - 1) // 2
    if pairs == 0:
        ones = {"min": 1.0, "mean": 1.0, "std": 0.0, **dict.fromkeys(QUARTILES, 1.0)}
        return {**dict.fromkeys(ones), **_with_diagonal(ones)}
    minimum, mean, variance = _moments(matrix, pairs)
    return {
        **{"min": minimum, "mean": mean, "std": math.sqrt(variance)},
        **_quartiles(matrix, 2 * pairs),
        **_with_diagonal(
            {"min": minimum, **_moments_with_ones(mean, variance, size), **_quartiles(matrix, 2 * pairs + size)}
        ),
    }


def _with_diagonal(statistics: Mapping[str, float | None]) -> Statistics:
    return {f"{name}_diagonal": value for name, value in statistics.items()}


def _pairs(matrix: torch.Tensor) -> Iterator[torch.Tensor]:
    """The entries above the diagonal as one-dimensional float32 tensors, some rows at a time."""
    import torch

    columns = torch.arange(len(matrix))
    step = max(1, 2**21 // len(matrix))
    for rows in columns.split(step):
        yield matrix[rows[0] : rows[-1] + 1][columns > rows[:, None]].float()


def _moments(matrix: torch.Tensor, pairs: int) -> tuple[float, float, float]:
    """Minimum, mean and variance over the pairs, summed in fp64."""
    minimum = min(part.min().item() for part in _pairs(matrix) if len(part))
    mean = sum(part.double().sum().item() for part in _pairs(matrix)) / pairs
    squares = sum((part.double() - mean).square().sum().item() for part in _pairs(matrix))
    return minimum, mean, squares / pairs


def _moments_with_ones(mean: float, variance: float, size: int) -> Statistics:
    """Mean and standard deviation of ``size`` ones and the ``size`` (``size`` - 1) entries of the pairs."""
    total = (mean * (size - 1) + 1) / size
    spread = (variance + (mean - total) ** 2) * (size - 1) / size + (1 - total) ** 2 / size
    return {"mean": total, "std": math.sqrt(spread)}


def _quartiles(matrix: torch.Tensor, count: int) -> dict[str, float]:
    """Quartiles of ``count`` entries: each pair twice, then ones, the largest possible cosines."""
    ranks = {name: -(-quarter * count // 4) for name, quarter in QUARTILES.items()}
    return {name: _pair_at_rank(matrix, (rank + 1) // 2) for name, rank in ranks.items()}


def _pair_at_rank(matrix: torch.Tensor, rank: int) -> float:
    """The pairs' value at a 1-based rank, 1 after the last pair: no sort, no copy of the matrix, no limit on its size.

    Counting the upper 16 bits of ordered keys gives the bin that contains the rank; counting the lower 16 bits of the
    keys in that bin gives the value.
    """
    import torch

    upper = _count(matrix, lambda keys: keys >> 16)
    if rank > upper.sum():
        return 1.0
    bin_ = int(torch.searchsorted(upper.cumsum(0), rank))
    lower = _count(matrix, lambda keys: keys[keys >> 16 == bin_] & 0xFFFF)
    rest = rank - int(upper[:bin_].sum())
    return _value(bin_ << 16 | int(torch.searchsorted(lower.cumsum(0), rest)))


def _count(matrix: torch.Tensor, digit: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    import torch

    counts = (torch.bincount(digit(_keys(part)), minlength=2**16) for part in _pairs(matrix))
    return cast("torch.Tensor", sum(counts))


def _keys(values: torch.Tensor) -> torch.Tensor:
    """Integers from 0 to 2^32 - 1 in the order of float32 values: their bits, inverted for negative numbers."""
    import torch

    bits = values.view(torch.int32).long()
    return torch.where(bits < 0, ~bits, bits + 2**31)


def _value(key: int) -> float:
    """The float32 number of a key."""
    import torch

    bits = key - 2**31 if key >= 2**31 else ~key
    return torch.tensor(bits, dtype=torch.int32).view(torch.float32).item()
