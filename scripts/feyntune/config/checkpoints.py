"""Which adapters are evaluated at the evaluation steps of their training, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feyntune.config.schema.checkpoints import CheckpointsStage, SampledSet
from feyntune.config.stages import completion_stage, perplexity_stage, untitled
from feyntune.config.weights import evaluated_weights

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run


def validation_set(run: Run) -> str:
    """What the validation split of a run's dataset is called among the sets; no evaluation set has such a name."""
    return f"{run.dataset}/validation"


def checkpoints_stage(configuration: Configuration, run: Run) -> CheckpointsStage:
    """Settings that determine the evaluation of a trained run's adapters at its evaluation steps.

    Everything is as in the evaluation of the finished run, except that the engine is the built-in one.
    """
    sets = {name: each for name, each in configuration.evaluation_sets.items() if run.is_judged_on(name)}
    completed = next(name for name, each in configuration.evaluation_sets.items() if each.is_completed)
    completion = completion_stage(configuration, run, completed)
    perplexity = perplexity_stage(configuration, run, completed).perplexity
    sampled = {
        name: SampledSet(column="abstract" if each.text else perplexity.column, completed=each.is_completed)
        for name, each in sets.items()
    }
    return CheckpointsStage(
        run=run.name,
        seed=completion.seed,
        limit=None,
        abstracts=configuration.evaluation.checkpoint_abstracts,
        validation=validation_set(run),
        sets={validation_set(run): SampledSet(column=perplexity.column, completed=False), **sampled},
        generation=completion.generation.model_copy(update={"engine": "transformers"}),
        perplexity=perplexity,
        metrics={name: untitled(configuration, name) for name in configuration.metrics},
        weights=evaluated_weights(
            configuration.evaluation.weights,
            completion.quantization,
            configuration.resources.complete.gpu,
            "transformers",
        ),
        quantization=completion.quantization,
        precision=completion.precision,
        base_names=completion.base_names,
    )
