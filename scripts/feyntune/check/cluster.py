"""Checks of SLURM: account, partition, GPU type and limits, by its own programs."""

from __future__ import annotations

import os
import re
import shutil

from feyntune.check.findings import Finding
from feyntune.config.schema.check import CheckStage, SlurmRequest
from feyntune.core.programs import output_of
from feyntune.core.slurm import parse_duration


def cluster_findings(stage: CheckStage) -> list[Finding]:
    """All checks of the cluster; one skipped finding where jobs run on this machine."""
    if stage.slurm is None:
        return [Finding("SLURM", "skip", "jobs run on this machine")]
    if not shutil.which("sinfo"):
        return [Finding("SLURM", "fail", "no sinfo on the path", "run on a login node of the cluster")]
    if output_of(["scontrol", "ping"]) is None:
        return [Finding("SLURM", "fail", "the controller does not answer", "wait, and try `scontrol ping`")]
    return [account_finding(stage.slurm), *partition_findings(stage, stage.slurm)]


def account_finding(request: SlurmRequest) -> Finding:
    """Whether the account is set, and is one of the user's."""
    account = os.path.expandvars(request.account or "")
    if not request.account:
        return Finding("account", "skip", "the profile names none")
    if not account or account.startswith("$"):
        remedy = f"export {request.account.strip('${}')}=YOUR_ACCOUNT"
        return Finding("account", "fail", f"{request.account} is not set", remedy)
    asked = ["show", "associations", f"user={_user()}", "format=account"]
    text = output_of(["sacctmgr", "--noheader", "--parsable2", *asked])
    known = sorted(set((text or "").split()))
    if not known:
        return Finding("account", "skip", f"{account}; sacctmgr names no accounts to compare with")
    if account not in known:
        return Finding("account", "fail", f"{account} is not yours", f"use one of {', '.join(known)}")
    return Finding("account", "pass", account)


def _user() -> str:
    import getpass

    return getpass.getuser()


def partition_findings(stage: CheckStage, request: SlurmRequest) -> list[Finding]:
    """Whether the partition exists, has the GPUs, and allows the largest job."""
    wanted = [f"--partition={request.partition}"] if request.partition else []
    text = output_of(["sinfo", "--noheader", *wanted, "--format=%R|%G|%l|%m"]) or ""
    rows = [line.strip().split("|") for line in text.splitlines() if line.count("|") == 3]
    if not rows:
        known = sorted(set((output_of(["sinfo", "--noheader", "--format=%R"]) or "").split()))
        remedy = f"set slurm_partition in the profile to one of {', '.join(known)}"
        return [Finding("partition", "fail", f"no partition {request.partition}", remedy)]
    name = request.partition or rows[0][0]
    return [_gpus(rows, stage, request), _limit(rows, stage), _memory(rows, stage), Finding("partition", "pass", name)]


def _gpus(rows: list[list[str]], stage: CheckStage, request: SlurmRequest) -> Finding:
    """Whether a node of the partition has as many GPUs of the wanted model as one job asks for."""
    if not stage.gpu:
        return Finding("GPU type", "skip", "no job asks for a GPU")
    found = [(model or "any", int(count)) for row in rows for model, count in _gres(row[1])]
    fitting = [count for model, count in found if request.gpu_model in (None, model)]
    offered = ", ".join(sorted({f"{model}:{count}" for model, count in found})) or "none"
    if max(fitting, default=0) < stage.gpu:
        wanted = f"{request.gpu_model or 'any model'}:{stage.gpu}"
        return Finding("GPU type", "fail", f"wanted {wanted}, offered {offered}", "correct gpu_model in the profile")
    return Finding("GPU type", "pass", f"{request.gpu_model or 'any model'} of {offered}")


def _gres(text: str) -> list[tuple[str, str]]:
    """Model (may be empty) and number of each kind of GPU in a node's ``gres``: ``gpu:a100:3(S:0-1)``."""
    return re.findall(r"gpu(?::([A-Za-z][^:,(]*))?:(\d+)", text)


def _limit(rows: list[list[str]], stage: CheckStage) -> Finding:
    """Whether the partition's time limit allows the longest job."""
    limits = [parse_duration(row[2]) for row in rows]
    known = [limit / 60 for limit in limits if limit is not None]
    if len(known) == len(limits) and stage.runtime > max(known):
        remedy = "lower resources.*.runtime; trainings continue in the next job"
        return Finding("time limit", "fail", f"{stage.runtime} min asked, {max(known):.0f} min allowed", remedy)
    return Finding("time limit", "pass", f"{stage.runtime} min asked, {rows[0][2]} allowed")


def _memory(rows: list[list[str]], stage: CheckStage) -> Finding:
    """Whether a node has the memory of the largest job."""
    most = max(int(re.sub(r"\D", "", row[3]) or 0) for row in rows)
    if stage.mem_mb > most:
        remedy = "lower resources.*.mem_mb"
        return Finding("memory", "fail", f"{stage.mem_mb} MB asked, {most} MB on the largest node", remedy)
    return Finding("memory", "pass", f"{stage.mem_mb} MB asked, {most} MB on the largest node")
