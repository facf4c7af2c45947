"""Marks of runs whose results do not compare with others without a caveat, and what the marks mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

UNKNOWN, UNLIKE = "†", "‡"
MEANINGS = {
    UNKNOWN: "training data not declared: it may have been trained on these texts",
    UNLIKE: "evaluated with another quantisation or precision than its base model",
}
"""What the marks mean, in the order in which they follow a name."""
NAMES = ("Run", "Against")
"""Columns of tables for people that hold names of runs."""


def marks_of(runs: pandas.DataFrame, unlike_base: Collection[str]) -> dict[str, str]:
    """Marks by name of the runs that have some.

    Runs that are neither base models nor trained on a declared dataset (published adapters, imported completions) get
    ``UNKNOWN``: nothing can be excluded from an evaluation set for them.

    Args:
        runs: labels of all runs.
        unlike_base: names of runs that are not evaluated as their base run is.
    """
    unknown = set(runs.loc[runs["dataset"].isna() & (runs["layers"] != "base"), "run"])
    marks = {run: UNKNOWN * (run in unknown) + UNLIKE * (run in unlike_base) for run in dict.fromkeys(runs["run"])}
    return {run: signs for run, signs in marks.items() if signs}


def with_marks(shown: pandas.DataFrame, marks: Mapping[str, str]) -> pandas.DataFrame:
    """A table for people with the marks behind the names of runs."""
    columns = [name for name in NAMES if name in shown]
    return shown.assign(**{name: [f"{run}{marks.get(run, '')}" for run in shown[name]] for name in columns})


def footnote(marks: Mapping[str, str]) -> str:
    """What the marks mean that some run has, to be put behind a caption; empty if there is none."""
    used = [sign for sign in MEANINGS if any(sign in signs for signs in marks.values())]
    return "".join(f" {sign} {MEANINGS[sign]}." for sign in used)
