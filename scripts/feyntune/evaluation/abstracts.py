"""The abstracts of an evaluation set, with their ids."""

from __future__ import annotations

from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.core.ids import check_unique, examples


def read_abstracts(path: str | Path, column: str, limit: int | None) -> tuple[list[str], list[str]]:
    """Read the ids and texts of an evaluation set: the first ``limit`` rows (None: all) of a dataset's split.

    Raises:
        FeynTuneError: no rows, a repeated id, or a missing text.
    """
    table = read_table(path, ["id", column], texts=["id", column]).slice(0, limit)
    ids, texts = table["id"].to_pylist(), table[column].to_pylist()
    if not ids:
        raise FeynTuneError(f"{path}: no rows; an evaluation set needs at least one abstract")
    check_unique(ids, path)
    missing = [name for name, text in zip(ids, texts, strict=True) if text is None]
    if missing:
        raise FeynTuneError(f"{path}: no {column!r} for {examples(missing)}; choose another column")
    return ids, texts
