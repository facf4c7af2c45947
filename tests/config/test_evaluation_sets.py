"""Which training splits may contain abstracts of an evaluation set, by how the datasets are made."""

from pathlib import Path

import pytest
import yaml

from feyntune.config import evaluation_sets
from feyntune.config.load import parse_configuration
from feyntune.config.references import held_out
from feyntune.config.runs import resolve_runs
from feyntune.config.schema.perplexity import Perplexity
from feyntune.config.stages import perplexity_stage, training_stage
from feyntune.core.errors import FeynTuneError

PAPER = Path(__file__).resolve().parents[2] / "config" / "paper.yaml"
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


@pytest.mark.parametrize("policy", ["exclude", "hold_out"])
def test_a_set_that_is_not_held_out_changes_no_training_and_loses_abstracts_of_all_runs(policy):
    tested = {"dataset": "recent", "held_out": False}
    configuration, runs = declared(["th", "both"], policy=policy, runs=PUBLISHED, tested=tested)
    assert evaluation_sets.leak_sources(configuration, runs.values(), "tested") == ["both", "gr", "th"]
    assert evaluation_sets.held_out_of_training(configuration, "th") == []
    assert ("recent", "test") not in held_out(configuration.datasets, "both", configuration.evaluation_sets.values())
    assert evaluation_sets.evaluation_set_stage(configuration, "tested").policy == "exclude"


def test_only_runs_that_are_evaluated_on_a_set_count_for_it():
    theirs = {"theirs": {**PUBLISHED["theirs"], "sets": ["other"]}}
    configuration, runs = declared(["th"], runs=theirs, tested="recent", other="recent")
    assert evaluation_sets.leak_sources(configuration, runs.values(), "tested") == ["th"]
    assert evaluation_sets.leak_sources(configuration, runs.values(), "other") == ["gr", "th"]
    assert [run.name for run in runs.values() if not run.is_judged_on("tested")] == ["theirs"]


@pytest.mark.parametrize(
    ("sets", "fault"),
    [
        (["testes"], "$.runs.theirs.sets: no 'testes' in 'evaluation_sets'; did you mean 'tested'?"),
        ([], "$.runs.theirs.sets: "),
        ("tested", "$.runs.theirs.sets: "),
    ],
)
def test_sets_of_a_run_are_names_of_evaluation_sets_and_some(sets, fault):
    with pytest.raises(FeynTuneError) as caught:
        declared(runs={"theirs": {**PUBLISHED["theirs"], "sets": sets}}, tested="th")
    assert str(caught.value).startswith(f"config: {fault}") and len(str(caught.value).splitlines()) == 1


def test_a_set_on_which_no_run_is_evaluated_is_refused():
    theirs = {"theirs": {**PUBLISHED["theirs"], "sets": ["tested"]}}
    configuration, runs = declared(runs=theirs, tested="th", other="gr")
    with pytest.raises(FeynTuneError) as caught:
        evaluation_sets.check_evaluation_sets(configuration, [runs["theirs"]])
    assert str(caught.value) == (
        "config: $.evaluation_sets.other: no run is evaluated on it; name it in a run's 'sets', or remove it"
    )


@pytest.mark.parametrize("least", [0, -0.1, 1.1])
def test_the_least_share_is_a_fraction_above_zero(least):
    with pytest.raises(FeynTuneError, match=r"config: \$\.evaluation_sets\.tested\.least: "):
        declared(tested={"dataset": "th", "least": least})


def test_the_least_share_reaches_the_stage_and_its_default_changes_no_settings():
    configuration, _ = declared(tested={"dataset": "th", "least": 0.2}, other="th")
    stages = [evaluation_sets.evaluation_set_stage(configuration, name) for name in ("tested", "other")]
    assert stages[0].model_dump()["least"] == 0.2
    assert stages[1].least == 0.5 and "least" not in stages[1].model_dump()


def test_the_set_of_the_published_adapters_changes_no_training_of_the_paper():
    with_hub = yaml.safe_load(PAPER.read_text())
    without = yaml.safe_load(PAPER.read_text())
    del without["evaluation_sets"]["hep-th-hub"], without["runs"]
    found, expected = ({}, {})
    for settings, into in ((with_hub, found), (without, expected)):
        configuration = parse_configuration(settings)
        sets = configuration.evaluation_sets.values()
        for run in resolve_runs(configuration).values():
            if run.kind == "trained":
                unseen = held_out(configuration.datasets, run.dataset, sets)
                into[run.name] = (unseen, training_stage(configuration, run))
    assert len(found) == 20 and found == expected


def test_the_papers_published_adapters_are_evaluated_on_the_hubs_test_split_only_and_ours_on_all_sets():
    configuration = parse_configuration(yaml.safe_load(PAPER.read_text()))
    runs = resolve_runs(configuration)
    published = [run for run in runs.values() if run.kind == "published"]
    assert len(published) == 20 and {run.sets for run in published} == {("hep-th-hub",)}
    assert {run.sets for run in runs.values() if run.kind != "published"} == {None}
    hub = configuration.evaluation_sets["hep-th-hub"]
    (own,) = {run.dataset for run in published if run.name.startswith("s1-")}
    assert own == hub.dataset and evaluation_sets.is_free_of_leaks(configuration, own, hub)
    sources = evaluation_sets.leak_sources(configuration, runs.values(), "hep-th-hub")
    assert {run.dataset for run in runs.values() if run.dataset} - {own} == set(sources)


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
        ({"text": "w.txt", "held_out": False}, "'held_out' does not go with 'text'"),
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
