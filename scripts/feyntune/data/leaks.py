"""What a training split shares with abstracts that must stay unseen: ids, words, and nearly the same words."""

import zlib

import numpy as np
import pyarrow
import pyarrow.compute as pc

from feyntune.data.papers import batches
from feyntune.data.texts import normalise, repeated_texts
from feyntune.program import Progress

EXAMPLES = 10
"""How many near-duplicates are shown."""


def without_leaks(papers, rows, unseen, settings):
    """Drop from a training split what is among abstracts that must stay unseen.

    Args:
        papers: table with ``id`` and ``abstract``.
        rows: array of numbers of rows in it: the training split.
        unseen: table with ``id`` and ``abstract``.
        settings: ``settings.mixing.Leaks``.

    Returns:
        The rest of ``rows``; counts of the others by the first reason that holds; some near-duplicates.
    """
    same_id = rows[np.asarray(pc.is_in(papers["id"].take(rows), value_set=unseen["id"]), dtype=bool)]
    rest = _without(rows, same_id)
    abstracts = pyarrow.chunked_array([*papers["abstract"].chunks, *unseen["abstract"].chunks])
    same_text = repeated_texts(abstracts, rest, np.arange(papers.num_rows, len(abstracts)))
    rest = _without(rest, same_text)
    near = near_duplicates(papers, rest, unseen, settings) if settings.threshold else []
    counts = {"same_id": len(same_id), "same_text": len(same_text), "near_duplicates": len(near)}
    examples = [_example(papers, unseen, *pair) for pair in near[:EXAMPLES]]
    return _without(rest, [row for row, _, _ in near]), counts, examples


def _without(rows, dropped):
    return rows[~np.isin(rows, dropped)]


def _example(papers, unseen, row, other, similarity):
    ids = {"dropped": papers["id"][row].as_py(), "for": unseen["id"][other].as_py()}
    return {**ids, "similarity": round(similarity, 3)}


def near_duplicates(papers, rows, unseen, settings):
    """Find papers whose abstract is nearly the same as one that must stay unseen.

    Candidates come from a locality-sensitive hash of MinHash signatures, tuned to miss few; each is then compared
    exactly.

    Args:
        papers: table with ``abstract``.
        rows: array of numbers of rows in it.
        unseen: table with ``abstract``.
        settings: ``settings.mixing.Leaks``.

    Returns:
        List of (row of ``papers``, row of ``unseen``, similarity), for each row that has one its nearest.
    """
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=settings.threshold, num_perm=settings.permutations, weights=(0.1, 0.9))
    others, found, total = [], [], unseen.num_rows + len(rows)
    with Progress("looking for near-duplicates", total, "abstracts") as progress:
        for text, signature in _signed(unseen, np.arange(unseen.num_rows), settings.permutations):
            index.insert(len(others), signature, check_duplication=False)
            others.append(text)
            progress.advance()
        for row, (text, signature) in zip(rows, _signed(papers, rows, settings.permutations), strict=True):
            candidates = [(similarity(text, others[other]), -other) for other in index.query(signature)]
            nearest, other = max(candidates, default=(0, 0))
            if nearest >= settings.threshold:
                found.append((int(row), -other, nearest))
            progress.advance()
    return found


def _signed(papers, rows, permutations):
    """Yield the normalised abstract of each of these rows, and the MinHash signature of its shingles."""
    from datasketch import MinHash

    blank = MinHash(num_perm=permutations, hashfunc=int)
    for batch in batches(papers.select(["abstract"]), rows):
        for text in normalise(batch["abstract"]).to_pylist():
            signature = blank.copy()
            signature.update_batch(shingles(text))
            yield text, signature


def shingles(text):
    """The set of a text's sequences of three words, as hashes; of a shorter text the whole."""
    words = text.split(" ")
    return {zlib.crc32(" ".join(words[start : start + 3]).encode()) for start in range(max(1, len(words) - 2))}


def similarity(text, other):
    """Jaccard similarity of the sets of shingles of two texts."""
    some, others = shingles(text), shingles(other)
    return len(some & others) / len(some | others)
