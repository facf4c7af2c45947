"""The page and its data, written so that a page never shows the data of another one.

The data are in a folder whose name has their digest. It is written before the page that names it, and folders of
earlier pages are removed after that: whenever the program is killed, a page that is there has all of its files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.cli import Progress
from feyntune.core.files import write_text
from feyntune.core.hashing import content_hash, digest
from feyntune.core.system_errors import writing
from feyntune.report.explore.data import most_copied, read_texts, write_set
from feyntune.report.page.render import render_page
from feyntune.report.results import PooledFiles, Results, read_results

if TYPE_CHECKING:
    from feyntune.evaluation.metrics import ReportedMetric

FOLDER = Path(__file__).parent
DATA = "data"
"""How the names of folders of data begin."""
DIGITS = 16
"""Hexadecimal digits of the digest in the name of a folder."""
POLICY = "base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class ExploreJob:
    """The page to write."""

    files: PooledFiles
    metrics: Sequence[ReportedMetric]
    output: Path
    """The page; its data are in a folder beside it, ``data-`` and their digest."""


def run(job: ExploreJob) -> None:
    """Write the data, then the page; then remove the data of earlier pages."""
    results = read_results(job.files, job.metrics)
    folder = job.output.parent
    _remove(folder.glob(f".{DATA}.*"))
    sets, abstracts = [], sum(map(len, results.values.values()))
    aside = folder / f".{DATA}.{os.getpid()}"
    with Progress("explore", abstracts, "abstracts") as progress:
        for place, (name, values) in enumerate(results.values.items()):
            texts = read_texts(job.files.completions, name)
            sets.append({"name": name, **write_set(aside, place, texts, values, results, progress.advance)})
    data = folder / f"{DATA}-{content_hash(aside, digest_of=digest)[:DIGITS]}"
    _put_in_place(aside, data, job.output)
    write_text(job.output, render(results, sets, data.name))
    _remove(other for other in folder.glob(f"{DATA}*") if other != data)


def _put_in_place(aside: Path, data: Path, page: Path) -> None:
    """Rename a folder to the name of its digest, unless there is an intact one; a damaged one goes with its page."""
    if data.is_dir():
        if content_hash(data, digest_of=digest) == content_hash(aside, digest_of=digest):
            return _remove([aside])
        page.unlink(missing_ok=True)
        _remove([data])
    with writing(data):
        aside.rename(data)


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def render(results: Results, sets: Sequence[dict[str, Any]], folder: str) -> str:
    """The HTML of the page, whose data are in ``folder`` beside it."""
    from markupsafe import Markup

    headlines = [quantity.name for quantity in results.headlines() if quantity.name != "perplexity"]
    names = [quantity.name for quantity in results.quantities]
    about = {
        "folder": folder,
        "sets": sets,
        "quantities": [
            {name: getattr(each, name) for name in ("name", "title", "description", "direction")}
            for each in results.quantities
        ],
        "copied": most_copied(results.quantities),
        "first": names.index(headlines[0]) if headlines else sets[0]["quantities"][0],
    }
    inside_html = json.dumps(about, allow_nan=False).replace("<", "\\u003c")
    return render_page(FOLDER, "explore", POLICY, {"about": Markup(inside_html)}, scripts=("'self'", "file:"))
