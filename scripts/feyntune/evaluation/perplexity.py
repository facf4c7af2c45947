"""Perplexity and embedding of every abstract, from one forward pass over each."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.cli import Progress, say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_table
from feyntune.core.ids import examples
from feyntune.core.locks import locked
from feyntune.core.provenance import device_name
from feyntune.core.shards import Shards
from feyntune.core.tensors import write_tensors
from feyntune.evaluation.abstracts import read_abstracts
from feyntune.evaluation.membership import membership_scores
from feyntune.evaluation.model import EvaluatedModel, load_evaluated
from feyntune.evaluation.record import evaluation_record, job_fingerprint, kept_results
from feyntune.models.likelihood import ForwardPass, batches_by_length, forward_pass, token_losses
from feyntune.models.memory import out_of_memory_remedy
from feyntune.models.tokenizer import encode
from feyntune.models.tokens import ModelTokens

if TYPE_CHECKING:
    import numpy
    import pyarrow
    import torch
    from transformers import PreTrainedModel

SECONDS_BETWEEN_SHARDS = 60


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


@dataclass(frozen=True)
class Encoded:
    """Abstracts as they are evaluated."""

    sequences: list[list[int]]
    """``BOS text``, no longer than the model's context."""
    texts: list[str]
    """The part of each abstract that its sequence covers."""
    truncated: int
    """Number of truncated abstracts."""


def encode_abstracts(tokens: ModelTokens, ids: Sequence[str], texts: Sequence[str], too_long: str) -> Encoded:
    """Encode abstracts as ``BOS text``.

    Args:
        tokens: the model's tokenizer and context length.
        ids: ids of the abstracts.
        texts: the abstracts.
        too_long: ``refuse`` abstracts over the model's context, or ``truncate`` them.

    Raises:
        FeynTuneError: an abstract is too long and ``too_long`` is ``refuse``, or has no token to evaluate.
    """
    sequences = encode(tokens.tokenizer, texts, eos=False)
    empty = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) < 2]
    if empty:
        raise FeynTuneError(f"{len(empty)} abstracts have no token to evaluate: {examples(empty)}; remove them")
    limit = tokens.context or max(map(len, sequences))
    over = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) > limit]
    if over and too_long == "refuse":
        raise FeynTuneError(
            f"{len(over)} abstracts exceed the model's {limit} tokens: {examples(over)};"
            " set perplexity.too_long: truncate to evaluate their beginnings"
        )
    cut = [sequence[:limit] for sequence in sequences]
    covered = [
        text if len(sequence) <= limit else cast("str", tokens.tokenizer.decode(kept, skip_special_tokens=True))
        for text, sequence, kept in zip(texts, sequences, cut, strict=True)
    ]
    return Encoded(cut, covered, len(over))


class OfType(Protocol):
    """A device of torch, or what has its type."""

    @property
    def type(self) -> str:
        """``cuda`` or ``cpu``."""


def usual_budget(device: OfType) -> int:
    """Tokens per batch by default: enough to fill a GPU, or as few as fit into a processor's cache."""
    return 16384 if device.type == "cuda" else 1024


def evaluate_batch(
    causal: PreTrainedModel, sequences: Sequence[Sequence[int]], first: int
) -> tuple[list[float], numpy.ndarray]:
    """One forward pass over a batch.

    Args:
        causal: a causal language model.
        sequences: token ids.
        first: index of the first token of the text: 1 after a BOS, else 0.

    Returns:
        For each sequence the sum of the negative log-likelihoods (nats) of all its tokens except the first; and a
        float32 array (sequences x hidden size) of the mean last hidden state over the text's tokens.
    """
    import torch

    with torch.inference_mode():
        return _evaluated(causal, forward_pass(causal, sequences), first)


def evaluate_batch_with_membership(
    causal: PreTrainedModel, sequences: Sequence[Sequence[int]], first: int
) -> tuple[list[float], numpy.ndarray, list[float]]:
    """As ``evaluate_batch``, and for each sequence Min-K%++ (``membership_scores``), from the same forward pass."""
    import torch

    with torch.inference_mode():
        batch = forward_pass(causal, sequences)
        return (*_evaluated(causal, batch, first), membership_scores(causal.get_output_embeddings(), batch))


def _evaluated(causal: PreTrainedModel, batch: ForwardPass, first: int) -> tuple[list[float], numpy.ndarray]:
    import torch

    pairs = zip(batch.states, batch.lengths, strict=True)
    means = [states[first:length].float().mean(0) for states, length in pairs]
    losses = token_losses(causal.get_output_embeddings(), batch)
    sums = torch.stack([loss.sum(dtype=torch.float64) for loss in losses]).tolist()
    return sums, torch.stack(means).cpu().numpy()


def bos_state(model: EvaluatedModel) -> torch.Tensor | None:
    """The last hidden state of BOS, the same before every text; None for a tokenizer without BOS.

    It is stored beside the embeddings, so that means with BOS need no further forward pass.
    """
    import torch

    bos_id = model.tokens.tokenizer.bos_token_id
    if bos_id is None:
        return None
    with torch.inference_mode():
        return forward_pass(model.causal, [[bos_id]]).states[0, 0].float().cpu()


def check_head(causal: PreTrainedModel, sequence: Sequence[int]) -> None:
    """Raise FeynTuneError if this architecture does more than apply a linear head to the last hidden state."""
    import torch

    with torch.inference_mode():
        batch = forward_pass(causal, [sequence[:16]])
        ours = causal.get_output_embeddings()(batch.states)
        theirs = causal(input_ids=batch.tokens, use_cache=False).logits
    # Where both are NaN the weights are at fault; the evaluation will report that with the abstract's id.
    if not torch.allclose(ours.float(), theirs.float(), rtol=1e-2, atol=1e-2, equal_nan=True):
        name = type(causal).__name__
        raise FeynTuneError(f"{name}: changes its logits after the head; its perplexity cannot be computed here")


def evaluate_all(
    model: EvaluatedModel,
    ids: Sequence[str],
    sequences: Sequence[Sequence[int]],
    batch_tokens: int,
    shards: Shards,
    progress: Progress,
    membership: bool = False,
) -> pyarrow.Table:
    """Evaluate all sequences, batch by batch, longest first, starting after the batches in the shards.

    Args:
        model: the model.
        ids: ids of the abstracts.
        sequences: token ids.
        batch_tokens: tokens per batch, padding included.
        shards: where finished batches are kept.
        progress: counts tokens.
        membership: whether to compute Min-K%++, too.

    Returns:
        A table ``index, nll, embedding`` (and ``min_k_pp``), in the order of the batches.

    Raises:
        FeynTuneError: logits are not finite; names the abstract.
    """
    import pyarrow

    tables = shards.read()
    finished = sum(len(table) for table in tables)
    new, saved = [], time.monotonic()
    for batch in batches_by_length([len(sequence) for sequence in sequences], batch_tokens):
        if finished > 0:
            finished -= len(batch)
        else:
            new.append(_batch_table(model, ids, sequences, batch, membership))
            if time.monotonic() - saved > SECONDS_BETWEEN_SHARDS:
                shards.append(pyarrow.concat_tables(new))
                tables, new, saved = [*tables, *new], [], time.monotonic()
        progress.advance(sum(len(sequences[index]) for index in batch))
    return pyarrow.concat_tables([*tables, *new])


def _batch_table(
    model: EvaluatedModel,
    ids: Sequence[str],
    sequences: Sequence[Sequence[int]],
    batch: Sequence[int],
    membership: bool,
) -> pyarrow.Table:
    import pyarrow

    first, rows = int(model.tokens.tokenizer.bos_token_id is not None), [sequences[index] for index in batch]
    scores: dict[str, list[float]] = {}
    if membership:
        sums, embeddings, scores["min_k_pp"] = evaluate_batch_with_membership(model.causal, rows, first)
    else:
        sums, embeddings = evaluate_batch(model.causal, rows, first)
    for index, nll in zip(batch, sums, strict=True):
        if not math.isfinite(nll):
            raise FeynTuneError(f"{ids[index]}: the model's logits are not finite; check that its weights are intact")
    flat = pyarrow.array(embeddings.ravel(), pyarrow.float32())
    columns = {
        "index": pyarrow.array(batch, pyarrow.int64()),
        "nll": pyarrow.array(sums, pyarrow.float64()),
        "embedding": pyarrow.FixedSizeListArray.from_arrays(flat, embeddings.shape[1]),
        **{name: pyarrow.array(values, pyarrow.float64()) for name, values in scores.items()},
    }
    return pyarrow.table(columns)


def perplexity_table(
    ids: Sequence[str], texts: Sequence[str], tokens: Sequence[int], nll: Sequence[float]
) -> pyarrow.Table:
    """The tidy table of perplexities.

    Args:
        ids: ids of the abstracts.
        texts: the abstracts, as far as they were evaluated.
        tokens: number of evaluated tokens of each (all except the first).
        nll: sums of their negative log-likelihoods, in nats.

    Returns:
        A table ``id, tokens, nll, perplexity, bits_per_byte``: perplexity is exp(nll / tokens); bits per byte are
        nll / ln 2 divided by the text's bytes in UTF-8, which do not depend on the tokenizer.
    """
    import numpy as np
    import pyarrow

    sums, counts = np.asarray(nll, dtype=np.float64), np.asarray(tokens, dtype=np.int64)
    size = np.array([len(text.encode()) for text in texts])
    columns = {
        "tokens": counts,
        "nll": sums,
        "perplexity": np.exp(sums / counts),
        "bits_per_byte": sums / np.log(2) / size,
    }
    return pyarrow.table({"id": pyarrow.array(ids, pyarrow.string()), **columns})


def write_results(
    job: PerplexityJob, model: EvaluatedModel, ids: Sequence[str], encoded: Encoded, results: pyarrow.Table
) -> None:
    """Write both files in the order of the dataset.

    The ``.pt`` file is a dict of ``ids``, ``embeddings`` (N x D float32, means without BOS), ``tokens`` (N, the number
    of states in each mean), ``bos`` (D, or None), settings and provenance.

    Args:
        job: names the files.
        model: the model.
        ids: ids of the abstracts.
        encoded: from ``encode_abstracts``.
        results: from ``evaluate_all``.
    """
    import torch

    results = results.combine_chunks().sort_by("index")
    device = device_name(model.causal.device)
    record = evaluation_record(model.tokens.tokenizer, job.stage, device=device, truncated=encoded.truncated)
    lengths = torch.tensor([len(sequence) for sequence in encoded.sequences])
    table = perplexity_table(ids, encoded.texts, (lengths - 1).tolist(), results["nll"].to_pylist())
    if "min_k_pp" in results.column_names:
        table = table.append_column("min_k_pp", results["min_k_pp"])
    write_table(job.perplexity, table, record)
    flat = torch.from_numpy(results["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).copy())
    bos = bos_state(model)
    tokens = lengths if bos is None else lengths - 1
    content = {"ids": ids, "embeddings": flat.view(len(ids), -1), "tokens": tokens, "bos": bos, **record}
    write_tensors(job.embeddings, content)
