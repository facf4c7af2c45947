"""Checkpoints of a training in progress: one process at a time, whole or passed over, of this very run or discarded."""

import shutil
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import flush_to_disk, read_json, write_json
from feyntune.core.hashing import digest

NOTE = "belongs_to.json"
MANIFEST = "complete.json"


def claim(folder, note):
    """Keep the checkpoints in ``folder`` if they belong to ``note``, else discard them all and leave the note.

    Args:
        folder: a checkpoint folder that this process holds.
        note: what a training consists of: its ``run``, and settings, data, code; JSON-able.

    Returns:
        Whether checkpoints of an earlier version of the run were discarded.

    Raises:
        FeynTuneError: the checkpoints are of another run.
    """
    path, found = Path(folder) / NOTE, checkpoints(folder)
    earlier = _note_at(path)
    if found and earlier.get("run", note["run"]) != note["run"]:
        raise FeynTuneError(
            f"{folder}: has checkpoints of run {earlier['run']}; give {note['run']} a folder of its own"
        )
    if earlier == note:
        return False
    for checkpoint in found:
        shutil.rmtree(checkpoint)
    write_json(path, note)
    return bool(found)


def _note_at(path):
    """The note in a folder; an empty one if there is none, or only rubbish."""
    try:
        return read_json(path)
    except FeynTuneError:
        return {}


def checkpoints(folder):
    """Checkpoints in a folder, newest first, complete or not."""
    return sorted(Path(folder).glob("checkpoint-*"), key=step_of, reverse=True)


def step_of(checkpoint):
    """The step after which a checkpoint was made; 0 for None."""
    return int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0


def seal(checkpoint):
    """Flush a checkpoint to disk and write the manifest that makes it complete: size and digest of each file."""
    files = sorted(path for path in Path(checkpoint).iterdir() if path.name != MANIFEST)
    for path in files:
        flush_to_disk(path)
    write_json(Path(checkpoint) / MANIFEST, {path.name: digest(path) for path in files})


def is_complete(checkpoint):
    """Whether a checkpoint has a manifest, and all that the manifest names, to the byte."""
    try:
        manifest = read_json(Path(checkpoint) / MANIFEST)
        return all(digest(Path(checkpoint) / name) == expected for name, expected in manifest.items())
    except (FeynTuneError, OSError):
        return False


def newest_complete(folder):
    """The newest complete checkpoint, or None; newer ones that are torn are removed."""
    for checkpoint in checkpoints(folder):
        if is_complete(checkpoint):
            return checkpoint
        print(f"{checkpoint}: torn, passed over", flush=True)
        shutil.rmtree(checkpoint)
    return None


def keep_newest(folder, count):
    """Remove all but the ``count`` newest checkpoints."""
    for checkpoint in checkpoints(folder)[count:]:
        shutil.rmtree(checkpoint)
