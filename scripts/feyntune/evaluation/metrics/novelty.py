"""Novelty: how much of a continuation is copied word for word from the abstracts that its run was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from feyntune.core.files import read_table
from feyntune.evaluation.metrics.base import Column, Completions, Metric, Values

if TYPE_CHECKING:
    import numpy
    import pyarrow

ORDERS = (4, 8)
"""Lengths of the n-grams, in words."""
END, END_OF_TEXT, UNKNOWN, FIRST_WORD = 0, 1, 2, 3
"""Numbers that stand for the end of a training abstract, the end of a text, a word of no training abstract; and the
number of the first word. They differ, so that nothing matches beyond the end of either text."""


@dataclass(frozen=True)
class Copies:
    """For each word of some texts, the longest sequence that starts there and occurs in a training abstract."""

    lengths: "list[numpy.ndarray]"
    """For each text and word, the number of words of that sequence; 0 if the word occurs in no training abstract."""
    abstracts: "list[numpy.ndarray]"
    """For each text and word, the row of a training abstract that contains the sequence; meaningless for length 0."""


def find_copies(training: "pyarrow.ChunkedArray", texts: Sequence[str]) -> Copies:
    """Compare texts with all training abstracts; words are what stands between white space.

    All word positions are sorted by the words that follow. The longest match of a text's position is then with the
    training position next before or next after it in this order (matching statistics from a suffix array: Gusfield,
    *Algorithms on Strings, Trees, and Sequences*, 1997, section 7.8). It is exact: nothing is hashed.

    Args:
        training: abstracts.
        texts: texts to compare with them.
    """
    import numpy

    words, starts, known = _encode(training, texts)
    ends = numpy.append(starts[1:], len(words)) - 1
    longest = int((ends - starts)[len(training) :].max(initial=0))
    matches = numpy.full(len(words) - known, -1), numpy.full(len(words) - known, -1)
    for neighbours, places in zip(matches, _neighbours(_suffix_order(words, longest + 1), known), strict=True):
        neighbours[places[0] - known] = places[1]
    lengths = [_common_lengths(words, known, neighbours) for neighbours in matches]
    best = numpy.maximum(*lengths)
    sources = numpy.where(lengths[0] >= lengths[1], *matches)
    rows = numpy.searchsorted(starts[: len(training)], sources, "right") - 1
    spans = [slice(start - known, end - known) for start, end in zip(starts, ends, strict=True)][len(training) :]
    return Copies([best[span] for span in spans], [rows[span] for span in spans])


def _encode(training: "pyarrow.ChunkedArray", texts: Sequence[str]) -> "tuple[numpy.ndarray, numpy.ndarray, int]":
    """Words as numbers, training abstracts first, an end after each text; starts of all texts; length of training."""
    import numpy
    import pyarrow
    import pyarrow.compute

    learned, learned_counts = _split(training)
    compared, counts = _split(pyarrow.chunked_array([pyarrow.array(texts, pyarrow.string())]))
    vocabulary = learned.dictionary_encode()
    numbers = pyarrow.compute.index_in(compared, value_set=vocabulary.dictionary).fill_null(UNKNOWN - FIRST_WORD)
    learned_part = _with_ends(vocabulary.indices.to_numpy(), learned_counts, END)
    lengths = numpy.append(learned_counts, counts) + 1
    words = numpy.append(learned_part, _with_ends(numbers.to_numpy(), counts, END_OF_TEXT))
    return words, numpy.cumsum(lengths) - lengths, len(learned_part)


def _split(texts: "pyarrow.ChunkedArray") -> "tuple[pyarrow.LargeStringArray, numpy.ndarray]":
    """All words, and the number of words of each text."""
    import numpy
    import pyarrow
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(texts.cast(pyarrow.large_string()))
    words = pc.utf8_split_whitespace(trimmed).combine_chunks()
    counts = pc.list_value_length(words).to_numpy() - pc.equal(trimmed, "").to_numpy()  # an empty text is one word
    flat = words.flatten()
    return flat.filter(pc.not_equal(flat, "")), counts.astype(numpy.int64)


def _with_ends(numbers: "numpy.ndarray", counts: "numpy.ndarray", end: int) -> "numpy.ndarray":
    """Numbers of words counted from ``FIRST_WORD``, with ``end`` after each text."""
    import numpy

    return numpy.insert(numbers.astype(numpy.int32) + FIRST_WORD, numpy.cumsum(counts), end)


def _suffix_order(words: "numpy.ndarray", depth: int) -> "numpy.ndarray":
    """Positions sorted by the ``depth`` (or more) words that follow, by prefix doubling (Larsson and Sadakane, 1999).

    After a round, positions with the same ``width`` words have the same rank, the first place of their group. The next
    round sorts each group of more than one by the rank of the position ``width`` further on.
    """
    import numpy

    width = max(63 // int(words.max()).bit_length(), 1)
    bits, padded = 63 // width, numpy.append(words, numpy.zeros(width, words.dtype))
    keys = numpy.zeros(len(words), dtype=numpy.int64)
    for ahead in range(width):
        keys = keys << bits | padded[ahead : ahead + len(words)]
    order, places = numpy.argsort(keys), numpy.arange(len(words))
    rank = numpy.empty(len(words) + 1, dtype=numpy.int64)
    rank[-1] = -1
    positions, keys = order, keys[order]
    while True:
        first = numpy.append(True, keys[1:] != keys[:-1])
        rank[positions] = places[numpy.maximum.accumulate(numpy.where(first, numpy.arange(len(first)), 0))]
        places = places[~(first & numpy.append(first[1:], True))]
        if width >= depth or not len(places):
            return order
        positions = order[places]
        keys = rank[positions] << 32 | (rank[numpy.minimum(positions + width, len(words))] + 1)
        sorting = numpy.argsort(keys)
        positions, keys = positions[sorting], keys[sorting]
        order[places] = positions
        width *= 2


def _neighbours(
    order: "numpy.ndarray", known: int
) -> "tuple[tuple[numpy.ndarray, numpy.ndarray], tuple[numpy.ndarray, numpy.ndarray]]":
    """For positions from ``known`` on, the next position below ``known`` before and after them in the order.

    Returns:
        Twice (before, after): the positions, and their neighbours, -1 where there is none.
    """
    import numpy

    places, of_training = numpy.arange(len(order)), order < known
    asked = ~of_training
    before = numpy.maximum.accumulate(numpy.where(of_training, places, -1))[asked]
    after = numpy.minimum.accumulate(numpy.where(of_training, places, len(order))[::-1])[::-1][asked]
    extended = numpy.append(order, -1)  # both -1 and len(order) are its last place
    return (order[asked], extended[before]), (order[asked], extended[after])


def _common_lengths(words: "numpy.ndarray", known: int, others: "numpy.ndarray") -> "numpy.ndarray":
    """How many words from each position ``known``, ``known`` + 1, … are those from the position in ``others``."""
    import numpy

    lengths = numpy.zeros(len(others), dtype=numpy.int64)
    active = numpy.flatnonzero(others >= 0)
    while len(active):
        ahead = lengths[active]
        active = active[words[known + active + ahead] == words[others[active] + ahead]]
        lengths[active] += 1
    return lengths


def copied_fraction(lengths: "numpy.ndarray", n: int) -> float | None:
    """Fraction of a text's n-grams that occur in training abstracts; None for a text of fewer than n words.

    Args:
        lengths: as in ``Copies``.
        n: words of an n-gram.
    """
    starts = len(lengths) - n + 1
    return float((lengths[:starts] >= n).mean()) if starts > 0 else None


def _columns(of: str, suffix: str) -> tuple[Column, ...]:
    direction: Literal["lower"] | None = None if suffix else "lower"
    name = " (truth)" if suffix else ""
    fractions = (
        Column(
            name=f"copied_{n}{suffix}",
            title=f"Copied {n}-grams{name}",
            direction=direction,
            description=f"Fraction of the sequences of {n} words in {of} that occur in the run's training split.",
            lowest=0,
            highest=1,
        )
        for n in ORDERS
    )
    longest = Column(
        name=f"longest{suffix}",
        title=f"Longest copy{name}",
        direction=direction,
        description=f"Words of the longest sequence in {of} that occurs in the run's training split.",
        lowest=0,
    )
    return (*fractions, longest)


class Novelty(Metric):
    """Copied n-grams and the longest copied sequence, of the continuation and, for comparison, of the true one.

    The n-gram novelty of McCoy et al., *How Much Do Language Models Copy From Their Training Data?* (TACL 2023,
    arXiv:2111.09509) is 1 less the fraction of copied n-grams. Authors use the phrases of their field too, so only what
    exceeds the number of the true continuation is memorised.
    """

    default_title = "Novelty"
    needs_training = True
    details = ("source", "source_true")
    columns = (
        Column(
            name=f"excess_{ORDERS[-1]}",
            title=f"Copied {ORDERS[-1]}-grams beyond the truth's",
            direction="lower",
            headline=True,
            description=f"Copied {ORDERS[-1]}-grams of the continuation less those of the true one: 0 for a model that"
            " copies as much as authors use the same phrases, 1 for one that copies everything.",
            lowest=-1,
            highest=1,
        ),
        *_columns("the continuation", ""),
        *_columns("the true continuation", "_true"),
    )

    def score(self, completions: Completions, reference: "Mapping[str, numpy.ndarray]") -> Values:
        """All columns, and the ids of the abstracts that the longest copies come from."""
        assert self.training is not None, "metrics that need training data are computed for runs that have some"
        names = ["id", "abstract"]
        table = read_table(self.training, names, texts=names)
        count = len(completions.ids)
        copies = find_copies(table["abstract"], [*completions.predictions, *completions.y_true])
        values: dict[str, list] = {}
        for suffix, texts in (("", slice(0, count)), ("_true", slice(count, None))):
            lengths, rows = copies.lengths[texts], copies.abstracts[texts]
            values |= {f"copied_{n}{suffix}": [copied_fraction(each, n) for each in lengths] for n in ORDERS}
            values[f"longest{suffix}"] = [int(each.max()) if len(each) else None for each in lengths]
            values[f"source{suffix}"] = [_source(*pair, table["id"]) for pair in zip(lengths, rows, strict=True)]
        pairs = zip(values[f"copied_{ORDERS[-1]}"], values[f"copied_{ORDERS[-1]}_true"], strict=True)
        values[f"excess_{ORDERS[-1]}"] = [None if None in pair else pair[0] - pair[1] for pair in pairs]
        return values


def _source(lengths: "numpy.ndarray", rows: "numpy.ndarray", ids: "pyarrow.ChunkedArray") -> str | None:
    """Id of the training abstract with the first of a text's longest copies; None if no word is copied."""
    return ids[int(rows[lengths.argmax()])].as_py() if lengths.any() else None
