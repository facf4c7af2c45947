"""What a training split shares with abstracts that must stay unseen: ids, words, and nearly the same words."""

import numpy as np
import pyarrow
import pyarrow.compute as pc

from feyntune.core.cli import Progress
from feyntune.data.clean import in_groups, repeated_texts
from feyntune.data.shingles import BITS, Known, Shingles, similarity

EXAMPLES = 10
"""How many near-duplicates are shown."""


def without_own_leaks(papers, rows, settings):
    """Drop from a dataset's training split what is in its other two.

    Args:
        papers: table with ``id`` and ``abstract``.
        rows: by name of split, arrays of numbers of rows in it.
        settings: ``settings.leaks.Leaks``.

    Returns:
        ``rows`` with the rest of the training split; counts and examples as ``without_leaks`` gives them, but for ids:
        a paper is in one split.
    """
    texts = papers.select(["id", "abstract"])
    unseen = texts.take(np.concatenate([rows["test"], rows["validation"]]))
    train, counts, examples = _without_same_words(texts, rows["train"], unseen, settings)
    return {**rows, "train": train}, counts, examples


def without_leaks(papers, rows, unseen, settings):
    """Drop from a training split what is among abstracts that must stay unseen.

    Args:
        papers: table with ``id`` and ``abstract``.
        rows: array of numbers of rows in it: the training split.
        unseen: table with ``id`` and ``abstract``.
        settings: ``settings.leaks.Leaks``.

    Returns:
        The rest of ``rows``; counts of the others by the first reason that holds; some near-duplicates.
    """
    same_id = rows[np.asarray(pc.is_in(papers["id"].take(rows), value_set=unseen["id"]), dtype=bool)]
    rest, counts, examples = _without_same_words(papers, _without(rows, same_id), unseen, settings)
    return rest, {"same_id": len(same_id), **counts}, examples


def _without_same_words(papers, rows, unseen, settings):
    """As ``without_leaks``, by the abstracts alone."""
    abstracts = pyarrow.chunked_array([*papers["abstract"].chunks, *unseen["abstract"].chunks])
    same_text = repeated_texts(abstracts, rows, np.arange(papers.num_rows, len(abstracts)))
    rest = _without(rows, same_text)
    near = near_duplicates(papers, rest, unseen, settings) if settings.threshold else []
    counts = {"same_text": len(same_text), "near_duplicates": len(near)}
    examples = [_example(papers, unseen, *pair) for pair in near[:EXAMPLES]]
    return _without(rest, [row for row, _, _ in near]), counts, examples


def _without(rows, dropped):
    return rows[~np.isin(rows, dropped)]


def _example(papers, unseen, row, other, similarity):
    ids = {"dropped": papers["id"][row].as_py(), "for": unseen["id"][other].as_py()}
    return {**ids, "similarity": round(similarity, 3)}


def near_duplicates(papers, rows, unseen, settings):
    """Find papers whose abstract is nearly the same as one that must stay unseen.

    Only those are looked at that share enough shingles with all of the others together: a pair of the wanted
    similarity has at least that share of either one's shingles in common. Among them, candidates come from a
    locality-sensitive hash of MinHash signatures, tuned to miss few; each is then compared exactly.

    Args:
        papers: table with ``abstract``.
        rows: array of numbers of rows in it.
        unseen: table with ``abstract``.
        settings: ``settings.leaks.Leaks``.

    Returns:
        List of (row of ``papers``, row of ``unseen``, similarity), for each row that has one its nearest.
    """
    suspects, others = _suspects(papers, rows, unseen, settings.threshold)
    return _pairs(suspects, others, settings) if suspects else []


def _pairs(suspects, others, settings):
    """For each of the suspects that has one, its nearest among the others and how near it is."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=settings.threshold, num_perm=settings.permutations, weights=(0.1, 0.9))
    for other, shingles in others.items():
        index.insert(other, _signature(shingles, settings.permutations), check_duplication=False)
    found = []
    for row, shingles in suspects.items():
        candidates = index.query(_signature(shingles, settings.permutations))
        nearest, other = max(((similarity(shingles, others[each]), -each) for each in candidates), default=(0, 0))
        if nearest >= settings.threshold:
            found.append((row, -other, nearest))
    return found


def _suspects(papers, rows, unseen, threshold):
    """Shingles, by row, of those rows and of those unseen texts that may have a near-duplicate among the others."""
    with Progress("looking for near-duplicates", unseen.num_rows + len(rows), "abstracts") as progress:
        held_out = list(_shingled(unseen, np.arange(unseen.num_rows), progress))
        known = Known([shingles.numbers for _, shingles in held_out])
        suspects = _sharing(_shingled(papers, rows, progress), known, threshold)
    return suspects, _sharing(held_out, Known(list(suspects.values())), threshold)


def _shingled(papers, rows, progress):
    """Yield these rows in batches, each with its ``Shingles``."""
    for batch in in_groups(rows):
        yield batch, Shingles(papers["abstract"].take(batch))
        progress.advance(len(batch))


def _sharing(batches, known, threshold):
    """By row, the shingles of the texts that share enough of them with ``known``."""
    return {
        int(rows[text]): shingles[text]
        for rows, shingles in batches
        for text in np.flatnonzero(shingles.shares(known) >= threshold)
    }


def _signature(shingles, permutations):
    from datasketch import MinHash

    signature = MinHash(num_perm=permutations, hashfunc=int)
    signature.update_batch(shingles >> np.uint64(BITS - 32))
    return signature
