"""Damage to files, as full disks, lost blocks and failed downloads leave it, and what programs promise then."""

import pytest

from feyntune.core.errors import FeynTuneError

DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "end missing": lambda content: content[:-30],
    "zeros": lambda content: bytes(len(content)),
    "zeros in front": lambda content: bytes(len(content) // 2) + content[len(content) // 2 :],
    "text": lambda content: b"<html>404: \x1b[31mnot found</html>\n" * 9,
}
"""The content of a damaged file, given that of the whole one."""


def damage(path, how):
    """Damage a file in one of the ways of ``DAMAGES``."""
    content = DAMAGES[how](path.read_bytes())
    path.unlink()  # it may be a link
    path.write_bytes(content)


def files_in(folder):
    """The content of each file under a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} if folder.exists() else {}


def refusal(call, folder, name, output=None):
    """What ``call`` says when it refuses a file or folder: one line that names it and leaves everything as it was.

    Args:
        call: reads the damaged file; must raise a FeynTuneError.
        folder: the inputs, which must not change; its path does not count in the length of the line.
        name: what the line must name.
        output: where the result would be; nothing may be written there.
    """
    inputs, outputs = files_in(folder), files_in(output) if output else {}
    with pytest.raises(FeynTuneError) as caught:
        call()
    line = str(caught.value)
    assert name in line, line
    assert line.isprintable(), line
    assert len(line.replace(str(folder), "")) <= 200, line
    assert files_in(folder) == inputs
    assert output is None or files_in(output) == outputs
    return line
