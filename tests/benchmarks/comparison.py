"""What a benchmark is, and how its ways take turns."""

import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REFERENCE, OURS = "reference", "ours"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Case:
    """A benchmark at one size, ready to run."""

    amount: float
    """Units of work in one run."""
    ways: dict[str, Callable[[], Any]]
    """Each does the same work and returns its results."""
    flops: float | None = None
    """Floating point operations that the work needs, however it is done."""
    moved: float | None = None
    """Bytes that must come from memory."""
    processes: tuple[int, ...] = ()
    """Ids of processes that work for the ways and live on; their processor time counts."""
    amounts: dict[str, float] = field(default_factory=dict)
    """Units of work of the ways that do more or less than ``amount``."""

    def amount_of(self, way: str) -> float:
        """Units of work in one run of a way."""
        return self.amounts.get(way, self.amount)


@dataclass(frozen=True)
class Benchmark:
    """A figure that can be measured at several sizes."""

    name: str
    title: str
    unit: str
    """What ``Case.amount`` counts."""
    sizes: tuple[int, ...]
    prepare: Callable[[int, Path], Case]
    """Makes the case of a size, in a folder of its own."""
    check: Callable[[dict[str, Any]], str]
    """Says how nearly the results of the ways agree; raises AssertionError where they do not."""
    amounts: Callable[[dict[str, Any]], dict[str, float]] | None = None
    """``Case.amounts`` from the results of the ways."""
    repetitions: int = 3
    with_memory: bool = True
    """Whether the memory of each way is worth a run of its own."""
    least_ratio: float | None = None
    """Times as fast as the reference's way that is asked for."""
    most_seconds: dict[int, float] = field(default_factory=dict)
    """Seconds at a size that may not be exceeded."""
    most_memory: Callable[[int], float] | None = None
    """MB at a size that may not be exceeded by our way's process."""


@dataclass(frozen=True)
class Timing:
    """One run of one way."""

    benchmark: str
    size: int
    way: str
    repetition: int
    amount: float
    seconds: float
    processor_seconds: float


def alternate(benchmark, size, folder, repetitions):
    """Check that the ways agree, then time them in turns.

    Returns:
        The case, what the check said, and the timings.
    """
    case = benchmark.prepare(size, folder)
    results = {way: run() for way, run in case.ways.items()}
    agreement = benchmark.check(results)
    if benchmark.amounts:
        case = dataclasses.replace(case, amounts=benchmark.amounts(results))
    timings = []
    for repetition in range(repetitions):
        ways = list(case.ways.items())
        for way, run in ways if repetition % 2 == 0 else reversed(ways):
            seconds, processor = timed(run, case.processes)
            timings.append(Timing(benchmark.name, size, way, repetition, case.amount_of(way), seconds, processor))
    return case, agreement, timings


def timed(run, processes=()):
    """Seconds on the clock and of processors that a call takes, those of child processes included.

    Args:
        run: the call.
        processes: ids of processes that work for it and live on.
    """
    start, before = time.perf_counter(), _processor_seconds(processes)
    run()
    _finish()
    return time.perf_counter() - start, _processor_seconds(processes) - before


def _processor_seconds(processes):
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    fields = [Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in processes]
    return own + sum(int(user) + int(system) for user, system in (each[11:13] for each in fields)) / TICKS


def _finish():
    """Wait for a GPU, which works behind the program's back."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_memory(benchmark, size, way, folder):
    """MB that a process of its own needs at its peak to prepare a case and run one way; of the GPU, if there is one."""
    command = [sys.executable, "-m", "benchmarks", "--memory-of", benchmark.name, str(size), way, str(folder)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def run_for_memory(benchmark, size, way, folder):
    """What ``peak_memory`` has its process do; prints the MB."""
    case = benchmark.prepare(size, folder)
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()  # the peak of the case, not of its preparation
    case.ways[way]()
    if torch and torch.cuda.is_available():
        print(torch.cuda.max_memory_allocated() / 2**20)
    else:
        print(max(_own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024)


def _own_peak():
    """KiB that this process has held at most; the usage that the system gives begins with what its parent held."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def median_seconds(timings, size, way, kind="seconds"):
    """The median over the repetitions."""
    return statistics.median(getattr(each, kind) for each in timings if (each.size, each.way) == (size, way))


def ratios(timings, size, kind="seconds"):
    """Times as fast as the reference's way, one number for each pair of runs, sorted; empty without that way."""
    chosen = [each for each in timings if each.size == size]
    slow = {each.repetition: getattr(each, kind) for each in chosen if each.way == REFERENCE}
    fast = {each.repetition: getattr(each, kind) for each in chosen if each.way == OURS}
    return sorted(slow[number] / fast[number] for number in slow)


def exponent(timings, way):
    """The slope of ln(seconds) over ln(amount of work), by least squares; None for a single size."""
    import numpy

    amounts = {each.size: each.amount for each in timings if each.way == way}
    if len(amounts) < 2:
        return None
    seconds = [median_seconds(timings, size, way) for size in amounts]
    return float(numpy.polyfit(numpy.log(list(amounts.values())), numpy.log(seconds), 1)[0])
