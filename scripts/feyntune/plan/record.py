"""Plans that are kept, so that afterwards what was predicted can be compared with what was measured."""

import json
import time
from pathlib import Path

from feyntune.files import write_json

FILE = Path("results/plan.json")
KEPT = 3
"""Predictions of each job that are kept, the newest: one may have been made after the job ran."""


def keep(plan, known, path=FILE, now=None):
    """Add the predictions of a plan to those that are kept; forget jobs that are none any more and never ran.

    Args:
        plan: ``making.Plan``.
        known: keys of all jobs of the workflow, stale or not.
        path: file to write; the folder `costs` beside it has the benchmarks of what ran.
        now: when it was made, in seconds since 1970; None is now.
    """
    costs, now = Path(path).parent / "costs", round(now or time.time())
    kept = {key: made for key, made in read(path).items() if key in known or (costs / f"{key}.tsv").is_file()}
    for key, each in plan.jobs.items():
        kept[key] = [*kept.get(key, []), {"planned": now, **_entry(each)}][-KEPT:]
    write_json(path, {"jobs": kept})


def read(path=FILE):
    """The kept predictions by job, oldest first; none if there is no such file, or none that can be read."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8"))["jobs"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def predicted_before(kept, job, moment):
    """The last prediction of a job that was made before a moment; an empty dict if there is none.

    Args:
        kept: from ``read``.
        job: stage and wildcards, as in ``score/hep-th/tiny_base``.
        moment: seconds since 1970, when the job began.
    """
    made = [entry for entry in kept.get(job, []) if entry["planned"] <= moment]
    return made[-1] if made else {}


def _entry(each):
    job, work = each.job, each.work
    return {
        "why": job.why,
        "tokens": work.tokens and round(work.tokens),
        "seconds": each.seconds and round(each.seconds, 1),
        "gpus": job.gpu,
        "peak_memory_bytes": work.peak and round(work.peak),
        "disk_bytes": round(work.disk),
        "measured": each.measured,
    }
