"""Settings of publishing on the Hugging Face hub."""

import re
import string
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator

from feyntune.core.schema import Name, Section
from feyntune.evaluation.metrics import ReportedMetric

TEMPLATES = {
    "adapters": ("organisation", "run"),
    "merged": ("organisation", "run"),
    "tables": ("organisation", "table", "set"),
}
"""The fields that each template of a repository's name may have."""


class Hub(Section):
    """Where `snakemake push` publishes; no other rule does. Only `merged_weights` affects a result: merged models."""

    organisation: Name | None = None
    """User or organisation on the hub; needed to push."""
    adapters: str = "{organisation}/{run}"
    """Name of an adapter's repository."""
    merged: str = "{organisation}/{run}-merged"
    """Name of a merged model's repository."""
    push_merged: bool = False
    """Let `snakemake push` also make and push the merged model of every run with an adapter, in the size of its base
    model; `results/hub/merged/{run}.json` pushes one."""
    merged_weights: Literal["evaluated", "original"] = "evaluated"
    """Weights of the base model into which adapters are merged: those that completions multiply with, dequantised; or
    the original ones, on which an adapter of quantised weights has other texts."""
    tables: str = "{organisation}/{table}_{set}"
    """Name of the repository of a table in the reference's schema; `{set}` is the evaluation set."""
    table_names: dict[Name, Name] = {"completions": "infer", "semscore": "sem_scores"}
    """Text for `{table}`, by `completions`, `perplexity` or a metric; the defaults are those of the reference. A kind
    that is not listed has its own name."""
    private: bool = True
    """Make new repositories private, and refuse to push to public ones."""

    @field_validator("adapters", "merged", "tables")
    @classmethod
    def _template(cls, given: str, info: ValidationInfo) -> str:
        known = TEMPLATES[str(info.field_name)]
        if not set(_fields(given)) <= {(name, "", None) for name in known}:
            raise ValueError(f"{given!r} may contain {', '.join(f'{{{name}}}' for name in known)} only")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", given.format_map(dict.fromkeys(known, "x")), re.ASCII):
            raise ValueError(f"{given!r} is not of the form 'organisation/name', in letters, digits, '.', '_' and '-'")
        return given


def _fields(template: str) -> list[tuple[str, str | None, str | None]]:
    """Name, format and conversion of each field of a template; a broken template has the field '?'."""
    try:
        parts = string.Formatter().parse(template)
        return [(name, form, conversion) for _, name, form, conversion in parts if name is not None]
    except ValueError:
        return [("?", "", None)]


class EvaluatedOn(Section):
    """An evaluation set, for the metadata of a card."""

    repository: str
    """Repository of the completions."""
    split: str
    """Split of the dataset."""


class EvaluatedCardStage(Section):
    """Settings of the card of a model with results."""

    run: str
    """Name of the run."""
    repository: str | None
    """Repository of the model; null if the configuration names no organisation."""
    model: str
    """Name of the base model in the configuration."""
    base: str
    """Its repository on the hub, or its folder."""
    revision: str | None
    """Commit or tag of that repository; null for a folder."""
    licence: str | None
    """Licence of the base model; null: the one that its own card names."""
    dataset: str | None
    """Name of the training data; null if it is not known."""
    datasets: dict[str, Any]
    """Definition of the training data, and of the datasets that it is mixed from, by name."""
    layers: str | None
    """Name of the layer set; null if it is not known."""
    metrics: list[ReportedMetric]
    """The metrics, in the order in which they are shown."""
    sets: dict[str, EvaluatedOn]
    """The evaluation sets by name."""
    confidence: float
    """Coverage of the tables' intervals."""


class CardStage(EvaluatedCardStage):
    """Settings of `model_card.py`."""

    repository: str
    """Repository of the adapter or the model."""
    is_full: bool = False
    """Whether all weights were trained, and not an adapter."""
    dataset: str
    """Name of the training data."""
    layers: str
    """Name of the layer set; `full` if all weights were trained."""


class MergedCardStage(EvaluatedCardStage):
    """Settings of `merged_card.py`."""

    adapter: str | None
    """Repository of a published adapter; null for an adapter that was trained here."""
    quantization: str
    """Storage of the weights into which the adapter is merged, before they were dequantised."""
    evaluated_quantization: str
    """Storage of the weights in the evaluation of the run."""
    dtype: str
    """Data type of the merged weights."""


class ReferenceStage(Section):
    """Settings of `reference_table.py`."""

    kind: str
    """`completions`, `perplexity`, or the name of a metric."""
    set: str
    """Name of the evaluation set."""
    dataset: str
    """Its dataset."""
    split: str
    """Its split."""
    limit: int | None
    """Its limit."""
    models: dict[str, str]
    """Names of the models in the table, by run."""
    repository: str
    """Repository of the table."""
    metric: ReportedMetric | None = None
    """The metric whose table it is."""


class PushStage(Section):
    """Settings of `push.py`."""

    repository: str
    """Repository."""
    kind: Literal["model", "dataset"]
    """Kind of the repository."""
    private: bool
    """Whether it must be private."""
