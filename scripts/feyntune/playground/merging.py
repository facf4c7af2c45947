"""Runs whose adapter vLLM cannot apply, with the adapter merged into the base model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from feyntune.core.cli import say
from feyntune.core.files import read_json
from feyntune.evaluation.generation.adapters import refusal
from feyntune.evaluation.generation.vllm_environment import merge
from feyntune.evaluation.generation.vllm_streaming import check_weights
from feyntune.playground.models import TriedRun


def with_merged_adapters(runs: Iterable[TriedRun], folder: Path) -> Iterator[TriedRun]:
    """Runs that vLLM can load: an adapter that it cannot apply is merged into its base model, in ``folder``.

    Raises:
        FeynTuneError: vLLM cannot load the base model's weights, or the adapter cannot be merged.
    """
    for run in runs:
        reason = run.adapter and refusal(read_json(run.adapter / "adapter_config.json"))
        yield _merged(run, reason, folder / run.name) if reason else run


def _merged(run: TriedRun, reason: str, output: Path) -> TriedRun:
    assert run.adapter is not None
    check_weights(run.base, run.stage)
    say(f"{run.name}: vLLM cannot apply {reason}: merges the adapter into a temporary copy of the base model")
    merge(run.stage, run.base, run.adapter, output)
    return replace(run, base=output, adapter=None)
