"""What varied settings do: the mean of each quantity by the values of the settings that the grid varies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.report import Group

if TYPE_CHECKING:
    import pandas

LABELS = ("set", "group", "model", "dataset", "layers")
COUNTS = ("seeds", "sources")
NUMBERS = {
    "mean": "",
    "low": "_low",
    "high": "_high",
    "spread": "_spread",
    "difference": "_difference",
    "p_holm": "_p_holm",
}
"""Numbers of a quantity, and the endings of their columns behind its name."""


def varied_keys(groups: Sequence[Group]) -> list[str]:
    """The settings that differ between groups, in the order of the configuration."""
    return list(dict.fromkeys(key for group in groups for key in group.varied))


def setting_text(value: Any) -> str:
    """The value of a varied setting, for people."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return "–" if value is None else str(value)


def sweep_table(
    groups: Sequence[Group], seeds: pandas.DataFrame, compared: pandas.DataFrame, runs: pandas.DataFrame
) -> pandas.DataFrame:
    """A row for each set and group with varied settings.

    Args:
        groups: all runs by groups.
        seeds: the table ``seeds``.
        compared: the table ``seed_comparisons``.
        runs: labels, with names of groups as runs.

    Returns:
        DataFrame with the columns ``LABELS``, one for each varied key, ``COUNTS``, and for each quantity those of
        ``NUMBERS``: ``{quantity}_difference`` and ``{quantity}_p_holm`` are of the comparison with the base model.
    """
    import pandas

    keys, varied = varied_keys(groups), {group.name: group.varied for group in groups if group.varied}
    keyed, bases = ["set", "group", "quantity"], runs.loc[runs["layers"] == "base", "run"]
    against = compared.loc[compared["against"].isin(bases), [*keyed, "difference", "p_holm"]]
    long = seeds[seeds["group"].isin(varied)].merge(against.drop_duplicates(keyed), how="left", on=keyed)
    table = runs.rename(columns={"run": "group"})[list(LABELS)]
    table = table[table["group"].isin(varied)].reset_index(drop=True)
    columns = {key: [varied[name].get(key) for name in table["group"]] for key in keys}
    places = list(zip(table["set"], table["group"], strict=True))
    for name in COUNTS:
        of_groups = long.groupby(["set", "group"])[name].max().to_dict()
        columns[name] = [of_groups.get(place) for place in places]
    for quantity, rows in long.groupby("quantity", sort=False):
        numbers = rows.set_index(["set", "group"])
        for number, ending in NUMBERS.items():
            found = numbers[number].to_dict()
            columns[f"{quantity}{ending}"] = [found.get(place, math.nan) for place in places]
    return pandas.concat([table, pandas.DataFrame(columns, index=table.index)], axis=1)


def points(table: pandas.DataFrame, quantity: str) -> pandas.DataFrame:
    """The rows that have a quantity, with its numbers in the columns ``mean``, ``low``, ``high``, ….

    Args:
        table: ``sweep_table``.
        quantity: its name.
    """
    named = {f"{quantity}{ending}": number for number, ending in NUMBERS.items()}
    return table.rename(columns=named).dropna(subset="mean")
