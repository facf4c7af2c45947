"""Settings of how training splits are kept free of what their runs are judged on."""

from pydantic import Field

from feyntune.settings.base import Section


class Leaks(Section):
    """What a training split may not share with the unseen abstracts; the id and the same words never."""

    threshold: float | None = Field(0.8, ge=0.1, le=0.99)
    """Near-duplicates are as similar as this (Jaccard, sets of three-word sequences); null does not look for them."""
    permutations: int = Field(128, ge=128)
    """Length of the MinHash signatures that find the candidates, which are then compared exactly."""
