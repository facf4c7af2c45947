"""Measure this project's way and the reference's side by side on this machine, and write tables and a figure.

    make bench                                  # everything: about an hour on two cores
    make bench ARGS="--only scores similarity"  # some of it

Each benchmark first asserts that both ways give the same, at each size; then they take turns. The figures are medians;
``measurements.csv`` has every run.
"""

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

MODULES = (
    "training",
    "evaluation",
    "scores",
    "completions",
    "engines",
    "semscore",
    "similarity",
    "datasets",
    "planning",
    "pipeline",
)


def main(modules=MODULES, description=__doc__, output=Path("results/benchmarks")):
    """Measure.

    Args:
        modules: those of the benchmarks that can be chosen.
        description: help of the command.
        output: folder of the tables, unless the command names one.
    """
    benchmarks = {each.name: each for name in modules for each in _module(name).BENCHMARKS}
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=benchmarks, default=list(benchmarks), metavar="NAME")
    parser.add_argument("--repetitions", type=int, help="instead of each benchmark's own number")
    parser.add_argument("--sizes", type=int, nargs="+", help="instead of each benchmark's own sizes")
    parser.add_argument("--output", type=Path, default=output)
    parser.add_argument("--memory-of", nargs=4, metavar=("NAME", "SIZE", "WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        from benchmarks.comparison import run_for_memory

        name, size, way, folder = options.memory_of
        run_for_memory(benchmarks[name], int(size), way, Path(folder))
        return
    from benchmarks.tables import write_all

    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            results.append(_measured(benchmarks[name], options, Path(folder)))
            write_all(results, options.output)  # each time: who interrupts has what was measured until then


def _module(name):
    return importlib.import_module(f"benchmarks.{name}")


def _measured(benchmark, options, folder):
    from benchmarks.comparison import alternate, peak_memory
    from benchmarks.limits import measure_limits
    from benchmarks.tables import Result

    timings, sizes = [], tuple(options.sizes or benchmark.sizes)
    for size in sizes:
        place = folder / f"{benchmark.name}-{size}"
        place.mkdir()
        repetitions = options.repetitions or benchmark.repetitions
        case, agreement, new = alternate(benchmark, size, place, repetitions)
        timings += new
        print(f"{benchmark.title}, {size:,}: {agreement}", file=sys.stderr, flush=True)
    measured = case.ways if benchmark.with_memory else []
    memory = {way: peak_memory(benchmark, size, way, place) for way in measured}
    result = Result(benchmark, sizes, timings, agreement, memory, case, measure_limits())
    print(result.summary(), file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    main()
