"""The data beside the page of all completions: every text and every number, in chunks, and never as code."""

import base64
import json
import re

import numpy
import pyarrow.parquet
import pytest

from feyntune.report.explore import data
from feyntune.report.explore.page import ExploreJob, run
from feyntune.report.results import Quantity
from support import made_results
from support.metrics import SEMSCORE

PROMPT = "We study <b>$x^2$</b> & more; they are finite."
PREDICTION = 'It does not.</script>\u2028<script>alert("1")</script>'


def explored(folder, **made):
    """Make results and the page; returns the job."""
    made_results.make_results(folder, **made)
    job = ExploreJob(made_results.pooled_files(folder, [SEMSCORE]), [SEMSCORE], folder / "explore/index.html")
    run(job)
    return job


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CHUNK", 5_000)
        return explored(tmp_path_factory.mktemp("results"), prompt=PROMPT, prediction=PREDICTION)


def read(job, name):
    """The content of a data file."""
    text = (job.output.parent / f"data/{name}.js").read_text()
    assert text.isascii()
    (content,) = re.fullmatch(rf'"use strict";explore\("{name}",(.*)\);\n', text).groups()
    return json.loads(content)


def about(job):
    text = re.search(r'<script type="application/json" id="about">(.*)</script>', job.output.read_text())[1]
    return json.loads(text)


def test_every_completion_is_in_a_chunk(job):
    (known,) = about(job)["sets"]
    names = [each["run"] for each in made_results.RUNS]
    assert known["count"] == 30 and known["runs"] == names and 1 < known["perChunk"] < 30
    files = sorted((job.output.parent / "data").glob("0-texts-*.js"))
    assert len(files) == -(-30 // known["perChunk"])
    rows = [row for number in range(len(files)) for row in read(job, f"0-texts-{number}")]
    assert len(rows) == 30
    prompt, truth, pairs = rows[1]
    assert prompt[0] == PROMPT and prompt[1].startswith("We study &lt;b&gt;<math") and "&amp; more" in prompt[1]
    assert truth == made_results.TRUTH and len(pairs) == 5
    assert pairs[0][0][0] == PREDICTION and "<script" not in pairs[0][0][1] and pairs[0][1] == "eos"


def test_numbers_are_those_of_the_pooled_tables(job):
    described = about(job)
    names = [each["name"] for each in described["quantities"]]
    place = names.index("semscore_continuation")
    found = numpy.frombuffer(base64.b64decode(read(job, f"0-values-{place}")), "<f4").reshape(30, 5)
    table = pyarrow.parquet.read_table(job.files.metrics["semscore"]).to_pandas()
    for column, label in enumerate(made_results.RUNS):
        rows = table[table["run"] == label["run"]].set_index("id")["score_continuation"]
        expected = rows.reindex(read(job, "0-index")["ids"]).to_numpy(dtype="float32")
        assert numpy.array_equal(found[:, column], expected, equal_nan=True)
    assert described["first"] == place


def test_runs_without_a_quantity_have_none(job):
    names = [each["name"] for each in about(job)["quantities"]]
    values = numpy.frombuffer(base64.b64decode(read(job, f"0-values-{names.index('perplexity')}")), "<f4")
    assert numpy.isnan(values.reshape(30, 5)[:, 4]).all() and not numpy.isnan(values.reshape(30, 5)[:, :4]).any()


def test_abstracts_are_searched_as_plain_text(job):
    assert read(job, "0-abstracts")[0] == f"{PROMPT} {made_results.TRUTH}"
    assert read(job, "0-index")["starts"][0] == PROMPT


def test_texts_of_strangers_cannot_end_the_script_in_the_page(job):
    assert job.output.read_text().count("</script>") == 2


def test_files_of_an_earlier_page_are_removed(tmp_path):
    old = tmp_path / "explore/data/7-texts-99.js"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    explored(tmp_path)
    assert not old.exists()


def test_a_run_that_completed_a_part_has_gaps(tmp_path):
    made_results.make_results(tmp_path)
    path = made_results.pooled(tmp_path, "completions")
    table = pyarrow.parquet.read_table(path)
    lost = [name == "elsewhere" and number % 2 == 0 for number, name in enumerate(table["run"].to_pylist())]
    pyarrow.parquet.write_table(table.filter(pyarrow.array([not each for each in lost])), path)
    texts = data.read_texts(path, "unseen")
    rows = list(data.text_rows(texts, slice(0, 30)))
    assert [row[2][4] is None for row in rows] == [number % 2 == 0 for number in range(30)]
    assert all(row[2][0] for row in rows)


def test_the_longest_copied_n_grams_say_what_is_copied_most():
    names = ["novelty_copied_8_true", "novelty_copied_4", "novelty_copied_8", "novelty_longest"]
    assert data.most_copied([Quantity(name, name, "lower") for name in names]) == 2
    assert data.most_copied([Quantity("rouge_rouge1", "ROUGE-1", "higher")]) is None
