"""Prompts from an evaluation set: completed as the workflow does it, with the random numbers of the abstract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from feyntune.config.load import did_you_mean
from feyntune.core.errors import FeynTuneError, shorten
from feyntune.data.prompts import split_abstract
from feyntune.evaluation.abstracts import read_abstracts
from feyntune.playground.session import Prompt


def prompt_of_set(evaluation_set: str, name: str, settings: Prompt, results: Path = Path("results")) -> Prompt:
    """The first half of an abstract as a prompt.

    Args:
        evaluation_set: its evaluation set.
        name: its id.
        settings: seed and changes.
        results: folder of results.

    Raises:
        FeynTuneError: there is no such set yet, or it has no such abstract.
    """
    path = results / "evaluation_sets" / f"{evaluation_set}.parquet"
    if not path.is_file():
        sets = [each.stem for each in sorted(path.parent.glob("*.parquet"))]
        raise FeynTuneError(f"--set: no results of {shorten(evaluation_set, 40)}{did_you_mean(evaluation_set, sets)}")
    texts = dict(zip(*read_abstracts(path, "abstract", None), strict=True))
    if name not in texts:
        raise FeynTuneError(f"--id: no abstract {shorten(name, 40)} in {path}{did_you_mean(name, texts)}")
    return replace(settings, text=split_abstract(texts[name])[0], name=name)
