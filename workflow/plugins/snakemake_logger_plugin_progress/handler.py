"""The log handler: it decides which of Snakemake's messages are shown, and in which form."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from .progress import RunProgress

PLAN = Path("results/plan.json")
ROUTINE = (
    "Using profile ",
    "Using workflow specific profile ",
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Using shell: ",
    "Select jobs to execute",
    "Execute ",
    "Complete log(s): ",
    "RuleException:\nCalledProcessError in ",
)
"""Messages that tell the user nothing, or nothing new, begin so. A failed program has printed its own message."""
HIDDEN = {
    LogEvent.WORKFLOW_STARTED,
    LogEvent.JOB_STARTED,
    LogEvent.RESOURCES_INFO,
    LogEvent.SHELLCMD,
    LogEvent.PROGRESS,
}


class LogHandler(LogHandlerBase):
    """Writes progress to the terminal (stderr, or stdout if Snakemake is told so)."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Prepare what Snakemake itself would show."""
        settings = self.common_settings
        self.stream = sys.stdout if settings.stdout else sys.stderr
        self.complete = settings.dryrun or settings.verbose or settings.printshellcmds or settings.debug_dag
        quiet, failed_logs = settings.quiet, settings.show_failed_logs
        self.setFormatter(DefaultFormatter(quiet, failed_logs))
        self.addFilter(
            DefaultFilter(quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds)
            if self.complete
            else (lambda record: True)
        )
        self.progress = RunProgress()

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message. What cannot be written, because the terminal is closed, is dropped."""
        try:
            line = self.format(record) if self.complete else self.line(record)
            if line and line != "None":
                print(line, file=self.stream, flush=True)
        except OSError:
            self.stream = open(os.devnull, "w")  # noqa: SIM115 - an overnight run continues without its terminal
        except Exception:
            self.handleError(record)  # an exception here would end the thread that writes all messages

    def line(self, record: logging.LogRecord) -> str | None:
        """The text to show of one message; None for nothing."""
        event, now = getattr(record, "event", None), time.monotonic()
        if event == LogEvent.RUN_INFO:
            return self.progress.begin(record.__dict__["stats"], planned_seconds(PLAN), now)
        if event == LogEvent.JOB_INFO:
            values = [str(value) for value in dict(record.__dict__["wildcards"] or {}).values()]
            self.progress.start(record.__dict__["jobid"], record.__dict__["rule_name"], values, now)
            return None
        if event == LogEvent.JOB_FINISHED:
            return self.progress.finish(record.__dict__["job_id"], now)
        if event == LogEvent.JOB_ERROR:
            logs = record.__dict__.get("log") or ()
            return self.progress.fail(record.__dict__["jobid"], logs, ended_silently(map(Path, logs)))
        hidden = event in HIDDEN or record.getMessage().startswith(ROUTINE)
        return None if hidden else self.format(record)


def ended_silently(logs: Iterable[Path]) -> bool:
    """Whether the last program that wrote one of a failed job's logs ended without a last word, as SIGKILL does.

    Programs begin with a header, and say why they end; where they do not, nothing is known.
    """
    for log in logs:
        with contextlib.suppress(OSError):
            _, header, said = log.read_text(encoding="utf-8", errors="replace").rpartition("\n# {")
            if header and not re.search(r"^Traceback|: (error: |ended by SIG|interrupted$)", said, re.MULTILINE):
                return True
    return False


def planned_seconds(path: Path) -> dict[str, float]:
    """Mean seconds of a job of each stage, from the predictions that ``--executor plan`` has kept.

    Args:
        path: ``results/plan.json``; a missing or damaged file gives no predictions.
    """
    from feyntune.planning.calibrate import read  # the Snakefile puts the library on the path after plugins are loaded

    seconds: dict[str, list[float]] = {}
    try:
        for key, entries in read(path).items():
            seconds.setdefault(key.split("/")[0], []).append(float(entries[-1]["seconds"] or 0))
    except (ValueError, KeyError, TypeError, IndexError):
        return {}
    return {stage: sum(values) / len(values) for stage, values in seconds.items()}
