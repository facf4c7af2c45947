"""Model code that another repository of the hub holds: fetched, pinned, and put beside the weights.

An entry of ``auto_map`` in a model's configuration may name a second repository: ``organisation/name--module.Class``.
transformers would look for it on the hub, which compute nodes cannot reach. So its Python files are copied into the
model's folder, and the entry becomes ``module.Class``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json, write_json

PINS = "code.json"
"""File in a model's folder: the model's commit, and the commit of each further repository."""


def add_code(folder: Path, commit: str, fetch_code: Callable[[str, str], Path]) -> dict[str, str]:
    """Bring the code of further repositories into a model's folder.

    The first fetch of a commit takes the newest code and pins it; later fetches of the same commit take the same code.

    Args:
        folder: the model's folder, with its own files.
        commit: the model's commit.
        fetch_code: fetches the Python files of a repository at a revision; returns the folder of a snapshot, whose
            name is a commit.

    Returns:
        The commit of each further repository by its name.

    Raises:
        FeynTuneError: a repository cannot be fetched, or has no code, or other code than a file of the same name.
    """
    pins = _pins(folder, commit)
    commits = {}
    for repository in sorted(set(_repositories(folder))):
        cached = fetch_code(repository, pins.get(repository, "main"))
        _copy_code(cached, folder, repository)
        commits[repository] = cached.name
        say(f"code of {repository} at commit {cached.name}")
    for path, content in _configurations(folder):
        write_json(path, {**content, "auto_map": {name: _local(entry) for name, entry in content["auto_map"].items()}})
    if commits:
        write_json(folder / PINS, {"commit": commit, "code": commits})
    return commits


def _pins(folder: Path, commit: str) -> dict[str, str]:
    """Commits of further repositories by name, as an earlier fetch of the same commit took them."""
    kept = read_json(folder / PINS) if (folder / PINS).is_file() else {}
    return kept["code"] if kept.get("commit") == commit else {}


def _configurations(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The JSON files that name a further repository, with their content."""
    for path in sorted(folder.glob("*config.json")):
        content = read_json(path)
        if "--" in str(content.get("auto_map") or ""):
            yield path, content


def _repositories(folder: Path) -> Iterator[str]:
    for _, content in _configurations(folder):
        for entry in content["auto_map"].values():
            names = entry if isinstance(entry, list) else [entry]  # of a slow and a fast tokenizer
            yield from (name.split("--")[0] for name in names if name and "--" in name)


def _local(entry: str | list[str | None] | None) -> str | list[str | None] | None:
    if isinstance(entry, list):
        return [name and name.split("--")[-1] for name in entry]
    return entry and entry.split("--")[-1]


def _copy_code(cached: Path, folder: Path, repository: str) -> None:
    files = sorted(path for path in cached.rglob("*.py") if path.is_file())
    if not files:
        raise FeynTuneError(
            f"{repository}: no Python files, but {folder / 'config.json'} names it for code; choose another model"
        )
    for path in files:
        target = folder / path.relative_to(cached)
        if target.exists() and target.read_bytes() != path.read_bytes() and target.is_symlink():
            raise FeynTuneError(f"{target}: {repository} has other code under the same name; choose another model")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(path, target)
