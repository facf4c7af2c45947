"""What is measured on each abstract, and by which runs: the pooled tables as people compare them."""

from dataclasses import dataclass

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.report.pool import LABELS


@dataclass(frozen=True)
class Measure:
    """One number that each abstract has for each run."""

    name: str
    title: str
    better: str | None
    """``lower`` or ``higher``; None if neither is better."""


PERPLEXITY = (Measure("perplexity", "Perplexity", "lower"), Measure("bits_per_byte", "Bits per byte", "lower"))
COMPLETION = (Measure("new_tokens", "New tokens", None), Measure("stopped_by_length", "Stopped by length", None))


def score_measures(metric):
    """The two measures of a metric: of whole completions, which share the prompt, and of continuations alone."""
    title = {"semscore": "SemScore", "jina": "Jina score"}.get(metric, metric)
    return (
        Measure(f"{metric}", title, "higher"),
        Measure(f"{metric}_continuation", f"{title} of continuation", "higher"),
    )


def all_measures(metrics):
    """Every measure of runs that these metrics (names) judge, in the order in which they are shown."""
    return [*PERPLEXITY, *(measure for metric in metrics for measure in score_measures(metric)), *COMPLETION]


def is_headline(measure):
    """Whether a measure is among those to go by: perplexity, and scores that do not count the prompt as achievement."""
    return measure.name == "perplexity" or measure.name.endswith("_continuation")


@dataclass(frozen=True)
class Results:
    """All per-abstract results of all runs."""

    runs: "pandas.DataFrame"  # noqa: F821 - imported where it is used
    """A row for each set and run, in the people's order, with the columns ``LABELS``."""
    measures: list[Measure]
    values: dict
    """By set: DataFrame with the abstracts' ids as index and (measure, run) as columns; NaN where there is none."""
    tokens: dict
    """By set: the same for (``nll`` in nats, ``tokens``, ``bytes``) and run."""


def read_results(completions, perplexity, scores):
    """Read the pooled tables.

    Args:
        completions, perplexity: pooled parquet files.
        scores: pooled parquet files by metric, in the order in which they are shown.
    """
    tables = [_completions(completions), _perplexity(perplexity)]
    tables += [_scores(path, metric) for metric, path in scores.items()]
    measures = all_measures(scores)
    runs = _runs(tables)
    names = [measure.name for measure in measures]
    values = {name: _by_abstract(tables, name, names) for name in runs["set"].unique()}
    tokens = {name: _by_abstract(tables[1:2], name, ["nll", "tokens", "bytes"]) for name in values}
    return Results(runs, measures, values, tokens)


def _read(path, columns):
    return read_table(path, columns=[*LABELS, "id", *columns]).to_pandas()


def _completions(path):
    table = _read(path, ["new_tokens", "stopped"])
    return table.assign(stopped_by_length=(table["stopped"] == "length").astype(float)).drop(columns="stopped")


def _perplexity(path):
    import math

    table = _read(path, ["tokens", "nll", "perplexity", "bits_per_byte"])
    return table.assign(bytes=table["nll"] / math.log(2) / table["bits_per_byte"])


def _scores(path, metric):
    table = _read(path, ["score", "score_continuation"])
    return table.rename(columns={"score": metric, "score_continuation": f"{metric}_continuation"})


def _runs(tables):
    import pandas

    runs = pandas.concat([table[list(LABELS)] for table in tables]).drop_duplicates(["set", "run"], ignore_index=True)
    if runs.empty:
        raise FeynTuneError("the pooled tables hold no row: no run has any result yet")
    return runs


def _by_abstract(tables, name, quantities):
    import pandas

    wide = []
    for table in tables:
        present = [quantity for quantity in quantities if quantity in table]
        rows = table[table["set"] == name]
        wide.append(rows.pivot(index="id", columns="run", values=present).astype(float))
    return pandas.concat(wide, axis=1)
