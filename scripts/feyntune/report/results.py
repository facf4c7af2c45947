"""What is known of each abstract under each run: the pooled tables as people compare them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from feyntune.core.columns import check_numbers
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import MADE_AGAIN, read_table, table_provenance
from feyntune.core.provenance import INAPPLICABLE, MISSING
from feyntune.evaluation.metrics import ReportedMetric
from feyntune.evaluation.metrics.base import Column
from feyntune.report.marks import marks_of
from feyntune.report.pool import LABELS, OPTIONAL, TEXTS, column_names

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Quantity:
    """One number that each abstract has for each run: perplexity, a column of a metric, new tokens."""

    name: str
    """Its name in tables."""
    title: str
    direction: Literal["lower", "higher"] | None
    """Which values are better; None if neither."""
    headline: bool = False
    """Whether figures and findings show it."""
    description: str = ""
    """What it means."""
    lowest: float = -math.inf
    """The lowest value that it can have."""
    highest: float = math.inf
    """The highest one."""


PERPLEXITY = (
    Quantity(
        "perplexity",
        "Perplexity",
        "lower",
        headline=True,
        description="exp of the mean negative log-likelihood per token: as uncertain about each token as among so many"
        " equally likely ones. Compare it only between models with the same tokenizer.",
        lowest=1,
    ),
    Quantity(
        "bits_per_byte",
        "Bits per byte",
        "lower",
        description="Negative log-likelihood in bits, by the bytes of the text: comparable between tokenizers.",
        lowest=0,
    ),
)
MEMBERSHIP = Quantity(
    "min_k_pp",
    "Min-K%++",
    None,
    description="How much a text looks like training data to the model (arXiv:2404.02936): the mean, over the fifth of"
    " its tokens that are least likely, of the log-likelihood in standard deviations from what the model expects.",
)
"""A quantity of runs for which it was asked for (``perplexity.membership``)."""
COMPLETION = (
    Quantity("new_tokens", "New tokens", None, description="Tokens that the model wrote.", lowest=0),
    Quantity(
        "stopped_by_length",
        "Stopped by length",
        None,
        description="Whether the completion was cut off at the longest length instead of ending by itself.",
        lowest=0,
        highest=1,
    ),
)


def all_quantities(metrics: Iterable[ReportedMetric]) -> list[Quantity]:
    """Every quantity of runs that these metrics judge, in the order in which they are shown."""
    of_metrics = [_of_column(column) for metric in metrics for column in metric.columns]
    return [*PERPLEXITY, *of_metrics, *COMPLETION]


def _of_column(column: Column) -> Quantity:
    lowest, highest = (
        free if bound is None else bound for bound, free in ((column.lowest, -math.inf), (column.highest, math.inf))
    )
    return Quantity(column.key, column.title, column.direction, column.headline, column.description, lowest, highest)


@dataclass(frozen=True)
class Missing:
    """A metric that has no values for a run."""

    metric: str
    """Its title."""
    set: str
    run: str
    reason: str
    fault: bool = True
    """Whether it could not be computed; False where it cannot apply to the run."""


@dataclass(frozen=True)
class Results:
    """All per-abstract results of all runs."""

    runs: pandas.DataFrame
    """A row for each set and run, in the configuration's order, with the columns ``LABELS``."""
    quantities: list[Quantity]
    values: dict[str, pandas.DataFrame]
    """By set: the abstracts' ids as index and (quantity, run) as columns; NaN where there is none."""
    tokens: dict[str, pandas.DataFrame]
    """By set: the same for (``nll`` in nats, ``tokens``, ``bytes``) and run."""
    missing: list[Missing] = field(default_factory=list)
    """What could not be computed."""
    marks: dict[str, str] = field(default_factory=dict)
    """By run: the marks (``marks.MEANINGS``) of those that do not compare with others without a caveat."""

    def known(self, quantity: str) -> bool:
        """Whether any run has a value of a quantity (by name)."""
        return any(quantity in values and values[quantity].notna().any(axis=None) for values in self.values.values())

    def headlines(self) -> list[Quantity]:
        """The quantities that figures and findings show, as far as any run has them."""
        return [quantity for quantity in self.quantities if quantity.headline and self.known(quantity.name)]


@dataclass(frozen=True)
class PooledFiles:
    """The pooled tables of per-abstract results."""

    completions: Path
    perplexity: Path
    metrics: Mapping[str, Path]
    """By the metric's name."""


def read_results(files: PooledFiles, metrics: Sequence[ReportedMetric], unlike_base: Collection[str] = ()) -> Results:
    """Read the pooled tables.

    Args:
        files: where they are.
        metrics: the metrics in the order in which they are shown; each has a file.
        unlike_base: names of runs that are not evaluated as their base run is.

    Raises:
        FeynTuneError: a file is missing or lacks a column, or there is no row at all.
    """
    for metric in metrics:
        if metric.name not in files.metrics:
            raise FeynTuneError(f"--metrics: no file for {metric.name!r}; give {metric.name}=FILE")
    tables = [_completions(files.completions), _perplexity(files.perplexity)]
    tables += [_metric(files.metrics[metric.name], metric) for metric in metrics]
    quantities, runs = all_quantities(metrics), _runs(tables)
    if MEMBERSHIP.name in tables[1]:
        quantities.insert(len(PERPLEXITY), MEMBERSHIP)
    names = [quantity.name for quantity in quantities]
    values = {name: _by_abstract(tables, name, names) for name in runs["set"].unique()}
    tokens = {name: _by_abstract(tables[1:2], name, ["nll", "tokens", "bytes"]) for name in values}
    missing = [each for metric in metrics for each in missing_values(files.metrics[metric.name], metric)]
    if not all(have_same_tokens(each["tokens"]) for each in tokens.values() if "tokens" in each):
        quantities = by_bytes(quantities)
    return Results(runs, quantities, values, tokens, missing, marks_of(runs, unlike_base))


def have_same_tokens(tokens: pandas.DataFrame) -> bool:
    """Whether all runs counted equally many tokens in each text, as runs with the same tokenizer do.

    Args:
        tokens: numbers of tokens, a row for each text and a column for each run; NaN where it is not known.
    """
    return bool((tokens.nunique(axis=1) <= 1).all())


def by_bytes(quantities: Iterable[Quantity]) -> list[Quantity]:
    """Quantities with bits per byte as a headline instead of perplexity, which does not compare between tokenizers."""
    headline = {"perplexity": False, "bits_per_byte": True}
    return [replace(each, headline=headline.get(each.name, each.headline)) for each in quantities]


def _read(path: Path, columns: Sequence[str]) -> pandas.DataFrame:
    keys = ["set", "run", "id"]
    table = read_table(path, [*LABELS, "id", *columns], texts=[*LABELS, *TEXTS])
    check_numbers(table, (name for name in columns if name not in TEXTS), path)
    rows = table.to_pandas()
    if rows[keys].isna().any(axis=None) or rows.duplicated(keys).any():
        raise FeynTuneError(f"{path}: a row without set, run or id, or an abstract twice; {MADE_AGAIN}")
    return rows


def _completions(path: Path) -> pandas.DataFrame:
    table = _read(path, ["new_tokens", "stopped"])
    stopped = table["stopped"]  # null for imported completions: unknown is not "by itself"
    by_length = (stopped == "length").astype(float).where(stopped.notna())
    return table.assign(stopped_by_length=by_length).drop(columns="stopped")


def _perplexity(path: Path) -> pandas.DataFrame:
    import math

    optional = [name for name in OPTIONAL["perplexity"] if name in column_names(path)]
    table = _read(path, ["tokens", "nll", "perplexity", "bits_per_byte", *optional])
    return table.assign(bytes=table["nll"] / math.log(2) / table["bits_per_byte"])


def _metric(path: Path, metric: ReportedMetric) -> pandas.DataFrame:
    keys = {column.name: column.key for column in metric.columns}
    return _read(path, list(keys)).rename(columns=keys)


def missing_values(path: Path, metric: ReportedMetric) -> list[Missing]:
    """The runs without values in a metric's pooled table, and why."""
    listed = table_provenance(path)
    return [
        Missing(metric.title, each["set"], each["run"], each["reason"], fault)
        for key, fault in ((MISSING, True), (INAPPLICABLE, False))
        for each in listed.get(key, [])
    ]


def _runs(tables: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    import pandas

    runs = pandas.concat([table[list(LABELS)] for table in tables]).drop_duplicates(["set", "run"], ignore_index=True)
    if runs.empty:
        raise FeynTuneError("the pooled tables hold no row: no run has any result yet; run snakemake first")
    return runs


def _by_abstract(tables: Sequence[pandas.DataFrame], name: str, quantities: Sequence[str]) -> pandas.DataFrame:
    import pandas

    wide = []
    for table in tables:
        present = [quantity for quantity in quantities if quantity in table]
        rows = table[table["set"] == name]
        wide.append(rows.pivot(index="id", columns="run", values=present).astype(float))
    return pandas.concat(wide, axis=1)
