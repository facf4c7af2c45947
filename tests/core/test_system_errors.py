"""What the operating system refuses is one line: a full disk (here a limit on the size of files), folders, names."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import folder_written_whole, write_table, write_text, written_whole
from feyntune.core.system_errors import system_error, write_fault
from feyntune.core.tensors import write_tensors

SCRIPTS = Path(__file__).parents[2] / "scripts"

LIMIT = 40_000
"""Bytes that a file may have in these tests."""


@contextlib.contextmanager
def limited():
    """Within the block no file can become longer, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_parquet(folder):
    write_table(folder / "x.parquet", pyarrow.table({"a": np.random.default_rng(0).random(10**5)}))


def write_safetensors(folder):
    from safetensors.torch import save_file

    with folder_written_whole(folder / "x") as aside:
        save_file({"a": torch.zeros(10**5)}, aside / "model.safetensors")


def write_figure(folder):
    from matplotlib.figure import Figure

    from feyntune.report.figures.style import save

    figure = Figure(figsize=(9, 9))
    figure.subplots().imshow(np.random.default_rng(0).random((500, 500)))
    save(figure, folder, "x")


WRITERS = {
    "text": lambda folder: write_text(folder / "x.txt", "x" * 10**6),
    "parquet": write_parquet,
    "torch": lambda folder: write_tensors(folder / "x.pt", {"a": torch.zeros(10**5)}),
    "safetensors": write_safetensors,
    "matplotlib": write_figure,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path, writer):
    with limited(), pytest.raises(FeynTuneError) as caught:
        WRITERS[writer](tmp_path)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path}/x") and "\n" not in line
    assert "cannot be written: the file is larger than the system allows here; raise that limit" in line
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_that_torch_writes_by_name_are_explained(tmp_path):
    with limited(), pytest.raises(RuntimeError) as caught:
        torch.save({"a": torch.zeros(10**5)}, tmp_path / "optimizer.pt")
    assert "the disk is full" in str(system_error(caught.value))


def run(folder, body, *options):
    """Run a program whose files cannot become longer than ``LIMIT``."""
    command = [sys.executable, write_program(folder, body), *options]
    return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(SCRIPTS)}, check=False)


def write_program(folder, body):
    """Write such a program; returns its file."""
    program = folder / "trial.py"
    program.write_text(
        "import resource\nfrom feyntune.core.cli import launch, say\n\n"
        f"def main(options):\n    resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))\n"
        f"{textwrap.indent(textwrap.dedent(body), '    ')}\n\n"
        "launch('Trial.', lambda parser: None, main)\n"
    )
    return program


def test_a_full_log_does_not_hide_the_error(tmp_path):
    body = "from feyntune.core.errors import FeynTuneError\nprint('x' * 39_000)\nsay('y' * 9_000)\n"
    done = run(tmp_path, body + "raise FeynTuneError('bad thing; do this')", "--log", tmp_path / "a.log")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["trial: error: bad thing; do this"]
    assert (tmp_path / "a.log").stat().st_size == LIMIT


def test_a_program_that_fills_its_log_ends_with_one_line(tmp_path):
    done = run(tmp_path, "print('x' * 50_000)", "--log", tmp_path / "a.log")
    assert done.returncode == 2
    assert (
        done.stderr
        == "trial: error: the file is larger than the system allows here; raise that limit (ulimit -f) and run again\n"
    )


def test_a_reader_that_has_seen_enough_ends_the_program_in_silence(tmp_path):
    run(tmp_path, "pass")
    body = (tmp_path / "trial.py").read_text().replace("pass", "[print(number) for number in range(10**5)]")
    (tmp_path / "trial.py").write_text(body)
    command = f"{sys.executable} {tmp_path}/trial.py | head -1; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (141, "0\n", "")


def piped(folder, redirections, body):
    """Run a program in a shell with redirections of its streams; returns the finished process."""
    command = f"{sys.executable} {write_program(folder, body)} {redirections}"
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("redirections", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_neither_fail_nor_end_in_a_result(tmp_path, redirections):
    body = f"""
        import sys
        with open({str(tmp_path / "result")!r}, "w") as file:
            file.write("result")
            print("said", sys.stdout.encoding)
            say("said")
            print("said", file=sys.stderr)
    """
    done = piped(tmp_path, redirections, body)
    assert (done.returncode, done.stdout) == (0, "") and "Traceback" not in done.stderr
    assert (tmp_path / "result").read_text() == "result"


def test_an_error_that_the_output_cannot_take_is_on_the_other_stream(tmp_path):
    body = "from feyntune.core.errors import FeynTuneError\nraise FeynTuneError('bad thing; do this')"
    done = piped(tmp_path, "> /dev/full", body)
    assert (done.returncode, done.stderr) == (2, "trial: error: bad thing; do this\n")


# Root reads and writes everywhere: without its capabilities it is like any other user.
UNPRIVILEGED = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(UNPRIVILEGED) and not shutil.which("setpriv"), reason="needs setpriv to drop privileges")
@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("from feyntune.core.files import read_json\nread_json('secret/x.json')", "secret/x.json: not readable; "),
        (
            "from feyntune.core.files import read_table\nread_table('secret/x.parquet')",
            "secret/x.parquet: not readable; ",
        ),
        (
            "from feyntune.core.files import write_text\nwrite_text('closed/x', '')",
            "closed/x: cannot be written: no perm",
        ),
        (
            "from feyntune.core.files import write_text\nwrite_text('closed/new/x', '')",
            "closed/new/x: cannot be written: ",
        ),
        ("from feyntune.core.locks import locked\nwith locked(Path('closed/y')): pass", "closed/y: no permission; "),
    ],
)
def test_a_user_without_privileges_gets_one_line(tmp_path, body, line):
    for name, mode in (("secret/x.json", 0o000), ("secret/x.parquet", 0o000), ("closed/x", 0o444)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
        (tmp_path / name).chmod(mode)
    (tmp_path / "closed").chmod(0o555)
    write_program(tmp_path, f"from pathlib import Path\n{body}")
    done = subprocess.run(
        [*UNPRIVILEGED, sys.executable, "trial.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )  # fmt: skip
    (tmp_path / "closed").chmod(0o755)
    (said,) = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 2 and said.startswith("trial: error: ") and line in said
    assert (tmp_path / "closed/x").read_text() == "{}"


@pytest.mark.parametrize(
    ("log", "line"),
    [("out", "is a folder, not a file"), ("trial.py/a.log", "is a file, not a folder")],
    ids=["folder", "in a file"],
)
def test_a_log_that_cannot_be_written_is_one_line(tmp_path, log, line):
    (tmp_path / "out").mkdir()
    done = run(tmp_path, "pass", "--log", tmp_path / log)
    assert done.returncode == 2
    (said,) = (done.stdout + done.stderr).splitlines()
    assert line in said and "trial: error: " in said


TEXTS = {
    "safetensors": (RuntimeError("x"), "Error while serializing: I/O error: No space left on device (os error 28)"),
    "pyarrow": (OSError(), "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
    "torch": (RuntimeError(), "PytorchStreamWriter failed writing file data/0: file write failed"),
    "torch's destructor": (RuntimeError(), "[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
}


@pytest.mark.parametrize("library", TEXTS)
def test_texts_of_libraries_about_a_full_disk_are_known(library):
    kind, text = TEXTS[library]
    assert "the disk is full" in write_fault(type(kind)(text))


def test_safetensors_own_error_is_known():
    from safetensors import SafetensorError

    assert "the disk is full" in write_fault(SafetensorError("I/O error: No space left on device (os error 28)"))
    assert "quota" in write_fault(SafetensorError("I/O error: Disk quota exceeded (os error 122)"))
    assert write_fault(SafetensorError("Error while deserializing header: header too small")) is None


def test_the_cause_is_found_behind_another_error():
    try:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            raise AttributeError("'_idat' object has no attribute 'fileno'") from None
    except AttributeError as error:
        assert "the disk is full" in str(system_error(error))


def test_other_errors_are_not_explained():
    assert system_error(ValueError("No space left on device is what the abstract says")) is None
    assert system_error(ConnectionRefusedError(errno.ECONNREFUSED, "refused")) is None


@pytest.mark.parametrize(
    "write", [lambda path: write_text(path, "x"), lambda path: _folder(path)], ids=["file", "folder"]
)
def test_a_path_inside_a_file_is_one_line(tmp_path, write):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FeynTuneError, match="cannot be written") as caught:
        write(tmp_path / "file/x")
    assert "\n" not in str(caught.value) and (tmp_path / "file").read_text() == "mine"


def test_a_name_that_is_too_long_is_one_line(tmp_path):
    with pytest.raises(FeynTuneError, match="the name is too long; choose a shorter one"):
        write_text(tmp_path / ("x" * 300), "x")


def test_a_folder_in_the_place_of_a_file_is_kept(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(FeynTuneError, match="is a folder, not a file"):
        write_text(tmp_path / "x", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_errors_of_the_block_itself_pass(tmp_path):
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "x"):
        (tmp_path / "none/elsewhere").read_text()
    with pytest.raises(ValueError, match="mine"), folder_written_whole(tmp_path / "y"):
        raise ValueError("mine")
    assert list(tmp_path.iterdir()) == []


def _folder(path):
    with folder_written_whole(path) as aside:
        (aside / "x").write_text("x")
