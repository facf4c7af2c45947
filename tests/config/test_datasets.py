"""Declarations of datasets: their short forms, what is refused, and what refers to what."""

import json

import pytest

from feyntune.config.load import parse_configuration
from feyntune.config.references import check_references, held_out, ingredients, mentioned, snapshot_under
from feyntune.config.schema.data import Dataset, DatasetStage
from feyntune.config.schema.evaluation import EvaluationSet
from feyntune.core.errors import FeynTuneError

SINGLE = {"snapshot": "arxiv", "categories": ["hep-th"]}


def datasets(**declared):
    return parse_configuration({"snapshots": {"arxiv": "s.jsonl"}, "datasets": declared}).datasets


def refused(**declared):
    """The one line that a faulty dataset called ``new`` gives."""
    with pytest.raises(FeynTuneError) as caught:
        every = datasets(one=SINGLE, other={**SINGLE, "categories": ["gr-qc"]}, **declared)
        check_references(every, {"arxiv": "s.jsonl"})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_new_training_set_is_three_lines():
    every = datasets(a=SINGLE, b={**SINGLE, "categories": ["gr-qc"]}, mine={"mix": ["a", "b"]})
    assert [part.dataset for part in every["mine"].mix] == ["a", "b"]
    assert (every["a"].kind, every["mine"].kind) == ("snapshot", "mix")
    check_references(every, {"arxiv": "s.jsonl"})


def test_one_name_stands_for_a_list_of_one():
    part = datasets(one=SINGLE, new={"mix": [{"dataset": "one", "of": "one"}]})["new"].mix[0]
    assert part.of == ["one"]


@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        ({}, "$.datasets.new: give one of 'snapshot' (with 'categories'), 'mix', 'hub' (with 'revision') and 'files'"),
        ({**SINGLE, "mix": ["one"]}, "$.datasets.new: give one of 'snapshot'"),
        ({"snapshot": "arxiv"}, "$.datasets.new: 'snapshot' needs 'categories', such as [hep-th] or [cs.*]"),
        ({**SINGLE, "category": "hep-th"}, "$.datasets.new: unknown key 'category'; did you mean 'categories'?"),
        ({**SINGLE, "categories": ["hep th"]}, "$.datasets.new.categories.0: 'hep th'"),
        (
            {**SINGLE, "since": "2020-01-02", "until": "2020-01-01"},
            "'since' (2020-01-02) is after 'until' (2020-01-01)",
        ),
        ({**SINGLE, "sample": 0}, "$.datasets.new.sample: input should be greater than or equal to 1, not 0"),
        ({**SINGLE, "snapshot": "arxif"}, "$.datasets.new.snapshot: no 'arxif' in 'snapshots'; did you mean 'arxiv'?"),
        ({"hub": "a/b"}, "$.datasets.new: 'hub: a/b' needs a 'revision' (a commit of that repository)"),
        ({"hub": "a/b", "revision": "c", "categories": ["hep-th"]}, "'categories' does not go with 'hub'"),
        ({"files": {"train": "t.parquet", "test": "t.parquet"}}, "$.datasets.new.files.validation: is required"),
        ({"mix": []}, "$.datasets.new.mix: list should have at least 1 item"),
        ({"mix": ["one", "othr"]}, "$.datasets.new.mix.1.dataset: no 'othr' in 'datasets'; did you mean 'other'?"),
        ({"mix": [{"dataset": "one", "of": "non"}]}, "$.datasets.new.mix.0.of: no 'non' in 'datasets'"),
        ({"mix": [{"dataset": "one", "total": ["one", "x"]}]}, "$.datasets.new.mix.0.total: no 'x' in 'datasets'"),
        ({"mix": [{"dataset": "one", "rows": 5, "fraction": 0.5}]}, "$.datasets.new.mix.0: give 'fraction'"),
        (
            {"mix": [{"dataset": "one", "total": "one"}, {"dataset": "other", "total": "one"}]},
            "only one part can have a 'total'",
        ),
        ({"mix": ["one", "other", {"dataset": "one", "rows": 3}]}, "'mix' has two parts of 'one'; join them"),
        ({"mix": ["one"], "split": "hash"}, "$.datasets.new: 'split' does not go with 'mix'"),
        ({"mix": ["new"]}, "$.datasets.new.mix: made of itself: new <- new"),
    ],
)
def test_a_fault_is_one_line_with_its_place(dataset, line):
    assert line in refused(new=dataset)


def test_a_circle_of_mixtures_is_shown():
    line = refused(a={"mix": ["one", "b"]}, b={"mix": [{"dataset": "one", "of": "c"}]}, c={"mix": ["a"]})
    assert line == "config: $.datasets.a.mix: made of itself: a <- b <- c <- a; leave one out"


def test_a_circle_that_a_mixture_only_leans_on_is_found_too():
    assert "made of itself: b <- c <- b" in refused(a={"mix": ["b"]}, b={"mix": ["c"]}, c={"mix": ["b"]})


@pytest.mark.parametrize("text", [json.dumps(SINGLE), '{"mix": ["a", {"dataset": "b", "rows": 7}]}'])
def test_settings_survive_the_way_to_a_program(text):
    dataset = Dataset.model_validate_json(text)
    stage = DatasetStage(dataset=dataset, control_papers=[])
    assert DatasetStage.model_validate_json(json.dumps(stage.model_dump(mode="json"))) == stage


def nested():
    return datasets(
        a=SINGLE, b=SINGLE, c=SINGLE, ab={"mix": ["a", "b"]}, abc={"mix": ["ab", {"dataset": "c", "of": "b"}]},
        hub={"hub": "x/y", "revision": "z"}, far={"mix": ["hub", "ab"]},
    )  # fmt: skip


def test_what_a_mixture_is_made_of_and_what_it_only_mentions():
    every = nested()
    assert ingredients(every, "abc") == ["a", "ab", "b", "c"]
    assert ingredients(every, "a") == []
    assert mentioned(every["abc"]) == ["ab", "c", "b"]
    assert (snapshot_under(every, "far"), snapshot_under(every, "hub")) == ("arxiv", None)


def test_unseen_are_the_splits_of_all_parts_and_what_runs_are_judged_on():
    every = nested()
    own = [(name, split) for name in ("a", "b") for split in ("test", "validation")]
    assert held_out(every, "ab", []) == own
    assert held_out(every, "ab", [EvaluationSet(dataset="c", split="test")]) == [*own, ("c", "test")]
    assert held_out(every, "ab", [EvaluationSet(dataset="c", split="train")]) == own
    assert held_out(every, "ab", [EvaluationSet(dataset="c", split="test", held_out=False)]) == own


def test_being_judged_on_another_mixture_makes_no_circle():
    assert ("c", "test") in held_out(nested(), "ab", [EvaluationSet(dataset="abc", split="test")])
