"""One forward pass for perplexities and embeddings against the reference's two, in data order in batches of 12.

The reference consists of two loops over the same texts: one for perplexities, with the logits of all
positions, one for embeddings, with the hidden states of all layers.
"""

import functools

import numpy as np
import torch

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import abstracts, device, dtype, parameters, random_model

BATCH = 12


def prepare(count, folder):
    """The case of ``count`` abstracts."""
    model, sequences = _model(folder.parent / "model"), [sequence.tolist() for sequence in abstracts(count)]
    tokens = sum(map(len, sequences))
    ways = {
        REFERENCE: lambda: (_perplexities(model, sequences), _embeddings(model, sequences)),
        OURS: lambda: _one_pass(model, sequences),
    }
    return Case(tokens, ways, flops=2 * parameters() * tokens)


@functools.cache
def _model(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(random_model(folder), dtype=dtype()).to(device()).eval()


def _batches(sequences):
    """Batches in data order, padded on the right, with their masks."""
    for start in range(0, len(sequences), BATCH):
        part = [torch.tensor(sequence) for sequence in sequences[start : start + BATCH]]
        tokens = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
        lengths = torch.tensor([len(sequence) for sequence in part])
        yield tokens.to(device()), (torch.arange(tokens.shape[1]) < lengths[:, None]).long().to(device())


@torch.inference_mode()
def _perplexities(model, sequences):
    """Negative log-likelihoods from the logits of every position."""
    sums = []
    for tokens, mask in _batches(sequences):
        logits = model(input_ids=tokens, attention_mask=mask).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
        sums += (losses * mask[:, 1:]).sum(1).tolist()
    return sums


@torch.inference_mode()
def _embeddings(model, sequences):
    """Means of the last hidden states behind BOS, all layers' states kept."""
    means = []
    for tokens, mask in _batches(sequences):
        states = model(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states[-1].float()
        mask = mask[:, 1:, None]
        means.append((states[:, 1:] * mask).sum(1) / mask.sum(1))
    return torch.cat(means).cpu().numpy()


def _one_pass(model, sequences):
    from feyntune.evaluation.perplexity_batches import evaluate_batch, usual_budget
    from feyntune.models.likelihood import batches_by_length

    losses, means = [0.0] * len(sequences), [None] * len(sequences)
    for batch in batches_by_length([len(sequence) for sequence in sequences], usual_budget(device())):
        nll, embeddings = evaluate_batch(model, [sequences[index] for index in batch], 1)
        for index, loss, embedding in zip(batch, nll, embeddings, strict=True):
            losses[index], means[index] = loss, embedding
    return losses, np.stack(means)


def check(results):
    """Equal to 1e-5 relative in fp32, to the rounding of the number format otherwise."""
    (slow, slow_means), (fast, fast_means) = results[REFERENCE], results[OURS]
    nll = np.abs(np.array(fast) / slow - 1).max()
    means = np.abs(fast_means - slow_means).max() / np.abs(slow_means).max()
    assert max(nll, means) < (1e-5 if dtype() == torch.float32 else 2e-2), f"nll {nll:.1e}, embeddings {means:.1e}"
    return f"perplexities differ by {nll:.0e}, embeddings by {means:.0e} relative"


BENCHMARKS = [
    Benchmark(
        name="scores",
        title="perplexity and embeddings",
        unit="tokens",
        sizes=(30, 60, 120),
        prepare=prepare,
        check=check,
        least_ratio=4.0,
    )
]
