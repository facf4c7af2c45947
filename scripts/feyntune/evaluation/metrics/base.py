"""The interface of a metric: its settings, its columns, and how it judges completions.

A kind of metric is one module of this package with one subclass of ``Metric``. It is imported whenever a configuration
is read, so heavy libraries are imported inside the methods that use them.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from feyntune.core.schema import Section

if TYPE_CHECKING:
    import numpy

Values = Mapping[str, "Sequence[float | bool | str | None] | numpy.ndarray"]
"""Values by column, one for each abstract; None where a text has no value. Details are text."""


class MetricSettings(Section):
    """What every metric's entry in the configuration may have."""

    kind: str = "embedding"
    """The kind of metric: a module of `evaluation/metrics/`. If not given: `embedding` where there is a `path` or a
    `hub`, else the entry's own name."""
    title: str | None = Field(None, min_length=1)
    """Title in tables, figures and the report; null means the kind's own title, or the entry's name. It changes no
    result."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One number that a metric gives to each completion.

    In ``title`` and ``key``, ``{metric}`` stands for the title and the name of the metric in the configuration.
    """

    name: str
    """Its name in the metric's own files, `results/{metric}/{set}/{run}.parquet`."""
    title: str
    """Its title in tables, figures and the report."""
    direction: Literal["higher", "lower"] | None
    """Which values are better; None if neither."""
    headline: bool = False
    """Whether figures and findings show it."""
    description: str = ""
    """What it means, in one or two sentences."""
    key: str = "{metric}_{column}"
    """Its name in tables of several metrics; ``{column}`` stands for ``name``."""
    lowest: float | None = None
    """The lowest value that it can have; None if there is no bound."""
    highest: float | None = None
    """The highest one."""
    in_reference_schema: bool = True
    """Whether the wide tables of the reference hold it."""


@dataclass(frozen=True)
class Abstracts:
    """The abstracts of an evaluation set, all sequences in the same order."""

    ids: Sequence[str]
    abstracts: Sequence[str]
    """The whole texts."""
    prompts: Sequence[str]
    """Their first halves."""
    continuations: Sequence[str]
    """What the authors wrote after the prompts."""


@dataclass(frozen=True)
class Completions:
    """One run's completions of an evaluation set, all sequences in the same order."""

    ids: Sequence[str]
    prompts: Sequence[str]
    """The first halves of the abstracts."""
    y_true: Sequence[str]
    """What the authors wrote after the prompts."""
    predictions: Sequence[str]
    """What the model wrote after the prompts."""
    completions: Sequence[str]
    """The prompts, each with what the model wrote after it."""


Settings = TypeVar("Settings", bound=MetricSettings)


class Metric(abc.ABC, Generic[Settings]):
    """A configured metric. Making one is cheap: models are loaded when texts are judged.

    Args:
        settings: the metric's entry in the configuration, an instance of ``settings_schema``.
        model: folder of its model; None for a kind without a model.
        training: parquet file of the training split of the judged run, for a kind that needs it; else None.
    """

    settings_schema: ClassVar[type[MetricSettings]] = MetricSettings
    """Settings of an entry of this kind; a subclass that is also a ``core.schema.Source`` means that it has a model."""
    default_title: ClassVar[str | None] = None
    """Title of an entry that is called as its kind and has no title of its own."""
    columns: ClassVar[tuple[Column, ...]]
    """What it gives to each completion, in the order in which it is shown."""
    prepares: ClassVar[bool] = False
    """Whether ``prepare`` is run once for each evaluation set, and its result given to ``score``."""
    truncates: ClassVar[bool] = False
    """Whether texts may be too long for it; ``score`` then also gives the column ``truncated`` of booleans."""

    needs_training: ClassVar[bool] = False
    """Whether ``score`` reads the training split of the judged run. Runs without one, such as base models, then have no
    values."""
    details: ClassVar[tuple[str, ...]] = ()
    """Columns of text that ``score`` also gives: they are in the metric's own and pooled files, and in no table."""

    def __init__(self, settings: Settings, model: Path | None = None, training: Path | None = None) -> None:
        self.settings, self.model, self.training = settings, model, training

    def prepare(self, abstracts: Abstracts) -> "dict[str, numpy.ndarray]":
        """What all runs share: arrays by name, their first axis in the order of the abstracts."""
        raise TypeError(f"{type(self).__name__} has prepares = False")

    @abc.abstractmethod
    def score(self, completions: Completions, reference: "Mapping[str, numpy.ndarray]") -> Values:
        """Values of every column for every completion.

        Args:
            completions: one run's.
            reference: the arrays of ``prepare``, rows in the order of the completions; empty without preparation.
        """

    def provenance(self) -> dict[str, str]:
        """What a result carries besides versions and settings, such as the device; called after ``score``."""
        return {}
