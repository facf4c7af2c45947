"""The data beside the page of all completions: every text and every number, in chunks, and never as code."""

import base64
import json
import re
from pathlib import Path

import numpy
import pyarrow.parquet
import pytest

from feyntune.report.explore import data, page
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


def folder_of(job):
    """The folder of data that the page names."""
    return job.output.parent / about(job)["folder"]


def read(job, name):
    """The content of a data file."""
    text = (folder_of(job) / f"{name}.js").read_text()
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
    files = sorted(folder_of(job).glob("0-texts-*.js"))
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


def test_untrusted_texts_cannot_end_the_script_in_the_page(job):
    assert job.output.read_text().count("</script>") == 2


def files(job):
    """The files beside the page and itself, by their path: their contents."""
    found = (path for path in job.output.parent.rglob("*") if path.is_file())
    return {path.relative_to(job.output.parent): path.read_bytes() for path in found}


def test_files_of_earlier_pages_are_removed_and_equal_data_make_an_equal_page(tmp_path):
    for old in ("data/7-texts-99.js", "data-0123/1-index.js", ".data.99/0-index.js"):
        (tmp_path / "explore" / old).parent.mkdir(parents=True)
        (tmp_path / "explore" / old).write_text("old")
    job = explored(tmp_path)
    first = files(job)
    assert {path.parts[0] for path in first} == {"index.html", about(job)["folder"]}
    run(job)
    assert files(job) == first


def test_a_lost_data_file_is_written_again(tmp_path):
    job = explored(tmp_path)
    whole = files(job)
    (folder_of(job) / "0-index.js").unlink()
    run(job)
    assert files(job) == whole


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


STEPS = [(data, "write_data"), (Path, "rename"), (page, "write_text"), (page.shutil, "rmtree")]


@pytest.mark.parametrize("step", [*STEPS, *((place, name, 1) for place, name in STEPS)])
def test_a_killed_job_leaves_the_earlier_page_whole_or_the_new_one(tmp_path, monkeypatch, step):
    """Killed before or after each step: the page that is there has the data that belong to it."""
    job = explored(tmp_path)
    before = files(job)
    made_results.make_results(tmp_path, prediction="Another text.")
    place, name, *after = step
    original = getattr(place, name)

    def killed(*args, **options):
        if after:
            original(*args, **options)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, name, killed)
        run(job)
    texts = "Another text." if job.output.read_bytes() != before[Path("index.html")] else "It does not."
    assert read(job, "0-texts-0")[0][2][0][0] == texts
    run(job)
    assert read(job, "0-texts-0")[0][2][0][0] == "Another text."
    assert {path.parts[0] for path in files(job)} == {"index.html", about(job)["folder"]}


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
