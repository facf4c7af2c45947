"""What runs gained and lost: the change in bits per byte of every run on every set against its base model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feyntune.report.typeset import MISSING, interval, interval_decimals

if TYPE_CHECKING:
    import pandas

QUANTITY = "bits_per_byte"
"""It is comparable between sets and between tokenizers, unlike perplexity."""
COLUMNS = ("set", "run", "against", "abstracts", "base", "difference", "low", "high", "relative", "p_holm")


def changes(comparisons: pandas.DataFrame, means: pandas.DataFrame, runs: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each run and set with its base model: the paired difference of means, with its interval.

    Args:
        comparisons: the table ``comparisons``.
        means: the table ``distributions``.
        runs: labels of all runs.

    Returns:
        DataFrame with the columns ``COLUMNS``: ``base`` is the mean of the base model in bits per byte, and
        ``relative`` the difference as a fraction of it.
    """
    import pandas

    bases = set(runs.loc[runs["layers"] == "base", "run"])
    rows = comparisons[(comparisons["quantity"] == QUANTITY) & comparisons["against"].isin(bases)]
    of_runs = means[means["quantity"] == QUANTITY].set_index(["set", "run"])["mean"].to_dict()
    base = pandas.Series([of_runs[key] for key in zip(rows["set"], rows["against"], strict=True)], rows.index, float)
    return rows.assign(base=base, relative=rows["difference"] / base)[list(COLUMNS)].reset_index(drop=True)


def changes_layout(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each run and base model, and a column for each set."""
    import pandas

    sets, pairs = list(dict.fromkeys(table["set"])), table[["run", "against"]].drop_duplicates()
    places = {name: interval_decimals(rows["difference"], rows["low"], rows["high"]) for name, rows in _by_set(table)}
    cells = {
        (row.set, row.run, row.against): interval(row.difference, row.low, row.high, places[row.set])
        for row in table.itertuples()
    }
    keys = list(pairs.itertuples(index=False, name=None))
    columns = {name: [cells.get((name, *key), MISSING) for key in keys] for name in sets}
    return pandas.DataFrame({"Run": [run for run, _ in keys], "Against": [base for _, base in keys], **columns})


def _by_set(table: pandas.DataFrame) -> list[tuple[str, pandas.DataFrame]]:
    return [(str(name), rows) for name, rows in table.groupby("set", sort=False)]
