"""The columns of snapshots and datasets, as arrow types."""

import pyarrow

_TEXT = pyarrow.string()
_VERSIONS = pyarrow.list_(pyarrow.struct([("version", _TEXT), ("created", _TEXT)]))
_AUTHORS = pyarrow.list_(pyarrow.list_(_TEXT))

SNAPSHOT = pyarrow.schema(
    [
        ("id", _TEXT),
        ("submitter", _TEXT),
        ("authors", _TEXT),
        ("title", _TEXT),
        ("comments", _TEXT),
        ("journal-ref", _TEXT),
        ("doi", _TEXT),
        ("report-no", _TEXT),
        ("categories", _TEXT),
        ("license", _TEXT),
        ("abstract", _TEXT),
        ("versions", _VERSIONS),
        ("update_date", _TEXT),
        ("authors_parsed", _AUTHORS),
    ]
)
"""The fourteen fields of the arXiv metadata snapshot."""

DATASET = SNAPSHOT.append(pyarrow.field("orig_abstract", _TEXT))
"""The columns of every split: ``abstract`` is cleaned, ``orig_abstract`` is as the snapshot has it."""

SPLITS = ("train", "test", "validation")

TEXTS = ["id", "abstract"]
"""Columns that every program reads: the id of a paper, and the cleaned abstract."""
