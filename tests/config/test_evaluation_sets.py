"""Which training splits may contain abstracts of an evaluation set, by how the datasets are made."""

import pytest

from feyntune.config import evaluation_sets
from feyntune.config.load import parse_configuration
from feyntune.config.runs import resolve_runs
from feyntune.config.schema.perplexity import Perplexity
from feyntune.config.stages import perplexity_stage
from feyntune.core.errors import FeynTuneError

DATASETS = {
    "th": {"snapshot": "arxiv", "categories": ["hep-th"]},
    "gr": {"snapshot": "arxiv", "categories": ["gr-qc"]},
    "recent": {"snapshot": "arxiv", "categories": ["hep-th"], "since": "2026-01-01"},
    "both": {"mix": ["th", "gr"]},
}


def declared(trained=("th",), policy="exclude", runs=None, **sets):
    """A configuration in which models are trained on some datasets and evaluated on some sets; and its runs."""
    configuration = parse_configuration(
        {
            "snapshots": {"arxiv": "s.jsonl"},
            "datasets": DATASETS,
            "models": {"m": {"path": "m"}},
            "layer_sets": {"all": ["q_proj"]},
            "grid": {"models": ["m"], "datasets": list(trained), "layer_sets": ["all"]},
            "runs": runs or {},
            "evaluation_sets": {
                name: each if isinstance(each, dict) else {"dataset": each} for name, each in sets.items()
            },
            "leaks": {"policy": policy},
        }
    )
    return configuration, resolve_runs(configuration)


PUBLISHED = {"theirs": {"model": "m", "dataset": "gr", "adapter": {"path": "x"}}}


@pytest.mark.parametrize(
    ("trained", "evaluation_set", "expected"),
    [
        (["th"], {"dataset": "th"}, []),
        (["th"], {"dataset": "th", "split": "validation"}, []),
        (["th", "both"], {"dataset": "th"}, []),
        (["th"], {"dataset": "recent"}, ["th"]),
        (["th", "gr", "both"], {"dataset": "recent"}, ["gr", "th"]),
        (["th", "both"], {"dataset": "both"}, ["th"]),
        (["th", "gr"], {"dataset": "recent", "split": "all"}, ["gr", "th"]),
        (["both"], {"dataset": "recent", "split": "all"}, ["both"]),
        (["th"], {"dataset": "th", "split": "train"}, []),
        (["th"], {"dataset": "recent", "split": "train"}, []),
        ([], {"dataset": "recent"}, []),
    ],
)
def test_only_training_splits_that_may_contain_the_abstracts_are_compared(trained, evaluation_set, expected):
    configuration, runs = declared(trained, tested=evaluation_set)
    assert evaluation_sets.leak_sources(configuration, runs.values(), "tested") == expected


def test_under_hold_out_only_runs_that_are_not_trained_here_count():
    configuration, runs = declared(policy="hold_out", runs=PUBLISHED, tested="recent")
    assert evaluation_sets.leak_sources(configuration, runs.values(), "tested") == ["gr"]
    assert evaluation_sets.held_out_of_training(configuration, "th") == [("recent", "test")]


@pytest.mark.parametrize("policy", ["exclude", "refuse"])
def test_under_another_policy_nothing_is_held_out(policy):
    configuration, _ = declared(policy=policy, tested="recent")
    assert evaluation_sets.held_out_of_training(configuration, "th") == []


def test_whole_splits_are_held_out_and_only_where_there_may_be_leaks():
    sets = {"a": {"dataset": "recent", "split": "all", "limit": 9}, "b": "th", "c": {"dataset": "gr", "split": "train"}}
    configuration, _ = declared(policy="hold_out", **sets)
    every = [("recent", split) for split in ("test", "train", "validation")]
    assert evaluation_sets.held_out_of_training(configuration, "th") == every
    assert evaluation_sets.held_out_of_training(configuration, "both") == every
    assert evaluation_sets.held_out_of_training(configuration, "gr") == [*every, ("th", "test")]


def test_a_training_split_as_evaluation_set_has_no_policy():
    configuration, _ = declared(a="recent", b={"dataset": "recent", "split": "train"})
    policies = [evaluation_sets.evaluation_set_stage(configuration, name).policy for name in "ab"]
    assert policies == ["exclude", None]


@pytest.mark.parametrize(("trained", "dataset"), [("th", "th"), ("both", "th"), ("th", "both"), ("gr", "both")])
def test_all_of_a_dataset_on_which_a_run_is_trained_is_refused(trained, dataset):
    with pytest.raises(FeynTuneError) as caught:
        declared([trained], tested={"dataset": dataset, "split": "all"})
    assert str(caught.value) == (
        f"config: $.evaluation_sets.tested.split: 'all' of {dataset!r}, on which 'm_{trained}_all' is trained;"
        " choose 'test' or 'validation'"
    )


def test_the_policy_does_not_reach_the_settings_of_datasets():
    from feyntune.config.schema.data import MixtureStage

    configuration, _ = declared(policy="refuse", tested="recent")
    stage = MixtureStage(dataset=configuration.datasets["both"], leaks=configuration.leaks)
    assert stage.model_dump(mode="json")["leaks"] == {"threshold": 0.8, "permutations": 128}


def test_all_splits_in_order_and_their_name_on_the_hub():
    configuration, _ = declared([], tested={"dataset": "recent", "split": "all"})
    tested = configuration.evaluation_sets["tested"]
    assert (tested.splits, tested.hub_split) == (("test", "validation", "train"), "test")


def test_plain_texts_are_compared_with_every_training_split_and_held_out_of_none():
    configuration, runs = declared(["th", "both"], policy="hold_out", tested="th", wiki={"text": "w.jsonl"})
    assert evaluation_sets.leak_sources(configuration, runs.values(), "wiki") == ["both", "th"]
    assert evaluation_sets.held_out_of_training(configuration, "both") == []
    stage = evaluation_sets.evaluation_set_stage(configuration, "wiki")
    assert (stage.dataset, stage.split, stage.policy) == (None, None, "hold_out")
    assert evaluation_sets.texts_stage(configuration, "wiki").model_dump() == {"column": "text", "words": 250}


def test_plain_texts_have_perplexities_of_their_own_column():
    configuration, runs = declared(tested="th", wiki={"text": "w.jsonl", "limit": 5})
    configuration = configuration.model_copy(update={"perplexity": Perplexity(column="orig_abstract")})
    stages = [perplexity_stage(configuration, runs["m_base"], name) for name in ("tested", "wiki")]
    assert [(stage.perplexity.column, stage.limit) for stage in stages] == [("orig_abstract", None), ("abstract", 5)]
    assert [each.is_completed for each in configuration.evaluation_sets.values()] == [True, False]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"limit": 3}, "give either 'dataset', a name in 'datasets', or 'text', a file of plain texts"),
        ({"dataset": "th", "text": "w.txt"}, "give either 'dataset'"),
        ({"text": "w.txt", "split": "test"}, "'split' does not go with 'text'"),
        ({"text": "w.txt", "completions": True}, "'completions' does not go with 'text'"),
        ({"text": "w.txt", "since": "2024-01-01"}, "'since' does not go with 'text'"),
        ({"dataset": "th", "since": "2024-01-02", "until": "2024-01-01"}, "'since' (2024-01-02) is after 'until'"),
        ({"dataset": "th", "words": 5}, "'words' does not go with 'dataset'"),
    ],
)
def test_a_set_is_of_a_dataset_or_of_plain_texts(entry, fault):
    with pytest.raises(FeynTuneError) as caught:
        declared(tested="th", other=entry)
    assert str(caught.value).startswith(f"config: $.evaluation_sets.other: {fault}")


def test_runs_must_complete_some_set():
    with pytest.raises(FeynTuneError, match="runs complete none of them"):
        declared(a={"dataset": "th", "completions": False}, b={"text": "w.txt"})
