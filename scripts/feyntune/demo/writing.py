"""A made-up abstract: what its first half introduces returns in the second half, in its field's own way.

Each field of science has its subjects, the circumstances that they are studied in, and templates for the sentences at
each place of an abstract. A subject and a circumstance bring along what the second half will say of them. So a model
that has learnt a field can foresee much of what follows a first half, and one that has learnt other fields cannot.
"""

import re
from dataclasses import dataclass

_SLOT = re.compile(r"<([a-z_.]+)>")
_LENGTHS = {1: 6, 2: 12, 3: 28, 4: 42, 5: 12}  # sentences of an abstract: weight


@dataclass(frozen=True)
class Field:
    """What a field of science writes about, and how.

    In the templates, ``<key>`` stands for what belongs to the paper's main subject, ``<other.key>`` for what belongs to
    a second one, and any other ``<word>`` for a fresh draw from the words.
    """

    subjects: tuple
    """Dicts with at least ``category``, ``name`` and ``aspect``."""
    circumstances: dict
    """What is called ``<twist>`` in a first half, and how it comes back as ``<echo>`` in the second."""
    words: dict
    """Texts to draw from, by name; they may have slots themselves."""
    titles: tuple
    openings: tuple
    elaborations: tuple
    mentions: tuple
    """Sentences in which a paper of another field speaks of one of this field's subjects, as ``<other.key>``."""
    results: tuple
    conclusions: tuple
    single_sentences: tuple
    """Whole abstracts."""


@dataclass(frozen=True)
class Paper:
    """What a paper says, and the categories that this makes it belong to, the primary one first."""

    title: str
    abstract: str
    categories: tuple


def write_paper(field, guest, rng):
    """Write a paper.

    Args:
        field: the ``Field`` that the paper's primary category belongs to.
        guest: the field that its second subject comes from; the paper is then cross-listed there. None for its own.
        rng: a ``random.Random``; the same state gives the same paper.
    """
    main = rng.choice(field.subjects)
    other = rng.choice([subject for subject in (guest or field).subjects if subject["name"] != main["name"]])
    slots = _circumstanced(main, field, rng)
    slots |= {f"other.{key}": text for key, text in _circumstanced(other, guest or field, rng).items()}
    pen = _Pen(slots, field.words, rng)
    sentences = pen.outline(field, guest)
    (title,) = pen.pick(field.titles, 1)
    return Paper(
        pen.fill(title),
        " ".join(pen.fill(sentence) for sentence in sentences),
        tuple(dict.fromkeys([main["category"], other["category"]])),
    )


def _circumstanced(subject, field, rng):
    twist = rng.choice(list(field.circumstances))
    return subject | {"twist": twist, "echo": field.circumstances[twist]}


class _Pen:
    """Picks templates that suit a paper's two subjects, and fills them."""

    def __init__(self, slots, words, rng):
        self.slots, self.words, self.rng = slots, words, rng

    def pick(self, templates, count):
        """Different templates, of those whose slots can be filled: a guest lacks what only this field has."""
        known = self.slots.keys() | self.words.keys()
        return self.rng.sample([template for template in templates if known.issuperset(_SLOT.findall(template))], count)

    def outline(self, field, guest):
        """Templates of the abstract's sentences; results and conclusions are its second half."""
        (length,) = self.rng.choices(list(_LENGTHS), weights=_LENGTHS.values())
        if length == 1:
            return self.pick(field.single_sentences, 1)
        first, second = (length + 1) // 2, length // 2
        beginning = self.pick(field.openings, 1) + self.pick(field.elaborations, first - 1)
        if guest and first > 1:
            beginning[1:2] = self.pick(guest.mentions, 1)
        return beginning + self.pick(field.results, 1) + self.pick(field.conclusions, second - 1)

    def fill(self, template):
        """Replace slots, and the slots in what replaces them; begin with a capital letter, and mend "a" to "an"."""
        text, before = template, None
        while text != before:
            text, before = _SLOT.sub(self._replacement, text), text
        text = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)
        return text[0].upper() + text[1:]

    def _replacement(self, slot):
        key = slot[1]
        return self.slots[key] if key in self.slots else self.rng.choice(self.words[key])
