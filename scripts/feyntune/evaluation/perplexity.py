"""Perplexity and embedding of every abstract from one forward pass over it.

Sequences are padded on the right, behind all that counts: under causal attention no real token sees the padding, so no
mask is needed, and the head is applied to real tokens only.
"""

import math
import time
from dataclasses import dataclass

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_table
from feyntune.core.ids import examples
from feyntune.core.tensors import write_tensors
from feyntune.evaluation.model import evaluation_record
from feyntune.models.tokenizer import encode

LOGITS_AT_ONCE = 2**25
"""Logits held at a time, in fp32: 128 MiB, whatever the vocabulary."""
SECONDS_BETWEEN_SHARDS = 60


@dataclass(frozen=True)
class Encoded:
    """Abstracts as they are scored."""

    sequences: list[list[int]]
    """``BOS text``, no longer than the model's context."""
    texts: list[str]
    """What of each abstract is inside its sequence."""
    truncated: int
    """How many were cut."""


def encode_for_scores(model, ids, texts, too_long):
    """Encode abstracts as ``BOS text``.

    Args:
        model: an ``EvaluatedModel``.
        ids: names of the abstracts.
        texts: the abstracts.
        too_long: ``refuse`` those over the model's context, or ``truncate`` them.

    Raises:
        FeynTuneError: an abstract is too long and ``too_long`` is ``refuse``, or has no token to score.
    """
    sequences = encode(model.tokenizer, texts, eos=False)
    _refuse_empty(ids, sequences)
    limit = model.context or max(map(len, sequences))
    over = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) > limit]
    if over and too_long == "refuse":
        raise FeynTuneError(
            f"{len(over)} abstracts are over the model's {limit} tokens: {examples(over)};"
            " set perplexity.too_long: truncate to score their beginnings"
        )
    cut = [sequence[:limit] for sequence in sequences]
    inside = [
        text if len(sequence) <= limit else model.tokenizer.decode(kept, skip_special_tokens=True)
        for text, sequence, kept in zip(texts, sequences, cut, strict=True)
    ]
    return Encoded(cut, inside, len(over))


def _refuse_empty(ids, sequences):
    empty = [name for name, sequence in zip(ids, sequences, strict=True) if len(sequence) < 2]
    if empty:
        raise FeynTuneError(f"{len(empty)} abstracts have no token to score: {examples(empty)}; remove them")


def usual_budget(device):
    """Tokens a batch where the settings do not say: enough to fill a GPU, or as few as stay in a processor's cache."""
    return 16384 if device.type == "cuda" else 1024


def plan_batches(lengths, batch_tokens):
    """Split indices into batches of at most ``batch_tokens`` tokens, padding included; longest sequences first.

    A sequence over the budget makes a batch of its own.
    """
    batches = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def score_batch(causal, sequences, first):
    """One forward pass over some sequences of token ids.

    Args:
        causal: a transformers causal language model.
        sequences: lists of token ids.
        first: index of the first token that belongs to the text: 1 behind a BOS, else 0.

    Returns:
        For each sequence the sum of the negative log-likelihoods (nats) of all its tokens but the first; and a float32
        numpy array (sequences × hidden size) of the mean last hidden state over the text's tokens.
    """
    import torch

    with torch.inference_mode():
        tokens, lengths = _padded(sequences, causal.device)
        states = causal.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
        means = [state[first:length].float().mean(0) for state, length in zip(states, lengths, strict=True)]
        return _nll(causal.get_output_embeddings(), states, tokens, lengths), torch.stack(means).cpu().numpy()


def bos_state(model):
    """The last hidden state of BOS, which is the same in front of every text; None for a tokenizer without BOS.

    It is kept beside the embeddings, so that BOS can be counted into their means without another pass.
    """
    import torch

    if model.tokenizer.bos_token_id is None:
        return None
    with torch.inference_mode():
        tokens = torch.tensor([[model.tokenizer.bos_token_id]], device=model.causal.device)
        return model.causal.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state[0, 0].float().cpu()


def _padded(sequences, device):
    import torch

    lengths = [len(sequence) for sequence in sequences]
    tokens = torch.zeros(len(sequences), max(lengths), dtype=torch.long)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = torch.tensor(sequence)
    return tokens.to(device), lengths


def _nll(head, states, tokens, lengths):
    """Sums over each sequence of -ln p(token | tokens before), in fp32 token by token, added in fp64."""
    import torch
    from torch.nn.functional import cross_entropy

    before = torch.cat([state[: length - 1] for state, length in zip(states, lengths, strict=True)])
    targets = torch.cat([row[1:length] for row, length in zip(tokens, lengths, strict=True)])
    step = max(1, LOGITS_AT_ONCE // head.weight.shape[0])
    losses = [
        cross_entropy(head(part).float(), target, reduction="none")
        for part, target in zip(before.split(step), targets.split(step), strict=True)
    ]
    counts = [length - 1 for length in lengths]
    return torch.stack([part.sum(dtype=torch.float64) for part in torch.cat(losses).split(counts)]).tolist()


def check_head(causal, sequence):
    """Raise FeynTuneError if this architecture does more than apply a linear head to the last hidden state."""
    import torch

    with torch.inference_mode():
        tokens = torch.tensor([sequence[:16]], device=causal.device)
        ours = causal.get_output_embeddings()(causal.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state)
        theirs = causal(input_ids=tokens, use_cache=False).logits
    # Where both are not numbers the weights are at fault, and the scores will name the abstract.
    if not torch.allclose(ours.float(), theirs.float(), rtol=1e-2, atol=1e-2, equal_nan=True):
        name = type(causal).__name__
        raise FeynTuneError(f"{name}: changes its logits after the head; its perplexity cannot be computed here")


def score_all(model, ids, sequences, batch_tokens, shards, progress):
    """Score all sequences, batch by batch, longest first, on from the shards that are there.

    Args:
        model: an ``EvaluatedModel``.
        ids: names of the sequences.
        sequences: lists of token ids.
        batch_tokens: tokens a batch, padding included.
        shards: ``shards.Shards``.
        progress: ``program.Progress`` over the tokens.

    Returns:
        A pyarrow table ``index, nll, embedding``, in the order of the batches.

    Raises:
        FeynTuneError: logits are not numbers; names the abstract.
    """
    import pyarrow

    tables = shards.read()
    batches = plan_batches([len(sequence) for sequence in sequences], batch_tokens)
    finished = sum(len(table) for table in tables)
    fresh, saved = [], time.monotonic()
    for batch in batches:
        if finished > 0:
            finished -= len(batch)
        else:
            fresh.append(_scored_table(model, ids, sequences, batch))
            if time.monotonic() - saved > SECONDS_BETWEEN_SHARDS:
                shards.append(pyarrow.concat_tables(fresh))
                tables, fresh, saved = [*tables, *fresh], [], time.monotonic()
        progress.advance(sum(len(sequences[index]) for index in batch))
    return pyarrow.concat_tables([*tables, *fresh])


def _scored_table(model, ids, sequences, batch):
    import pyarrow

    first = int(model.tokenizer.bos_token_id is not None)
    losses, embeddings = score_batch(model.causal, [sequences[index] for index in batch], first)
    for index, nll in zip(batch, losses, strict=True):
        if not math.isfinite(nll):
            raise FeynTuneError(f"{ids[index]}: the model's logits are not finite; are its weights whole?")
    flat = pyarrow.array(embeddings.ravel(), pyarrow.float32())
    columns = {
        "index": pyarrow.array(batch, pyarrow.int64()),
        "nll": pyarrow.array(losses, pyarrow.float64()),
        "embedding": pyarrow.FixedSizeListArray.from_arrays(flat, embeddings.shape[1]),
    }
    return pyarrow.table(columns)


def perplexity_table(ids, texts, tokens, nll):
    """The tidy table of perplexities.

    Args:
        ids: names of the abstracts.
        texts: the abstracts, as far as they were scored.
        tokens: how many tokens of each were scored (all but the first).
        nll: the sums of their negative log-likelihoods, in nats.

    Returns:
        A pyarrow table ``id, tokens, nll, perplexity, bits_per_byte``: perplexity is exp(nll / tokens), and bits per
        byte are nll / ln 2 over the text's bytes in UTF-8, which do not depend on the tokenizer.
    """
    import numpy as np
    import pyarrow

    nll, tokens = np.asarray(nll, dtype=np.float64), np.asarray(tokens, dtype=np.int64)
    size = np.array([len(text.encode()) for text in texts])
    columns = {
        "tokens": tokens,
        "nll": nll,
        "perplexity": np.exp(nll / tokens),
        "bits_per_byte": nll / np.log(2) / size,
    }
    return pyarrow.table({"id": pyarrow.array(ids, pyarrow.string()), **columns})


def write_scores(model, stage, ids, encoded, scores, perplexity, embeddings):
    """Write both results in the order of the dataset.

    Args:
        model: the ``EvaluatedModel``.
        stage: ``settings.scoring.PerplexityStage``.
        ids: names of the abstracts.
        encoded: from ``encode_for_scores``.
        scores: from ``score_all``.
        perplexity: parquet file to write.
        embeddings: ``.pt`` file to write: a dict of ``ids``, ``embeddings`` (N×D float32, BOS left out of the means),
            ``tokens`` (N, how many states each is the mean of), ``bos`` (D, or None), settings and provenance.
    """
    import torch

    scores = scores.combine_chunks().sort_by("index")
    record = evaluation_record(model, stage, truncated=encoded.truncated)
    lengths = torch.tensor([len(sequence) for sequence in encoded.sequences])
    table = perplexity_table(ids, encoded.texts, (lengths - 1).numpy(), scores["nll"].to_numpy())
    write_table(perplexity, table, record)
    flat = torch.from_numpy(scores["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).copy())
    bos = bos_state(model)
    tokens = lengths if bos is None else lengths - 1
    content = {"ids": ids, "embeddings": flat.view(len(ids), -1), "tokens": tokens, "bos": bos, **record}
    write_tensors(embeddings, content)
