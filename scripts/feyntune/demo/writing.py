"""Write a synthetic abstract whose second half depends on its first half, in a way specific to its field.

Each field of science has subjects, the circumstances in which they are studied, and templates for the sentences at each
position of an abstract. The subject and the circumstance of a first half determine what the second half says. So a
model trained on a field can predict much of a second half, and a model trained on other fields cannot.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feyntune.demo.fields import Field

_SLOT = re.compile(r"<([a-z_.]+)>")
_LENGTHS = {1: 6, 2: 12, 3: 28, 4: 42, 5: 12}  # sentences of an abstract: weight


@dataclass(frozen=True)
class Paper:
    """A synthetic paper."""

    title: str
    abstract: str
    categories: tuple[str, ...]
    """The primary category first."""


def write_paper(field: Field, guest: Field | None, rng: random.Random) -> Paper:
    """Write a paper.

    Args:
        field: the field of the paper's primary category.
        guest: the field of its second subject, in which the paper is then cross-listed; None for its own field.
        rng: the same state gives the same paper.
    """
    main = rng.choice(field.subjects)
    other = rng.choice([subject for subject in (guest or field).subjects if subject["name"] != main["name"]])
    slots = _with_circumstance(main, field, rng)
    slots |= {f"other.{key}": text for key, text in _with_circumstance(other, guest or field, rng).items()}
    templates = _Templates(slots, field.words, rng)
    sentences = templates.outline(field, guest)
    (title,) = templates.choose(field.titles, 1)
    return Paper(
        templates.fill(title),
        " ".join(templates.fill(sentence) for sentence in sentences),
        tuple(dict.fromkeys([main["category"], other["category"]])),
    )


def _with_circumstance(subject: Mapping[str, str], field: Field, rng: random.Random) -> dict[str, str]:
    twist = rng.choice(list(field.circumstances))
    return {**subject, "twist": twist, "echo": field.circumstances[twist]}


class _Templates:
    """Chooses templates that fit a paper's two subjects, and fills them."""

    def __init__(self, slots: Mapping[str, str], words: Mapping[str, tuple[str, ...]], rng: random.Random) -> None:
        self.slots, self.words, self.rng = slots, words, rng

    def choose(self, templates: Sequence[str], count: int) -> list[str]:
        """Different templates that can be filled; a guest does not have all keys of this field's subjects."""
        known = self.slots.keys() | self.words.keys()
        return self.rng.sample([template for template in templates if known.issuperset(_SLOT.findall(template))], count)

    def outline(self, field: Field, guest: Field | None) -> list[str]:
        """Templates of the abstract's sentences; results and conclusions form the second half."""
        (length,) = self.rng.choices(list(_LENGTHS), weights=list(_LENGTHS.values()))
        if length == 1:
            return self.choose(field.single_sentences, 1)
        first, second = (length + 1) // 2, length // 2
        beginning = self.choose(field.openings, 1) + self.choose(field.elaborations, first - 1)
        if guest and first > 1:
            beginning[1:2] = self.choose(guest.mentions, 1)
        return beginning + self.choose(field.results, 1) + self.choose(field.conclusions, second - 1)

    def fill(self, template: str) -> str:
        """Replace slots, also in the replacements; then write "an" before vowels and capitalise the first letter."""
        text, before = template, ""
        while text != before:
            text, before = _SLOT.sub(self._replacement, text), text
        text = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)
        return text[0].upper() + text[1:]

    def _replacement(self, slot: re.Match[str]) -> str:
        key = slot[1]
        return self.slots[key] if key in self.slots else self.rng.choice(self.words[key])
