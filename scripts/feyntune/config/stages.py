"""The settings of each stage of a run, as its program gets them."""

from __future__ import annotations

from dataclasses import dataclass

from feyntune.config.load import Configuration
from feyntune.config.overrides import changed, overrides_of, section_of
from feyntune.config.runs import Run
from feyntune.config.schema.evaluated import DequantizeStage
from feyntune.config.schema.generation import CompletionStage, Generation
from feyntune.config.schema.imports import ImportStage
from feyntune.config.schema.metrics import MetricStage, PreparationStage
from feyntune.config.schema.models import Lora, Precision, Quantization
from feyntune.config.schema.perplexity import Perplexity, PerplexityStage
from feyntune.config.schema.training import Training, TrainingStage
from feyntune.config.weights import Weights, evaluated_weights
from feyntune.core.errors import FeynTuneError
from feyntune.evaluation.metrics import reported
from feyntune.evaluation.metrics.base import MetricSettings


def import_stage(configuration: Configuration, run: Run, evaluation_set: str, kind: str) -> ImportStage:
    """What is imported for an evaluation set (a name); ``kind`` as in ``Run.imports``."""
    entry = configuration.evaluation_sets[evaluation_set]
    metric = configuration.metrics.get(kind)
    return ImportStage(
        limit=entry.limit,
        split=entry.hub_split,
        model=run.imports[kind].model,
        metric=reported(kind, metric) if metric else None,
    )


def training_stage(configuration: Configuration, run: Run) -> TrainingStage:
    """Settings that determine the weights of a trained run."""
    assert run.layers is not None, "a trained run has layers"
    return TrainingStage(
        run=run.name,
        seed=configuration.seed if run.seed is None else run.seed,
        evaluation_seed=None if run.seed is None else configuration.seed,
        lora=Lora() if run.is_full else section_of(configuration, run, "lora", Lora),
        target_modules=[] if run.is_full else sorted(configuration.layer_sets[run.layers]),
        quantization=section_of(configuration, run, "quantization", Quantization),
        precision=section_of(configuration, run, "precision", Precision),
        training=section_of(configuration, run, "training", Training),
    )


def completion_stage(configuration: Configuration, run: Run, evaluation_set: str) -> CompletionStage:
    """Settings that determine a run's completions of an evaluation set (a name), besides its adapter."""
    evaluated = evaluated_model(configuration, run)
    generation = section_of(configuration, run, "generation", Generation)
    return CompletionStage(
        run=run.name,
        seed=configuration.seed,
        limit=configuration.evaluation_sets[evaluation_set].limit,
        generation=generation,
        weights=_weights(
            configuration, run, evaluated.quantization, configuration.resources.complete.gpu, generation.engine
        ),
        quantization=evaluated.quantization,
        precision=evaluated.precision,
        base_names=evaluated.base_names,
    )


def _weights(
    configuration: Configuration, run: Run, quantization: Quantization, gpu: int, engine: str | None
) -> Weights:
    """The weights of an evaluation; fully trained ones are quantised when they are loaded, if at all."""
    if not run.is_full:
        return evaluated_weights(configuration.evaluation.weights, quantization, gpu, engine)
    if engine == "vllm" and quantization.method != "none":
        raise FeynTuneError(
            f"config: {run.name}: vLLM does not quantise fully trained weights;"
            " set evaluation.quantization.method to none, or generation.engine to transformers"
        )
    return "quantised"


def merge_stage(configuration: Configuration, run: Run) -> DequantizeStage:
    """Settings of the merging of a run's adapter.

    Raises:
        FeynTuneError: the run has no adapter, or the evaluated weights are int8, which cannot be dequantised.
    """
    if run.is_full:
        raise FeynTuneError(
            f"config: {run.name} has no adapter to merge; take its whole model, results/full/{run.name}"
        )
    evaluated = completion_stage(configuration, run, next(iter(configuration.evaluation_sets)))
    original = configuration.hub.merged_weights == "original"
    if evaluated.quantization.method == "int8" and not original:
        raise FeynTuneError(
            f"config: $.hub.merged_weights: int8 weights of {run.name} cannot be dequantised; set it to original"
        )
    return DequantizeStage(
        quantization=Quantization(method="none") if original else evaluated.quantization,
        precision=evaluated.precision,
        base_names=evaluated.base_names,
    )


def perplexity_stage(configuration: Configuration, run: Run, evaluation_set: str) -> PerplexityStage:
    """Settings that determine a run's perplexities and embeddings of an evaluation set (a name)."""
    evaluated, entry = evaluated_model(configuration, run), configuration.evaluation_sets[evaluation_set]
    perplexity = section_of(configuration, run, "perplexity", Perplexity)
    return PerplexityStage(
        run=run.name,
        limit=entry.limit,
        perplexity=perplexity.model_copy(update={"column": "abstract"}) if entry.text else perplexity,
        weights=_weights(configuration, run, evaluated.quantization, configuration.resources.perplexity.gpu, None),
        quantization=evaluated.quantization,
        precision=evaluated.precision,
        base_names=evaluated.base_names,
    )


def gpus(configuration: Configuration, run: Run) -> int:
    """How many GPUs train a run together."""
    asked = [overrides.gpus for _, overrides in overrides_of(configuration, run) if overrides.gpus]
    return asked[-1] if asked else configuration.resources.train.gpu


def base_names(configuration: Configuration, model: str) -> list[str]:
    """Names that adapters may have for a base model; its own name is the first."""
    entry = configuration.models[model]
    return [str(entry.hub or entry.path), *entry.also_known_as]


@dataclass(frozen=True)
class EvaluatedModel:
    """Base model, storage and number formats of a run that is evaluated."""

    quantization: Quantization
    precision: Precision
    base_names: list[str]


def evaluated_model(configuration: Configuration, run: Run) -> EvaluatedModel:
    """How a run's model is evaluated: as trained, except for the keys that ``evaluation`` gives."""
    evaluation = configuration.evaluation
    trained = (
        section_of(configuration, run, "quantization", Quantization),
        section_of(configuration, run, "precision", Precision),
    )
    return EvaluatedModel(
        changed(trained[0], evaluation.quantization, "$.evaluation.quantization"),
        changed(trained[1], evaluation.precision, "$.evaluation.precision"),
        base_names(configuration, str(run.model)),
    )


def preparation_stage(configuration: Configuration, metric: str, evaluation_set: str) -> PreparationStage:
    """Settings that determine a metric's preparation for an evaluation set (names)."""
    limit = configuration.evaluation_sets[evaluation_set].limit
    return PreparationStage(metric=untitled(configuration, metric), limit=limit)


def metric_stage(configuration: Configuration, metric: str) -> MetricStage:
    """Settings that determine the values of a metric (a name)."""
    return MetricStage(metric=untitled(configuration, metric))


def untitled(configuration: Configuration, metric: str) -> MetricSettings:
    """A metric's settings without its title, which changes no result."""
    return configuration.metrics[metric].model_copy(update={"title": None})
