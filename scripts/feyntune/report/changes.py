"""What runs gained and lost: the change in bits per byte of every run on every set against its base model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feyntune.report.typeset import fraction, interval, interval_decimals, number, p_value

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
    """The same for people: sets are compared in the heat map, which has a column for each."""
    import pandas

    places = interval_decimals(table["difference"], table["low"], table["high"])
    bounds = zip(table["difference"], table["low"], table["high"], strict=True)
    return pandas.DataFrame(
        {
            "Set": table["set"],
            "Run": table["run"],
            "Against": table["against"],
            "Base, bits per byte": [number(base, places) for base in table["base"]],
            "Change": [interval(*each, places) for each in bounds],
            "Relative": table["relative"].map(fraction),
            "p (Holm)": table["p_holm"].map(p_value),
        }
    )
