"""The files of perplexities and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from feyntune.core.files import write_table
from feyntune.core.provenance import device_name
from feyntune.core.tensors import write_tensors
from feyntune.evaluation.perplexity_batches import bos_state
from feyntune.evaluation.record import evaluation_record

if TYPE_CHECKING:
    import pyarrow

    from feyntune.evaluation.model import EvaluatedModel
    from feyntune.evaluation.perplexity import PerplexityJob
    from feyntune.evaluation.perplexity_inputs import Encoded


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
