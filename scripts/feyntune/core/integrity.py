"""Weights as they were recorded: a damaged file of a model or an adapter is noticed when it is loaded.

Files of weights have no checksums of their own. The records are ``run.json`` of a trained adapter, ``weights.json`` of
a dequantised or merged model, and ``fetched.json`` of what was fetched from the hub, whose hashes are the hub's own.
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
from feyntune.core.hashing import content_digest

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
    """Compare the weights in a folder with the record there; without one, nothing is known of them.

    It reads every byte, about 1.5 GB/s on a processor core; of files over 50 MB once a week, unless their
    size or times change.

    Raises:
        FeynTuneError: a file has other content than the record says, or the record is damaged.
    """
    for name in REMEDIES:
        if name and (folder / name).is_file():
            content = read_json(folder / name)
            key = {TRAINED: "weights", FETCHED: "files"}.get(name)
            check_digests(folder, _texts(content.get(key) if key else content, folder / name), name)


def check_digests(folder: Path, digests: Mapping[str, str], record: str) -> None:
    """Compare files of weights with their digests; other files, and hashes that are no SHA-256, do not count.

    Args:
        folder: where the files are.
        digests: hashes by the paths of the files in the folder.
        record: name of the file that records them, for the message.

    Raises:
        FeynTuneError: a file has other content.
    """
    weights = {name: each for name, each in digests.items() if name.endswith(PATTERN[1:])}
    _compare(folder, {name: each for name, each in weights.items() if re.fullmatch("[0-9a-f]{64}", each)}, record)


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
    _compare(folder, {name: digest.partition(" ")[0] for name, digest in same.items()}, None)


def weights_record(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of weights in a folder, by its name, for ``run.json`` and ``weights.json``."""
    return _digests(folder, (path.name for path in sorted(folder.glob(PATTERN))))


def base_record(folder: Path) -> dict[str, str]:
    """The same with the size in bytes behind each digest, for ``check_base``."""
    return {name: f"{digest} {_size(folder / name)}" for name, digest in weights_record(folder).items()}


def _texts(value: Any, record: Path) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise FeynTuneError(f"{record}: its digests of weights are not valid; {REMEDIES.get(record.name)}")
    return value


def _compare(folder: Path, expected: Mapping[str, str], record: str | None) -> None:
    present = [name for name in expected if (folder / name).is_file()]
    for name, found in _digests(folder, present).items():
        if found != expected[name]:
            where = record or "the adapter's run.json"
            digests = f"SHA-256 {found[:8]}…, {where} says {expected[name][:8]}…"
            raise FeynTuneError(f"{folder / name}: damaged: {digests}; {REMEDIES[record]}")


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files; several are read at a time, because hashing releases Python's lock."""
    listed = list(names)
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        return dict(zip(listed, pool.map(lambda name: content_digest(folder / name), listed), strict=True))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
