"""What has been done of a run, and what is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

INTERVAL = 10.0
"""Seconds between two lines, unless a stage is done."""
KNOWN_FROM = 0.05
"""The fraction of the planned time from which the time that is left is shown: a few short jobs say little of it."""


@dataclass
class RunProgress:
    """Counts finished jobs by stage. All moments are in seconds of one monotonic clock."""

    planned: Mapping[str, float] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    running: dict[int, tuple[str, str, float]] = field(default_factory=dict)
    began: float = 0.0
    shown: float = 0.0

    def begin(self, jobs: Mapping[str, int], planned: Mapping[str, float], now: float) -> str | None:
        """Take the number of jobs of each stage; Snakemake's own ``all`` and ``total`` do not count.

        Args:
            jobs: numbers of jobs by stage.
            planned: predicted seconds of a job, by stage; without them no time left is shown.
            now: the moment.
        """
        if self.total:
            return None  # Snakemake repeats its statistics at the end of some runs
        self.planned = planned
        self.total = Counter({stage: number for stage, number in jobs.items() if stage not in ("all", "total")})
        self.began = self.shown = now
        number = self.total.total()
        return f"{number:,} job{'s' * (number != 1)} to run" if number else None

    def start(self, job: int, stage: str, values: Sequence[str], now: float) -> None:
        """Note that a job has started; a job that is tried again starts again."""
        self.running[job] = (stage, " ".join(values), now)

    def finish(self, job: int, now: float) -> str | None:
        """Count a finished job, and give the line to show; None if the last line is recent."""
        stage, name, since = self.running.pop(job, ("", "", now))
        if stage not in self.total:
            return None
        self.done[stage] += 1
        complete = self.done[stage] == self.total[stage]
        if not complete and now - self.shown < INTERVAL:
            return None
        self.shown = now
        return f"[{self._overall(now)}] {self._stage(stage, name, now - since)}"

    def fail(self, job: int, logs: Sequence[str], silently: bool = False) -> str:
        """The line on a failed job. Its own error message is on the terminal already, unless it ended silently."""
        stage, name, _ = self.running.pop(job, ("job", str(job), 0.0))
        why = ": no error in its log, as when the system kills a job for its memory" if silently else ""
        return f"failed: {' '.join([stage, name]).strip()}{why}" + (f"; its log: {', '.join(logs)}" if logs else "")

    def _overall(self, now: float) -> str:
        """All jobs: how many are done, and the time that is left where it can be known."""
        from feyntune.core.units import duration  # the Snakefile puts the library on the path after plugins are loaded

        text = f"{self.done.total():,} of {self.total.total():,} jobs"
        left = self.seconds_left(now)
        return text if left is None else f"{text}, about {duration(left)} left"

    def _stage(self, stage: str, name: str, seconds: float) -> str:
        from feyntune.core.units import duration

        number = self.total[stage]
        if number == 1:
            return f"{' '.join([stage, name]).strip()}: done in {duration(seconds)}"
        return f"{stage}: {self.done[stage]:,} of {number:,} done, last {name} in {duration(seconds)}"

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the end of the run, at the pace so far; None if it cannot be known yet, or if nothing is left.

        The planned seconds of the jobs that are left, times the ratio of the time that has passed to the planned
        seconds of the jobs that are done. So the ratio accounts for jobs that run side by side.
        """
        if any(stage not in self.planned for stage in self.total):
            return None
        done = sum(self.planned[stage] * number for stage, number in self.done.items())
        planned = sum(self.planned[stage] * number for stage, number in self.total.items())
        is_known = done and KNOWN_FROM <= done / planned < 1
        return (now - self.began) * (planned - done) / done if is_known else None
