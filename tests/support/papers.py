"""Synthetic papers in the schema of the arXiv snapshot, and the project's programs run on them."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow

from feyntune.core.files import write_table
from feyntune.data.papers import with_clean_abstract
from feyntune.data.schema import SNAPSHOT

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
WORDS = [
    first + last for first in "bcdfglmnprst" for last in ("ane", "ield", "omology", "ength", "ude", "ation", "ist")
]


def record(number, category="hep-th", **fields):
    """A paper whose words depend only on its number; ``fields`` replace its own."""
    draw = random.Random(number)
    return {
        "id": f"{1001 + number // 90000}.{number % 90000:05d}",
        "submitter": None,
        "authors": "A. Author",
        "title": f"Paper {number}",
        "comments": "12 pages",
        "journal-ref": None,
        "doi": None,
        "report-no": None,
        "categories": category,
        "license": None,
        "abstract": "  " + " ".join(draw.choices(WORDS, k=draw.randint(20, 40))).capitalize() + ".\n",
        "versions": [{"version": "v1", "created": "Mon, 4 Jan 2010 10:00:00 GMT"}],
        "update_date": "2010-01-05",
        "authors_parsed": [["Author", "A.", ""]],
        **fields,
    }


def write_lines(path, records):
    """Write JSON lines; a record that is a string is written unchanged."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def table_of(records):
    """Papers with the columns of a dataset."""
    return with_clean_abstract(pyarrow.Table.from_pylist(records, schema=SNAPSHOT))


def write_splits(folder, train, test, validation):
    """Write the three splits of a dataset, each given as records."""
    for split, records in {"train": train, "test": test, "validation": validation}.items():
        write_table(folder / f"{split}.parquet", table_of(records))


def run(program, *arguments, **environment):
    """Run a program of the project as a user does; return the finished process, with both streams in ``stdout``."""
    command = [sys.executable, str(SCRIPTS / program), *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, **streams, **environment, check=False)


def error_line(done):
    """The error line of a program that failed with a FeynTuneError."""
    assert done.returncode == 2, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if ": error: " in line]
    return line
