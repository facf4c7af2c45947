"""What the tables of groups say, in sentences: runs that differ in their seed only are one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from feyntune.config.schema.report import Group
from feyntune.report.findings import Finding, findings
from feyntune.report.results import Results
from feyntune.report.seeds import BOTH, grouped
from feyntune.report.typeset import number, significant

if TYPE_CHECKING:
    import pandas

MOST_NAMED = 3
"""Pairs or runs that a sentence names; of more it gives the number."""


def group_findings(
    results: Results, groups: Sequence[Group], seeds: pandas.DataFrame, pairs: pandas.DataFrame
) -> list[Finding]:
    """The findings of ``findings.findings`` on groups, with what the seeds say.

    Args:
        results: what all runs achieved.
        groups: all runs by groups.
        seeds: the table ``seeds`` with groups as runs.
        pairs: the table ``seed_comparisons`` with groups as runs.
    """
    names = {each.title: each.name for each in results.quantities}
    found = []
    for finding in findings(grouped(results, groups), seeds, pairs):
        rows, compared = (
            table[(table["set"] == finding.set) & (table["quantity"] == names[finding.title])]
            for table in (seeds, pairs)
        )
        first, *others = finding.sentences
        sentences = [f"{_over(rows)}{first}", *others, *_spread(rows), *_within(compared), *_absent(rows)]
        found.append(replace(finding, sentences=sentences))
    return found


def single_seed_line(groups: Sequence[Group]) -> str | None:
    """A sentence about groups that were trained with one seed; None if there is none."""
    single = [group.name for group in groups if len(group.seeds) == 1]
    if not single:
        return None
    named = ", ".join(single[:MOST_NAMED]) + (
        f" and {len(single) - MOST_NAMED} more" if len(single) > MOST_NAMED else ""
    )
    return f"Trained with one seed, so that their intervals hold the variance between abstracts only: {named}."


def _over(rows: pandas.DataFrame) -> str:
    """``Over 3 seeds: ``, before the first sentence; empty if no group has several."""
    counts = sorted(set(rows.loc[rows["sources"] == BOTH, "seeds"]))
    if not counts:
        return ""
    return f"Over {counts[0]} seeds: " if len(counts) == 1 else f"Over {counts[0]} to {counts[-1]} seeds: "


def _spread(rows: pandas.DataFrame) -> Iterator[str]:
    """The smallest and largest spread between seeds."""
    spreads = rows["spread"].dropna()
    if len(spreads):
        places = significant(spreads)
        low, high = number(spreads.min(), places), number(spreads.max(), places)
        extent = low if low == high else f"{low} to {high}"
        yield f"Between its seeds, the mean of a run has a standard deviation of {extent}."


def _within(pairs: pandas.DataFrame) -> Iterator[str]:
    """The comparisons that another choice of seeds may turn round."""
    several = pairs[pairs["sources"] == BOTH]
    within = several[several["within_spread"].astype(bool)]
    if len(within):
        named = "; ".join(f"{row.run} and {row.against}" for row in within.head(MOST_NAMED).itertuples())
        more = f"; and {len(within) - MOST_NAMED} more" if len(within) > MOST_NAMED else ""
        yield (
            f"Within the spread between seeds, so that two single runs may show the opposite, {_are(len(within))} of"
            f" {len(several)} differences: {named}{more}."
        )


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {count}"


def _absent(rows: pandas.DataFrame) -> Iterator[str]:
    """Groups of which some runs have no results."""
    for row in rows[rows["seeds"] < rows["declared_seeds"]].itertuples():
        yield f"{row.run} has results of {row.seeds} of its {row.declared_seeds} seeds."
