"""Plans that are kept, so that afterwards what was predicted can be compared with what was measured."""

import json
from pathlib import Path

from feyntune.files import write_json

FILE = Path("results/plan.json")


def keep(plan, path=FILE):
    """Write the predictions of a plan (``making.Plan``); an earlier plan's stay for jobs that this one has not.

    So what was predicted of a job is still there when it has run, and another target's plan takes nothing away.
    """
    write_json(path, {"jobs": {**read(path), **{key: _entry(each) for key, each in plan.jobs.items()}}})


def read(path=FILE):
    """The kept predictions by key; none if there is no such file, or none that can be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))["jobs"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _entry(each):
    job, work = each.job, each.work
    return {
        "stage": job.stage,
        "run": job.run,
        "why": job.why,
        "tokens": work.tokens and round(work.tokens),
        "seconds": each.seconds and round(each.seconds, 1),
        "gpus": job.gpu,
        "peak_memory_bytes": work.peak and round(work.peak),
        "disk_bytes": round(work.disk),
        "measured": each.measured,
    }
