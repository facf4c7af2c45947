"""What was measured, for people: every run as CSV, a summary as Markdown and CSV, and a figure."""

import csv
import dataclasses
from dataclasses import dataclass

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case, exponent, median_seconds, ratios
from benchmarks.limits import Limits

COLUMNS = ["what", "asked", "reached", "spread", "in processor time", "ours", "reference", "other ways", "exponent",
           "share of limit", "memory, MB (reference)", "equality"]  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A benchmark's measurements; case, agreement and memory are those of the largest size."""

    benchmark: Benchmark
    sizes: tuple[int, ...]
    timings: list
    agreement: str
    memory: dict[str, float]
    case: Case
    limits: Limits

    @property
    def largest(self):
        """The size that counts."""
        return self.sizes[-1]

    def row(self):
        """The cells of the summary, in the order of ``COLUMNS``."""
        growth = exponent(self.timings, OURS)
        return [
            f"{self.benchmark.title} ({self.largest:,})",
            self._asked(),
            *self._reached(),
            self._speed(OURS),
            self._speed(REFERENCE) if REFERENCE in self.case.ways else "",
            ", ".join(f"{way}: {self._speed(way)}" for way in self.case.ways if way not in (OURS, REFERENCE)),
            "" if growth is None else f"{growth:.2f}",
            self._share(),
            self._memory(),
            self.agreement,
        ]

    def _asked(self):
        asked = []
        if self.benchmark.least_ratio:
            asked.append(f"{self.benchmark.least_ratio:.2g} times as fast")
        if self.largest in self.benchmark.most_seconds:
            asked.append(" / ".join(f"{seconds} s" for seconds in self.benchmark.most_seconds.values()))
        if self.benchmark.most_memory:
            asked.append(f"{self.benchmark.most_memory(self.largest):,.0f} MB")
        return ", ".join(asked)

    def _reached(self):
        """Ratio, its spread, and the ratio in processor time; without a reference, seconds at each size."""
        if REFERENCE not in self.case.ways:
            (_, ours), *others = [(way, " / ".join(self._seconds(way))) for way in self.case.ways]
            return ours, ", ".join(f"{way}: {times}" for way, times in others), ""
        pairs, processor = (ratios(self.timings, self.largest, kind) for kind in ("seconds", "processor_seconds"))
        return f"{_median(pairs):.2f}", f"{pairs[0]:.2f} to {pairs[-1]:.2f}", f"{_median(processor):.2f}"

    def _seconds(self, way):
        return [f"{median_seconds(self.timings, size, way):.1f} s" for size in self.sizes]

    def _speed(self, way):
        speed = self.case.amount_of(way) / median_seconds(self.timings, self.largest, way)
        return f"{speed:,.0f} {self.benchmark.unit}/s" if speed >= 10 else f"{1 / speed:,.1f} s each"

    def _share(self):
        least = self.limits.seconds(self.case)
        return "" if least is None else f"{least / median_seconds(self.timings, self.largest, OURS):.0%}"

    def _memory(self):
        if OURS not in self.memory:
            return ""
        reference = f" ({self.memory[REFERENCE]:,.0f})" if REFERENCE in self.memory else ""
        return f"{self.memory[OURS]:,.0f}{reference}"

    def summary(self):
        """The row in words."""
        return "; ".join(f"{name}: {cell}" for name, cell in zip(COLUMNS, self.row(), strict=True) if cell)


def _median(values):
    import statistics

    return statistics.median(values)


def write_all(results, folder):
    """Write ``measurements.csv``, ``summary.csv``, ``summary.md`` and ``benchmarks.{png,svg}`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    timings = [dataclasses.astuple(timing) for result in results for timing in result.timings]
    names = [field.name for field in dataclasses.fields(type(results[0].timings[0]))]
    _write_csv(folder / "measurements.csv", names, timings)
    rows = [result.row() for result in results]
    _write_csv(folder / "summary.csv", COLUMNS, rows)
    (folder / "summary.md").write_text(_markdown(results[0].limits, rows))
    _draw(results, folder)


def _write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _markdown(limits, rows):
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    machine = (
        f"{limits.name}: {limits.flops / 1e9:,.0f} GFLOP/s in a matrix product, {limits.bandwidth / 1e9:,.0f} GB/s."
    )
    return "\n".join([machine, "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def _draw(results, folder):
    """Times as fast, with the spread and what was asked; and how seconds grow with size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 4.5), layout="constrained")
    compared = [result for result in results if REFERENCE in result.case.ways]
    for place, result in enumerate(compared):
        pairs = ratios(result.timings, result.largest)
        left.barh(place, _median(pairs), color="#0072B2")
        left.plot([pairs[0], pairs[-1]], [place, place], color="black")
        if result.benchmark.least_ratio:
            left.plot([result.benchmark.least_ratio] * 2, [place - 0.4, place + 0.4], color="#D55E00", linewidth=3)
    left.set_yticks(range(len(compared)), [result.benchmark.name for result in compared])
    left.invert_yaxis()
    left.set_xlabel("times as fast as the reference's way (orange: asked for)")
    for result in results:
        if len(result.sizes) > 1:
            seconds = [median_seconds(result.timings, size, OURS) for size in result.sizes]
            right.loglog(result.sizes, seconds, marker="o", label=result.benchmark.name)
    right.set_xlabel("size")
    right.set_ylabel("seconds, this project's way")
    if right.lines:
        right.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))  # beside the lines, not on them
    for ending in ("png", "svg"):
        figure.savefig(folder / f"benchmarks.{ending}")
    pyplot.close(figure)
