"""Texts as sets of shingles (sequences of three words), computed for whole columns at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from feyntune.data.papers import Column, normalise

ShingleSet: TypeAlias = NDArray[np.uint64]
"""The distinct shingles of a text, sorted."""

BITS = 48
"""Bits of a shingle. While a batch is sorted, the remaining high bits of a 64-bit number hold the text's number."""
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
"""Odd constants with well-distributed bits, one for each of the three words of a shingle."""


class Shingles:
    """The shingle sets of a batch of texts. A text of one or two words has one shingle: the whole text.

    Args:
        abstracts: column of at most ``2**(64 - BITS)`` texts (65,536). They are normalised first.
    """

    def __init__(self, abstracts: Column) -> None:
        words, lengths = _hash_words(abstracts)
        starts = np.cumsum(lengths) - lengths
        text, place = np.repeat(np.arange(len(lengths)), lengths), np.arange(len(words))
        left = np.repeat(starts + lengths, lengths) - place  # words from here to the end of the text
        followers = np.append(words, np.zeros(2, dtype=np.uint64))
        mixed = words * _MULTIPLIERS[0]
        for ahead in (1, 2):
            mixed += np.where(left > ahead, followers[ahead : ahead + len(words)], 0) * _MULTIPLIERS[ahead]
        begins = (left > 2) | (place == np.repeat(starts, lengths))
        marked = (text.astype(np.uint64) << np.uint64(BITS)) | (mixed >> np.uint64(64 - BITS))
        ordered = np.sort(marked[begins])  # several times as fast as numpy's unique, which hashes
        distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
        self.ends = np.searchsorted(distinct >> np.uint64(BITS), np.arange(len(lengths) + 1))
        self.numbers = distinct & np.uint64(2**BITS - 1)
        """The sets, one after another."""

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, text: int | np.integer) -> ShingleSet:
        return self.numbers[self.ends[text] : self.ends[text + 1]]

    def fractions_in(self, union: ShingleUnion) -> NDArray[np.float64]:
        """The fraction of each text's set that is in ``union``."""
        return np.add.reduceat(union.contains(self.numbers), self.ends[:-1], dtype=float) / np.diff(self.ends)


def _hash_words(abstracts: Column) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Hashes of all words, texts one after another, and the number of words of each text."""
    words = pc.split_pattern(normalise(abstracts), " ").combine_chunks()
    encoded = words.flatten().dictionary_encode()
    hashes = np.array([zlib.crc32(word.encode()) for word in encoded.dictionary.to_pylist()], dtype=np.uint64)
    return hashes[encoded.indices.to_numpy()], pc.list_value_length(words).to_numpy()


class ShingleUnion:
    """The union of several shingle sets, as a hash table of one bit a slot: no false negatives, few false positives."""

    def __init__(self, sets: Iterable[ShingleSet]) -> None:
        sets = list(sets)
        self.slots = 2 ** max(20, (16 * sum(map(len, sets))).bit_length())
        self.taken = np.zeros(self.slots, dtype=bool)
        for numbers in sets:
            self.taken[self._slots_of(numbers)] = True

    def contains(self, numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each of these shingles may be in the union."""
        return self.taken[self._slots_of(numbers)]

    def _slots_of(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return numbers % np.uint64(self.slots)


def similarity(one: ShingleSet, other: ShingleSet) -> float:
    """Jaccard similarity of two shingle sets."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
