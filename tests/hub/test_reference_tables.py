"""Tables in the reference's schema: its columns in its order, and they can be imported again."""

import pyarrow
import pytest

from feyntune.config.schema.hub import ReferenceStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_table, write_text
from feyntune.hub.imports import read_completions, read_values
from feyntune.hub.model_cards import table_card
from feyntune.hub.reference_tables import reference_table
from support.metrics import METRICS, SEMSCORE

ABSTRACTS = pyarrow.table({"id": ["a", "b"], "title": ["A", "B"], "abstract": ["We study. It is.", "So? Yes."]})


def completions(*order):
    rows = {
        "a": {
            "id": "a",
            "prompt": "We study.",
            "y_true": "It is.",
            "completion": "We study. Fine.",
            "prediction": " Fine.",
        },
        "b": {"id": "b", "prompt": "So?", "y_true": "Yes.", "completion": "So? No.", "prediction": " No."},
    }
    return pyarrow.Table.from_pylist([rows[name] for name in order])


def test_completions_have_the_references_columns_in_the_order_of_the_abstracts():
    table = reference_table(ABSTRACTS, "completions", {"one": completions("b", "a"), "two": completions("a", "b")})
    assert table.column_names == [
        "id", "title", "abstract", "prompt", "y_true", "comp_one", "preds_one", "comp_two", "preds_two",
    ]  # fmt: skip
    assert table["comp_one"].to_pylist() == table["comp_two"].to_pylist() == ["We study. Fine.", "So? No."]
    assert table["prompt"].to_pylist() == ["We study.", "So?"]


@pytest.mark.parametrize(("kind", "column"), [("perplexity", "perplexity"), ("semscore", "score"), ("jina", "score")])
def test_numbers_have_a_column_for_each_model(kind, column):
    results = {"m": pyarrow.table({"id": ["b", "a"], column: [2.0, 1.0]})}
    table = reference_table(ABSTRACTS, kind, results, METRICS.get(kind))
    assert table.column_names == ["id", "title", "abstract", f"{column}_m"]
    assert table[f"{column}_m"].to_pylist() == [1.0, 2.0]


def test_a_reference_table_can_be_read_again(tmp_path):
    table = reference_table(ABSTRACTS, "completions", {"m": completions("a", "b")})
    table = reference_table(table, "semscore", {"m": pyarrow.table({"id": ["a", "b"], "score": [0.25, 0.5]})}, SEMSCORE)
    write_table(tmp_path / "reference.parquet", table)
    texts = {name: text for name, (_, text) in read_completions(tmp_path / "reference.parquet", "test", "m").items()}
    assert texts == {"a": "We study. Fine.", "b": "So? No."}
    values = read_values(tmp_path / "reference.parquet", "semscore", "test", "m", SEMSCORE)
    assert values == {"a": {"score": 0.25}, "b": {"score": 0.5}}


def test_a_pushed_table_can_be_imported(tmp_path):
    named = {"kind": "completions", "set": "unseen", "dataset": "hep-th", "split": "test", "limit": None}
    stage = ReferenceStage(**named, models={"run": "m"}, repository="a/b")
    write_text(tmp_path / "README.md", table_card(stage, 2, ["id"]))
    table = reference_table(ABSTRACTS, "completions", {"m": completions("a", "b")})
    write_table(tmp_path / "data" / "test-00000-of-00001.parquet", table)
    assert read_completions(tmp_path, "test", "m")["b"] == ("So?", "So? No.")


@pytest.mark.parametrize("ids", [["a"], ["a", "z"], ["a", "b", "c"]])
def test_results_of_other_abstracts_are_refused(ids):
    with pytest.raises(FeynTuneError, match=r"semscore of m: (no row for b|rows for c)"):
        reference_table(ABSTRACTS, "semscore", {"m": pyarrow.table({"id": ids, "score": [0.0] * len(ids)})}, SEMSCORE)
