"""Datasets that come in three splits already, from the hub or from local files, brought to the same columns."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.json

from feyntune.core.errors import FeynTuneError
from feyntune.core.files import read_table
from feyntune.data.clean import batches, is_blank, with_clean_abstract
from feyntune.data.json_lines import opened
from feyntune.data.leakage import without_own_leaks
from feyntune.data.schema import DATASET, SNAPSHOT, SPLITS

ALSO_CALLED = {"valid": "validation", "val": "validation", "dev": "validation"}
"""Other names of a split."""


def find_files(folder):
    """Files of a dataset's folder by split, found as the library ``datasets`` does: by its card, or by names."""
    from datasets import load_dataset_builder

    with tempfile.TemporaryDirectory() as cache:
        found = load_dataset_builder(str(folder), cache_dir=cache).config.data_files
    return {ALSO_CALLED.get(str(split), str(split)): sorted(map(Path, paths)) for split, paths in found.items()}


def files_by_split(folder):
    """The files of the three splits in a dataset's folder.

    Raises:
        FeynTuneError: one of train, test and validation is not there.
    """
    files = find_files(folder)
    missing = [split for split in SPLITS if split not in files]
    if missing:
        raise FeynTuneError(f"{folder}: no split {missing[0]!r}; it has {', '.join(files)}")
    return {split: files[split] for split in SPLITS}


def imported(files, stage):
    """Read three splits; leave out what may be in none of them, and of the training split what is in the others.

    Args:
        files: paths of parquet files or JSON lines, a list by name of split.
        stage: ``settings.data.DatasetStage``.

    Returns:
        Tables in batches by name of split; counts of what was left out, by reason; some near-duplicates.

    Raises:
        FeynTuneError: no such file, a column that is missing or of another type, a split with nothing in it.
    """
    tables = {split: pyarrow.concat_tables([_read(path) for path in files[split]]) for split in SPLITS}
    papers = pyarrow.concat_tables(tables.values())
    ends = np.cumsum([table.num_rows for table in tables.values()])
    rows = dict(zip(SPLITS, np.split(np.arange(papers.num_rows), ends[:-1]), strict=True))
    by_rank = np.concatenate([rows["test"], rows["validation"], rows["train"]])
    kept, dropped = _sound(papers, by_rank, stage.control_papers)
    rows = {split: rows[split][np.isin(rows[split], kept)] for split in SPLITS}
    rows, leaks, examples = without_own_leaks(papers, rows, stage.leaks)
    empty = [split for split in SPLITS if not len(rows[split])]
    if empty:
        raise FeynTuneError(f"{files[empty[0]][0]}: no usable paper in it for the {empty[0]} split")
    return {split: batches(papers, rows[split]) for split in SPLITS}, {**dropped, **leaks}, examples


def _sound(papers, rows, control_papers):
    """Those of ``rows`` that have a text and are no control papers, the first of each id; and counts of the others."""
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


def _read(path):
    """Read one file as a table with the columns of ``schema.DATASET``."""
    table = read_table(path) if path.suffix == ".parquet" else _read_json_lines(path)
    missing = [name for name in SNAPSHOT.names if name not in table.column_names]
    if missing:
        raise FeynTuneError(f"{path}: no column {missing[0]!r}; it has {', '.join(table.column_names)}")
    if "orig_abstract" not in table.column_names:
        table = with_clean_abstract(table)
    return pyarrow.table([_as(table, field, path) for field in DATASET], schema=DATASET)


def _as(table, field, path):
    """A column as the type that it must have; numbers are not taken for ids, whose zeros they have lost."""
    column = table[field.name]
    try:
        if field.name == "id" and pyarrow.types.is_primitive(column.type):
            raise pyarrow.ArrowInvalid
        return column.cast(field.type)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        raise FeynTuneError(f"{path}: column {field.name!r} holds {column.type}, not {field.type}") from None


def _read_json_lines(path):
    if ".json" not in path.name:
        raise FeynTuneError(f"{path}: neither .parquet nor JSON lines (.jsonl, .json, or these with .gz)")
    with opened(path) as stream:
        content = stream.read()
    try:
        first = json.loads(content.split(b"\n", 1)[0])
        schema = pyarrow.schema([field for field in DATASET if field.name in first])
        parse_options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        return pyarrow.json.read_json(pyarrow.BufferReader(content), parse_options=parse_options)
    except (ValueError, TypeError) as error:
        raise FeynTuneError(f"{path}: not JSON lines of papers ({str(error).splitlines()[0]})") from None
