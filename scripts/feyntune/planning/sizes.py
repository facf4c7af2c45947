"""How many abstracts and tokens the datasets have: counted where the files exist, estimated where they do not."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow.parquet

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_json
from feyntune.data.mix import part_rows
from feyntune.data.schema import SPLITS

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.schema.data import Dataset

ARXIV = 2_542_615
"""Papers in the snapshot of August 2024; the numbers below are of this snapshot."""
PAPERS = {"hep-th": 105_000, "hep-ph": 132_000, "gr-qc": 64_000, "q-bio.*": 29_000, "cs.*": 620_000, "*": ARXIV}
OTHER = 15_000
"""Papers of a category whose size is not known: a guess."""
LINE = 1_650
"""Bytes per paper in a snapshot."""
WORD = 6
"""Bytes of a word with its space."""
FRACTIONS = {"train": 0.7, "test": 0.15, "validation": 0.15}
SAMPLED = 300
"""Abstracts whose tokens are counted: this gives the mean to two or three percent."""


@dataclass(frozen=True)
class Size:
    """The size of a dataset."""

    rows: dict[str, int]
    """Abstracts by split."""
    words: float
    """Mean words per abstract."""
    known: bool
    """Whether it was counted, or estimated."""


class Sizes:
    """Sizes of all datasets of a configuration.

    Args:
        configuration: the configuration.
        outdated: names of datasets whose files were made with other settings or sources than the configuration's.
        results: folder of results.
    """

    def __init__(
        self, configuration: Configuration, outdated: Collection[str] = (), results: Path = Path("results")
    ) -> None:
        self.configuration, self.outdated, self.results = configuration, outdated, results

    @functools.cache  # noqa: B019 - one object lives as long as the program
    def dataset(self, name: str) -> Size:
        """The size of a dataset: from its summary, else estimated."""
        summary: Any = None if name in self.outdated else _read(self.results / f"datasets/{name}/summary.json")
        try:
            return Size(summary["rows"], summary["words"]["mean"], True)
        except (KeyError, TypeError):
            return Size(self._estimated(name), self.configuration.planning.words_per_abstract, False)

    def _estimated(self, name: str) -> dict[str, int]:
        dataset = self.configuration.datasets[name]
        if dataset.mix:
            return self._mixed(dataset)
        if dataset.files:
            return {split: _rows_in(getattr(dataset.files, split)) for split in SPLITS}
        snapshot = cast("str", dataset.snapshot)  # without a snapshot there are no categories
        papers = sum(self._papers(category, snapshot) for category in dataset.categories) or OTHER
        papers = min(papers, dataset.sample or papers)
        return {split: int(papers * FRACTIONS[split]) for split in SPLITS}

    def _mixed(self, dataset: Dataset) -> dict[str, int]:
        parts = dataset.mix or []
        named = {other for part in parts for other in [part.dataset, *(part.of or []), *(part.among or [])]}
        named |= {other for part in parts for other in part.total or []}
        sizes = {other: self.dataset(other).rows for other in named}
        try:
            return {split: sum(counts) for split, counts in part_rows(parts, sizes).items()}
        except FeynTuneError:  # the estimates are too small for the mixture; the true numbers may suffice
            return {split: sum(sizes[part.dataset][split] for part in parts) for split in SPLITS}

    def _papers(self, category: str, snapshot: str) -> int:
        configured, whole = self.configuration.planning.papers, self.papers(snapshot)
        if self.configuration.snapshots[snapshot] == "results/demo/snapshot.jsonl":
            return whole // 5  # the demo has papers of five fields
        known = configured.get(category) or PAPERS.get(category) or OTHER
        return int(known * whole / ARXIV)

    @functools.cache  # noqa: B019
    def papers(self, snapshot: str) -> int:
        """Papers in a snapshot: as read, or by the size of its file; as many as in arXiv's if there is no file."""
        path = Path(self.configuration.snapshots[snapshot])
        report = _read(self.results / f"snapshots/{snapshot}.json")
        if report and "papers" in report:
            return report["papers"]
        if path.is_file():
            compression = 3.3 if path.suffix in (".gz", ".zip") else 1
            return max(1, int(path.stat().st_size * compression / LINE))
        return self.configuration.demo.snapshot.papers if str(path) == "results/demo/snapshot.jsonl" else ARXIV

    def rows(self, evaluation_set: str) -> int:
        """Abstracts in an evaluation set."""
        entry = self.configuration.evaluation_sets[evaluation_set]
        if entry.dataset is None:
            passages = self._passages(evaluation_set)
            return min(passages, entry.limit or passages)
        dated = self.results / f"dated/{evaluation_set}.parquet"
        if entry.is_dated and dated.is_file():
            return min(_rows_in(dated), entry.limit or ARXIV)
        rows = sum(self.dataset(entry.dataset).rows[split] for split in entry.splits)
        return min(rows, entry.limit or rows)

    def _passages(self, evaluation_set: str) -> int:
        """Passages of plain texts: counted, else estimated by the size of the file."""
        entry = self.configuration.evaluation_sets[evaluation_set]
        made = self.results / f"texts/{evaluation_set}.parquet"
        if made.is_file():
            return _rows_in(made)
        path = Path(str(entry.text))
        return max(1, path.stat().st_size // (WORD * entry.words)) if path.is_file() else OTHER

    @functools.cache  # noqa: B019
    def tokens(self, dataset: str | None, model_folder: str | Path) -> float:
        """Mean tokens per abstract without special tokens: of a sample, where dataset and tokenizer exist.

        None as the dataset means plain texts, whose passages are about as long as abstracts.
        """
        if dataset is None:
            return self.configuration.planning.words_per_abstract * self.configuration.planning.tokens_per_word
        abstracts = self.results / f"datasets/{dataset}/train.parquet"
        counted = None if dataset in self.outdated else _counted(abstracts, Path(model_folder) / "tokenizer.json")
        return counted or self.dataset(dataset).words * self.configuration.planning.tokens_per_word


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None if it does not exist or cannot be read: a plan then estimates."""
    try:
        return read_json(path)
    except FeynTuneError:
        return None


def _rows_in(path: str | Path) -> int:
    """Rows of a local file; a guess if it does not exist or cannot be read."""
    try:
        if Path(path).suffix == ".parquet":
            return pyarrow.parquet.read_metadata(path).num_rows
        return max(1, Path(path).stat().st_size // LINE)
    except (OSError, pyarrow.ArrowInvalid):
        return OTHER


def _counted(abstracts: Path, tokenizer: Path) -> float | None:
    """Mean tokens of the first abstracts in a file; None if the file or the tokenizer is missing or broken."""
    texts = _first_texts(abstracts)
    if not texts or "model" not in (_read(tokenizer) or {}):
        return None
    from tokenizers import Tokenizer

    try:
        encoded = Tokenizer.from_file(str(tokenizer)).encode_batch(texts, add_special_tokens=False)
    except Exception:  # the library raises plain Exception; the job that needs the tokenizer says what is wrong
        return None
    return sum(map(len, encoded)) / len(encoded)


def _first_texts(path: Path) -> list[str]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            batch = next(file.iter_batches(batch_size=SAMPLED, columns=["abstract"]), None)
    except (OSError, pyarrow.ArrowException):
        return []
    return batch["abstract"].to_pylist() if batch else []
