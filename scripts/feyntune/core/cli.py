"""The frame of every program under ``scripts/``: arguments, log, progress, and how errors end the program.

With ``--log FILE`` both output streams of the process, including the output of libraries and tracebacks, go to the
file, and the terminal shows only the lines that ``say`` prints. Without it, everything goes to the terminal. Known
secrets are removed from all of it.
"""

from __future__ import annotations

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar, cast

from feyntune.core.errors import FeynTuneError, printable, shorten
from feyntune.core.provenance import provenance
from feyntune.core.redaction import RedactedStream, hide_environment, redacted
from feyntune.core.system_errors import system_error, writing

if TYPE_CHECKING:
    from pydantic import BaseModel
    from tqdm import tqdm

    Settings = TypeVar("Settings", bound=BaseModel)

_terminal: TextIO | None = None  # the terminal, when a log takes the output streams
_subject = ""
_speaks = True


def launch(
    description: str | None,
    arguments: Callable[[argparse.ArgumentParser], None],
    main: Callable[[argparse.Namespace], None],
) -> None:
    """Parse the command line, run ``main(options)``, and exit: 0, a FeynTuneError's own code, or 1 with a traceback.

    ``arguments(parser)`` declares the program's options; ``description`` is the text of ``--help``.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--log", type=Path, help="write all output here; the terminal shows only the main lines")
    _open_streams()
    options = parser.parse_args()
    hide_environment()
    sys.stdout, sys.stderr = RedactedStream(sys.stdout), RedactedStream(sys.stderr)
    signal.signal(signal.SIGTERM, _terminate)
    # Shells start background processes with SIGINT ignored, and child processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = _exit_code(main, options)
    _end_streams()
    sys.exit(code)


def _open_streams() -> None:
    """Open the standard streams that are closed (``>&-``): else the next file, such as a result, would take them."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


def read_settings(section: type[Settings], text: str) -> Settings:
    """Parse a stage's settings: JSON, or the path of a file that contains JSON.

    Args:
        section: a subclass of ``config.schema.base.Section``.
        text: the value of ``--settings``.

    Raises:
        FeynTuneError: there is no such file, or the settings are not valid for this stage.
    """
    from pydantic import ValidationError

    from feyntune.core.schema import first_fault

    try:
        return section.model_validate_json(text if text.lstrip().startswith("{") else Path(text).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise FeynTuneError(
            f"--settings: {shorten(text)} is neither JSON nor a file of it; see scripts/show.py"
        ) from None
    except ValidationError as error:
        place, fault = first_fault(error)
        raise FeynTuneError(f"--settings: {place[:80]}: {fault}; see scripts/show.py") from None


def json_list(text: str) -> list[Any]:
    """The value of an option that is a JSON list, for ``type=`` of argparse."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, list):
        raise argparse.ArgumentTypeError(f"{shorten(text)} is not a JSON list")
    return content


def named_file(text: str) -> tuple[str, Path]:
    """An option's value of the form ``NAME=FILE``, as a name and a path."""
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=FILE")
    return name, Path(path)


def _terminate(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _exit_code(main: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    try:
        if options.log:
            with writing(options.log):
                _redirect_streams(options.log)
                _print_header()
        main(options)
        return 0
    except KeyboardInterrupt:
        say("interrupted")
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever reads the output, such as `head`, has seen enough
        return 128 + signal.SIGPIPE
    except Exception as error:
        known = error if isinstance(error, FeynTuneError) else system_error(error)
        if _terminal or not known:
            with contextlib.suppress(OSError):  # the log may be what cannot be written
                traceback.print_exc(file=sys.stdout)
        if known:
            for line in str(known).splitlines():
                say(f"error: {line}")
            return known.exit_code
        fault = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"error: {fault} (unexpected: the traceback is in the log)")
        return 1


def _end_streams() -> None:
    """Write what is left in the output streams, or drop it: else Python would end with an exit code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _redirect_streams(log: Path) -> None:
    global _terminal
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab", buffering=0) as file:
        _terminal = os.fdopen(os.dup(2), "w", buffering=1)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    cast("RedactedStream", sys.stdout).reconfigure(line_buffering=True)


@contextlib.contextmanager
def terminal_for_children() -> Iterator[None]:
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


def has_log() -> bool:
    """Whether the output streams go to a log, and the terminal shows the lines of ``say`` only."""
    return _terminal is not None


def quiet() -> None:
    """Make ``say`` of this process print nothing: it is one of several processes of a job, and another one prints."""
    global _speaks
    _speaks = False


def _print_header() -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    print(f"# {now} process {os.getpid()}")
    print(f"# {shlex.join(sys.argv)}")
    print(f"# {json.dumps(provenance())}", flush=True)


def say(line: str) -> None:
    """Print one line to the terminal and to the log, preceded by the program's name and its subject."""
    if not _speaks:
        return
    line = redacted(printable(f"{Path(sys.argv[0]).stem}{_subject}: {line}"))
    shown = [_print(line, stream) for stream in (_terminal, sys.stdout) if stream]
    if not any(shown):
        _print(line, sys.stderr)


def _print(line: str, stream: TextIO) -> bool:
    """Print a line; neither a closed terminal nor a full log must end an overnight job."""
    try:
        print(line, file=stream, flush=True)
    except OSError:
        return False
    return True


def about(subject: str) -> None:
    """Name what this process works on (a run, a dataset): every line of ``say`` begins with it."""
    global _subject
    _subject = f" {subject}"


class Progress:
    """Show the progress of a long computation: a bar on a terminal, else one line every ``seconds``.

    Use as a context manager; call ``advance(count)``. ``total`` is in ``unit``; None if unknown.
    """

    def __init__(self, what: str, total: int | None = None, unit: str = "", seconds: float = 10) -> None:
        self.what, self.total, self.unit, self.seconds = what, total, unit, seconds
        self.done, self.start, self.last = 0, time.monotonic(), time.monotonic()
        self.bar: tqdm | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not _terminal:
            from tqdm import tqdm

            self.bar = tqdm(desc=self.what, total=self.total, unit=f" {self.unit}")
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.close()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count ``count`` more; ``note`` (such as a loss) is shown at the end of the line."""
        self.done += count
        if self.bar:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(count)
        elif time.monotonic() - self.last >= self.seconds:
            self.last = time.monotonic()
            say(self._line(note))

    def _line(self, note: str) -> str:
        elapsed = time.monotonic() - self.start
        if not self.total:
            return f"{self.what}: {self.done:,} {self.unit} in {elapsed:.0f} s {note}".rstrip()
        left = elapsed * (self.total - self.done) / max(self.done, 1)
        return f"{self.what}: {self.done:,} of {self.total:,} {self.unit}, {left:.0f} s left {note}".rstrip()
