"""Find training papers that must not be trained on: same id, same text, or near-duplicate of an unseen abstract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc

from feyntune.config.schema.data import NearDuplicates
from feyntune.core.cli import Progress
from feyntune.core.errors import FeynTuneError
from feyntune.data.papers import Rows, repeated_texts, row_groups
from feyntune.data.shingles import BITS, Shingles, ShingleSet, ShingleUnion, similarity

if TYPE_CHECKING:
    from datasketch import MinHash

EXAMPLES = 10
"""How many near-duplicates are listed in a summary."""


class WithoutLeaks(NamedTuple):
    """What is left of some rows, and why the others were dropped."""

    rows: Rows
    counts: dict[str, int]
    """Dropped rows, by the first reason that holds: ``same_id``, ``same_text``, ``near_duplicates``."""
    examples: list[dict]
    """The first near-duplicates: ids ``dropped`` and ``for``, and their ``similarity``."""


def without_own_leaks(
    papers: pyarrow.Table, rows: Mapping[str, Rows], settings: NearDuplicates
) -> tuple[dict[str, Rows], dict[str, int], list[dict]]:
    """Drop from the training split of a dataset what is in its test or validation split.

    Args:
        papers: table with ``id`` and ``abstract``.
        rows: row numbers by split; no paper is in two splits.
        settings: when two abstracts are near-duplicates.

    Raises:
        FeynTuneError: no training paper is left.

    Returns:
        ``rows`` with the rest of the training split; counts and examples as in ``WithoutLeaks``, without ``same_id``.
    """
    texts = papers.select(["id", "abstract"])
    unseen = texts.take(np.concatenate([rows["test"], rows["validation"]]))
    train, counts, examples = _without_same_words(texts, rows["train"], unseen, settings)
    refuse_empty(train, rows["train"])
    return {**rows, "train": train}, counts, examples


def refuse_empty(train: Rows, before: Rows) -> None:
    """Raise FeynTuneError if the papers of a training split were all dropped."""
    if len(before) and not len(train):
        raise FeynTuneError(
            f"train split: all {len(before):,} papers are held out elsewhere too (same id or text, or near-duplicate);"
            " choose other papers"
        )


def without_leaks(papers: pyarrow.Table, rows: Rows, unseen: pyarrow.Table, settings: NearDuplicates) -> WithoutLeaks:
    """Drop the papers that are also among other abstracts.

    Args:
        papers: table with ``id`` and ``abstract``.
        rows: row numbers of the papers to choose from.
        unseen: table with ``id`` and ``abstract``.
        settings: when two abstracts are near-duplicates.
    """
    same_id = rows[np.asarray(pc.is_in(papers["id"].take(rows), value_set=unseen["id"]), dtype=bool)]
    rest, counts, examples = _without_same_words(papers, _without(rows, same_id), unseen, settings)
    return WithoutLeaks(rest, {"same_id": len(same_id), **counts}, examples)


def _without_same_words(
    papers: pyarrow.Table, rows: Rows, unseen: pyarrow.Table, settings: NearDuplicates
) -> WithoutLeaks:
    """Like ``without_leaks``, by the abstracts alone."""
    abstracts = pyarrow.chunked_array([*papers["abstract"].chunks, *unseen["abstract"].chunks])
    same_text = repeated_texts(abstracts, rows, np.arange(papers.num_rows, len(abstracts)))
    rest = _without(rows, same_text)
    near = near_duplicates(papers, rest, unseen, settings) if settings.threshold else []
    counts = {"same_text": len(same_text), "near_duplicates": len(near)}
    examples = [_example(papers, unseen, pair) for pair in near[:EXAMPLES]]
    return WithoutLeaks(_without(rest, np.array([pair.row for pair in near], dtype=int)), counts, examples)


def _without(rows: Rows, dropped: Rows) -> Rows:
    return rows[~np.isin(rows, dropped)]


class Pair(NamedTuple):
    """A paper and the unseen abstract that is most similar to it."""

    row: int
    """Row of the paper."""
    other: int
    """Row of the unseen abstract."""
    similarity: float
    """Jaccard similarity of their shingle sets."""


def _example(papers: pyarrow.Table, unseen: pyarrow.Table, pair: Pair) -> dict[str, str | float]:
    ids = {"dropped": papers["id"][pair.row].as_py(), "for": unseen["id"][pair.other].as_py()}
    return {**ids, "similarity": round(pair.similarity, 3)}


def near_duplicates(papers: pyarrow.Table, rows: Rows, unseen: pyarrow.Table, settings: NearDuplicates) -> list[Pair]:
    """Find papers whose abstract is nearly the same as an unseen one.

    First, texts are kept that share enough shingles with the union of all texts of the other side: in a pair of
    similarity s, at least the fraction s of either set is shared. Among these, candidate pairs come from
    locality-sensitive hashing of MinHash signatures (Broder, 1997), with parameters that miss few pairs. The
    similarity of each candidate pair is then computed exactly.

    Args:
        papers: table with ``abstract``.
        rows: row numbers of the papers to choose from.
        unseen: table with ``abstract``.
        settings: the least similarity and the length of the signatures.

    Returns:
        For each row that has a near-duplicate, the most similar one.
    """
    threshold = settings.threshold
    assert threshold is not None  # without one, near-duplicates are kept
    every = np.arange(unseen.num_rows)
    if len(rows) >= unseen.num_rows:
        candidates, others = _candidates(papers, rows, unseen, every, threshold)
    else:
        others, candidates = _candidates(unseen, every, papers, rows, threshold)
    return _pairs(candidates, others, threshold, settings.permutations) if candidates and others else []


def _pairs(
    candidates: Mapping[int, ShingleSet], others: Mapping[int, ShingleSet], threshold: float, permutations: int
) -> list[Pair]:
    """For each candidate that has a near-duplicate among the others, the most similar one."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=permutations, weights=(0.1, 0.9))
    for other, shingles in others.items():
        index.insert(other, _signature(shingles, permutations), check_duplication=False)
    found = []
    for row, shingles in candidates.items():
        near = index.query(_signature(shingles, permutations))
        highest, other = max(((similarity(shingles, others[each]), -each) for each in near), default=(0, 0))
        if highest >= threshold:
            found.append(Pair(row, -other, highest))
    return found


def _candidates(
    many: pyarrow.Table, many_rows: Rows, few: pyarrow.Table, few_rows: Rows, threshold: float
) -> tuple[dict[int, ShingleSet], dict[int, ShingleSet]]:
    """Shingle sets, by row, of the texts of either side that may have a near-duplicate on the other side.

    Those of the few texts are held in memory; those of the many are computed batch by batch.
    """
    with Progress("looking for near-duplicates", len(few_rows) + len(many_rows), "abstracts") as progress:
        held = list(_shingled(few, few_rows, progress))
        union = ShingleUnion(shingles.numbers for _, shingles in held)
        candidates = _sharing(_shingled(many, many_rows, progress), union, threshold)
    return candidates, _sharing(held, ShingleUnion(candidates.values()), threshold)


def _shingled(papers: pyarrow.Table, rows: Rows, progress: Progress) -> Iterator[tuple[Rows, Shingles]]:
    """Yield these rows in batches, each with its shingle sets."""
    for batch in row_groups(rows):
        yield batch, Shingles(papers["abstract"].take(batch))
        progress.advance(len(batch))


def _sharing(batches: Iterable[tuple[Rows, Shingles]], union: ShingleUnion, threshold: float) -> dict[int, ShingleSet]:
    """Shingle sets, by row, of the texts of which at least the fraction ``threshold`` is in ``union``."""
    return {
        int(rows[text]): shingles[text]
        for rows, shingles in batches
        for text in np.flatnonzero(shingles.fractions_in(union) >= threshold)
    }


def _signature(shingles: ShingleSet, permutations: int) -> MinHash:
    from datasketch import MinHash

    signature = MinHash(num_perm=permutations, hashfunc=int)
    signature.update_batch(shingles >> np.uint64(BITS - 32))
    return signature
