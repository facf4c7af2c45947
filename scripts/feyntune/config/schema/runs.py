"""Settings of the registries and of the runs that are declared over them."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from feyntune.config.schema.generation import Generation
from feyntune.config.schema.models import Lora, Precision, Quantization
from feyntune.config.schema.perplexity import Perplexity
from feyntune.config.schema.training import Training
from feyntune.core.schema import Name, Section, Seed, Source


class Overrides(Section):
    """Settings that differ from the configuration's sections of the same name, for one model or one run.

    Only the keys that are given count. Each is checked by itself, before it is known what it is laid over: these
    sections must not have rules that depend on two keys.
    """

    lora: Lora | None = None
    """Keys of `lora`."""
    quantization: Quantization | None = None
    """Keys of `quantization`."""
    precision: Precision | None = None
    """Keys of `precision`."""
    training: Training | None = None
    """Keys of `training`."""
    generation: Generation | None = None
    """Keys of `generation`."""
    perplexity: Perplexity | None = None
    """Keys of `perplexity`."""
    gpus: int | None = Field(None, ge=1, le=1024)
    """GPUs that train together in one job; null: `resources.train.gpu`."""


class Model(Overrides, Source):
    """A base model, and the settings that belong to it."""

    also_known_as: list[str] = []
    """Other names that published adapters may have for it, such as an earlier name of its repository."""
    licence: str | None = None
    """Its licence, as the hub names it (`llama3.1`), for the model cards of its adapters; null: that of its own model
    card."""


class Grid(Section):
    """Runs in bulk: every model with every dataset and every layer set, named `{model}_{dataset}_{layers}`.

    Models with `training.method: full` have no layer sets: their runs are named `{model}_{dataset}_full`.

    `vary` and `seeds` multiply them; their names then end with the varied values and with the seed, such as
    `llama_hep-th_qkv_r8_s1`.
    """

    models: list[Name] = []
    """Names in `models`."""
    datasets: list[Name] = []
    """Names in `datasets`."""
    layer_sets: list[Name] = []
    """Names in `layer_sets`."""
    base: bool = True
    """Also a run `{model}_base` for each model, without adapter."""
    seeds: list[Seed] = Field([], max_length=100)
    """Train every run once with each of these seeds, such as `[1, 2, 3]`. They decide initialisation, order and
    dropout; data and evaluation stay those of `seed`. Tables and figures then give the mean over the seeds, an interval
    with the variance between abstracts and between seeds, and the spread between seeds."""
    vary: dict[str, Annotated[list[Any], Field(min_length=1, max_length=100)]] = Field({}, max_length=10)
    """Values of settings that are tried in every combination, such as
    `{lora.r: [8, 32], training.optimizer.learning_rate: [1e-4, 3e-4]}`: keys of `lora`, `quantization`, `precision`,
    `training`, `generation` and `perplexity`."""
    vary_names: str | None = Field(None, min_length=1, max_length=80)
    """What names of runs have for the varied values, such as `rank{lora.r}`, or `rank{r}` if no other varied key ends
    with `r`; null: all of them, such as `r8_lr0.0001`."""

    @model_validator(mode="after")
    def _distinct_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("'seeds' has a seed twice; each must be another one")
        return self


class Imported(Source):
    """Imported results: a CSV or parquet file, or a dataset on the hub."""

    shorthand: ClassVar[str | None] = "path"

    model: str | None = None
    """The model of a table in the reference's schema whose columns are read (`comp_{model}` and `preds_{model}`,
    `perplexity_{model}`, `score_{model}`, and `id`); null: columns `id` and `completion`, `perplexity` or `score`."""


class NamedRun(Overrides):
    """One run with its own name: trained with its own settings, or a published adapter, or imported completions."""

    model: Name | None = None
    """A name in `models`; only imported completions may have none."""
    dataset: Name | None = None
    """A name in `datasets`: the training data."""
    layers: Name | None = None
    """A name in `layer_sets`; none with `training.method: full`."""
    seed: Seed | None = None
    """Seed of its training; null: the configuration's `seed`. Runs that differ in nothing else are shown together, as
    those of `grid.seeds` are."""
    adapter: Source | None = None
    """A published adapter, which is evaluated and not trained."""
    completions: Imported | None = None
    """Imported completions: a file, or `path` or `hub` with `model`. Only metrics of their texts are computed."""
    perplexity: Imported | None = None  # type: ignore[assignment]  # a run's key has another meaning than a model's
    """Imported perplexities, for a run with `completions`."""
    metrics: dict[Name, Imported] = {}
    """Imported values of metrics; the other metrics are computed from the run's `completions`."""
    sets: list[Name] | None = Field(None, min_length=1)
    """Names in `evaluation_sets`: only on these the run is evaluated, such as a published adapter on the test split of
    the dataset whose training split it has seen; null: on all."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.adapter and self.completions:
            raise ValueError("give 'adapter' or 'completions', not both")
        if (self.perplexity or self.metrics) and not self.completions:
            raise ValueError("imported 'perplexity' and 'metrics' need imported 'completions'")
        if not self.completions and not self.model:
            raise ValueError("needs a 'model'")
        if not self.adapter and not self.completions and not self.dataset:
            raise ValueError("needs 'dataset' and 'layers'; give both to train it, or 'adapter' to evaluate only")
        if self.seed is not None and (self.adapter or self.completions):
            raise ValueError("'seed' is that of a training, and this run is not trained; remove it")
        return self
