"""Identifiers of abstracts: whether they are unique, how two lists of them match, and examples for messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from feyntune.core.errors import FeynTuneError, printable


def check_unique(ids: Iterable[str | None], place: str | Path) -> None:
    """Raise FeynTuneError if an id is missing or occurs twice; ``place`` names the file or table that holds them."""
    seen: set[str] = set()
    duplicates: dict[str, None] = {}
    for row, name in enumerate(ids, 1):
        if name is None:
            raise FeynTuneError(f"{place}: row {row:,} has no id; give each row its abstract's")
        if name in seen:
            duplicates[name] = None
        seen.add(name)
    if duplicates:
        raise FeynTuneError(f"{place}: duplicate ids: {examples(list(duplicates))}; each abstract may occur only once")


def match_ids(
    ids: Sequence[str], other_ids: Sequence[str], place: str | Path, known: Collection[str] | None = None
) -> list[int]:
    """Find each of ``ids`` among ``other_ids``.

    Args:
        ids: the abstracts of the evaluation set, in the order that is wanted.
        other_ids: the ids that a table or file has, in any order.
        place: the file or table that holds ``other_ids``, for messages.
        known: abstracts that ``other_ids`` may contain besides ``ids``, such as the rest of the dataset; None: none.

    Returns:
        For each of ``ids`` its position in ``other_ids``.

    Raises:
        FeynTuneError: an abstract has no row, a row belongs to no abstract, or an id occurs more than once.
    """
    check_unique(other_ids, place)
    positions = {name: position for position, name in enumerate(other_ids)}
    missing = [name for name in ids if name not in positions]
    if missing:
        raise FeynTuneError(
            f"{place}: no row for {examples(missing)};"
            f" it needs one for each of the evaluation set's {len(ids):,} abstracts"
        )
    allowed = set(ids).union(known or ())
    unknown = [name for name in other_ids if name not in allowed]
    if unknown:
        whole = "evaluation set" if known is None else "dataset"
        raise FeynTuneError(
            f"{place}: rows for {examples(unknown)}, which the {whole} does not have; use a table of this {whole}"
        )
    return [positions[name] for name in ids]


def examples(ids: Sequence[str], limit: int = 3) -> str:
    """A few ids for a message: ``2401.00001, 2401.00002, 2401.00003 and 7 more``."""
    more = f" and {len(ids) - limit:,} more" if len(ids) > limit else ""
    return ", ".join(_shown(name) for name in ids[:limit]) + more


def _shown(name: str, length: int = 40) -> str:
    """An id as a message shows it: control characters escaped, at most ``length`` characters."""
    text = printable(str(name))
    return text if len(text) <= length else f"{text[: length - 1]}…"
