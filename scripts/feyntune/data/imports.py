"""Import datasets that already have three splits, from the hub or from local files."""

from __future__ import annotations

import codecs
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.json

from feyntune.config.schema.data import DatasetStage
from feyntune.core.columns import text_columns, typed_column
from feyntune.core.errors import FeynTuneError, listed
from feyntune.core.files import read_table, reason
from feyntune.data.dataset_files import DatasetContent
from feyntune.data.json_lines import opened
from feyntune.data.leakage import without_own_leaks
from feyntune.data.papers import Rows, batches, is_blank, with_clean_abstract
from feyntune.data.schema import DATASET, SNAPSHOT, SPLITS

ALSO_CALLED = {"valid": "validation", "val": "validation", "dev": "validation"}
"""Other names of splits."""


def find_files(folder: Path) -> dict[str, list[Path]]:
    """Files of a dataset's folder by split, found as the library ``datasets`` does: by the dataset card, or by name.

    Raises:
        FeynTuneError: it finds none.
    """
    from datasets import load_dataset_builder

    if not folder.is_dir():
        raise FeynTuneError(f"{folder}: no such folder; fetch the dataset, or check the path")
    with tempfile.TemporaryDirectory() as cache:
        try:
            found = load_dataset_builder(str(folder), cache_dir=cache).config.data_files
        except Exception as error:  # the library raises its own errors, those of YAML, and many others
            raise FeynTuneError(
                f"{folder}: no files of a dataset ({reason(error)}); compare it with its source"
            ) from error
    return {ALSO_CALLED.get(str(split), str(split)): sorted(map(Path, paths)) for split, paths in found.items()}


def files_by_split(folder: Path) -> dict[str, list[Path]]:
    """The files of the three splits in a dataset's folder.

    Raises:
        FeynTuneError: one of train, test and validation is missing.
    """
    files = find_files(folder)
    missing = [split for split in SPLITS if split not in files]
    if missing:
        raise FeynTuneError(f"{folder}: no split {missing[0]!r}; it has {listed(list(files))}; name another dataset")
    return {split: files[split] for split in SPLITS}


def import_dataset(files: Mapping[str, Sequence[Path]], stage: DatasetStage) -> DatasetContent:
    """Read three splits; leave out unusable papers, and training papers that are in the other splits.

    Args:
        files: paths of parquet files or JSON lines, by split.
        stage: the control papers, which are left out, and the settings for leaks.

    Raises:
        FeynTuneError: no such file, a column that is missing or of another type, a split without a usable paper.
    """
    tables = {split: pyarrow.concat_tables([_read(path) for path in files[split]]) for split in SPLITS}
    papers = pyarrow.concat_tables(tables.values())
    ends = np.cumsum([table.num_rows for table in tables.values()])
    rows = dict(zip(SPLITS, np.split(np.arange(papers.num_rows), ends[:-1]), strict=True))
    by_rank = np.concatenate([rows["test"], rows["validation"], rows["train"]])
    kept, dropped = _usable(papers, by_rank, stage.control_papers)
    rows = {split: rows[split][np.isin(rows[split], kept)] for split in SPLITS}
    rows, leaks, examples = without_own_leaks(papers, rows, stage.leaks)
    empty = [split for split in SPLITS if not len(rows[split])]
    if empty:
        raise FeynTuneError(f"{files[empty[0]][0]}: no usable paper in it for the {empty[0]} split; name another file")
    return DatasetContent({split: batches(papers, rows[split]) for split in SPLITS}, {**dropped, **leaks}, examples)


def _usable(papers: pyarrow.Table, rows: Rows, control_papers: Sequence[str]) -> tuple[Rows, dict[str, int]]:
    """The first row of each id, except control papers and papers without id or abstract; and counts of the others."""
    lacking = pc.or_(is_blank(papers["id"]), is_blank(papers["abstract"])).to_numpy()
    control = pc.is_in(papers["id"], value_set=pyarrow.array(control_papers, "string")).to_numpy()
    rest = rows[~(lacking | control)[rows]]
    _, first = np.unique(papers["id"].take(rest).to_numpy(), return_index=True)
    dropped = {
        "without_id_or_abstract": int(lacking.sum()),
        "control_papers": int((control & ~lacking).sum()),
        "repeated_ids": len(rest) - len(first),
    }
    return rest[first], dropped


def _read(path: Path) -> pyarrow.Table:
    """Read one file as a table with the columns of ``schema.DATASET``."""
    table = read_table(path) if path.suffix == ".parquet" else _read_json_lines(path)
    repeated = [name for name in DATASET.names if table.column_names.count(name) > 1]
    if repeated:
        raise FeynTuneError(f"{path}: several columns {repeated[0]!r}; keep one of them")
    missing = [name for name in SNAPSHOT.names if name not in table.column_names]
    if missing:
        raise FeynTuneError(f"{path}: no column {missing[0]!r}; it has {listed(table.column_names)}; name another file")
    schema = DATASET if "orig_abstract" in table.column_names else SNAPSHOT
    table = text_columns(table, ("id", "abstract"), path)  # numeric ids have lost their leading zeros
    typed = pyarrow.table([typed_column(table, field, path) for field in schema], schema=schema)
    return typed if schema is DATASET else with_clean_abstract(typed)


def _read_json_lines(path: Path) -> pyarrow.Table:
    if ".json" not in path.name:
        raise FeynTuneError(f"{path}: neither .parquet nor JSON lines (.jsonl, .json, or these with .gz); convert it")
    with opened(path) as stream:
        content = stream.read()
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        first = json.loads(content.split(b"\n", 1)[0])
        schema = pyarrow.schema([field for field in DATASET if field.name in first])
        parse_options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        return pyarrow.json.read_json(pyarrow.BufferReader(content), parse_options=parse_options)
    except (ValueError, TypeError, RecursionError) as error:
        raise FeynTuneError(
            f"{path}: not JSON lines of papers ({reason(error)}); write one JSON object a line"
        ) from None
