"""The frame of programs: what the terminal shows, what the log contains, how errors end."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(tmp_path, body, *options):
    program = tmp_path / "trial.py"
    program.write_text(
        "from feyntune.core.errors import FeynTuneError, StoppedInTime\n"
        "from feyntune.core.cli import about, launch, say\n\n"
        f"def main(options):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n\n"
        "launch('Trial.', lambda parser: None, main)\n"
    )
    return subprocess.run(
        [sys.executable, program, *options],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SCRIPTS)},
        check=False,
    )


def test_the_terminal_shows_the_main_lines_and_the_log_everything(tmp_path):
    done = run(tmp_path, "about('run-1'); say('half done'); print('detail')", "--log", tmp_path / "logs/a.log")
    assert (done.returncode, done.stderr, done.stdout) == (0, "trial run-1: half done\n", "")
    log = (tmp_path / "logs/a.log").read_text()
    assert "detail" in log and "half done" in log and "trial.py --log" in log


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("raise FeynTuneError('bad thing; do this')", 2, "trial: error: bad thing; do this"),
        ("raise StoppedInTime('saved; again')", 75, "trial: error: saved; again"),
        ("raise KeyError('x')", 1, "trial: error: KeyError: 'x' (unexpected: the traceback is in the log)"),
        ("raise KeyboardInterrupt", 130, "trial: interrupted"),
    ],
)
def test_errors_are_one_line_and_leave_the_traceback_in_the_log(tmp_path, body, code, line):
    log = tmp_path / "a.log"
    done = run(tmp_path, body, "--log", log)
    assert (done.returncode, done.stderr) == (code, line + "\n")
    assert ("Traceback" in log.read_text()) == (code != 130)


def test_without_a_log_an_expected_error_is_one_line_and_nothing_else(tmp_path):
    done = run(tmp_path, "raise FeynTuneError('bad thing; do this')")
    assert done.stdout + done.stderr == "trial: error: bad thing; do this\n"


def test_sigterm_runs_the_cleanup_and_ends_with_its_own_code(tmp_path):
    body = f"""
    import os
    try:
        os.kill(os.getpid(), {signal.SIGTERM:d})
    finally:
        say('cleaned')
    """
    done = run(tmp_path, body)
    assert done.returncode == 128 + signal.SIGTERM
    assert "cleaned" in done.stdout
