"""Evaluate the adapters of all evaluation steps of a training on samples, with one base model in memory.

Step 0 is the base model. Perplexities and completions of a step are kept when it is finished, so a killed job resumes
at the step in which it was killed. The metrics follow when the base model has left the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.checkpoints import CheckpointsStage
from feyntune.core.cli import Progress
from feyntune.core.files import read_json, write_table
from feyntune.core.hashing import json_digest
from feyntune.core.kept import KeptResults, file_digest, fingerprint, folder_digest
from feyntune.core.locks import locked
from feyntune.core.shards import Shards
from feyntune.evaluation.checkpoint_curves import curve_table
from feyntune.evaluation.checkpoint_metrics import judged
from feyntune.evaluation.record import evaluation_record
from feyntune.evaluation.samples import Sample, read_samples
from feyntune.evaluation.step_models import StepModels
from feyntune.evaluation.step_results import evaluate_step
from feyntune.models.adapter_archive import archived_steps
from feyntune.models.memory import free_unused_memory, out_of_memory_remedy
from feyntune.models.tokens import load_tokens

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class CheckpointsJob:
    """What `checkpoints.py` does."""

    stage: CheckpointsStage
    base: Path
    """Folder of the base model."""
    archive: Path
    """The adapters of all evaluation steps."""
    record: Path
    """``run.json`` of the training."""
    files: Mapping[str, Path]
    """Parquet files of the sets by name, the validation split among them."""
    models: Mapping[str, Path]
    """Folders of the metrics' models by the metrics' names."""
    training: Path | None
    """Parquet file of the training split, for metrics that need it."""
    shards: Path
    """Folder for unfinished work."""
    output: Path
    """Parquet file to write."""
    code: str
    """Fingerprint of the program's code."""
    memory: float | None = None
    """Bytes that it may use on a CPU; None: half of the machine's."""
    kept: Path | None = None
    """Folder in which finished results of this job are kept; None: they are not kept."""


def run(job: CheckpointsJob) -> None:
    """Evaluate all steps and write the table of ``checkpoint_curves.curve_table``.

    A metric that cannot be computed for a step has no value there, and its reason beside it.

    Raises:
        FeynTuneError: an input is not valid, or memory is not sufficient; what is finished is kept.
    """
    samples = read_samples(job.files, job.stage)
    depends_on = _fingerprint(job, samples)
    kept = KeptResults(job.kept, depends_on) if job.kept else None
    if kept and kept.restore([job.output]):
        return
    remedy = (
        f"lower generation.batch_size (now {job.stage.generation.batch_size}), max_new_tokens or"
        " perplexity.batch_tokens, or on a CPU raise resources.complete.mem_mb"
    )
    with locked(job.shards), out_of_memory_remedy("evaluating the steps of a training", remedy):
        shards = Shards(job.shards, depends_on)
        evaluated = evaluate_steps(job, samples, shards)
        values, reasons = judged(job.stage, job.models, job.training, samples, evaluated)
        table = curve_table(job.stage, read_json(job.record), values, reasons)
        tokenizer = load_tokens(job.base).tokenizer
        write_table(job.output, table, evaluation_record(tokenizer, job.stage, archive=archived_steps(job.archive)))
        if kept and not reasons:
            kept.keep([job.output])
        shards.remove()


def _fingerprint(job: CheckpointsJob, samples: Sequence[Sample]) -> dict[str, Any]:
    """Everything that decides the result, besides the record of the training, which says only what the steps mean."""
    inputs = {
        "base": folder_digest(job.base),
        "archive": file_digest(job.archive),
        "samples": json_digest([[each.name, each.ids, each.texts, each.halves] for each in samples]),
        "training": file_digest(job.training) if job.training else None,
        **{f"metrics/{name}": folder_digest(folder) for name, folder in sorted(job.models.items())},
    }
    return fingerprint(job.code, job.stage.model_dump(mode="json"), inputs)


def evaluate_steps(job: CheckpointsJob, samples: Sequence[Sample], shards: Shards) -> pyarrow.Table:
    """Perplexities and completions of all samples after every step, as ``evaluate_step`` gives them."""
    import pyarrow

    steps, tables = [0, *archived_steps(job.archive)], shards.read()
    with Progress("checkpoints", len(steps), "steps") as progress:
        progress.advance(len(tables))
        models = StepModels(job.base, job.archive, job.stage) if len(tables) < len(steps) else None
        for step in steps[len(tables) :]:
            assert models is not None
            tables.append(evaluate_step(models.at(step), step, samples, job.stage, job.memory))
            shards.append(tables[-1])
            progress.advance()
    del models
    free_unused_memory()
    return pyarrow.concat_tables(tables)
