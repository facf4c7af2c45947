"""Log-likelihoods of abstracts after BOS, against lm-evaluation-harness' rolling log-likelihood.

Both tokenize the texts and sum over the same tokens. Ours also gives the embeddings, from the same forward pass. The
other program takes texts in the order of the file, in batches of one (its default, without padding) or of 16.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from benchmarks.material import BOS, device, parameters
from benchmarks.peers.material import abstracts, model_with_tokenizer, peer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

TOLERANCE = 1e-5


def prepare(batch: int, count: int, folder: Path) -> Case:
    """The case of ``count`` abstracts, which the other program takes in batches of so many."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = abstracts(count)
    base = model_with_tokenizer(folder / "model", texts)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base).eval(), AutoTokenizer.from_pretrained(base)
    worker = peer("lm_eval", folder, model=str(base), texts=texts, batch=batch)
    ways = {REFERENCE: lambda: worker.ask({}), OURS: functools.partial(_ours, model, tokenizer, texts)}
    tokens = sum(map(len, tokenizer(texts)["input_ids"]))
    return Case(tokens, ways, flops=2 * parameters() * tokens, processes=(worker.process.pid,))


def _ours(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[float]:
    from feyntune.evaluation.perplexity_batches import evaluate_batch, usual_budget
    from feyntune.models.likelihood import batches_by_length

    sequences = [[BOS, *ids] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    found = [0.0] * len(sequences)
    for batch in batches_by_length([len(sequence) for sequence in sequences], usual_budget(device())):
        sums, _ = evaluate_batch(model, [sequences[index] for index in batch], 1)
        for index, nll in zip(batch, sums, strict=True):
            found[index] = -nll
    return found


def check(results: dict[str, Any]) -> str:
    """Each text's log-likelihood is equal to 1e-5 relative."""
    theirs, ours = (np.array(results[way]) for way in (REFERENCE, OURS))
    difference = np.abs(ours / theirs - 1).max()
    assert difference < TOLERANCE, f"log-likelihoods differ by {difference:.1e} relative"
    return f"log-likelihoods of {len(ours)} texts differ by at most {difference:.0e} relative"


BENCHMARKS = [
    Benchmark(
        name=f"lm-eval-{batch}",
        title=f"perplexity, against lm-evaluation-harness at batch {batch}",
        unit="tokens",
        sizes=(80,),
        prepare=functools.partial(prepare, batch),
        check=check,
        with_memory=False,
    )
    for batch in (1, 16)
]
