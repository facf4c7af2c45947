"""Texts as sets of shingles, their sequences of three words, for whole columns at a time."""

import zlib

import numpy as np
import pyarrow.compute as pc

from feyntune.data.clean import normalise

BITS = 48
"""A shingle is a number of so many bits; in front of it, while a batch is sorted, stands its text's number."""
_MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
"""Odd numbers with bits all over, one for each of three words."""


class Shingles:
    """The sets of shingles of a batch of texts; of a text of one or two words the whole is one.

    Args:
        abstracts: column of at most ``2**(64 - BITS)`` texts, or 65,536; they are compared normalised.
    """

    def __init__(self, abstracts):
        words, lengths = _words(abstracts)
        starts = np.cumsum(lengths) - lengths
        text, place = np.repeat(np.arange(len(lengths)), lengths), np.arange(len(words))
        left = np.repeat(starts + lengths, lengths) - place  # words from here to the end of the text
        followers = np.append(words, np.zeros(2, dtype=np.uint64))
        mixed = words * _MIXERS[0]
        for ahead in (1, 2):
            mixed += np.where(left > ahead, followers[ahead : ahead + len(words)], 0) * _MIXERS[ahead]
        begins = (left > 2) | (place == np.repeat(starts, lengths))
        marked = (text.astype(np.uint64) << np.uint64(BITS)) | (mixed >> np.uint64(64 - BITS))
        ordered = np.sort(marked[begins])  # numpy's unique hashes, which takes many times as long
        distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
        self.ends = np.searchsorted(distinct >> np.uint64(BITS), np.arange(len(lengths) + 1))
        self.numbers = distinct & np.uint64(2**BITS - 1)
        """The sets, one behind another."""

    def __len__(self):
        return len(self.ends) - 1

    def __getitem__(self, text):
        """The set of one text, as a sorted array."""
        return self.numbers[self.ends[text] : self.ends[text + 1]]

    def shares(self, known):
        """Which part of each text's set is in ``known``."""
        return np.add.reduceat(known.has(self.numbers), self.ends[:-1], dtype=float) / np.diff(self.ends)


def _words(abstracts):
    """Hashes of all words, texts one behind another, and the number of words of each text."""
    words = pc.split_pattern(normalise(abstracts), " ").combine_chunks()
    encoded = words.flatten().dictionary_encode()
    hashes = np.array([zlib.crc32(word.encode()) for word in encoded.dictionary.to_pylist()], dtype=np.uint64)
    return hashes[encoded.indices.to_numpy()], pc.list_value_length(words).to_numpy()


class Known:
    """The shingles of several texts together; a few more may seem to be among them, but never is one missed.

    Args:
        sets: arrays of shingles.
    """

    def __init__(self, sets):
        self.slots = 2 ** max(20, (16 * sum(map(len, sets))).bit_length())
        self.taken = np.zeros(self.slots, dtype=bool)
        for numbers in sets:
            self.taken[self._slots_of(numbers)] = True

    def has(self, numbers):
        """Whether each of an array of shingles may be there."""
        return self.taken[self._slots_of(numbers)]

    def _slots_of(self, numbers):
        return numbers % np.uint64(self.slots)


def similarity(some, others):
    """Jaccard similarity of two sets of shingles, as sorted arrays."""
    shared = len(np.intersect1d(some, others, assume_unique=True))
    return shared / (len(some) + len(others) - shared)
