"""The tables of seeds, of comparisons between groups, and of varied settings, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from feyntune.report.results import Quantity
from feyntune.report.seeds import BOTH
from feyntune.report.sweep import points, setting_text
from feyntune.report.typeset import MISSING, interval, interval_decimals, number, p_value

if TYPE_CHECKING:
    import pandas


def seeds_layout(table: pandas.DataFrame, quantities: Sequence[Quantity]) -> pandas.DataFrame:
    """A row for each group and quantity: seeds, mean with interval, spread, standard deviations of the effects."""
    import pandas

    places = _places(table, "mean")
    shown = {**_set(table), "Run": table["group"], "Quantity": _titles(table, quantities)}
    shown["Seeds"] = [_seeds(row.seeds, row.declared_seeds) for row in table.itertuples()]
    shown["Abstracts"] = table["abstracts"].map("{:,}".format)
    shown["Mean"] = _intervals(table, "mean", places)
    for column, title in (("spread", "Spread"), ("abstracts_sd", "SD of abstracts"), ("rest_sd", "SD of the rest")):
        shown[title] = [number(value, digits + 1) for value, digits in zip(table[column], places, strict=True)]
    return pandas.DataFrame(shown)


def seed_comparisons_layout(table: pandas.DataFrame, quantities: Sequence[Quantity]) -> pandas.DataFrame:
    """A row for each pair of groups and quantity."""
    import pandas

    places = _places(table, "difference")
    shown = {**_set(table), "Run": table["group"], "Against": table["against"], "Quantity": _titles(table, quantities)}
    shown["Seeds"] = [f"{row.seeds} − {row.against_seeds}" for row in table.itertuples()]
    shown["Difference"] = _intervals(table, "difference", places)
    shown["Spread"] = [number(value, digits + 1) for value, digits in zip(table["spread"], places, strict=True)]
    within = {True: "yes", False: "no"}
    shown["Within the spread"] = [within.get(value, MISSING) for value in table["within_spread"]]
    shown["p"], shown["p (Holm)"] = table["p"].map(p_value), table["p_holm"].map(p_value)
    return pandas.DataFrame(shown)


def sweep_layout(table: pandas.DataFrame, quantities: Sequence[Quantity], keys: Sequence[str]) -> pandas.DataFrame:
    """A row for each combination of varied settings (``keys``), and a column for each headline quantity."""
    import pandas

    shown = {**_set(table), "Run": table["group"]}
    shown |= {key: table[key].map(setting_text) for key in keys}
    shown["Seeds"] = table["seeds"].map(str)
    for quantity in quantities:
        if quantity.headline and quantity.name in table:
            rows = points(table, quantity.name)
            places = interval_decimals(rows["mean"], rows["low"], rows["high"])
            texts = dict(zip(rows.index, _intervals(rows, "mean", [places] * len(rows)), strict=True))
            shown[quantity.title] = [texts.get(row, MISSING) for row in table.index]
    return pandas.DataFrame(shown)


def _seeds(present: int, declared: int) -> str:
    return str(present) if present == declared else f"{present} of {declared}"


def _set(table: pandas.DataFrame) -> dict[str, pandas.Series]:
    """The set, where there are several."""
    return {"Set": table["set"]} if table["set"].nunique() > 1 else {}


def _titles(table: pandas.DataFrame, quantities: Sequence[Quantity]) -> pandas.Series:
    return table["quantity"].map({each.name: each.title for each in quantities})


def _places(table: pandas.DataFrame, column: str) -> list[int]:
    """Decimals for each row: the same for all rows of a quantity."""
    by_quantity = {
        name: interval_decimals(rows[column], rows["low"], rows["high"]) for name, rows in table.groupby("quantity")
    }
    return [by_quantity[name] for name in table["quantity"]]


def _intervals(table: pandas.DataFrame, value: str, places: Sequence[int]) -> list[str]:
    """Intervals; those that hold the variance between abstracts only have an asterisk."""
    texts = map(interval, table[value], table["low"], table["high"], places)
    return [f"{text}{'' if sources == BOTH else '*'}" for text, sources in zip(texts, table["sources"], strict=True)]
