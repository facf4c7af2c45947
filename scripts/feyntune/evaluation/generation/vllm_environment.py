"""The environment in which vLLM is installed, and how a completion job gets into it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feyntune.config.schema.generation import CompletionStage
from feyntune.config.schema.models import Quantization
from feyntune.core.cli import say, terminal_for_children
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.core.fingerprint import SCRIPTS
from feyntune.core.locks import locked
from feyntune.evaluation.generation.adapters import refusal

PYTHON = SCRIPTS.parent / ".venv-vllm/bin/python"
"""The interpreter of vLLM's environment."""
PROGRAM = SCRIPTS / "complete.py"
MERGED = "merged"
"""Folder inside the folder of shards with the base model and adapter merged; removed with it."""


@dataclass(frozen=True)
class VllmStart:
    """A completion job that is to run in vLLM's environment."""

    stage: CompletionStage
    base: Path
    """Folder of the base model with the weights that vLLM loads."""
    adapter: Path | None
    """Folder of a PEFT adapter; None for the base model alone."""
    shards: Path
    """Folder for unfinished work."""


def check_environment() -> None:
    """Raise FeynTuneError if vLLM's environment is missing."""
    if not PYTHON.exists():
        raise FeynTuneError(
            "generation.engine: vllm needs the environment .venv-vllm, which is missing: type `make vllm`"
        )


def start(job: VllmStart, options: Mapping[str, Any]) -> None:
    """Become ``complete.py`` in vLLM's environment; does not return.

    Args:
        job: the job.
        options: options of this process, which ``complete.py`` is given; those without a value are left out.

    Raises:
        FeynTuneError: the environment is missing, or the adapter cannot be merged.
    """
    check_environment()
    folders = with_merged_adapter(job)
    values = {name: value for name, value in {**options, **folders}.items() if value is not None}
    command = [str(PYTHON), str(PROGRAM)]
    for name, value in values.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with terminal_for_children():
        os.execv(PYTHON, command)


def with_merged_adapter(job: VllmStart) -> dict[str, Path | None]:
    """The options ``base`` and ``adapter`` for vLLM; an adapter that it cannot apply is merged into the base model."""
    reason = job.adapter and refusal(read_json(job.adapter / "adapter_config.json"))
    if not job.adapter or not reason:
        return {}
    say(f"vLLM cannot apply {reason}: merges the adapter into the base model")
    merged = job.shards / MERGED
    with locked(job.shards):
        merge(job.stage, job.base, job.adapter, merged)
    return {"base": merged, "adapter": None}


def merge(stage: CompletionStage, base: Path, adapter: Path, output: Path) -> None:
    """Write a base model, whose weights are dequantised already, and an adapter as one model folder."""
    from feyntune.models.dequantize import DequantizeJob, run

    none = Quantization(method="none")
    run(DequantizeJob(none, stage.precision, base, adapter, stage.base_names, output))
