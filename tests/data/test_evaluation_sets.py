"""Evaluation sets: no abstract is evaluated by a model that trained on it, under each policy and by the programs."""

import json

import pytest

from feyntune.config.schema.evaluation import DatesStage, EvaluationSetStage, HoldOutStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table, write_table
from feyntune.data.evaluation_sets import evaluation_set_message, hold_out, make_evaluation_set, select_dates
from support.papers import error_line, record, run, table_of
from support.programs import load_program

LONG = [f"word{number}" for number in range(100)]
NEAR = record(7, abstract=" ".join(LONG))
LEAKED = {
    "same_id": record(1, abstract="Another text."),
    "same_text": record(101, abstract=record(2)["abstract"].upper()),
    "near_duplicates": record(102, abstract=" ".join([*LONG[:99], "end"])),
}
"""Training papers that correspond to the papers 1, 2 and 7, by reason."""


def stage(**settings):
    given = {"name": "recent", "dataset": "new", "split": "test", "limit": None, "policy": "exclude"}
    return EvaluationSetStage(**{**given, "near_duplicates": {}, **settings})


@pytest.fixture
def write(tmp_path):
    """Write records as a split of a dataset; give its path."""

    def write(dataset, records, split="train"):
        path = tmp_path / dataset / f"{split}.parquet"
        write_table(path, table_of(list(records)))
        return path

    return write


@pytest.fixture
def test_split(write):
    """Eight papers: the numbers 0 to 7."""
    return write("new", [*map(record, range(7)), NEAR], "test")


def ids_of(papers):
    return papers["id"].to_pylist()


def numbered(*numbers):
    return [record(number)["id"] for number in numbers]


def test_abstracts_of_every_training_split_are_excluded_and_counted(test_split, write):
    trained = {"a": write("a", [record(50), *LEAKED.values()]), "b": write("b", [record(4), record(1), record(51)])}
    papers, summary = make_evaluation_set(stage(), test_split, trained)
    assert ids_of(papers) == numbered(0, 3, 5, 6)
    assert (summary["abstracts"], summary["excluded"]) == (4, 4)
    assert summary["training_datasets"] == {
        "a": {"same_id": 1, "same_text": 1, "near_duplicates": 1},
        "b": {"same_id": 2, "same_text": 0, "near_duplicates": 0},
    }
    assert summary["near_duplicates"] == [{"dropped": NEAR["id"], "for": record(102)["id"], "similarity": 0.98}]
    message = "4 abstracts; excluded: 4 of 8 abstracts of 'recent' are in the training split of a (3), b (2)"
    assert evaluation_set_message(summary) == message


def test_both_of_two_near_duplicates_of_one_training_abstract_are_excluded(write):
    """The search streams the larger side; the result must not depend on which side that is."""
    twins = [record(number, abstract=" ".join([*LONG[:98], f"end{number}"])) for number in (20, 21)]
    split = write("new", [*map(record, range(6)), *twins], "test")
    for others in (0, 40):
        trained = {"a": write("a", [NEAR, *map(record, range(60, 60 + others))])}
        papers, _ = make_evaluation_set(stage(), split, trained)
        assert ids_of(papers) == numbered(*range(6))


def test_without_training_splits_the_set_is_the_first_rows_of_the_split(test_split):
    papers, summary = make_evaluation_set(stage(limit=5), test_split, {})
    assert papers.equals(read_table(test_split).slice(0, 5))
    assert (summary["excluded"], summary["training_datasets"]) == (0, {})
    assert evaluation_set_message(summary) == "5 abstracts; none is in a training split"


def test_the_limit_is_applied_before_the_exclusion(test_split, write):
    papers, summary = make_evaluation_set(stage(limit=3), test_split, {"a": write("a", [record(1)])})
    assert ids_of(papers) == numbered(0, 2)
    assert (summary["limit"], summary["abstracts"], summary["excluded"]) == (3, 2, 1)


@pytest.mark.parametrize(("leaked", "refused"), [(4, False), (5, True), (8, True)])
def test_fewer_than_half_left_is_an_error_that_names_both_remedies(test_split, write, leaked, refused):
    trained = {"a": write("a", map(record, range(leaked)))} if leaked < 8 else {"a": test_split}
    if not refused:
        assert len(make_evaluation_set(stage(), test_split, trained).papers) == 8 - leaked
        return
    with pytest.raises(FeynTuneError) as caught:
        make_evaluation_set(stage(), test_split, trained)
    line = f"{leaked} of 8 abstracts of 'recent' are in the training split of a ({leaked})"
    assert str(caught.value) == (
        f"{line}; use split: hash in these datasets, or leaks.policy: hold_out, or lower the set's 'least' (now 0.5)"
    )


@pytest.mark.parametrize(("leaked", "least", "refused"), [(6, 0.25, False), (7, 0.25, True), (1, 0.9, True)])
def test_the_least_share_that_must_be_left_is_a_setting(test_split, write, leaked, least, refused):
    trained = {"a": write("a", map(record, range(leaked)))}
    if refused:
        with pytest.raises(FeynTuneError, match=rf"{leaked} of 8 abstracts .* 'least' \(now {least}\)$"):
            make_evaluation_set(stage(least=least), test_split, trained)
    else:
        assert len(make_evaluation_set(stage(least=least), test_split, trained).papers) == 8 - leaked


def test_the_policy_refuse_refuses_any_leak_and_nothing_else(test_split, write):
    clean, leaky = {"a": write("a", [record(60)])}, {"b": write("b", [record(1), record(60)])}
    assert len(make_evaluation_set(stage(policy="refuse"), test_split, clean).papers) == 8
    with pytest.raises(FeynTuneError, match=r"1 of 8 abstracts of 'recent' .* b \(1\); set leaks.policy to exclude"):
        make_evaluation_set(stage(policy="refuse"), test_split, clean | leaky)


def test_a_training_split_as_evaluation_set_is_not_filtered(test_split):
    papers, summary = make_evaluation_set(stage(split="train", policy=None), test_split, {})
    assert len(papers) == 8
    assert evaluation_set_message(summary) == "8 abstracts of a training split; none is excluded"


def test_without_a_threshold_near_duplicates_are_kept(test_split, write):
    settings = stage(near_duplicates={"threshold": None})
    papers, _ = make_evaluation_set(settings, test_split, {"a": write("a", LEAKED.values())})
    assert ids_of(papers) == numbered(0, 3, 4, 5, 6, 7)


def test_held_out_abstracts_are_removed_from_training_in_order(test_split, write):
    train = write("a", [record(52), *LEAKED.values(), record(50), record(51)])
    papers, summary = hold_out(HoldOutStage(dataset="a", near_duplicates={}), train, [test_split])
    assert ids_of(papers) == numbered(52, 50, 51)
    assert (summary["rows"], summary["dropped"]) == (3, {"same_id": 1, "same_text": 1, "near_duplicates": 1})
    with pytest.raises(FeynTuneError, match="train split: all 8 papers are held out elsewhere too"):
        hold_out(HoldOutStage(dataset="a", near_duplicates={}), test_split, [test_split])


def make(folder, split, trained, **settings):
    return run("evaluation_set.py", "--split", split, "--trained", *trained, "--output", folder / "recent.parquet",
               "--summary", folder / "recent.json", "--settings", stage(**settings).model_dump_json())  # fmt: skip


def test_the_program_writes_the_set_and_the_summary(test_split, write, tmp_path):
    done = make(tmp_path, test_split, [write("a", [record(1), record(60)])])
    assert done.returncode == 0, done.stdout
    message = "7 abstracts; excluded: 1 of 8 abstracts of 'recent' are in the training split of a (1)"
    assert f"evaluation_set recent: {message}" in done.stdout
    assert ids_of(read_table(tmp_path / "recent.parquet")) == numbered(0, *range(2, 8))
    assert read_table(tmp_path / "recent.parquet").column_names == read_table(test_split).column_names
    summary = json.loads((tmp_path / "recent.json").read_text())
    assert (summary["name"], summary["policy"], summary["excluded"]) == ("recent", "exclude", 1)


def test_a_training_dataset_without_leaks_does_not_change_a_byte(test_split, write, tmp_path):
    make(tmp_path, test_split, [write("a", [record(1), record(60)])])
    before = (tmp_path / "recent.parquet").read_bytes()
    make(tmp_path, test_split, [tmp_path / "a/train.parquet", write("b", [record(70)])], policy="hold_out")
    assert (tmp_path / "recent.parquet").read_bytes() == before


def test_a_refused_set_leaves_no_file(test_split, tmp_path):
    assert "8 of 8 abstracts" in error_line(make(tmp_path, test_split, [test_split]))
    assert not list(tmp_path.glob("*recent*"))


def test_the_program_that_holds_out_writes_the_rest_and_a_summary(test_split, write, tmp_path):
    done = run("hold_out.py", "--train", write("a", [record(1), record(60)]), "--held-out", test_split,
               "--settings", '{"dataset": "a", "near_duplicates": {}}', "--output", tmp_path / "rest.parquet",
               "--summary", tmp_path / "rest.json")  # fmt: skip
    assert "hold_out a: 1 abstracts to train on; 1 held out" in done.stdout, done.stdout
    assert ids_of(read_table(tmp_path / "rest.parquet")) == numbered(60)
    assert json.loads((tmp_path / "rest.json").read_text())["rows"] == 1


def test_joined_splits_are_in_the_given_order(test_split, write, tmp_path):
    splits = [test_split, write("new", map(record, range(20, 23)), "validation"), write("new", [record(9)])]
    done = run("join_splits.py", "--splits", *splits, "--output", tmp_path / "new/all.parquet")
    assert "join_splits new: 12 abstracts" in done.stdout, done.stdout
    assert ids_of(read_table(tmp_path / "new/all.parquet")) == numbered(*range(8), 20, 21, 22, 9)


def test_only_abstracts_of_certain_days_belong_to_a_dated_set(write, tmp_path, parse):
    created = [f"Mon, {day} Jan 2024 10:00:00 GMT" for day in range(1, 7)]
    first = [[{"version": "v1", "created": each}, {"version": "v2", "created": created[-1]}] for each in created]
    split = write("dated", [record(number, versions=versions) for number, versions in enumerate(first)], "test")
    found = select_dates(split, DatesStage(since="2024-01-03", until="2024-01-05"))
    assert ids_of(found) == numbered(2, 3, 4) and found.schema.names == read_table(split).schema.names
    assert ids_of(select_dates(split, DatesStage(since="2024-01-05", until=None))) == numbered(4, 5)
    assert ids_of(select_dates(split, DatesStage(since=None, until="2024-01-01"))) == numbered(0)
    with pytest.raises(FeynTuneError, match="no abstract from 2099-01-01 until the end; change since"):
        select_dates(split, DatesStage(since="2099-01-01", until=None))
    program, settings = load_program("select_dates"), json.dumps({"since": "2024-01-05", "until": None})
    program.main(parse(program, split=split, settings=settings, output=tmp_path / "dated.parquet"))
    assert ids_of(read_table(tmp_path / "dated.parquet")) == numbered(4, 5)
