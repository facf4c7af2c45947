"""Files of models as they were recorded: a damaged one of a model or an adapter is noticed when it is loaded.

Such files have no checksums of their own, and one changed digit of a configuration gives other results. The records
are ``run.json`` of a trained adapter, ``weights.json`` of a dequantised or merged model, and ``fetched.json`` of what
was fetched from the hub, whose hashes are the hub's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.core.hashing import content_digest, git_digest

TRAINED, DEQUANTISED, FETCHED = "run.json", "weights.json", "fetched.json"
REMEDIES = {
    TRAINED: "copy it again from where it is whole, or train it again",
    DEQUANTISED: "delete its folder and run again",
    FETCHED: "delete the file that it links to, and run `snakemake fetch`",
    None: "copy it again from its source, or train the adapter again",
}
"""What to do about a damaged file, by the name of its record; None: the base model of an adapter."""
THREADS = 4
"""Files that are read at a time."""
PATTERN = "*.safetensors"


def check_recorded(folder: Path) -> None:
    """Compare the files in a folder with the record there; without one, nothing is known of them.

    It reads every byte, about 1.5 GB/s on a processor core; of files over 50 MB once a week, unless their
    size or times change.

    Raises:
        FeynTuneError: a file has other content than the record says, or the record is damaged.
    """
    for name in REMEDIES:
        if name and (folder / name).is_file():
            check_digests(folder, _recorded(folder / name), name)


def check_sent(files: Mapping[str, Path]) -> None:
    """The same for files from several folders, by their paths in the repository that they are sent to."""
    for name in REMEDIES:
        if name and name in files:
            _compare(files, _known(_recorded(files[name], name)), name)


def _recorded(record: Path, name: str | None = None) -> Mapping[str, str]:
    """The digests in a record, whose kind is that of the file ``name``."""
    content = read_json(record)
    key = {TRAINED: "weights", FETCHED: "files"}.get(name or record.name)
    digests = _texts(content.get(key) if key else content, record)
    # Where code was added to a model of the hub, its configuration names other code than the hub's.
    return _of_weights(digests) if content.get("code") else digests


def has_record(folder: Path) -> bool:
    """Whether ``check_recorded`` knows the files in a folder."""
    return any(name and (folder / name).is_file() for name in REMEDIES)


def check_digests(folder: Path, digests: Mapping[str, str], record: str) -> None:
    """Compare files with their digests: SHA-256, or git's hashes of small files of the hub; others do not count.

    Args:
        folder: where the files are.
        digests: hashes by the paths of the files in the folder.
        record: name of the file that records them, for the message.

    Raises:
        FeynTuneError: a file has other content.
    """
    _compare(_below(folder, digests), _known(digests), record)


def _known(digests: Mapping[str, str]) -> dict[str, str]:
    return {name: each for name, each in digests.items() if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", each)}


def _below(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    return {name: folder / name for name in names}


def _of_weights(digests: Mapping[str, str]) -> Mapping[str, str]:
    return {name: each for name, each in digests.items() if name.endswith(PATTERN[1:])}


def check_base(folder: Path, adapter: Path) -> None:
    """Compare the weights of a base model with those on which an adapter was trained, if the adapter's record has them.

    Files of another name or size are another copy of the model, such as one in files of another size. Dequantised
    weights are others than those of the training's files, and have a record of their own.

    Raises:
        FeynTuneError: a file of the same size has other content.
    """
    if (folder / DEQUANTISED).is_file():
        return
    record = read_json(adapter / TRAINED) if (adapter / TRAINED).is_file() else {}
    base = _texts(record.get("base_weights"), adapter / TRAINED)
    same = {name: digest for name, digest in base.items() if _size(folder / name) == int(digest.partition(" ")[2] or 0)}
    _compare(_below(folder, same), {name: digest.partition(" ")[0] for name, digest in same.items()}, None)


def weights_record(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of weights in a folder, by its name."""
    return _digests({path.name: path for path in sorted(folder.glob(PATTERN))})


def files_record(folder: Path) -> dict[str, str]:
    """The same of configurations and tokenizer, too, which decide results: for ``run.json`` and ``weights.json``."""
    return weights_record(folder) | _digests({path.name: path for path in sorted(folder.glob("*.json"))})


def base_record(folder: Path) -> dict[str, str]:
    """The same with the size in bytes behind each digest, for ``check_base``."""
    return {name: f"{digest} {_size(folder / name)}" for name, digest in weights_record(folder).items()}


def _texts(value: Any, record: Path) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise FeynTuneError(f"{record}: its digests of weights are not valid; {REMEDIES.get(record.name)}")
    return value


def _compare(paths: Mapping[str, Path], expected: Mapping[str, str], record: str | None) -> None:
    """Compare those files, by name, that are there; ``record`` is None for the base model of an adapter."""
    present = {name: paths[name] for name in expected if name in paths and paths[name].is_file()}
    of_git = {name: git_digest(path) for name, path in present.items() if len(expected[name]) == 40}
    others = _digests({name: path for name, path in present.items() if name not in of_git})
    for name, found in {**of_git, **others}.items():
        if found != expected[name]:
            where = record or "the adapter's run.json"
            kind = "git's hash" if name in of_git else "SHA-256"
            digests = f"{kind} {found[:8]}…, {where} says {expected[name][:8]}…"
            raise FeynTuneError(f"{paths[name]}: damaged: {digests}; {REMEDIES[record]}")


def _digests(paths: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of files, by name; several are read at a time, because hashing releases Python's lock."""
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        return dict(zip(paths, pool.map(content_digest, paths.values()), strict=True))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
