"""What the stages compute, load and read, counted: where they are fast, they stay so on any machine."""

import contextlib
import functools
import json
import os

import numpy as np
import pyarrow.parquet
import pytest
import transformers

from benchmarks.material import realistic_lengths
from feyntune.config.schema.data import MixtureStage
from feyntune.config.schema.perplexity import PerplexityStage
from feyntune.core.files import read_table
from feyntune.data import mix, snapshot, store
from feyntune.evaluation.metrics.base import Completions
from feyntune.evaluation.metrics.embedding import Embedding, EmbeddingSettings
from feyntune.evaluation.model import load_evaluated
from feyntune.evaluation.perplexity_batches import evaluate_batch, usual_budget
from feyntune.evaluation.perplexity_inputs import encode_abstracts
from feyntune.models.likelihood import batches_by_length
from support.papers import record, run, write_lines, write_splits
from support.programs import load_program

perplexity = load_program("perplexity")
complete = load_program("complete")

SETTINGS = {
    "run": "tiny_base",
    "limit": None,
    "quantization": {"method": "none"},
    "precision": {"dtype": "float32"},
    "base_names": ["tiny"],
}
PERPLEXITY = {**SETTINGS, "perplexity": {"too_long": "truncate"}}
COMPLETION = {**SETTINGS, "seed": 1, "generation": {"max_new_tokens": 5, "too_long": "truncate"}}


@pytest.fixture
def count(monkeypatch):
    """A function that lets a method note what ``measure`` says of each call's arguments, and gives the notes."""

    def count(owner, name, measure=lambda *arguments, **others: 1):
        noted, original = [], getattr(owner, name)

        @functools.wraps(original)
        def counted(*arguments, **others):
            noted.append(measure(*arguments, **others))
            return original(*arguments, **others)

        monkeypatch.setattr(owner, name, counted)
        return noted

    return count


def positions(model, input_ids=None, **_):
    """Tokens of a call of a model, padding included."""
    return input_ids.numel()


def test_perplexity_and_embeddings_take_one_pass_and_the_head_sees_real_tokens_only(tiny_model, abstracts, count):
    model = load_evaluated(tiny_model, None, PerplexityStage(**PERPLEXITY))
    sequences = encode_abstracts(model.tokens, *abstracts, "truncate").sequences[:4]
    computed = count(type(model.causal.get_decoder()), "forward", positions)
    headed = count(type(model.causal.lm_head), "forward", lambda layer, states: (layer, len(states.flatten(0, -2))))
    evaluate_batch(model.causal, sequences, 1)
    assert computed == [4 * max(map(len, sequences))]
    rows = [number for layer, number in headed if layer is model.causal.lm_head]
    assert sum(rows) == sum(map(len, sequences)) - 4


@pytest.mark.parametrize(("device", "abstracts"), [("cpu", 200), ("cpu", 15750), ("cuda", 15750)])
def test_scoring_computes_on_hardly_any_padding(device, abstracts):
    lengths = realistic_lengths(abstracts).tolist()
    budget = usual_budget(type("Device", (), {"type": device}))
    batches = batches_by_length(lengths, budget)
    computed = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    assert computed <= 1.08 * sum(lengths)
    assert len(batches) <= 1.2 * sum(lengths) / budget


@pytest.mark.parametrize("program", [perplexity, complete])
def test_a_run_loads_its_model_once(program, tiny_model, tiny_adapter, dataset, tmp_path, parse, count):
    loaded = count(transformers.AutoModelForCausalLM, "from_pretrained")
    paths = {"base": tiny_model, "adapter": tiny_adapter, "dataset": dataset, "shards": tmp_path / "shards"}
    if program is perplexity:
        outputs = {"perplexity": tmp_path / "p.parquet", "embeddings": tmp_path / "e.pt"}
        program.main(parse(program, **paths, **outputs, settings=json.dumps(PERPLEXITY)))
    else:
        program.main(parse(program, **paths, output=tmp_path / "c.parquet", settings=json.dumps(COMPLETION)))
    assert len(loaded) == 1


def test_a_run_is_embedded_and_the_truth_is_not_again(monkeypatch):
    embedded = []

    class Embedder:
        """Notes what it is given."""

        def embed(self, texts):
            embedded.extend(texts)
            return np.ones((len(texts), 2), dtype=np.float32), np.zeros(len(texts), dtype=bool)

    monkeypatch.setattr(Embedding, "embedder", Embedder())
    truth = {name: np.ones((2, 2)) for name in ("abstract", "y_true")}
    truth |= {name: np.zeros(2, dtype=bool) for name in ("truncated", "y_true_truncated")}
    Embedding(EmbeddingSettings(path="x")).score(
        Completions(["1", "2"], ["a", "c"], ["x", "y"], ["b", "d"], ["a b", "c d"]), truth
    )
    assert embedded == ["a b", "c d", "b", "d"]


@pytest.fixture
def papers(tmp_path):
    """A snapshot of which a tenth is hep-th, in a store of three row groups."""
    categories = ["hep-th", *["cs.LG"] * 6, *["math.AG"] * 3]
    return write_lines(tmp_path / "snapshot.jsonl", [record(number, categories[number % 10]) for number in range(600)])


def test_a_snapshot_is_read_once(papers, tmp_path, monkeypatch):
    sizes = []

    @contextlib.contextmanager
    def opened(path, original=snapshot.opened):
        with original(path) as stream:
            yield Counting(stream, sizes)

    monkeypatch.setattr(snapshot, "opened", opened)
    snapshot.read_snapshot(papers, tmp_path / "store.parquet", 2)
    assert sum(sizes) == papers.stat().st_size


class Counting:
    """A stream that notes how many bytes are read from it."""

    def __init__(self, stream, sizes):
        self.stream, self.sizes = stream, sizes

    def read(self, size):
        """Read, and note."""
        return self._noted(self.stream.read(size))

    def readline(self):
        """Read a line, and note."""
        return self._noted(self.stream.readline())

    def _noted(self, content):
        self.sizes.append(len(content))
        return content


def test_a_dataset_reads_no_row_group_without_a_paper_of_its_own(papers, tmp_path, count):
    snapshot.read_snapshot(papers, tmp_path / "store.parquet", 1)
    groups = pyarrow.parquet.ParquetFile(tmp_path / "store.parquet").num_row_groups
    rows = [number for number, each in enumerate(_categories(tmp_path / "store.parquet")) if each == "hep-th"]
    read = count(pyarrow.parquet.ParquetFile, "read_row_group", lambda file, group, **_: group)
    assert store.read_rows(tmp_path / "store.parquet", np.array(rows)).num_rows == 60
    assert (groups, len(read)) == (3, 1)


def _categories(path):
    return read_table(path, ["categories"])["categories"].to_pylist()


def test_datasets_are_made_without_a_deep_learning_library(papers, tmp_path):
    listed = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    where = ["--store", tmp_path / "store.parquet", "--report", tmp_path / "report.json"]
    settings = json.dumps({"dataset": {"snapshot": "s", "categories": ["cs.*"]}, "control_papers": []})
    steps = [("read_snapshot.py", "--snapshot", papers, "--threads", 1)]
    steps += [("build_dataset.py", "--settings", settings, "--folder", tmp_path / "cs")]
    for program, *options in steps:
        done = run(program, *where, *options, env=listed)
        imported = {line.split("|")[-1].strip() for line in done.stdout.splitlines() if line.startswith("import time:")}
        assert done.returncode == 0 and "pyarrow" in imported
        assert not imported & {"torch", "transformers", "peft", "datasets", "datasketch"}


def test_a_mixture_reads_its_parts_once_and_of_what_is_held_out_ids_and_abstracts(tmp_path, count):
    for number, name in enumerate("ab"):
        splits = [[record(90 * number + 30 * split + paper) for paper in range(30)] for split in range(3)]
        write_splits(tmp_path / name, *splits)
    files = [tmp_path / name / f"{split}.parquet" for name in "ab" for split in ("train", "test", "validation")]
    read = count(mix, "read_table", lambda path, columns=None, texts=(): (path, columns))
    mix.mix_datasets(MixtureStage(dataset={"mix": ["a", "b"]}, leaks={}), tmp_path, files[1:3] + files[4:])
    assert sorted(path for path, columns in read if columns is None) == sorted(files)
    assert [columns for _, columns in read if columns] == [["id", "abstract"]] * 4
