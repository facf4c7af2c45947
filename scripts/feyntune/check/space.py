"""Checks of the space for results and for what is fetched: the file systems, and the user's quotas on them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from feyntune.check.findings import Finding
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.core.programs import output_of

LOW = 20e9
"""Free bytes below which a warning is given where no plan says how much is needed."""
TOO_LOW = 1e9
"""Free bytes without which nothing works, whatever the plan says."""
TOO_FEW_FILES = 5_000
"""Files that a quota must still allow: results, logs and Snakemake's records of some hundred jobs."""
FETCHING = ("fetch_model/", "fetch_adapter/", "fetch_dataset/", "fetch_import/")
"""Jobs that write into the hub's cache, by the beginnings of their keys."""
MOVE = "free some space, or move the results (--directory)"
MOVE_CACHE = "free some space, or export HF_HOME=FOLDER on a larger file system before fetch, and always"
MOUNTS = Path("/proc/self/mounts")
KILOBYTE = 1024


def space_findings(results: Path, cache: Path) -> Iterator[Finding]:
    """Free space and quotas where results go, and where the hub's files go if the plan fetches any.

    Args:
        results: folder of the results, with the last plan if there was one.
        cache: the hub's cache.
    """
    results.mkdir(parents=True, exist_ok=True)
    made, fetched = planned_bytes(results)
    yield disk_finding("disk", results, made, MOVE)
    yield quota_finding("quota", results, made, MOVE)
    if fetched:
        yield disk_finding("disk of the hub's cache", _existing(cache), fetched, MOVE_CACHE)
        yield quota_finding("quota of the hub's cache", _existing(cache), fetched, MOVE_CACHE)


def planned_bytes(results: Path) -> tuple[float, float]:
    """Bytes that the jobs of the last plan will still write into results, and into the hub's cache; 0 without a plan.

    What is in the folder already is subtracted; of repositories with a receipt nothing is fetched again.
    """
    try:
        jobs = read_json(results / "plan.json")["jobs"]
        sizes = {name: float(predictions[-1]["disk_bytes"]) for name, predictions in jobs.items()}
    except (FeynTuneError, KeyError, TypeError, IndexError):
        return 0, 0
    fetched = {name: size for name, size in sizes.items() if name.startswith(FETCHING)}
    waiting = sum(size for name, size in fetched.items() if not _is_fetched(results, name))
    made = sum(sizes.values()) - sum(fetched.values())
    return max(0, made - present_bytes(results)) if made else 0, waiting


def _is_fetched(results: Path, job: str) -> bool:
    rule, _, name = job.partition("/")
    registry = {"fetch_adapter": "adapters", "fetch_dataset": "datasets", "fetch_import": "imports"}.get(rule, "")
    return is_fetched(results / registry / name)


def is_fetched(folder: Path) -> bool:
    """Whether a folder has the receipt of a repository of the hub."""
    return (folder / "fetched.json").is_file()


def present_bytes(results: Path) -> int:
    """Bytes of all results. Links do not count, nor the kept copies of results, which are links or older results."""
    folders = [path for path in results.iterdir() if path.name != "kept"]
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return sum(path.lstat().st_size for path in paths if not path.is_dir())


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())


def disk_finding(name: str, folder: Path, needed: float, remedy: str) -> Finding:
    """Free space on the file system of a folder, against what the plan still needs there (bytes; 0: unknown)."""
    return _judged(name, shutil.disk_usage(folder).free, needed, remedy)


def quota_finding(name: str, folder: Path, needed: float, remedy: str) -> Finding:
    """The least that the quotas of the user and of the group leave on the file system of a folder."""
    left = [quota for quota in quotas(folder) if quota.limit or quota.file_limit]
    if not left:
        return Finding(name, "skip", f"neither lfs nor quota tells one for {folder}")
    least = min(left, key=lambda quota: quota.free)
    fewest = min(left, key=lambda quota: quota.free_files)
    if fewest.free_files < TOO_FEW_FILES:
        detail = f"{fewest.files:,} of {fewest.file_limit:,} files"
        return Finding(name, "fail", detail, f"delete some files: {TOO_FEW_FILES:,} more will be made")
    if not least.limit:
        return Finding(name, "pass", f"{fewest.files:,} of {fewest.file_limit:,} files")
    found = _judged(name, least.free, needed, remedy)
    return Finding(name, found.state, f"{found.detail}, of {least.limit / 1e9:,.0f} GB", found.remedy)


def _judged(name: str, free: float, needed: float, remedy: str) -> Finding:
    detail = f"{free / 1e9:,.0f} GB free" + (f", {needed / 1e9:,.0f} GB planned" if needed else "")
    if free < max(needed, TOO_LOW):
        return Finding(name, "fail", detail, remedy)
    if not needed and free < LOW:
        return Finding(name, "warn", detail, "snakemake --executor plan says how much is needed")
    return Finding(name, "pass", detail)


@dataclass(frozen=True)
class Quota:
    """A user's or a group's quota on one file system; limits of 0 mean none."""

    used: int
    """Bytes."""
    limit: int
    """Bytes: the soft limit, or the hard one if there is no other."""
    files: int
    file_limit: int

    @property
    def free(self) -> float:
        """Bytes that are left."""
        return max(0, self.limit - self.used) if self.limit else float("inf")

    @property
    def free_files(self) -> float:
        """Files that are left."""
        return max(0, self.file_limit - self.files) if self.file_limit else float("inf")


def quotas(folder: Path) -> list[Quota]:
    """The quotas on the file system of a folder: of Lustre, or of the system."""
    found = []
    for kind, number in (("-u", os.getuid()), ("-g", os.getgid())):
        text = output_of(["lfs", "quota", "-q", kind, str(number), str(folder)])
        found += parse_lustre(text) if text else []
    # `quota` exits with 1 where a quota is exceeded, which is when its answer matters most.
    text = None if found else output_of(["quota", "-u", "-g", "-w", "-p"], statuses=(0, 1))
    return found or parse_quota(text or "", mounted_from(folder))


def parse_lustre(text: str) -> list[Quota]:
    """The answer of ``lfs quota -q``.

    It is the file system, kilobytes used, soft and hard limit, time of grace, and the same of files. A number that
    exceeds its limit has a star, one that is not exact is in brackets.
    """
    fields = text.split()
    return [_quota(fields[1:4], fields[5:8])] if len(fields) >= 8 else []


def parse_quota(text: str, source: str | None) -> list[Quota]:
    """The lines for a file system in the answer of ``quota -w -p``: as Lustre's, with times of grace as numbers.

    Args:
        text: what it prints.
        source: device or server of the file system, as the first column names it.
    """
    rows = [line.split() for line in text.splitlines()]
    return [_quota(row[1:4], row[5:8]) for row in rows if len(row) >= 8 and row[0] == source]


def _quota(space: Sequence[str], files: Sequence[str]) -> Quota:
    used, soft, hard = map(_number, space)
    count, soft_files, hard_files = map(_number, files)
    return Quota(used * KILOBYTE, (soft or hard) * KILOBYTE, count, soft_files or hard_files)


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text) or 0)


def mounted_from(folder: Path) -> str | None:
    """The device or server of a folder's file system, as the kernel names it; None where the kernel does not tell."""
    try:
        rows = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:
        return None
    place = folder.resolve()
    holding = [(len(row[1]), row[0]) for row in rows if place.is_relative_to(row[1])]
    return max(holding, default=(0, None))[1]
