"""The abstracts of a snapshot, as training texts for the models of the embedded default."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path


def snapshot_texts(path: Path, without: Collection[str] = ()) -> list[str]:
    """Abstracts of a snapshot, each on one line, except those whose primary category is in ``without``.

    Lines that are not JSON, and records without abstract or categories, are skipped.
    """
    with open(path, encoding="utf-8") as lines:
        records = list(filter(None, map(_record, lines)))
    return [
        " ".join(record["abstract"].split()) for record in records if record["categories"].split()[0] not in without
    ]


def _record(line: str) -> dict | None:
    """The record on a line, or None if it is not usable."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if (record.get("abstract") or "").strip() and record.get("categories") else None
