"""Learning curves of all quantities: what runs achieved on samples after each evaluation step of their training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.files import read_table
from feyntune.report.typeset import MISSING, interval, interval_decimals

if TYPE_CHECKING:
    import pandas

    from feyntune.report.results import Quantity

COLUMNS = (
    "run",
    "set",
    "step",
    "epoch",
    "metric",
    "abstracts",
    "mean",
    "standard_error",
    "reason",
    "best",
    "published",
)
LABELS = ("run", "set", "step", "epoch", "best", "published")
DECIDES = "perplexity"
"""The quantity on the validation split by which the best step is chosen."""
VALIDATION = "/validation"
"""The end of the name of the set that is a run's own validation split."""


def read_curves(files: Sequence[Path]) -> pandas.DataFrame:
    """The tables of ``checkpoints.py``, named ``{run}.parquet``, one below the other, with the columns ``COLUMNS``."""
    import pandas

    tables = [read_table(path, COLUMNS[1:]).to_pandas().assign(run=path.stem) for path in files]
    return (
        pandas.concat(tables, ignore_index=True)[list(COLUMNS)] if tables else pandas.DataFrame(columns=list(COLUMNS))
    )


def curves(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each run, set and step: the mean of every quantity and its standard error.

    Args:
        table: from ``read_curves``.
    """
    wide = table.pivot(index=list(LABELS), columns="metric", values=["mean", "standard_error"])
    names = list(dict.fromkeys(table["metric"]))
    ordered = wide.reindex(index=dict.fromkeys(zip(*(table[name] for name in LABELS), strict=True)))
    ordered.index = ordered.index.set_names(LABELS)
    means, errors = ordered["mean"].reindex(columns=names), ordered["standard_error"].reindex(columns=names)
    return means.join(errors.add_suffix("_standard_error")).reset_index()


def curves_layout(table: pandas.DataFrame, quantities: Sequence[Quantity], confidence: float) -> pandas.DataFrame:
    """The same for people: headline quantities with normal intervals of their means."""
    import pandas
    from scipy.stats import norm

    notes = {(True, True): "best, published", (True, False): "best", (False, True): "published"}
    shown = {
        "Run": table["run"],
        "Set": table["set"],
        "Step": table["step"].map("{:,}".format),
        "Adapter": [notes.get(pair, MISSING) for pair in zip(table["best"], table["published"], strict=True)],
    }
    for each in quantities:
        if (each.headline or each.name == DECIDES) and each.name in table:
            mean, half = table[each.name], norm.ppf((1 + confidence) / 2) * table[f"{each.name}_standard_error"]
            bounds = mean, mean - half, mean + half
            shown[each.title] = [interval(*row, interval_decimals(*bounds)) for row in zip(*bounds, strict=True)]
    return pandas.DataFrame(shown)


def chosen_steps(table: pandas.DataFrame) -> list[str]:
    """A sentence for each run: its best step, and whether it is the one that is published.

    Args:
        table: from ``read_curves``.
    """
    decisive = table[table["set"].str.endswith(VALIDATION) & (table["metric"] == DECIDES) & (table["step"] > 0)]
    sentences = []
    for run, rows in decisive.groupby("run", sort=False):
        best, published = rows[rows["best"]], rows[rows["published"]]
        if best.empty:
            sentences.append(f"{run}: no step has a finite perplexity on the validation split.")
            continue
        text = f"{run}: step {best['step'].item():,} of {rows['step'].max():,} has the lowest perplexity on the"
        text += f" validation split ({best['mean'].item():.4g})"
        same = best["step"].item() == published["step"].item()
        other = f"; step {published['step'].item():,} ({published['mean'].item():.4g}) is published."
        sentences.append(text + (", and is published." if same else other))
    return sentences


def faults(table: pandas.DataFrame, quantities: Sequence[Quantity]) -> list[str]:
    """A line for each reason why a quantity has no mean: of which run, after which steps.

    Args:
        table: from ``read_curves``.
        quantities: for the titles.
    """
    titles = {each.name: each.title for each in quantities}
    missing = table[table["reason"].notna()]
    lines = []
    for (run, metric, why), rows in missing.groupby(["run", "metric", "reason"], sort=False):
        steps = ", ".join(map(str, sorted(set(rows["step"]))))
        lines.append(f"{titles.get(metric, metric)} could not be computed for {run} after step {steps}: {why}")
    return lines
