"""Which stale jobs will restore a kept result instead of computing it.

It is decided by the same fingerprint as in the programs. Inputs that are not made yet, and large files whose digest
nobody has computed yet, leave it open: such a job is planned as computed.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from feyntune.core.hashing import content_hash, remembered_digest
from feyntune.core.kept import KeptResults, adapter_digests, fingerprint
from feyntune.planning.jobs import Job

TRAININGS = ("train", "train_full")
STAGES = (*TRAININGS, "complete", "perplexity")
"""Rules whose results are kept; a training comes before the evaluations of what it trained."""
TRAINING_INPUTS = ("train", "test", "control_prompts", "validation")
"""Inputs of a training besides its base model; the last one only where it chooses the best step by it."""


class _UnknownDigest(Exception):
    """The digest of an input is not known without reading a large file."""


def restored_jobs(jobs: Mapping[str, Job], results: Path = Path("results")) -> set[str]:
    """Keys of the stale jobs that will restore their results.

    Args:
        jobs: all jobs by key.
        results: the folder ``results``.
    """
    found: dict[str, KeptResults] = {}
    for stage in STAGES:
        for key, job in jobs.items():
            folder = results / "kept" / key
            if job.stage == stage and job.stale and folder.is_dir() and _inputs_known(job, jobs, found):
                kept = _kept(job, folder, found)
                if kept and _has_all(kept, job):
                    found[key] = kept
    return set(found)


def _inputs_known(job: Job, jobs: Mapping[str, Job], found: Mapping[str, KeptResults]) -> bool:
    """Whether all inputs of a job are there, or will be restored."""
    return not any(jobs[need].stale and need not in found for need in job.needs)


def _has_all(kept: KeptResults, job: Job) -> bool:
    """Whether all outputs of a job are kept: an archive of adapters, which is optional, may be missing."""
    names = kept.digests().keys()
    return bool(names) and names >= {Path(path).name for path in job.outputs}


def _kept(job: Job, folder: Path, found: Mapping[str, KeptResults]) -> KeptResults | None:
    """The kept results that the job will look for; None if its inputs cannot be compared.

    The folder of a fully trained model that will be restored is not there yet, or has the files of another training.
    """
    if f"train_full/{job.run}" in found and job.stage not in TRAININGS:
        return None
    settings = json.loads(job.params["settings"])
    if job.stage in TRAININGS:
        settings["base_names"] = json.loads(job.params["names"])
    try:
        base = content_hash(Path(job.params["base"]), digest_of=_digest)
        inputs = {"base": base, **dict(_input_digests(job, found))}
    except (_UnknownDigest, OSError):
        return None
    return KeptResults(folder, fingerprint(job.params["code"], settings, inputs))


def _input_digests(job: Job, found: Mapping[str, KeptResults]) -> Iterator[tuple[str, str | None]]:
    """Names and digests of a job's inputs besides the base model."""
    if job.stage in TRAININGS:
        yield from ((name, _digest(Path(job.inputs[name]))) for name in TRAINING_INPUTS if name in job.inputs)
        return
    training = found.get(f"train/{job.run}")
    if training:
        yield from ((name, each) for name, each in training.digests().items() if name.startswith("adapter_"))
    elif option := shlex.split(job.params["adapter"]):
        yield from adapter_digests(Path(option[-1])).items()
    yield "dataset", _digest(Path(job.inputs["dataset"]))


def _digest(path: Path) -> str:
    found = remembered_digest(path)
    if found is None:
        raise _UnknownDigest(path)
    return found
