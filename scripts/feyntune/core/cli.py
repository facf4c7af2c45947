"""The frame of every program under ``scripts/``: arguments, log, progress, and how errors end.

With ``--log FILE`` both streams of the process, libraries' chatter and tracebacks included, go to the file, and the
terminal sees only what ``say`` says. Without it, everything goes to the terminal.
"""

import argparse
import contextlib
import datetime
import json
import os
import shlex
import signal
import sys
import time
import traceback
from pathlib import Path

from feyntune.core.errors import FeynTuneError
from feyntune.core.provenance import provenance

_terminal = None  # the stream that people watch while a log takes everything else


def launch(description, arguments, main):
    """Parse the command line, run ``main(options)``, and exit: 0, a FeynTuneError's own code, or 1 with a traceback.

    ``arguments(parser)`` declares the program's options.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--log", type=Path, help="write both streams here; the terminal sees only the main lines")
    options = parser.parse_args()
    if options.log:
        _redirect_streams(options.log)
        _print_header()
    signal.signal(signal.SIGTERM, _terminate)
    # Shells start what runs in the background with SIGINT ignored, and their children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(_guarded(main, options))


def read_settings(section, text):
    """Parse a stage's settings: JSON, or the path of a file that holds it.

    Args:
        section: a subclass of ``settings.base.Section``.
        text: what stood behind ``--settings``.

    Raises:
        FeynTuneError: no such file, or settings that are none of this stage's.
    """
    from pydantic import ValidationError

    try:
        return section.model_validate_json(text if text.lstrip().startswith("{") else Path(text).read_text())
    except FileNotFoundError:
        raise FeynTuneError(f"--settings: {text!r} is neither JSON nor a file; see scripts/show.py") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise FeynTuneError(f"--settings: {place}: {fault['msg'].lower()}; see scripts/show.py") from None


def _terminate(*_):
    raise SystemExit(128 + signal.SIGTERM)


def _guarded(main, options):
    try:
        main(options)
        return 0
    except FeynTuneError as error:
        if options.log:
            traceback.print_exc(file=sys.stdout)
        say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 128 + signal.SIGINT
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        fault = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"error: {fault} (not a foreseen one: the traceback is in the log)")
        return 1


def _redirect_streams(log):
    global _terminal
    log.parent.mkdir(parents=True, exist_ok=True)
    _terminal = os.fdopen(os.dup(2), "w", buffering=1)
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)


@contextlib.contextmanager
def terminal_for_children():
    """While the block runs, processes that are started inherit the terminal; each then opens the log by itself."""
    if _terminal is None:
        yield
        return
    log = os.dup(2)
    os.dup2(_terminal.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(log, 2)
        os.close(log)


def quiet():
    """Let this process say nothing: it is one of several that work together, and another one speaks."""
    global _speaks
    _speaks = False


def _print_header():
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    print(f"# {now} process {os.getpid()}")
    print(f"# {shlex.join(sys.argv)}")
    print(f"# {json.dumps(provenance())}", flush=True)


def say(line):
    """Print one line for people, to the terminal and to the log, with the program's name and subject in front."""
    if not _speaks:
        return
    line = f"{Path(sys.argv[0]).stem}{_subject}: {line}"
    print(line, flush=True)
    if _terminal:
        with contextlib.suppress(OSError):  # a closed terminal must not end an overnight job
            print(line, file=_terminal, flush=True)


_subject = ""
_speaks = True


def about(subject):
    """Name what this process works on (a run, a dataset): it stands in front of each line of ``say``."""
    global _subject
    _subject = f" {subject}"


class Progress:
    """Tell people how far a long piece of work is: a bar on a terminal, else a line every ``seconds``.

    Use as a context manager; call ``advance(count)``. ``total`` is in ``unit``; None if unknown.
    """

    def __init__(self, what, total=None, unit="", seconds=10):
        self.what, self.total, self.unit, self.seconds = what, total, unit, seconds
        self.done, self.start, self.last, self.bar = 0, time.monotonic(), time.monotonic(), None

    def __enter__(self):
        if sys.stderr.isatty() and not _terminal:
            from tqdm import tqdm

            self.bar = tqdm(desc=self.what, total=self.total, unit=f" {self.unit}")
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.close()

    def advance(self, count=1, note=""):
        """Count ``count`` more; ``note`` (a loss, say) is shown behind."""
        self.done += count
        if self.bar:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(count)
        elif time.monotonic() - self.last >= self.seconds:
            self.last = time.monotonic()
            say(self._line(note))

    def _line(self, note):
        elapsed = time.monotonic() - self.start
        if not self.total:
            return f"{self.what}: {self.done:,} {self.unit} in {elapsed:.0f} s {note}".rstrip()
        left = elapsed * (self.total - self.done) / max(self.done, 1)
        return f"{self.what}: {self.done:,} of {self.total:,} {self.unit}, {left:.0f} s left {note}".rstrip()
