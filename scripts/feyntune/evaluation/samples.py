"""Samples of evaluation sets and validation splits, fixed by a hash of the ids."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.data.prompts import split_abstract
from feyntune.evaluation.abstracts import read_abstracts

if TYPE_CHECKING:
    from feyntune.config.schema.checkpoints import CheckpointsStage

SALT = "sample"
"""Before each id, so that the sample does not depend on how splits by hash are made."""


@dataclass(frozen=True)
class Sample:
    """A sample of one set; all sequences are in the set's order."""

    name: str
    """Name of the set."""
    ids: list[str]
    texts: list[str]
    """The texts whose perplexity is computed."""
    halves: list[tuple[str, str]] | None
    """Prompt and continuation of each abstract; None for a set that is not completed."""


def sampled(ids: Sequence[str], count: int) -> list[int]:
    """Positions of the ``count`` ids with the smallest hashes, in order; all if there are no more.

    Whether an id is drawn depends on no order, and an id that is added or removed moves at most one other.
    """
    smallest = sorted(range(len(ids)), key=lambda place: hashlib.sha256(f"{SALT}\n{ids[place]}".encode()).digest())
    return sorted(smallest[:count])


def read_samples(files: Mapping[str, Path], stage: CheckpointsStage) -> list[Sample]:
    """The samples of all sets, in the order of ``files``.

    Args:
        files: parquet files of the sets by name.
        stage: the size of the samples, and what is evaluated of each set.

    Raises:
        FeynTuneError: a file is not readable, or a set has no abstract.
    """
    return [_sample(name, path, stage) for name, path in files.items()]


def _sample(name: str, path: Path, stage: CheckpointsStage) -> Sample:
    settings = stage.sets[name]
    ids, texts = read_abstracts(path, settings.column, None)
    drawn = sampled(ids, stage.abstracts)
    halves = None
    if settings.completed:
        _, abstracts = read_abstracts(path, "abstract", None)
        halves = [split_abstract(abstracts[place]) for place in drawn]
    return Sample(name, [ids[place] for place in drawn], [texts[place] for place in drawn], halves)
