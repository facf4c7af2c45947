"""Log-likelihoods and embeddings, batch by batch; finished batches survive a killed job."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from feyntune.core.cli import Progress
from feyntune.core.errors import FeynTuneError
from feyntune.core.shards import Shards
from feyntune.evaluation.membership import membership_scores
from feyntune.evaluation.model import EvaluatedModel
from feyntune.models.likelihood import ForwardPass, batches_by_length, forward_pass, token_losses

if TYPE_CHECKING:
    import numpy
    import pyarrow
    import torch
    from transformers import PreTrainedModel

SECONDS_BETWEEN_SHARDS = 60


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
