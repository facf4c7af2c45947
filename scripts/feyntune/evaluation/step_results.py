"""Perplexities and completions of samples under the model of one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.evaluation.generation.batching import choose_rows
from feyntune.evaluation.generation.completions import completion_table, make_rows
from feyntune.evaluation.perplexity_batches import evaluate_batch, usual_budget
from feyntune.evaluation.perplexity_inputs import encode_abstracts
from feyntune.evaluation.perplexity_results import perplexity_table
from feyntune.models.likelihood import batches_by_length

if TYPE_CHECKING:
    import pyarrow

    from feyntune.config.schema.checkpoints import CheckpointsStage
    from feyntune.config.schema.generation import CompletionStage
    from feyntune.evaluation.model import EvaluatedModel
    from feyntune.evaluation.samples import Sample

NOT_FINITE = "the model's logits are not finite"
COLUMNS = ("step", "set", "id", "perplexity", "bits_per_byte", "prediction", "fault")


def evaluate_step(
    model: EvaluatedModel, step: int, samples: Sequence[Sample], stage: CheckpointsStage, memory: float | None
) -> pyarrow.Table:
    """A row for each abstract of each sample, with the columns ``COLUMNS``.

    ``prediction`` is null in sets that are not completed. ``fault`` says why a model that has diverged completed
    nothing; it is null otherwise.

    Args:
        model: the model of the step.
        step: its number.
        samples: the samples.
        stage: settings of the job.
        memory: bytes that completions may use on a CPU; None: half of the machine's.
    """
    import pyarrow

    rows: list[dict[str, Any]] = []
    for sample in samples:
        likelihoods = _perplexities(model, sample, stage)
        predictions, fault = _predictions(model, sample, stage, memory) if sample.halves else ([], None)
        for place, row in enumerate(likelihoods):
            prediction = predictions[place] if predictions else None
            rows.append({"step": step, "set": sample.name, **row, "prediction": prediction, "fault": fault})
    text = pyarrow.string()
    types = {"step": pyarrow.int64(), "set": text, "id": text, "prediction": text, "fault": text}
    schema = pyarrow.schema([(name, types.get(name, pyarrow.float64())) for name in COLUMNS])
    return pyarrow.Table.from_pylist(rows, schema)


def _perplexities(model: EvaluatedModel, sample: Sample, stage: CheckpointsStage) -> list[dict[str, Any]]:
    """``id``, ``perplexity`` and ``bits_per_byte`` of each text; NaN under a model that has diverged."""
    encoded = encode_abstracts(model.tokens, sample.ids, sample.texts, stage.perplexity.too_long)
    lengths = [len(sequence) for sequence in encoded.sequences]
    budget = stage.perplexity.batch_tokens or usual_budget(model.causal.device)
    first, nll = int(model.tokens.tokenizer.bos_token_id is not None), [math.nan] * len(lengths)
    for batch in batches_by_length(lengths, budget):
        sums, _ = evaluate_batch(model.causal, [encoded.sequences[place] for place in batch], first)
        for place, value in zip(batch, sums, strict=True):
            nll[place] = value
    table = perplexity_table(sample.ids, encoded.texts, [length - 1 for length in lengths], nll)
    return table.select(["id", "perplexity", "bits_per_byte"]).to_pylist()


def _predictions(
    model: EvaluatedModel, sample: Sample, stage: CheckpointsStage, memory: float | None
) -> tuple[list[str], str | None]:
    """What the model writes after each prompt; or nothing, and why.

    The random numbers are those of the run's completions of the whole set.
    """
    from feyntune.evaluation.generation.transformers_engine import TransformersEngine

    completion = completion_stage(stage)
    assert sample.halves is not None, "only such samples are completed"
    rows, _ = make_rows(model.tokens, completion, sample.ids, [prompt for prompt, _ in sample.halves])
    batch = choose_rows(model.causal.config, completion, rows, model.causal.device, memory)
    engine = TransformersEngine(model, completion.generation, batch)
    try:
        engine.complete(rows, lambda finished, unfinished: None)
    except FeynTuneError as error:  # NaN among the logits
        say(f"{sample.name}: {error}")
        return [], NOT_FINITE
    return completion_table(model.tokens.tokenizer, rows, sample.halves)["prediction"].to_pylist(), None


def completion_stage(stage: CheckpointsStage) -> CompletionStage:
    """The same settings as those of a completion job."""
    from feyntune.config.schema.generation import CompletionStage

    shared = CompletionStage.model_fields.keys() & type(stage).model_fields.keys()
    return CompletionStage(**{name: getattr(stage, name) for name in shared})
