"""Settings of the registries and of the runs that are declared over them."""

from typing import Any

from pydantic import Field, model_validator

from feyntune.config.schema.base import Name, Section
from feyntune.core.schema import Source


class Overrides(Section):
    """Settings that differ from the configuration's sections of the same name, for one model or one run."""

    lora: dict[str, Any] = {}
    """Keys of `lora`."""
    quantization: dict[str, Any] = {}
    """Keys of `quantization`."""
    precision: dict[str, Any] = {}
    """Keys of `precision`."""
    training: dict[str, Any] = {}
    """Keys of `training`."""
    generation: dict[str, Any] = {}
    """Keys of `generation`."""
    perplexity: dict[str, Any] = {}
    """Keys of `perplexity`."""
    gpus: int | None = Field(None, ge=1)
    """GPUs that train together in one job; null means `resources.train.gpu`."""


class Model(Overrides, Source):
    """A base model, and the settings that belong to it."""

    also_known_as: list[str] = []
    """Other names by which published adapters call it, such as an earlier name of its repository."""
    licence: str | None = None
    """Its licence by the hub's name for it (`llama3.1`), for the cards of its adapters; null: as its own card says."""


class Grid(Section):
    """Runs in bulk: every model with every dataset and every layer set, named `{model}_{dataset}_{layers}`."""

    models: list[Name] = []
    """Names in `models`."""
    datasets: list[Name] = []
    """Names in `datasets`."""
    layer_sets: list[Name] = []
    """Names in `layer_sets`."""
    base: bool = True
    """Also a run `{model}_base` for each model, with no adapter."""


class Imported(Source):
    """A table that was made elsewhere: a CSV or parquet file, or a dataset of the hub."""

    model: str | None = None
    """The model of a table in the reference's schema whose columns are read (`comp_{model}` and `preds_{model}`,
    `perplexity_{model}`, `score_{model}`, and `id`); null means columns `id` and `completion`, `perplexity` or
    `score`."""

    @model_validator(mode="before")
    @classmethod
    def _plain_path(cls, given):
        return {"path": given} if isinstance(given, str) else given


class NamedRun(Overrides):
    """One run of its own name: trained with its own settings, or made elsewhere and evaluated only."""

    model: Name | None = None
    """A name in `models`; only completions from elsewhere have none."""
    dataset: Name | None = None
    """A name in `datasets`: what it is trained on."""
    layers: Name | None = None
    """A name in `layer_sets`."""
    adapter: Source | None = None
    """A finished adapter, which is evaluated and not trained."""
    completions: Imported | None = None
    """Completions that were made elsewhere: a file, or `path` or `hub` with `model`. Only their texts are scored."""
    perplexity: Imported | None = None
    """Perplexities that were computed elsewhere, for a run with `completions`."""
    metrics: dict[Name, Imported] = {}
    """Metrics that were computed elsewhere; the other metrics score the run's `completions`."""

    @model_validator(mode="after")
    def _one_kind(self):
        if self.adapter and self.completions:
            raise ValueError("give 'adapter' or 'completions', not both")
        if (self.perplexity or self.metrics) and not self.completions:
            raise ValueError("'perplexity' and 'metrics' from elsewhere go with 'completions' from elsewhere")
        if not self.completions and not self.model:
            raise ValueError("needs a 'model'")
        if not self.adapter and not self.completions and not (self.dataset and self.layers):
            raise ValueError("needs 'dataset' and 'layers' to be trained, or an 'adapter' to be evaluated only")
        return self
