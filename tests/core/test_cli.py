"""The frame of programs: what the terminal shows, what the log contains, how errors end."""

import argparse
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from feyntune.core.cli import json_list

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(tmp_path, body, *options, **environment):
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
        env={"PYTHONPATH": str(SCRIPTS), **environment},
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
        ("raise MemoryError", 2, "trial: error: out of memory; raise mem_mb of this stage in resources"),
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_runs_the_cleanup_and_ends_with_its_own_code(tmp_path, number):
    body = f"""
    import os
    try:
        os.kill(os.getpid(), {number:d})
    finally:
        say('cleaned')
    """
    done = run(tmp_path, body)
    assert done.returncode == 128 + number
    assert f"trial: cleaned\ntrial: ended by {number.name}; run again to continue\n" in done.stdout


TOKEN = "hf_0123456789abcdef"
LEAKS = {
    "a message": f"say('the token is {TOKEN}')",
    "an error": f"raise FeynTuneError('refused: {TOKEN}')",
    "a traceback": f"token = '{TOKEN}'; raise ValueError(f'bad header {{token}}')",
    "a library's print": f"print('Authorization: Bearer {TOKEN}')",
    "a library's log": f"import logging; logging.getLogger('http').warning('sent %r', '{TOKEN}\\r')",
    "a library's warning": f"import warnings; warnings.warn('token {TOKEN}')",
    "an error stream": f"import sys; sys.stderr.write('{TOKEN}\\n')",
}


@pytest.mark.parametrize("place", LEAKS)
@pytest.mark.parametrize("value", [TOKEN, TOKEN + "\r", f" {TOKEN}\n"], ids=["plain", "cr", "blanks"])
@pytest.mark.parametrize("log", [False, True], ids=["terminal", "log"])
def test_a_secret_of_the_environment_reaches_neither_terminal_nor_log(tmp_path, place, value, log):
    options = ["--log", tmp_path / "a.log"] if log else []
    done = run(tmp_path, LEAKS[place], *options, HF_TOKEN=value)
    written = done.stdout + done.stderr + ((tmp_path / "a.log").read_text() if log else "")
    assert TOKEN not in written and "<secret>" in written


def test_a_secret_that_was_read_from_a_file_is_hidden_too(tmp_path):
    (tmp_path / ".env").write_text(f"WANDB_API_KEY={TOKEN}\n")
    (tmp_path / ".env").chmod(0o600)
    body = f"import os; os.chdir({str(tmp_path)!r})\nfrom feyntune.core.secrets import WANDB, read_secret\n"
    done = run(tmp_path, body + "say(f'read {read_secret(WANDB)}')")
    assert done.stdout.endswith("read <secret>\n"), done.stdout + done.stderr


def test_ordinary_variables_are_not_secrets(tmp_path):
    body = "say('false'); say('/a/path/to/tokens'); say('a-long-value')"
    done = run(tmp_path, body, TOKENIZERS_PARALLELISM="false", HF_TOKEN_PATH="/a/path/to/tokens", OTHER="a-long-value")
    assert "<secret>" not in done.stdout


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    done = run(tmp_path, "say('\\x1b[2Jclear\\x07 ü'); raise FeynTuneError('\\x1b]0;title\\x07')")
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout and "clear" in done.stdout and "ü" in done.stdout


@pytest.mark.parametrize("text", ["", "{}", "3", "[1", "null", "[" * 9000])
def test_an_option_that_must_be_a_json_list_is_refused_otherwise(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a JSON list") as caught:
        json_list(text)
    assert len(str(caught.value)) <= 200
    assert json_list('["a", 1]') == ["a", 1]
