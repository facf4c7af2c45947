"""A made-up abstract: a subject is introduced in the first half, and returns in the second in its field's own way.

Each field of science has its subjects, and templates for the sentences at each place of an abstract. Where a template
says ``<key>`` stands what belongs to the paper's main subject, for ``<other.key>`` what belongs to a second one, and
for any other ``<word>`` a fresh draw from the field's words. A model that has learnt a field can therefore foresee much
of what follows a first half; one that has learnt other fields only cannot.
"""

import re
from dataclasses import dataclass

_SLOT = re.compile(r"<([a-z_.]+)>")
_LENGTHS = {1: 5, 2: 6, 3: 14, 4: 40, 5: 25, 6: 10}  # sentences of an abstract: weight


@dataclass(frozen=True)
class Field:
    """What a field of science writes about, and how.

    Each subject is a dict with at least ``category`` and ``name``. The rest are templates: those of whole abstracts of
    one sentence, of titles, and of sentences by their place in the abstract.
    """

    subjects: tuple
    words: dict
    titles: tuple
    openings: tuple
    elaborations: tuple
    results: tuple
    conclusions: tuple
    single_sentences: tuple


@dataclass(frozen=True)
class Paper:
    """What a paper says, and which categories that makes it belong to, the primary one first."""

    title: str
    abstract: str
    categories: tuple


def write_paper(field, guests, rng, crossing=0.25):
    """Write a paper of one field.

    Args:
        field: the field that the paper's primary category belongs to.
        guests: fields from which its second subject may come.
        rng: a ``random.Random``; the same state gives the same paper.
        crossing: how likely the second subject is to come from a guest; the paper is then cross-listed.
    """
    main = rng.choice(field.subjects)
    home = rng.choice(guests) if guests and rng.random() < crossing else field
    other = rng.choice([subject for subject in home.subjects if subject["name"] != main["name"]])
    slots = main | {f"other.{key}": text for key, text in {**main, **other}.items()}
    sentences = [_fill(template, slots, field.words, rng) for template in _outline(field, rng)]
    title = _fill(rng.choice(field.titles), slots, field.words, rng)
    categories = dict.fromkeys([main["category"], other["category"]])
    return Paper(title, " ".join(sentences), tuple(categories))


def _outline(field, rng):
    """Templates of an abstract's sentences; the second half is the field's results and conclusion."""
    (length,) = rng.choices(list(_LENGTHS), weights=_LENGTHS.values())
    if length == 1:
        return [rng.choice(field.single_sentences)]
    first, second = (length + 1) // 2, length // 2
    results = second - 1 if second > 1 else 1
    outline = [rng.choice(field.openings), *rng.sample(field.elaborations, first - 1)]
    outline += rng.sample(field.results, results)
    return outline + ([rng.choice(field.conclusions)] if second > results else [])


def _fill(template, slots, words, rng):
    """Replace the slots of a template, and those in what replaces them; a sentence begins with a capital letter."""

    def replacement(match):
        key = match[1]
        return slots[key] if key in slots else rng.choice(words[key])

    text = template
    while (filled := _SLOT.sub(replacement, text)) != text:
        text = filled
    return text[0].upper() + text[1:]
