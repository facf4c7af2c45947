"""Wide tables: what is written can be read again, and holds the reference's columns in their order."""

import pyarrow
import pytest

from feyntune.config.schema.hub import WideStage
from feyntune.core.errors import FeynTuneError
from feyntune.core.files import write_table, write_text
from feyntune.hub.imports import read_completions, read_values
from feyntune.hub.model_cards import table_card
from feyntune.hub.reference_tables import widened

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
    wide = widened(ABSTRACTS, "completions", {"one": completions("b", "a"), "two": completions("a", "b")})
    assert wide.column_names == [
        "id", "title", "abstract", "prompt", "y_true", "comp_one", "preds_one", "comp_two", "preds_two",
    ]  # fmt: skip
    assert wide["comp_one"].to_pylist() == wide["comp_two"].to_pylist() == ["We study. Fine.", "So? No."]
    assert wide["prompt"].to_pylist() == ["We study.", "So?"]


@pytest.mark.parametrize(("kind", "column"), [("perplexity", "perplexity"), ("semscore", "score"), ("jina", "score")])
def test_numbers_have_a_column_for_each_model(kind, column):
    wide = widened(ABSTRACTS, kind, {"m": pyarrow.table({"id": ["b", "a"], column: [2.0, 1.0]})})
    assert wide.column_names == ["id", "title", "abstract", f"{column}_m"]
    assert wide[f"{column}_m"].to_pylist() == [1.0, 2.0]


def test_what_is_written_wide_is_read_back(tmp_path):
    wide = widened(ABSTRACTS, "completions", {"m": completions("a", "b")})
    wide = widened(wide, "semscore", {"m": pyarrow.table({"id": ["a", "b"], "score": [0.25, 0.5]})})
    write_table(tmp_path / "wide.parquet", wide)
    texts = {name: text for name, (_, text) in read_completions(tmp_path / "wide.parquet", "test", "m").items()}
    assert texts == {"a": "We study. Fine.", "b": "So? No."}
    assert read_values(tmp_path / "wide.parquet", "semscore", "test", "m") == {"a": 0.25, "b": 0.5}


def test_what_is_pushed_can_be_imported(tmp_path):
    named = {"kind": "completions", "set": "unseen", "dataset": "hep-th", "split": "test", "limit": None}
    stage = WideStage(**named, models={"run": "m"}, repository="a/b")
    write_text(tmp_path / "README.md", table_card(stage, 2, ["id"]))
    wide = widened(ABSTRACTS, "completions", {"m": completions("a", "b")})
    write_table(tmp_path / "data" / "test-00000-of-00001.parquet", wide)
    assert read_completions(tmp_path, "test", "m")["b"] == ("So?", "So? No.")


@pytest.mark.parametrize("ids", [["a"], ["a", "z"], ["a", "b", "c"]])
def test_results_of_other_abstracts_are_refused(ids):
    with pytest.raises(FeynTuneError, match="semscore of m: not of the evaluation set"):
        widened(ABSTRACTS, "semscore", {"m": pyarrow.table({"id": ids, "score": [0.0] * len(ids)})})
