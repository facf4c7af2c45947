"""Repetition within a continuation: how many of its word n-grams were there before, and how many are distinct."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from feyntune.evaluation.metrics.base import Column, Completions, Metric, Values

if TYPE_CHECKING:
    import numpy

ORDERS = (1, 2, 3, 4)


def repeated(words: Sequence[str], n: int) -> float | None:
    """Fraction of the n-grams of a text that repeat an earlier one, 1 - |unique| / |all|; None for no n-gram.

    This is seq-rep-n of Welleck et al., *Neural Text Generation with Unlikelihood Training* (ICLR 2020,
    arXiv:1908.04319), over words instead of a model's tokens, so that it does not depend on the tokenizer.
    """
    total = len(words) - n + 1
    return 1 - _unique(words, n) / total if total > 0 else None


def distinct(words: Sequence[str], n: int) -> float | None:
    """Number of distinct n-grams of a text, by its number of words; None for an empty text.

    This is distinct-n of Li et al., *A Diversity-Promoting Objective Function for Neural Conversation Models* (NAACL
    2016, arXiv:1510.03055), for one text: theirs counts the n-grams of all generated texts together.
    """
    return _unique(words, n) / len(words) if words else None


def _unique(words: Sequence[str], n: int) -> int:
    return len({tuple(words[start : start + n]) for start in range(len(words) - n + 1)})


class Repetition(Metric):
    """rep-n and distinct-n of the continuation for n from 1 to 4; words are what stands between white space."""

    default_title = "Repetition"
    columns = (
        *(
            Column(
                name=f"rep_{n}",
                title=f"rep-{n}",
                direction="lower",
                headline=n == 4,
                description=f"Fraction of the continuation's sequences of {n} words that occurred in it before."
                if n > 1
                else "Fraction of the continuation's words that occurred in it before.",
                lowest=0,
                highest=1,
            )
            for n in ORDERS
        ),
        *(
            Column(
                name=f"distinct_{n}",
                title=f"distinct-{n}",
                direction="higher",
                description=f"Distinct sequences of {n} words in the continuation, by its number of words."
                if n > 1
                else "Distinct words in the continuation, by its number of words.",
                lowest=0,
                highest=1,
            )
            for n in ORDERS
        ),
    )

    def score(self, completions: Completions, reference: "Mapping[str, numpy.ndarray]") -> Values:
        """rep-n and distinct-n of each continuation."""
        texts = [prediction.split() for prediction in completions.predictions]
        values = {f"rep_{n}": [repeated(words, n) for words in texts] for n in ORDERS}
        return values | {f"distinct_{n}": [distinct(words, n) for words in texts] for n in ORDERS}
