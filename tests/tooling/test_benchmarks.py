"""The benchmarks themselves: their arithmetic, and that the two ways they compare do the same."""

import os
import runpy
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks import completions, engines, peers, scores, semscore, similarity, training
from benchmarks.comparison import (
    OURS,
    REFERENCE,
    Benchmark,
    Case,
    Timing,
    alternate,
    exponent,
    median_seconds,
    ratios,
    timed,
)
from benchmarks.limits import Limits
from benchmarks.material import EOS
from benchmarks.peers import perplexity
from benchmarks.tables import Result, write_all
from benchmarks.workers import Worker
from feyntune.evaluation.generation import vllm_environment


def timings(way, size, *seconds):
    """Runs of a way that took so many seconds, for ten times as much work as the size says."""
    return [Timing("toy", size, way, number, 10 * size, taken, taken) for number, taken in enumerate(seconds)]


def test_ratios_are_of_pairs_of_runs():
    runs = timings(REFERENCE, 1, 6, 8, 9) + timings(OURS, 1, 2, 2, 3) + timings(OURS, 2, 100)
    assert ratios(runs, 1) == [3, 3, 4]
    assert median_seconds(runs, 1, OURS) == 2


def test_ways_may_do_different_amounts_of_work(tmp_path):
    case = Case(4, {OURS: lambda: [1] * 4, "other": lambda: [1] * 6})
    benchmark = Benchmark(
        "toy", "toy", "numbers", (1,), lambda *_: case, str, lambda found: {"other": len(found["other"])}
    )
    measured, _, runs = alternate(benchmark, 1, tmp_path, repetitions=1)
    assert {run.way: run.amount for run in runs} == {OURS: 4, "other": 6}
    assert measured.amount_of("other") == 6 and measured.amount_of(OURS) == 4


def test_processor_time_of_a_process_that_lives_on_counts():
    """The process of the test itself, so that its time counts twice."""
    before = time.process_time()
    _, seconds = timed(lambda: sum(range(4_000_000)), (os.getpid(),))
    spent = time.process_time() - before
    assert seconds == pytest.approx(2 * spent, abs=0.05)


def test_without_vllm_the_engines_are_compared_in_one_line_less(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(vllm_environment, "PYTHON", tmp_path / "none")
    assert engines.start_vllm(4, tmp_path) is None
    assert capsys.readouterr().err == "engines: without vLLM, which `make vllm` installs\n"


def test_exponent_of_a_square_law():
    runs = [run for size in (1, 2, 4) for run in timings(OURS, size, 3 * size**2, 3 * size**2)]
    assert exponent(runs, OURS) == pytest.approx(2)
    assert exponent(timings(OURS, 1, 5), OURS) is None


@pytest.mark.parametrize(
    ("benchmark", "size"), [(scores.BENCHMARKS[0], 3), (similarity.BENCHMARKS[0], 40), (semscore.BENCHMARKS[0], 1)]
)
def test_both_ways_agree_and_are_reported(benchmark, size, tmp_path):
    (tmp_path / "size").mkdir()
    case, agreement, runs = alternate(benchmark, size, tmp_path / "size", repetitions=1)
    assert {run.way for run in runs} == {REFERENCE, OURS}
    result = Result(benchmark, (size,), runs, agreement, {OURS: 5.0}, case, Limits("toy", 1e9, 1e9))
    write_all([result], tmp_path / "out")
    assert benchmark.title in (tmp_path / "out" / "summary.md").read_text()
    assert len((tmp_path / "out" / "measurements.csv").read_text().splitlines()) == 3
    assert (tmp_path / "out" / "benchmarks.png").stat().st_size > 1000


def test_a_way_that_gives_something_else_is_refused():
    with pytest.raises(AssertionError):
        training.check({REFERENCE: ([1.0, 2.0], 3.0), OURS: ([1.0, 2.1], 3.0)})
    with pytest.raises(AssertionError):
        scores.check({REFERENCE: ([1.0], scores.np.ones((1, 2))), OURS: ([1.001], scores.np.ones((1, 2)))})


def test_texts_of_each_class_stop_at_its_rate():
    model = completions.stopping_model().causal
    words = 2 + torch.arange(completions.CLASSES, device=model.device)
    with torch.inference_mode():
        law = model(words[:, None]).logits[:, -1].softmax(-1)
    assert (1 / law[:, EOS]).tolist() == pytest.approx(completions.MEANS.tolist(), rel=0.05)
    stays = torch.stack([row[word :: completions.CLASSES].sum() for word, row in zip(words, law, strict=True)])
    assert (stays + law[:, EOS]).tolist() == pytest.approx([1] * completions.CLASSES, abs=1e-4)


def test_another_programs_other_results_are_refused():
    assert perplexity.check({REFERENCE: [-100.0, -50.0], OURS: [-100.0, -50.0001]})
    with pytest.raises(AssertionError, match=r"differ by 2\.0e-05"):
        perplexity.check({REFERENCE: [-100.0, -50.0], OURS: [-100.0, -50.001]})


ANSWERS = """
import json, sys
print("ready" if json.loads(sys.stdin.readline())["start"] else "no", flush=True)
for line in sys.stdin:
    number = json.loads(line)["number"]
    if number < 0:
        sys.exit("a negative number")
    print(number**2, flush=True)
"""


def test_a_worker_answers_until_it_ends(tmp_path):
    (tmp_path / "worker.py").write_text(ANSWERS)
    python = Path(sys.executable)
    assert not Worker(python, tmp_path / "worker.py", tmp_path / "log", {"start": False}).ready
    worker = Worker(python, tmp_path / "worker.py", tmp_path / "log", {"start": True})
    assert worker.ready and worker.ask({"number": 7}) == 49
    with pytest.raises(AssertionError, match="a worker ended: a negative number"):
        worker.ask({"number": -1})


def test_without_the_other_programs_the_error_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers, "PYTHON", tmp_path / "none")
    with pytest.raises(SystemExit, match=r"^bench-peers: \.venv-peers is missing; `make bench-peers` installs it$"):
        runpy.run_module("benchmarks.peers", run_name="__main__")
