"""The benchmarks themselves: their arithmetic, and that the two ways they compare do the same."""

import pytest
import torch

from benchmarks import completions, scores, semscore, similarity, training
from benchmarks.comparison import OURS, REFERENCE, Timing, alternate, exponent, median_seconds, ratios
from benchmarks.limits import Limits
from benchmarks.material import EOS
from benchmarks.tables import Result, write_all


def timings(way, size, *seconds):
    """Runs of a way that took so many seconds, for ten times as much work as the size says."""
    return [Timing("toy", size, way, number, 10 * size, taken, taken) for number, taken in enumerate(seconds)]


def test_ratios_are_of_pairs_of_runs():
    runs = timings(REFERENCE, 1, 6, 8, 9) + timings(OURS, 1, 2, 2, 3) + timings(OURS, 2, 100)
    assert ratios(runs, 1) == [3, 3, 4]
    assert median_seconds(runs, 1, OURS) == 2


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
