"""What varied settings do: the mean of each quantity by the values of the settings that the grid varies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from feyntune.config.schema.report import Group

if TYPE_CHECKING:
    import pandas

LABELS = ("set", "group", "model", "dataset", "layers")
NUMBERS = ("quantity", "seeds", "mean", "low", "high", "sources", "spread", "against", "difference", "p_holm")


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
    """A row for each set, quantity and group with varied settings.

    Args:
        groups: all runs by groups.
        seeds: the table ``seeds``.
        compared: the table ``seed_comparisons``.
        runs: labels, with names of groups as runs.

    Returns:
        DataFrame with the columns ``LABELS``, one for each varied key, and ``NUMBERS``: ``difference`` and ``p_holm``
        are those of the comparison with the base model ``against``, NaN where there is none.
    """
    import pandas

    keys, varied = varied_keys(groups), {group.name: group.varied for group in groups if group.varied}
    values = pandas.DataFrame([{"group": name, **each} for name, each in varied.items()], columns=["group", *keys])
    bases = runs.loc[runs["layers"] == "base", "run"]
    keyed = ["set", "group", "quantity"]
    against = compared.loc[compared["against"].isin(bases), [*keyed, "against", "difference", "p_holm"]]
    labels = runs.rename(columns={"run": "group"})[list(LABELS)]
    table = seeds[seeds["group"].isin(varied)].merge(labels, on=["set", "group"])
    table = table.merge(values.astype(object), on="group")
    table = table.merge(against.drop_duplicates(keyed), how="left", on=keyed)
    return table[[*LABELS, *keys, *NUMBERS]]
