"""The abstracts of a snapshot, as the demonstration's model and metrics learn from them."""

import json


def snapshot_texts(path, without=()):
    """Abstracts of a snapshot, each on one line, but not those whose primary category is in ``without``.

    Lines that are no JSON, and records without an abstract or categories, are passed over.
    """
    with open(path, encoding="utf-8") as lines:
        records = list(filter(None, map(_record, lines)))
    return [" ".join(record["abstract"].split()) for record in records if _primary(record) not in without]


def _record(line):
    """The record on a line, if it is one from which to learn."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if (record.get("abstract") or "").strip() and record.get("categories") else None


def _primary(record):
    return record["categories"].split()[0]
