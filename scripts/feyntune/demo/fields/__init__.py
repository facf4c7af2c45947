"""What each field of science writes about: subjects and sentence templates, in a YAML file for each field."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("hep-th", "hep-ph", "gr-qc", "cs", "q-bio")
"""The fields. Their order decides which papers a seed gives."""
_EXTENDED = ("openings", "elaborations", "mentions")
"""Templates of a field that ``common.yaml`` precedes with its own."""


@dataclass(frozen=True)
class Field:
    """Subjects and sentence templates of a field of science.

    In the templates, ``<key>`` stands for a key of the paper's main subject, ``<other.key>`` for one of its second
    subject, and any other ``<word>`` for a random choice from ``words``.
    """

    guests: tuple[str, ...]
    """Fields in which papers are cross-listed; a repeated name is chosen more often."""
    subjects: tuple[Mapping[str, str], ...]
    """Mappings with at least ``category``, ``name`` and ``aspect``."""
    circumstances: Mapping[str, str]
    """The text of ``<twist>`` in a first half, and the text of ``<echo>`` that returns to it in the second half."""
    words: Mapping[str, tuple[str, ...]]
    """Texts to choose from, by name; they may contain templates themselves."""
    titles: tuple[str, ...]
    openings: tuple[str, ...]
    elaborations: tuple[str, ...]
    mentions: tuple[str, ...]
    """Sentences in which a paper of another field mentions one of this field's subjects, as ``<other.key>``."""
    results: tuple[str, ...]
    conclusions: tuple[str, ...]
    single_sentences: tuple[str, ...]
    """Whole abstracts of one sentence."""


@functools.cache
def load_fields() -> dict[str, Field]:
    """All fields by name, in the order of ``NAMES``."""
    common = _read("common")
    return {name: _field(_read(name), common) for name in NAMES}


def _read(name: str) -> dict:
    import yaml

    return yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8"))


def _field(own: Mapping, common: Mapping) -> Field:
    templates = {key: (*common[key], *own[key]) for key in _EXTENDED}
    words = {key: tuple(texts) for key, texts in {**common["words"], **own["words"]}.items()}
    others: dict[str, Any] = {
        key: tuple(texts) for key, texts in own.items() if key not in {*_EXTENDED, "words", "circumstances"}
    }
    return Field(**others, **templates, words=words, circumstances=own["circumstances"])
