"""A whole made-up snapshot: papers of five fields, and the faults that real snapshots have."""

import json
import random

from feyntune.demo.fields import FIELDS, GUESTS
from feyntune.demo.records import make_record, snapshot_order
from feyntune.demo.writing import write_paper

_SHARES = {"hep-th": 0.28, "hep-ph": 0.18, "gr-qc": 0.18, "cs": 0.2, "q-bio": 0.16}
_CROSS_LISTED = 0.5
_LISTED_AGAIN = 0.004
_CUT_SHORT = 0.004
_FAULTS = (
    (0.006, {"comments": "This paper has been Withdrawn by the authors due to an error in equation (12)"}),
    (0.006, {"abstract": "  This paper has been withdrawn.\n"}),
    (0.002, {"abstract": "  \n"}),
    (0.002, {"abstract": None}),
    (0.002, {"categories": None}),
)
"""How often a record's fields have been replaced, and by what."""


def snapshot_lines(papers, control_papers, seed):
    """Lines of a snapshot; the same arguments give the same lines.

    Args:
        papers: how many papers it has besides the control papers.
        control_papers: ids of further papers, all in hep-th and without a fault.
        seed: seed of everything in it.

    Some lines are no JSON, some records are withdrawn, incomplete or listed twice: two or three in a hundred.
    """
    rng = random.Random(seed)
    taken = set(control_papers)
    control = [_record("hep-th", rng, taken, paper_id) for paper_id in control_papers]
    fields = rng.choices(list(_SHARES), weights=_SHARES.values(), k=papers)
    records = [_with_faults(_record(field, rng, taken), rng) for field in fields]
    records += [_listed_again(record) for record in records if rng.random() < _LISTED_AGAIN]
    for record in sorted(control + records, key=snapshot_order):
        line = json.dumps(record)
        yield line
        if rng.random() < _CUT_SHORT:
            yield line[: rng.randint(1, len(line) - 1)]


def _record(field, rng, taken, paper_id=None):
    guest = FIELDS[rng.choice(GUESTS[field])] if rng.random() < _CROSS_LISTED else None
    return make_record(write_paper(FIELDS[field], guest, rng), rng, taken, paper_id)


def _with_faults(record, rng):
    for rate, fields in _FAULTS:
        if rng.random() < rate:
            record = record | fields
    return record


def _listed_again(record):
    return record | {"comments": "listed again after an update"}
