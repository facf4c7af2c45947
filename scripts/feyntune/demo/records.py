"""Records of arXiv's metadata snapshot for made-up papers: its 14 fields, its line breaks, its old and new ids."""

import datetime
import re
import textwrap

from feyntune.core.errors import FeynTuneError

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


def make_record(paper, rng, taken, paper_id=None):
    """The metadata record of a paper, a dict in the order of the Kaggle snapshot.

    Args:
        paper: a ``feyntune.demo.writing.Paper``.
        rng: a ``random.Random``.
        taken: set of ids in use; the record's own is added.
        paper_id: the paper's id; drawn if None.

    Raises:
        FeynTuneError: ``paper_id`` is no arXiv id.
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


def snapshot_order(record):
    """Key that sorts records as the snapshot does: new ids by time, then old ids by archive."""
    return "/" in record["id"], record["id"]


def _month_of(paper_id):
    stamp = _STAMP.match(paper_id)
    if not stamp:
        raise FeynTuneError(f"control_papers: {paper_id!r} is no arXiv id such as '1804.08625' or 'hep-th/9901001'")
    year = int(stamp[1])
    return (1900 if year > 90 else 2000) + year, int(stamp[2])


def _draw_id(rng, category, month, taken):
    year, number = month
    stem, digits = f"{year % 100:02d}{number:02d}", 5 if month >= _FIVE_DIGITS_SINCE else 4
    while True:
        if month < _NEW_IDS_SINCE:
            drawn = f"{category.split('.')[0]}/{stem}{rng.randint(1, 400):03d}"
        else:
            drawn = f"{stem}.{rng.randint(1, 9999):0{digits}d}"
        if drawn not in taken:
            return drawn


def _author_line(authors):
    *others, last = [f"{first} {name}" for first, name, _ in authors]
    return f"{', '.join(others)} and {last}" if others else last


def _wrapped(text, first="", later=""):
    return textwrap.fill(
        text, 79, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _comments(rng):
    pages, figures = rng.randint(4, 48), rng.randint(1, 12)
    return rng.choice((None, f"{pages} pages", f"{pages} pages, {figures} figures", f"{pages} pages, LaTeX; v2: typos"))


def _publication(rng, month):
    """Journal, DOI and report number; a third of the papers are not published, few have a report number."""
    if rng.random() < 1 / 3:
        return {"journal-ref": None, "doi": None, "report-no": None}
    volume, page = rng.randint(1, 400), rng.randint(1, 2000)
    report = f"DEMO-{month[0] % 100:02d}-{rng.randint(1, 60):02d}" if rng.random() < 0.2 else None
    return {
        "journal-ref": f"J.Imag.Sci. {volume} ({month[0]}) {page}",
        "doi": f"10.99999/jis.{volume}.{page}",
        "report-no": report,
    }


def _versions(rng, month):
    """Moments of one to three versions, each some months after the one before."""
    moment = datetime.datetime(*month, rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
    moments = [moment]
    while len(moments) < 3 and rng.random() < 0.4:
        moments.append(moments[-1] + datetime.timedelta(days=rng.randint(2, 300), minutes=rng.randint(0, 1439)))
    return moments


def _stamp(moment):
    return f"{moment:%a}, {moment.day} {moment:%b %Y %H:%M:%S} GMT"
