"""The registry of metrics: kinds are found by the files of this package and imported by name when one is used.

No module imports a kind statically, so a program's code fingerprint holds the kinds that it uses and no others.
"""

import functools
import importlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.schema import Section, Source
from feyntune.evaluation.metrics.base import Column, Metric, MetricSettings

INTERFACE = "base"
"""The module of this package that is no kind."""


@functools.cache
def kinds() -> tuple[str, ...]:
    """Names of all kinds of metrics, sorted."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return tuple(name for name in names if name != INTERFACE)


@functools.cache
def metric_class(kind: str) -> type[Metric]:
    """The class of a kind of metric.

    Raises:
        FeynTuneError: its module does not define exactly one subclass of ``Metric``.
    """
    module = importlib.import_module(f"{__name__}.{kind}")
    found = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    classes = [each for each in found if issubclass(each, Metric)]
    if len(classes) != 1:
        raise FeynTuneError(
            f"{module.__file__}: {len(classes)} subclasses of Metric; a kind of metric is a module with exactly one"
        )
    return classes[0]


def module_file(kind: str) -> str:
    """The file of a kind's module, relative to ``scripts/``, as ``core.fingerprint.code_fingerprint`` takes it."""
    return f"{__name__.replace('.', '/')}/{kind}.py"


def kind_of(name: str, entry: Mapping[str, Any]) -> str | None:
    """The kind of an entry of the configuration's ``metrics``; None if nothing says it.

    Args:
        name: the entry's name.
        entry: its keys as they were read.
    """
    if "kind" in entry:
        return str(entry["kind"])
    if "path" in entry or "hub" in entry:
        return "embedding"
    return name if name in kinds() else None


def parse_settings(entry: Mapping[str, Any]) -> MetricSettings:
    """Settings of a metric whose entry has its ``kind``, checked by that kind's schema."""
    return metric_class(entry["kind"]).settings_schema.model_validate(dict(entry))


def has_model(settings: MetricSettings) -> bool:
    """Whether a metric has a model, and so uses a GPU where there is one."""
    return isinstance(settings, Source)


class ReportedMetric(Section):
    """A metric as tables, figures, the report and cards show it."""

    name: str
    """Its name in the configuration."""
    title: str
    """Its title."""
    columns: list[Column]
    """Its columns, their keys and titles filled in."""
    truncates: bool
    """Whether its files have the column `truncated`."""
    details: list[str] = []
    """Columns of text in its files that no table shows."""


def file_columns(metric: ReportedMetric) -> list[str]:
    """Columns of a metric's own files."""
    values = [column.name for column in metric.columns]
    return ["id", *values, *(["truncated"] if metric.truncates else []), *metric.details]


RESERVED = frozenset(
    "set run model dataset layers id abstracts truncated perplexity bits_per_byte corpus_perplexity"
    " corpus_bits_per_byte new_tokens stopped_by_length min_k_pp marks tokens nll bytes".split()
)
"""Columns of tables that are no metric's."""
SUFFIXES = ("", "_low", "_high", "_bca_low", "_bca_high")
"""What the columns of a quantity in tables are called after its key: its mean and the bounds of intervals."""


def check_keys(metrics: Mapping[str, MetricSettings]) -> None:
    """Check that no column of tables would hold two quantities.

    Raises:
        FeynTuneError: two metrics, or a metric and another quantity, have a column of the same name.
    """
    owners = {f"{name}{suffix}": "a column of the tables" for name in RESERVED for suffix in SUFFIXES}
    for name, settings in metrics.items():
        for key in (f"{column.key}{suffix}" for column in reported(name, settings).columns for suffix in SUFFIXES):
            if key in owners:
                raise FeynTuneError(
                    f"config: $.metrics.{name}: its column {key!r} is also {owners[key]}; give it another name"
                )
            owners[key] = f"a column of {name!r}"


def reported(name: str, settings: MetricSettings) -> ReportedMetric:
    """How a metric of the configuration is shown."""
    chosen = metric_class(settings.kind)
    title = settings.title or (chosen.default_title if name == settings.kind else None) or name
    columns = [
        replace(
            column,
            title=column.title.replace("{metric}", title),
            key=column.key.replace("{metric}", name).replace("{column}", column.name),
            description=column.description.replace("{metric}", title),
        )
        for column in chosen.columns
    ]
    details = list(chosen.details)
    return ReportedMetric(name=name, title=title, columns=columns, truncates=chosen.truncates, details=details)


TITLES = (
    *("Set", "Run", "Abstracts", "Perplexity", "Bits per byte", "Corpus perplexity", "Corpus bits per byte"),
    *("New tokens", "Stopped by length"),
)
"""Titles of columns of tables that are no metric's."""


def reported_all(metrics: Mapping[str, MetricSettings]) -> list[ReportedMetric]:
    """How the metrics of a configuration are shown, in its order; equal titles are followed by the metrics' names.

    Raises:
        FeynTuneError: two columns would still have the same title.
    """
    shown = [reported(name, settings) for name, settings in metrics.items()]
    of_metrics = Counter(metric.title for metric in shown)
    of_columns = Counter([*TITLES, *(column.title for metric in shown for column in metric.columns)])
    named = [_named_apart(metric, of_metrics, of_columns) for metric in shown]
    seen: set[str] = set()
    for metric in named:
        for title in (column.title for column in metric.columns):
            if title in seen:
                raise FeynTuneError(
                    f"config: $.metrics.{metric.name}.title: {title[:80]!r} is a title twice; give it another one"
                )
            seen.add(title)
    return named


def _named_apart(metric: ReportedMetric, of_metrics: Counter[str], of_columns: Counter[str]) -> ReportedMetric:
    columns = [
        replace(column, title=_apart(column.title, metric.name) if of_columns[column.title] > 1 else column.title)
        for column in metric.columns
    ]
    title = _apart(metric.title, metric.name) if of_metrics[metric.title] > 1 else metric.title
    return metric.model_copy(update={"title": title, "columns": columns})


def _apart(title: str, name: str) -> str:
    return f"{title} ({name})"
