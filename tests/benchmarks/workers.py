"""Processes in other environments that work for a benchmark: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")


class Worker:
    """A process with one thread that lives until this one ends.

    Args:
        python: the Python of its environment.
        script: reads what it is given and says ``ready``; then it answers each question.
        log: file for what it says on standard error.
        given: its first line.
    """

    def __init__(self, python: Path, script: Path, log: Path, given: dict[str, Any]) -> None:
        self.log = log
        with open(log, "w") as errors:
            self.process = subprocess.Popen(
                [python, script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **ONE_THREAD},
            )
        self.ready = self._line(given).strip() == "ready"

    def ask(self, question: dict[str, Any]) -> Any:
        """The answer to a question; raises AssertionError where the process ended instead."""
        answer = self._line(question)
        assert answer, f"a worker ended: {self.last_words()}"
        return json.loads(answer)

    def last_words(self) -> str:
        """The end of its log."""
        return (self.log.read_text().strip().splitlines() or ["it said nothing"])[-1][:120]

    def _line(self, question: dict[str, Any]) -> str:
        assert self.process.stdin and self.process.stdout
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return ""
        return self.process.stdout.readline()
