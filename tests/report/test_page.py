import pandas as pd
import pytest

from feyntune.core.nested import flattened
from feyntune.report.findings import findings
from feyntune.report.page.records import common_and_differing, text, title
from feyntune.report.page.side_by_side import sampled_abstracts
from feyntune.report.results import Quantity, Results
from support import made_results


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return made_results.read_made(folder)


def test_records_are_split_into_what_is_shared_and_what_is_not():
    records = {
        "one": {"settings": {"run": "one", "lora": {"r": 8, "bias": "none"}, "betas": [0.9, 0.95]}, "empty": {}},
        "two": {"settings": {"run": "two", "lora": {"r": 16, "bias": "none"}, "betas": [0.9, 0.95]}, "empty": {}},
    }
    common, differing = common_and_differing({run: flattened(record) for run, record in records.items()})
    assert common == {"settings.lora.bias": "none", "settings.betas": [0.9, 0.95], "empty": {}}
    assert differing == {"settings.lora.r": {"one": 8, "two": 16}}


def test_a_key_that_only_some_have_is_a_difference():
    assert common_and_differing({"one": {"a": 1}, "two": {}}) == ({}, {"a": {"one": 1, "two": None}})


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("settings.target_modules", ["k_proj", "q_proj"], ("Adapted layers", "k_proj, q_proj")),
        ("settings.training.schedule.warmup_ratio", 0.1, ("Training: schedule: warmup ratio", "0.1")),
        ("measured.evaluation_fraction", 0.0882, ("Time in evaluation", "8.8%")),
        ("measured.seconds", 5412.0, ("Time (min)", "90.2")),
        ("measured.peak_memory_mb", 36500, ("Peak memory (GB)", "36.5")),
        (
            "revision",
            "e467256f0f854be7aeeaa557fc0d9a4f29afeb18-dirty",
            ("Revision of the code", "e467256f0f with changes"),
        ),
        ("train_tokens", 141529, ("Training tokens", "141,529")),
        ("settings.training.max_steps", None, ("Training: max steps", "–")),
        ("settings.lora.use_dora", False, ("Lora: use dora", "false")),
    ],
)
def test_records_are_shown_in_words(key, value, shown):
    assert (title(key), text(key, value)) == shown


def test_abstracts_stand_by_every_run_in_order(folder, results):
    completions = made_results.pooled(folder, "completions")
    abstracts = sampled_abstracts(completions, results, count=4, seed=1)
    assert len({abstract.id for abstract in abstracts}) == 4
    assert [abstract.id for abstract in abstracts] == sorted(abstract.id for abstract in abstracts)
    for abstract in abstracts:
        assert [run.run for run in abstract.runs] == [run["run"] for run in made_results.RUNS]
        assert (abstract.prompt, abstract.truth) == (made_results.PROMPT, made_results.TRUTH)
    assert abstracts == sampled_abstracts(completions, results, count=4, seed=1)
    assert abstracts != sampled_abstracts(completions, results, count=4, seed=2)
    assert len(sampled_abstracts(completions, results, count=1000, seed=1)) == 30
    assert sampled_abstracts(completions, results, count=0, seed=1) == []


def sentences(better, differences, decidable=True):
    """The sentences on a quantity of a base run, ``all`` and ``qkv``, for pairs of a difference and its p-value."""
    runs = [("s", name, "m", "d", name) for name in ("base", "all", "qkv")]
    frame = pd.DataFrame(runs, columns=["set", "run", "model", "dataset", "layers"])
    means = pd.DataFrame(
        {"set": "s", "run": ["base", "all", "qkv"], "quantity": "perplexity", "mean": [10.0, 8.0, 9.0]}
    )
    means = means.assign(low=means["mean"] - 1, high=means["mean"] + 1)
    pairs = pd.DataFrame({"set": "s", "run": ["all", "qkv", "all"], "against": ["base", "base", "qkv"]})
    pairs = pairs.assign(quantity="perplexity", difference=differences[0], p_holm=differences[1], decidable=decidable)
    results = Results(frame, [Quantity("perplexity", "Perplexity", better, headline=True)], {"s": None}, {})
    return findings(results, means, pairs)[0].sentences


def test_findings_count_who_is_better():
    assert sentences("lower", ([-2.0, -1.0, -1.0], [0.001, 0.2, 0.04])) == [
        "Training on d lowers it from 10 [9, 11] (base) to 8 [7, 9] (all), the lowest mean.",
        "Compared with the base model, 1 of 2 runs is better, 1 not significantly different.",
        "With adapters on the layers all instead of qkv, the run is better.",
    ]


def test_findings_say_so_when_the_base_model_is_best():
    assert sentences("higher", ([-2.0, -1.0, 1.0], [0.001, 0.001, 0.9])) == [
        "base has the highest mean, 10 [9, 11].",
        "Compared with the base model, both runs are worse.",
        "With adapters on the layers all instead of qkv, the run is not significantly different.",
    ]


def test_findings_do_not_call_undecided_what_no_test_could_decide():
    assert sentences("lower", ([-2.0, -1.0, -1.0], [0.06, 0.2, 0.04]), decidable=[False, True, True]) == [
        "all has the lowest mean, 8 [7, 9], not significantly better than base, 10 [9, 11].",
        "Compared with the base model, 1 of 2 runs is not significantly different,"
        " 1 with too few abstracts for a test.",
        "With adapters on the layers all instead of qkv, the run is better.",
    ]
