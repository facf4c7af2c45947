"""The SLURM job that this process runs in, if it runs in one."""

from __future__ import annotations

import os
import re
import time

from feyntune.core.programs import output_of


def seconds_left() -> float | None:
    """Seconds until SLURM ends this job; None outside of a job, without a limit, or if SLURM does not say.

    It is less than the job requested: two Snakemake processes start in the job before a program of ours does.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return None
    if "SLURM_JOB_END_TIME" in os.environ:  # from SLURM 23.02 on
        return max(0.0, int(os.environ["SLURM_JOB_END_TIME"]) - time.time())
    text = output_of(["squeue", "--noheader", f"--jobs={job}", "--format=%L"])
    return parse_duration((text or "").strip())


def parse_duration(text: str) -> float | None:
    """Seconds of a duration as SLURM writes it, ``[days-][hours:]minutes:seconds``; None for any other text."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
