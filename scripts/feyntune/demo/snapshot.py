"""A whole made-up snapshot: papers of five fields, and the faults that real snapshots have."""

import json
import random

from feyntune.demo.fields import FIELDS, GUESTS
from feyntune.demo.records import make_record, snapshot_order
from feyntune.demo.writing import write_paper

_SHARES = {"hep-th": 0.28, "hep-ph": 0.18, "gr-qc": 0.18, "cs": 0.2, "q-bio": 0.16}
_RATES = {
    "withdrawn in the comments": 0.006,
    "withdrawn in the abstract": 0.006,
    "without abstract": 0.003,
    "without categories": 0.002,
    "listed again": 0.004,
    "cut short": 0.003,
}


def snapshot_lines(papers, control_papers, seed):
    """Lines of a snapshot; the same arguments give the same lines.

    Args:
        papers: how many papers it has besides the control papers.
        control_papers: new-style ids of further papers, all in hep-th and without a fault.
        seed: seed of everything in it.

    Some lines are no JSON, some records are withdrawn, incomplete or listed twice: about a hundredth of all.
    """
    rng = random.Random(seed)
    taken = set(control_papers)
    control = [_record("hep-th", rng, taken, paper_id) for paper_id in control_papers]
    fields = rng.choices(list(_SHARES), weights=_SHARES.values(), k=papers)
    records = [_with_faults(_record(field, rng, taken), rng) for field in fields]
    records += [_listed_again(record) for record in records if rng.random() < _RATES["listed again"]]
    for record in sorted(control + records, key=snapshot_order):
        line = json.dumps(record)
        yield line
        if rng.random() < _RATES["cut short"]:
            yield line[: rng.randint(1, len(line) - 1)]


def _record(field, rng, taken, paper_id=None):
    guests = [FIELDS[guest] for guest in GUESTS[field]]
    return make_record(write_paper(FIELDS[field], guests, rng), rng, taken, paper_id)


def _with_faults(record, rng):
    """The record, in rare cases withdrawn or incomplete."""
    if rng.random() < _RATES["withdrawn in the comments"]:
        record["comments"] = "This paper has been Withdrawn by the authors due to an error in equation (12)"
    if rng.random() < _RATES["withdrawn in the abstract"]:
        record["abstract"] = "  This paper has been withdrawn.\n"
    if rng.random() < _RATES["without abstract"]:
        record["abstract"] = rng.choice((None, "  \n"))
    if rng.random() < _RATES["without categories"]:
        del record["categories"]
    return record


def _listed_again(record):
    return record | {"comments": "listed again after an update"}
