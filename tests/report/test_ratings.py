import csv
import math

import pandas as pd
import pytest

from feyntune.config.schema.report import Uncertainty
from feyntune.core.errors import FeynTuneError
from feyntune.report.rating_sheets import category, draw_items, write_sheets
from feyntune.report.rating_statistics import (
    agreement_by_category,
    check_output,
    correlations,
    krippendorff_alpha,
    mean_ratings,
    metric_values,
    rating_tables,
    write_rating_tables,
)
from feyntune.report.ratings import COLUMNS, read_ratings
from support import made_results


@pytest.fixture(scope="module")
def completions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    made_results.make_results(folder, count=8, prediction='=1+1 is\ntwo, "indeed"')
    return made_results.pooled(folder, "completions")


def sheets(completions, folder, seed=1, raters=("ann", "ben")):
    items = draw_items(completions, "unseen", None, 4, seed)
    write_sheets(items, raters, seed, folder)
    return items


def rows_of(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def fill(path, score_of, delimiter=","):
    rows = [{**row, "score": score_of(row)} for row in rows_of(path)]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def test_sheets_are_blind_shuffled_and_seeded(completions, tmp_path):
    sheets(completions, tmp_path / "one")
    ann, ben = (rows_of(tmp_path / f"one/sheet-{rater}.csv") for rater in ("ann", "ben"))
    assert len(ann) == 4 * 5
    assert [row["code"] for row in ann] != [row["code"] for row in ben]
    assert {row["code"] for row in ann} == {row["code"] for row in ben}
    text = (tmp_path / "one/sheet-ann.csv").read_text()
    assert not any(run["run"] in text for run in made_results.RUNS)
    sheets(completions, tmp_path / "two")
    assert (tmp_path / "two/sheet-ann.csv").read_bytes() == (tmp_path / "one/sheet-ann.csv").read_bytes()
    sheets(completions, tmp_path / "three", seed=2)
    assert (tmp_path / "three/key.csv").read_bytes() != (tmp_path / "one/key.csv").read_bytes()


def test_a_spreadsheet_takes_no_text_for_a_formula(completions, tmp_path):
    sheets(completions, tmp_path)
    assert rows_of(tmp_path / "sheet-ann.csv")[0]["continuation"] == '\'=1+1 is\ntwo, "indeed"'


def test_every_paper_is_there_by_every_run(completions, tmp_path):
    items = sheets(completions, tmp_path)
    papers = {item["paper"] for item in items}
    assert len(papers) == 4
    assert {(item["paper"], item["model"]) for item in items} == {
        (paper, run["run"]) for paper in papers for run in made_results.RUNS
    }


@pytest.mark.parametrize(
    ("model", "layers", "expected"),
    [
        ("m", "base", "Base"),
        ("m", "all", "LoRA-all"),
        ("m", "qkv", "LoRA-QKV"),
        ("m", "mlp", "LoRA-mlp"),
        ("m", None, "LoRA"),
        (None, None, "Commercial"),
    ],
)
def test_categories_are_the_papers(model, layers, expected):
    assert category(model, layers) == expected


@pytest.mark.parametrize(
    ("evaluation_set", "runs", "papers", "message"),
    [
        ("other", None, 4, "no evaluation set 'other'"),
        ("unseen", ["typo"], 4, "no run 'typo' on unseen; there is tiny_base"),
        ("unseen", None, 9, "only 8 papers in common"),
    ],
)
def test_what_cannot_be_drawn_is_reported(completions, evaluation_set, runs, papers, message):
    with pytest.raises(FeynTuneError, match=message):
        draw_items(completions, evaluation_set, runs, papers, 0)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_filled_sheets_read_back_as_the_papers_columns(completions, tmp_path, delimiter):
    items = sheets(completions, tmp_path)
    fill(tmp_path / "sheet-ann.csv", lambda row: "7,5" if delimiter == ";" else "7.5", delimiter)
    fill(tmp_path / "sheet-ben.csv", lambda row: "", delimiter)
    ratings = read_ratings([tmp_path / "sheet-ann.csv", tmp_path / "sheet-ben.csv"], tmp_path / "key.csv")
    assert {(r["paper"], r["model"]) for r in ratings} == {(item["paper"], item["model"]) for item in items}
    assert all(tuple(rating) == COLUMNS and rating["rater"] == "ann" and rating["score"] == 7.5 for rating in ratings)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"score": "great"}, "score 'great' is no number from 0 to 10"),
        ({"score": "11"}, "score '11' is no number from 0 to 10"),
        ({"score": "-1"}, "score '-1' is no number from 0 to 10"),
        ({"score": "nan"}, "score 'nan' is no number from 0 to 10"),
        ({"code": "0"}, "code '0' is not in the key"),
        ({"rater": " "}, "no rater"),
    ],
)
def test_nonsense_is_reported_with_its_row(completions, tmp_path, changes, fault):
    sheets(completions, tmp_path, raters=["ann"])
    path = tmp_path / "sheet-ann.csv"
    bad = rows_of(path)[3]["code"]
    rows = [{**row, "score": "5"} | (changes if row["code"] == bad else {}) for row in rows_of(path)]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(FeynTuneError) as error:
        read_ratings([path], tmp_path / "key.csv")
    assert str(error.value) == f"{path}: row 5: {fault}; correct the sheet"


def test_a_rating_given_twice_names_both_rows(tmp_path):
    path = tmp_path / "paper.csv"
    path.write_text("paper,model,rater,score,source,category\np,m,ann,5,s,Base\np,m,ben,5,s,Base\np,m,ann,6,s,Base\n")
    with pytest.raises(FeynTuneError, match=r"row 4: ann, p, m was already rated in .*paper.csv: row 2"):
        read_ratings([path], None)


def test_the_papers_own_table_needs_no_key(tmp_path):
    path = tmp_path / "paper.csv"
    path.write_text("rater,paper,model,score,source,category,note\nann,p,m,10,s,Base,x\n")
    expected = {"paper": "p", "model": "m", "rater": "ann", "score": 10.0, "source": "s", "category": "Base"}
    assert read_ratings([path], None) == [expected]
    path.write_text("rater,paper\nann,p\n")
    with pytest.raises(FeynTuneError, match="no column 'model'"):
        read_ratings([path], None)


def test_alpha_of_the_published_example():
    # Krippendorff (2011), section E: four observers, twelve units; alpha for interval data is 0.849.
    observers = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    units = [[int(value) for value in unit if value != "."] for unit in zip(*observers, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.849, abs=5e-4)


def test_alpha_at_its_ends():
    assert krippendorff_alpha([[1, 1], [5, 5], [9, 9, 9]]) == 1
    assert krippendorff_alpha([[0, 10], [10, 0]]) == pytest.approx(-0.5)
    assert math.isnan(krippendorff_alpha([[1], [2]]))
    assert math.isnan(krippendorff_alpha([[3, 3], [3, 3]]))


def ratings_table():
    scores = {"good": [8, 9, 7], "bad": [2, 3, 4]}
    return pd.DataFrame(
        [
            {"paper": f"p{place}", "model": model, "rater": rater, "score": score + shift, "category": model.upper()}
            for model, values in scores.items()
            for place, score in enumerate(values)
            for rater, shift in (("ann", 0.0), ("ben", 1.0))
        ]
    ).assign(source="s")


def test_means_are_of_papers_and_highest_first():
    table = mean_ratings(ratings_table(), "model", Uncertainty(resamples=199), seed=0)
    assert table["model"].tolist() == ["good", "bad"]
    assert table["mean"].tolist() == [8.5, 3.5]
    assert table["n"].tolist() == [3, 3]
    assert table["ratings"].tolist() == [6, 6]
    assert table["low"].tolist() == [7.5, 2.5]


def test_agreement_within_categories_is_less_than_over_all():
    table = agreement_by_category(ratings_table()).set_index("category")
    assert table["items"].tolist() == [6, 3, 3]
    assert table.loc["all", "alpha"] > table.loc["GOOD", "alpha"]


def test_correlation_with_scores_over_items_and_models():
    index = pd.MultiIndex.from_product([["p0", "p1", "p2"], ["good", "bad", "unrated"]], names=["paper", "model"])
    scores = pd.DataFrame({"semscore": [0.8, 0.2, 0, 0.9, 0.3, 0, 0.7, 0.4, 0]}, index=index)
    row = correlations(ratings_table(), scores).iloc[0]
    assert row["items"] == 6
    assert row["rho_items"] == pytest.approx(1)
    assert row["models"] == 2
    assert math.isnan(row["rho_models"])


def test_tables_of_ratings_are_written(completions, tmp_path):
    items = sheets(completions, tmp_path)
    for rater in ("ann", "ben"):
        fill(tmp_path / f"sheet-{rater}.csv", lambda row: str(int(row["code"]) % 11))
    ratings = read_ratings([tmp_path / "sheet-ann.csv", tmp_path / "sheet-ben.csv"], tmp_path / "key.csv")
    scores = {"semscore": made_results.pooled(completions.parents[1], "semscore")}
    ratings = pd.DataFrame(ratings)
    tables = rating_tables(ratings, scores, "unseen", Uncertainty(resamples=199), seed=0)
    write_rating_tables(ratings, tables, tmp_path / "out")
    assert len(rows_of(tmp_path / "out/ratings.csv")) == 2 * len(items)
    assert rows_of(tmp_path / "out/agreement.csv")[0]["alpha"] == "1"
    assert {row["category"] for row in rows_of(tmp_path / "out/by_category.csv")} == {
        "Base", "LoRA-all", "LoRA-QKV", "LoRA", "Commercial",
    }  # fmt: skip
    assert metric_values(scores, "unseen").shape == (40, 2)
    assert "Over items" in (tmp_path / "out/correlations.html").read_text()


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_filled_sheets_and_the_key_are_never_written_again(completions, tmp_path):
    sheets(completions, tmp_path)
    fill(tmp_path / "sheet-ann.csv", lambda row: "7", ";")
    before = content(tmp_path)
    for seed, raters, message in [
        (1, ["ann", "ben"], "has a sheet of every rater already"),
        (2, ["ann", "cal"], "key.csv: of other papers, runs or --seed"),
        (1, ["../evil"], "'../evil': a name has at most 80 letters"),
        (1, ["Ann", "ann"], "is there twice"),
    ]:
        with pytest.raises(FeynTuneError, match=message):
            sheets(completions, tmp_path, seed, raters)
        assert content(tmp_path) == before


def test_raters_can_be_added(completions, tmp_path):
    items = sheets(completions, tmp_path, raters=["ann"])
    fill(tmp_path / "sheet-ann.csv", lambda row: "7", ";")
    before = content(tmp_path)
    assert write_sheets(items, ["ann", "cal"], 1, tmp_path) == ["cal"]
    after = content(tmp_path)
    assert {name: after[name] for name in before} == before
    assert {row["code"] for row in rows_of(tmp_path / "sheet-cal.csv")} == {item["code"] for item in items}


def test_raters_are_not_added_to_sheets_of_other_completions(completions, tmp_path):
    items = sheets(completions, tmp_path)
    before = content(tmp_path)
    changed = [{**items[0], "continuation": "trained again"}, *items[1:]]
    with pytest.raises(FeynTuneError, match=r"sheet-ann.csv: of other completions than now"):
        write_sheets(changed, ["cal"], 1, tmp_path)
    (tmp_path / "key.csv").unlink()
    with pytest.raises(FeynTuneError, match=r"has sheets, but no key.csv"):
        write_sheets(items, ["cal"], 1, tmp_path)
    assert content(tmp_path) == {name: data for name, data in before.items() if name != "key.csv"}


@pytest.mark.parametrize("papers", [0, -1])
def test_a_sheet_without_papers_is_refused(completions, papers):
    with pytest.raises(FeynTuneError, match="needs at least one paper"):
        draw_items(completions, "unseen", None, papers, 0)


@pytest.mark.parametrize("score", ["1_0", "1e0", "٣", "0x5", "7/10", "inf", "+5"])
def test_only_plain_numbers_are_scores(tmp_path, score):
    path = tmp_path / "paper.csv"
    path.write_text(f"paper,model,rater,score,source,category\np,m,ann,{score},s,Base\n", encoding="utf-8")
    with pytest.raises(FeynTuneError, match="is no number from 0 to 10"):
        read_ratings([path], None)


def test_many_invalid_rows_are_counted(tmp_path):
    path = tmp_path / "paper.csv"
    path.write_text("paper,model,rater,score,source,category\n" + "p,,ann,5,s,Base\n" * 30)
    with pytest.raises(FeynTuneError) as caught:
        read_ratings([path], None)
    lines = str(caught.value).splitlines()
    assert (
        len(lines) == 11
        and lines[0].endswith("row 2: no model; correct the sheet")
        and lines[-1].startswith("20 more rows")
    )


def test_a_key_with_a_code_twice_is_refused(completions, tmp_path):
    sheets(completions, tmp_path)
    key = tmp_path / "key.csv"
    key.write_bytes(key.read_bytes() + key.read_bytes().splitlines(keepends=True)[1])
    with pytest.raises(FeynTuneError, match="is there twice; take the original key"):
        read_ratings([tmp_path / "sheet-ann.csv"], key)


def test_tables_are_not_written_over_ratings(tmp_path):
    with pytest.raises(FeynTuneError, match=r"ratings.csv there would be overwritten"):
        check_output(tmp_path / "x/..", [tmp_path / "ratings.csv"])
    check_output(tmp_path / "out", [tmp_path / "ratings.csv"])


def test_an_unknown_set_is_named(completions):
    scores = {"semscore": made_results.pooled(completions.parents[1], "semscore")}
    with pytest.raises(FeynTuneError, match="no evaluation set 'typo' in it; check --set"):
        metric_values(scores, "typo")
