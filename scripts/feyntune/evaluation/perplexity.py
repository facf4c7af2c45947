"""Perplexity and embedding of every abstract, from one forward pass over each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.cli import Progress, say
from feyntune.core.locks import locked
from feyntune.core.shards import Shards
from feyntune.evaluation.abstracts import read_abstracts
from feyntune.evaluation.model import load_evaluated
from feyntune.evaluation.perplexity_batches import check_head, evaluate_all, usual_budget
from feyntune.evaluation.perplexity_inputs import encode_abstracts
from feyntune.evaluation.perplexity_results import write_results
from feyntune.evaluation.record import job_fingerprint, kept_results
from feyntune.models.memory import out_of_memory_remedy


@dataclass(frozen=True)
class PerplexityJob:
    """Perplexities and embeddings of one evaluation set under one run's model."""

    stage: PerplexityStage
    base: Path
    """Folder of the base model."""
    adapter: Path | None
    """Folder of a PEFT adapter; None for the base model alone."""
    dataset: Path
    """Parquet file with the abstracts."""
    shards: Path
    """Folder for unfinished work."""
    perplexity: Path
    """Parquet file to write."""
    embeddings: Path
    """``.pt`` file to write."""
    code: str
    """Fingerprint of the program's code."""
    kept: Path | None = None
    """Folder in which finished results of this job are kept; None: they are not kept."""


def run(job: PerplexityJob) -> None:
    """Compute perplexities and embeddings and write them; resume from the shards of a killed job.

    Raises:
        FeynTuneError: an input is not valid, or memory is not sufficient; what is finished is kept.
    """
    settings, outputs = job.stage.perplexity, [job.perplexity, job.embeddings]
    kept = kept_results(job.kept, job.code, job.stage, job.base, job.adapter, job.dataset)
    if kept and kept.restore(outputs):
        return
    remedy = (
        f"lower perplexity.batch_tokens (now {settings.batch_tokens or 'unset: 16384 on a GPU'}),"
        " or on a CPU raise resources.perplexity.mem_mb"
    )
    with locked(job.shards), out_of_memory_remedy("computing perplexities", remedy):
        ids, texts = read_abstracts(job.dataset, settings.column, job.stage.limit)
        model = load_evaluated(job.base, job.adapter, job.stage)
        encoded = encode_abstracts(model.tokens, ids, texts, settings.too_long)
        if encoded.truncated:
            say(f"{encoded.truncated:,} of {len(ids):,} abstracts exceed {model.tokens.context} tokens: truncated")
        check_head(model.causal, encoded.sequences[0])
        shards = Shards(job.shards, job_fingerprint(job.code, job.stage, job.base, job.adapter, encoded.sequences))
        batch_tokens = settings.batch_tokens or usual_budget(model.causal.device)
        with Progress("perplexity", sum(map(len, encoded.sequences)), "tokens") as progress:
            results = evaluate_all(model, ids, encoded.sequences, batch_tokens, shards, progress, settings.membership)
        write_results(job, model, ids, encoded, results)
        if kept:
            kept.keep(outputs)
        shards.remove()
