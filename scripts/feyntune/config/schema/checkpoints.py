"""Settings of `checkpoints.py`."""

from feyntune.config.schema.evaluated import EvaluationStage
from feyntune.config.schema.generation import Generation
from feyntune.config.schema.metrics import AnyMetric
from feyntune.config.schema.perplexity import Perplexity
from feyntune.core.schema import Count, Name, Section, Seed


class SampledSet(Section):
    """An evaluation set, or a validation split, of which a sample is evaluated."""

    column: str
    """Column of the texts whose perplexity is computed."""
    completed: bool
    """Whether its abstracts are completed, too, and judged by the metrics."""


class CheckpointsStage(EvaluationStage):
    """Settings that determine the evaluation of a run's adapters at its evaluation steps."""

    seed: Seed
    """Seed of the completions."""
    abstracts: Count
    """Abstracts in each sample."""
    validation: str
    """What the validation split is called among the sets: `DATASET/validation`."""
    sets: dict[str, SampledSet]
    """The evaluation sets and the validation split, by name."""
    generation: Generation
    """Generation settings; the engine is the built-in one."""
    perplexity: Perplexity
    """Perplexity settings."""
    metrics: dict[Name, AnyMetric]
    """Metrics of the completions, by name."""
