"""The abstracts of a snapshot, as training texts for the models of the embedded default."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import unreadable


def snapshot_texts(path: Path, without: Collection[str] = ()) -> list[str]:
    """Abstracts of a snapshot, each on one line, except those whose primary category is in ``without``.

    Lines that are not JSON, and records without abstract or categories, are skipped.

    Raises:
        FeynTuneError: the file cannot be read, or has no such abstract.
    """
    with unreadable(path, "not a text in UTF-8", UnicodeDecodeError), open(path, encoding="utf-8") as lines:
        records = list(filter(None, map(_record, lines)))
    texts = [
        " ".join(record["abstract"].split()) for record in records if record["categories"].split()[0] not in without
    ]
    if not texts:
        raise FeynTuneError(f"{path}: no abstract in it to train on; write it with demo_snapshot.py")
    return texts


def _record(line: str) -> dict[str, str] | None:
    """The record on a line, or None if it is not usable."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    needed = [record.get(name) for name in ("abstract", "categories")] if isinstance(record, dict) else [None]
    return record if all(isinstance(value, str) and value.strip() for value in needed) else None
