"""What a training split shares with abstracts that must stay unseen: ids, words, and nearly the same words."""

import zlib

import numpy as np
import pyarrow
import pyarrow.compute as pc

from feyntune.data.texts import normalise, same_text

EXAMPLES = 10
"""How many near-duplicates are shown in the account."""


def without_leaks(train, unseen, settings):
    """Drop from a training split what is among abstracts that must stay unseen.

    Args:
        train: table with ``id`` and ``abstract``.
        unseen: another.
        settings: ``settings.mixing.Leaks``.

    Returns:
        The rest of ``train``, and the account: counts by the first reason that holds, and some near-duplicates.
    """
    rest = train.filter(pc.invert(pc.is_in(train["id"], value_set=unseen["id"])))
    distinct = rest.filter(pc.invert(same_text(rest["abstract"], unseen["abstract"])))
    near = near_duplicates(distinct["abstract"], unseen["abstract"], settings) if settings.threshold else []
    account = {
        "same_id": train.num_rows - rest.num_rows,
        "same_text": rest.num_rows - distinct.num_rows,
        "near_duplicates": len(near),
        "examples": [_example(distinct, unseen, *pair) for pair in near[:EXAMPLES]],
    }
    kept = np.ones(distinct.num_rows, dtype=bool)
    kept[[row for row, _, _ in near]] = False
    return distinct.filter(pyarrow.array(kept)), account


def _example(train, unseen, row, other, similarity):
    ids = {"dropped": train["id"][row].as_py(), "for": unseen["id"][other].as_py()}
    return {**ids, "similarity": round(similarity, 3)}


def near_duplicates(train, unseen, settings):
    """Pairs of nearly the same abstracts.

    Candidates come from a locality-sensitive hash of MinHash signatures, tuned to miss few; each is then compared
    exactly.

    Args:
        train: column of abstracts.
        unseen: another.
        settings: ``settings.mixing.Leaks``.

    Returns:
        List of (row of ``train``, row of ``unseen``, similarity), for each row of ``train`` its nearest.
    """
    texts, others = normalise(train).to_pylist(), normalise(unseen).to_pylist()
    index = _index(others, settings)
    found = []
    for row, (shingles, signature) in enumerate(_signed(texts, settings.permutations)):
        candidates = [(similarity(shingles, shingled(others[other])), -other) for other in index.query(signature)]
        nearest, other = max(candidates, default=(0, 0))
        if nearest >= settings.threshold:
            found.append((row, -other, nearest))
    return found


def shingled(text):
    """The set of a text's sequences of three words, as hashes; of a shorter text the whole."""
    words = text.split(" ")
    return {zlib.crc32(" ".join(words[start : start + 3]).encode()) for start in range(max(1, len(words) - 2))}


def similarity(some, others):
    """Jaccard similarity of two sets."""
    return len(some & others) / len(some | others)


def _index(texts, settings):
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=settings.threshold, num_perm=settings.permutations, weights=(0.1, 0.9))
    for row, (_, signature) in enumerate(_signed(texts, settings.permutations)):
        index.insert(row, signature, check_duplication=False)
    return index


def _signed(texts, permutations):
    """The shingles of each text, with their MinHash signature; they are hashes already."""
    from datasketch import MinHash

    blank = MinHash(num_perm=permutations, hashfunc=int)
    for text in texts:
        shingles, signature = shingled(text), blank.copy()
        signature.update_batch(shingles)
        yield shingles, signature
