"""A synthetic arXiv metadata snapshot: papers of five fields, with the 14 fields, ids and faults of a real snapshot."""

from __future__ import annotations

import datetime
import json
import random
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from feyntune.core.errors import FeynTuneError
from feyntune.demo.fields import load_fields
from feyntune.demo.writing import Paper, write_paper

_FRACTIONS = {"hep-th": 0.28, "hep-ph": 0.18, "gr-qc": 0.18, "cs": 0.2, "q-bio": 0.16}
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
"""Faults: how often fields of a record are replaced, and by what."""

_AUTHORS = (
    ("Ada", "Veldkamp", "Veldkamp"),
    ("Bram", "Okonjo", "Okonjo"),
    ("Chiara", "Montel\\`a", "Montelà"),
    ("Dmitri", "Halvorsen", "Halvorsen"),
    ("Elif", 'S\\"onmez', "Sönmez"),
    ("Farid", "Quillnow", "Quillnow"),
    ("Greta", 'Lindqu\\"ast', "Lindquäst"),
    ("Hiro", "Tanamori", "Tanamori"),
    ("Ines", "Carvalhais", "Carvalhais"),
    ("Jonas", "Wetterby", "Wetterby"),
    ("Kavya", "Raghupati", "Raghupati"),
    ("Lorenz", 'B\\"uhlhoff', "Bühlhoff"),
    ("Mirela", "Draganova", "Draganova"),
    ("Nkechi", "Adebola", "Adebola"),
    ("Oskar", "Pruszyn", "Pruszyn"),
    ("Pilar", "Etxeberri", "Etxeberri"),
)
_LICENSES = (
    "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
    "http://creativecommons.org/licenses/by/4.0/",
    "http://creativecommons.org/licenses/by-nc-sa/4.0/",
)
_NEW_IDS_SINCE = (2007, 4)
_FIVE_DIGITS_SINCE = (2015, 1)
_STAMP = re.compile(r"(?:[a-z-]+/)?(\d\d)(0[1-9]|1[0-2])\.?\d{3,5}$")
_FIRST_YEAR = 1996
_LAST_YEAR = 2023

Record: TypeAlias = dict[str, Any]
"""One line of a snapshot, as a JSON object."""
Month: TypeAlias = tuple[int, int]
"""Year and month."""


def snapshot_lines(papers: int, control_papers: Sequence[str], seed: int) -> Iterator[str]:
    """Yield the lines of a snapshot; the same arguments give the same lines.

    In two or three percent of them there is a fault, as in real snapshots: no JSON, or a record that is withdrawn,
    incomplete or listed twice.

    Args:
        papers: number of papers besides the control papers.
        control_papers: ids of further papers, all in hep-th and without a fault.
        seed: seed of all random choices.

    Raises:
        FeynTuneError: a control paper is not an arXiv id.
    """
    rng = random.Random(seed)
    taken = set(control_papers)
    control = [_record("hep-th", rng, taken, paper_id) for paper_id in control_papers]
    fields = rng.choices(list(_FRACTIONS), weights=list(_FRACTIONS.values()), k=papers)
    records = [_with_faults(_record(field, rng, taken), rng) for field in fields]
    records += [_listed_again(record) for record in records if rng.random() < _LISTED_AGAIN]
    for record in sorted(control + records, key=_snapshot_order):
        line = json.dumps(record)
        yield line
        if rng.random() < _CUT_SHORT:
            yield line[: rng.randint(1, len(line) - 1)]


def _record(name: str, rng: random.Random, taken: set[str], paper_id: str | None = None) -> Record:
    fields = load_fields()
    field = fields[name]
    guest = fields[rng.choice(field.guests)] if rng.random() < _CROSS_LISTED else None
    return make_record(write_paper(field, guest, rng), rng, taken, paper_id)


def _with_faults(record: Record, rng: random.Random) -> Record:
    for rate, fields in _FAULTS:
        if rng.random() < rate:
            record = record | fields
    return record


def _listed_again(record: Record) -> Record:
    return record | {"comments": "listed again after an update"}


def make_record(paper: Paper, rng: random.Random, taken: set[str], paper_id: str | None = None) -> Record:
    """The metadata record of a paper, with its fields in the order of the Kaggle snapshot.

    Args:
        paper: title, abstract and categories.
        rng: source of the other fields.
        taken: ids in use; the id of this record is added.
        paper_id: the id; None draws one.

    Raises:
        FeynTuneError: ``paper_id`` is not an arXiv id.
    """
    month = _month_of(paper_id) if paper_id else (rng.randint(_FIRST_YEAR, _LAST_YEAR), rng.randint(1, 12))
    paper_id = paper_id or _draw_id(rng, paper.categories[0], month, taken)
    taken.add(paper_id)
    authors = rng.sample(_AUTHORS, rng.randint(1, 4))
    versions = _versions(rng, month)
    return {
        "id": paper_id,
        "submitter": f"{authors[0][0]} {authors[0][2]}",
        "authors": _author_line(authors),
        "title": _wrapped(paper.title, later="  "),
        "comments": _comments(rng),
        **_publication(rng, month),
        "categories": " ".join(paper.categories),
        "license": rng.choice(_LICENSES) if month >= _NEW_IDS_SINCE else None,
        "abstract": _wrapped(paper.abstract, first="  ") + "\n",
        "versions": [
            {"version": f"v{number}", "created": _stamp(moment)} for number, moment in enumerate(versions, start=1)
        ],
        "update_date": f"{versions[-1]:%Y-%m-%d}",
        "authors_parsed": [[last, first, ""] for first, _, last in authors],
    }


def _snapshot_order(record: Record) -> tuple[bool, str]:
    """Sort key of the snapshot: new ids by time, then old ids by archive."""
    return "/" in record["id"], record["id"]


def _month_of(paper_id: str) -> Month:
    stamp = _STAMP.match(paper_id)
    if not stamp:
        raise FeynTuneError(f"control_papers: {paper_id!r} is not an arXiv id such as '1804.08625' or 'hep-th/9901001'")
    year = int(stamp[1])
    return (1900 if year > 90 else 2000) + year, int(stamp[2])


def _draw_id(rng: random.Random, category: str, month: Month, taken: set[str]) -> str:
    year, number = month
    stem, digits = f"{year % 100:02d}{number:02d}", 5 if month >= _FIVE_DIGITS_SINCE else 4
    while True:
        if month < _NEW_IDS_SINCE:
            drawn = f"{category.split('.')[0]}/{stem}{rng.randint(1, 400):03d}"
        else:
            drawn = f"{stem}.{rng.randint(1, 9999):0{digits}d}"
        if drawn not in taken:
            return drawn


def _author_line(authors: Sequence[tuple[str, str, str]]) -> str:
    *others, last = [f"{first} {name}" for first, name, _ in authors]
    return f"{', '.join(others)} and {last}" if others else last


def _wrapped(text: str, first: str = "", later: str = "") -> str:
    return textwrap.fill(
        text, 79, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _comments(rng: random.Random) -> str | None:
    pages, figures = rng.randint(4, 48), rng.randint(1, 12)
    return rng.choice((None, f"{pages} pages", f"{pages} pages, {figures} figures", f"{pages} pages, LaTeX; v2: typos"))


def _publication(rng: random.Random, month: Month) -> dict[str, str | None]:
    """Journal, DOI and report number. A third of the papers are not published; few have a report number."""
    if rng.random() < 1 / 3:
        return {"journal-ref": None, "doi": None, "report-no": None}
    volume, page = rng.randint(1, 400), rng.randint(1, 2000)
    report = f"DEMO-{month[0] % 100:02d}-{rng.randint(1, 60):02d}" if rng.random() < 0.2 else None
    return {
        "journal-ref": f"J.Imag.Sci. {volume} ({month[0]}) {page}",
        "doi": f"10.99999/jis.{volume}.{page}",
        "report-no": report,
    }


def _versions(rng: random.Random, month: Month) -> list[datetime.datetime]:
    """Times of one to three versions, up to 300 days apart."""
    moment = datetime.datetime(*month, rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
    moments = [moment]
    while len(moments) < 3 and rng.random() < 0.4:
        moments.append(moments[-1] + datetime.timedelta(days=rng.randint(2, 300), minutes=rng.randint(0, 1439)))
    return moments


def _stamp(moment: datetime.datetime) -> str:
    return f"{moment:%a}, {moment.day} {moment:%b %Y %H:%M:%S} GMT"
