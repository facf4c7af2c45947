"""The page and its data: written so that a page that is there has all of its files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.cli import Progress
from feyntune.core.files import folder_written_whole, write_text
from feyntune.report.explore.data import most_copied, read_texts, write_set
from feyntune.report.page.render import render_page
from feyntune.report.results import PooledFiles, Results, read_results

if TYPE_CHECKING:
    from feyntune.evaluation.metrics import ReportedMetric

FOLDER = Path(__file__).parent
DATA = "data"
"""Folder of the data, beside the page."""
POLICY = "base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class ExploreJob:
    """The page to write."""

    files: PooledFiles
    metrics: Sequence[ReportedMetric]
    output: Path
    """The page; its data are in the folder ``data`` beside it."""


def run(job: ExploreJob) -> None:
    """Write the data, then the page."""
    results = read_results(job.files, job.metrics)
    job.output.unlink(missing_ok=True)
    data = job.output.parent / DATA
    shutil.rmtree(data, ignore_errors=True)
    sets, abstracts = [], sum(map(len, results.values.values()))
    with folder_written_whole(data) as aside, Progress("explore", abstracts, "abstracts") as progress:
        for place, (name, values) in enumerate(results.values.items()):
            texts = read_texts(job.files.completions, name)
            sets.append({"name": name, **write_set(aside, place, texts, values, results, progress.advance)})
    write_text(job.output, render(results, sets))


def render(results: Results, sets: Sequence[dict[str, Any]]) -> str:
    """The HTML of the page."""
    from markupsafe import Markup

    headlines = [quantity.name for quantity in results.headlines() if quantity.name != "perplexity"]
    names = [quantity.name for quantity in results.quantities]
    about = {
        "sets": sets,
        "quantities": [asdict(quantity) for quantity in results.quantities],
        "copied": most_copied(results.quantities),
        "first": names.index(headlines[0]) if headlines else sets[0]["quantities"][0],
    }
    inside_html = json.dumps(about).replace("<", "\\u003c")
    return render_page(FOLDER, "explore", POLICY, {"about": Markup(inside_html)}, scripts=("'self'", "file:"))
