"""Settings of how mixtures are kept free of what they are judged on."""

from pydantic import Field

from feyntune.settings.base import Section
from feyntune.settings.data import Dataset


class Leaks(Section):
    """What a training split may not share with the unseen abstracts; the id and the same words never."""

    threshold: float | None = Field(0.8, ge=0.1, le=0.99)
    """Near-duplicates are as similar as this (Jaccard, sets of three-word sequences); null does not look for them."""
    permutations: int = Field(128, ge=128)
    """Length of the MinHash signatures that find the candidates, which are then compared exactly."""


class MixtureStage(Section):
    """What `mix_dataset.py` is given."""

    dataset: Dataset
    """The mixture."""
    leaks: Leaks
    """What is dropped from its training split."""
