"""How many abstracts and tokens the datasets have: counted where they are there, estimated where they are not."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet

from feyntune.core.errors import FeynTuneError
from feyntune.data.mix import part_rows
from feyntune.data.schema import SPLITS

ARXIV = 2_542_615
"""Papers in the snapshot of August 2024, of which the numbers below are."""
PAPERS = {"hep-th": 105_000, "hep-ph": 132_000, "gr-qc": 64_000, "q-bio.*": 29_000, "cs.*": 620_000, "*": ARXIV}
OTHER = 15_000
"""Papers of a category of which nothing is known: a guess."""
LINE = 1_650
"""Bytes of a paper in a snapshot."""
SHARES = {"train": 0.7, "test": 0.15, "validation": 0.15}
SAMPLED = 300
"""Abstracts whose tokens are counted: the mean is then good to two or three percent."""


@dataclass(frozen=True)
class Size:
    """How large a dataset is."""

    rows: dict
    """Abstracts by split."""
    words: float
    """Words in an abstract, on average."""
    known: bool
    """Whether it is there, or estimated."""


class Sizes:
    """Sizes of all datasets of a configuration.

    Args:
        configuration: ``configuration.Configuration``.
        outdated: names of datasets whose files are of other settings or sources than the configuration's.
        results: folder of results.
    """

    def __init__(self, configuration, outdated=(), results=Path("results")):
        self.configuration, self.outdated, self.results = configuration, outdated, results

    @functools.cache  # noqa: B019 - one object lives as long as the program
    def dataset(self, name):
        """The ``Size`` of a dataset: as its summary tells, else estimated."""
        summary = None if name in self.outdated else _read(self.results / f"datasets/{name}/summary.json")
        try:
            return Size(summary["rows"], summary["words"]["mean"], True)
        except (KeyError, TypeError):
            return Size(self._estimated(name), self.configuration.planning.words_per_abstract, False)

    def _estimated(self, name):
        dataset = self.configuration.datasets[name]
        if dataset.mix:
            return self._mixed(dataset)
        if dataset.files:
            return {split: _rows_in(getattr(dataset.files, split)) for split in SPLITS}
        papers = sum(self._papers(category, dataset.snapshot) for category in dataset.categories) or OTHER
        papers = min(papers, dataset.sample or papers)
        return {split: int(papers * SHARES[split]) for split in SPLITS}

    def _mixed(self, dataset):
        parts = dataset.mix
        named = {other for part in parts for other in [part.dataset, *(part.of or []), *(part.among or [])]}
        named |= {other for part in parts for other in part.total or []}
        sizes = {other: self.dataset(other).rows for other in named}
        try:
            return {split: sum(counts) for split, counts in part_rows(parts, sizes).items()}
        except FeynTuneError:  # the estimates do not suffice for the mixture; the true numbers may
            return {split: sum(sizes[part.dataset][split] for part in parts) for split in SPLITS}

    def _papers(self, category, snapshot):
        told, whole = self.configuration.planning.papers, self.papers(snapshot)
        if self.configuration.snapshots[snapshot] == "results/demo/snapshot.jsonl":
            return whole // 5  # it has five fields
        known = told.get(category) or PAPERS.get(category) or OTHER
        return int(known * whole / ARXIV)

    @functools.cache  # noqa: B019
    def papers(self, snapshot):
        """Papers in a snapshot: as read, or by the size of its file; as many as arXiv's if it is not there."""
        path = Path(self.configuration.snapshots[snapshot])
        report = _read(self.results / f"snapshots/{snapshot}.json")
        if report and "papers" in report:
            return report["papers"]
        if path.is_file():
            packed = 3.3 if path.suffix in (".gz", ".zip") else 1
            return max(1, int(path.stat().st_size * packed / LINE))
        return self.configuration.demo.snapshot.papers if str(path) == "results/demo/snapshot.jsonl" else ARXIV

    def rows(self, evaluation_set):
        """Abstracts in an evaluation set."""
        entry = self.configuration.evaluation_sets[evaluation_set]
        rows = self.dataset(entry.dataset).rows[entry.split]
        return min(rows, entry.limit or rows)

    @functools.cache  # noqa: B019
    def tokens(self, dataset, model_folder):
        """Mean tokens of an abstract, special ones left out: of a sample, where dataset and tokenizer are there."""
        abstracts = self.results / f"datasets/{dataset}/train.parquet"
        counted = None if dataset in self.outdated else _counted(abstracts, Path(model_folder) / "tokenizer.json")
        return counted or self.dataset(dataset).words * self.configuration.planning.tokens_per_word


def _read(path):
    """A JSON file; None if it is not there or cannot be read, for then a plan estimates."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _rows_in(path):
    """Rows of a local file; a guess if it is not there or cannot be read."""
    try:
        if Path(path).suffix == ".parquet":
            return pyarrow.parquet.read_metadata(path).num_rows
        return max(1, Path(path).stat().st_size // LINE)
    except (OSError, pyarrow.ArrowInvalid):
        return OTHER


def _counted(abstracts, tokenizer):
    """Mean tokens of the first abstracts in a file; None if it or the tokenizer is not there, or is none."""
    texts = _first_texts(abstracts)
    if not texts or "model" not in (_read(tokenizer) or {}):
        return None
    from tokenizers import Tokenizer

    encoded = Tokenizer.from_file(str(tokenizer)).encode_batch(texts, add_special_tokens=False)
    return sum(map(len, encoded)) / len(encoded)


def _first_texts(path):
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            batch = next(file.iter_batches(batch_size=SAMPLED, columns=["abstract"]), None)
    except (OSError, pyarrow.ArrowException):
        return []
    return batch["abstract"].to_pylist() if batch else []
