"""From a snapshot to the paper's five single-category sets: one streaming pass, against ``json`` and a pandas frame.

Both ways start from the same made-up snapshot and end in parquet files; ours are split too, and made as the workflow
makes them: one pass to a store, then one process for each set.
"""

import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SETS = {"cs": "cs.*", "hep-th": "hep-th", "hep-ph": "hep-ph", "gr-qc": "gr-qc", "q-bio": "q-bio.*"}
SAMPLED = {"cs": 0.08}
"""The paper samples 200,000 papers of cs, a twelfth of its snapshot."""
PRIMARIES = {"hep-th": 4, "hep-ph": 5, "gr-qc": 3, "q-bio.PE": 1, "cs.LG": 20, "math.AG": 20, "cond-mat.str-el": 15,
             "astro-ph": 15, "quant-ph": 7, "physics.optics": 10}  # fmt: skip
"""Primary categories with their shares in percent, about those of arXiv."""


def _generate(path, rows, seed=0):
    """Write a snapshot of made-up papers, as long as arXiv's on average: about 1.6 kB a line."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("aeioubcdfghlmnprstvyz", k=draw.randint(2, 11))) for _ in range(20_000)]
    text = " ".join(draw.choices(words, k=1_000_000))
    text = "".join(letter if number % 72 else "\n" for number, letter in enumerate(text, 1))
    primaries = draw.choices(list(PRIMARIES), weights=PRIMARIES.values(), k=rows)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(_record(draw, number, text, primaries[number])) + "\n" for number in range(rows))


def _record(draw, number, text, primary):
    start = draw.randrange(len(text) - 2000)
    authors = [["Müller", "A. B.", ""]] * draw.randint(1, 5)
    created = "Mon, 2 Apr 2007 19:18:42 GMT"
    versions = [{"version": f"v{each}", "created": created} for each in range(1, draw.randint(2, 4))]
    return {
        "id": f"{number // 50000 + 1001}.{number % 50000:05d}",
        "submitter": "A. Müller",
        "authors": ", ".join('A. B. M\\"uller' for _ in authors),
        "title": text[start : start + 70],
        "comments": "withdrawn by the author" if draw.random() < 0.01 else "12 pages, 3 figures",
        "journal-ref": None,
        "doi": f"10.1103/PhysRevD.76.{number}",
        "report-no": None,
        "categories": primary + draw.choice(["", " hep-th", " math.MP math-ph"]),
        "license": "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
        "abstract": f"  {text[start : start + draw.randint(300, 1700)]}\n",
        "versions": versions,
        "update_date": "2008-11-26",
        "authors_parsed": authors,
    }


def _reference(snapshot, folder):
    """The reference's way: every line by ``json`` into one frame, which is filtered for each set."""
    import numpy
    import pandas

    with open(snapshot, encoding="utf-8") as lines:
        frame = pandas.DataFrame([json.loads(line) for line in lines])
    primary = frame["categories"].str.split().str[0]
    for name, pattern in SETS.items():
        papers = frame[primary.str.startswith(pattern[:-1]) if pattern.endswith("*") else primary == pattern]
        if name in SAMPLED:
            drawn = numpy.random.default_rng(42).permutation(len(papers))[: _sample(name, len(frame))]
            papers = papers.sort_values("id").iloc[drawn]
        withdrawn = papers["comments"].str.contains("withdrawn", case=False, na=False)
        withdrawn |= papers["abstract"].str.contains("Withdrawn|withdrawn")
        papers = papers[~withdrawn].copy()
        papers["orig_abstract"] = papers["abstract"]
        papers["abstract"] = [re.sub(r"\n\s*", " ", text).strip() for text in papers["abstract"]]
        papers.to_parquet(folder / f"{name}.parquet", index=False)


def _sample(name, rows):
    """How many papers of a set are drawn from a snapshot of so many, or None for all of them."""
    return int(SAMPLED[name] * rows) if name in SAMPLED else None


def _ours(snapshot, folder, cores):
    """This project's way, as the workflow runs it: one pass to a store, then one process for each set."""
    store, report = folder / "store.parquet", folder / "store.json"
    _run("read_snapshot.py", "--snapshot", snapshot, "--store", store, "--report", report, "--threads", cores)
    rows = json.loads(report.read_text())["papers"]
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda name: _build(name, store, report, folder, _sample(name, rows)), SETS))


def _build(name, store, report, folder, sample):
    dataset = {"snapshot": "bench", "categories": [SETS[name]], "sample": sample}
    settings = {"dataset": dataset, "control_papers": []}
    where = ["--store", store, "--report", report, "--folder", folder / name]
    _run("build_dataset.py", *where, "--settings", json.dumps(settings))


def _run(program, *arguments):
    """Run a program of the project; its peak memory counts towards that of this process's children."""
    subprocess.run([sys.executable, str(SCRIPTS / program), *map(str, arguments)], check=True)


def prepare(rows, folder):
    """A snapshot of so many papers."""
    snapshot = folder / "snapshot.jsonl"
    if not snapshot.is_file():
        _generate(snapshot, rows)
    for way in (REFERENCE, OURS):
        (folder / way).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.datasets", str(snapshot), str(folder / REFERENCE)]
    ways = {
        REFERENCE: lambda: subprocess.run(command, check=True) and folder / REFERENCE,
        OURS: lambda: _ours(snapshot, folder / OURS, os.cpu_count()) or folder / OURS,
    }
    return Case(rows, ways)


def check(results):
    """The same papers, word by word; how they are split is no part of the reference's."""
    import pyarrow
    from pyarrow.parquet import read_table

    columns, counts = ["id", "abstract", "orig_abstract", "authors", "title", "categories", "versions"], []
    for name in SETS:
        splits = [read_table(results[OURS] / name / f"{split}.parquet") for split in ("train", "test", "validation")]
        papers = pyarrow.concat_tables(splits).select(columns).sort_by("id")
        expected = read_table(results[REFERENCE] / f"{name}.parquet").select(columns).sort_by("id")
        assert papers.to_pylist() == expected.to_pylist(), f"{name}: the two ways differ"
        counts.append(f"{papers.num_rows:,} {name}")
    return f"the same papers: {', '.join(counts)}"


BENCHMARKS = [
    Benchmark(
        name="datasets",
        title="five single sets from a snapshot",
        unit="papers",
        sizes=(125_000, 250_000, 500_000),
        prepare=prepare,
        check=check,
        least_ratio=3.0,
        most_memory=lambda rows: 2000,
    )
]

if __name__ == "__main__":
    _reference(Path(sys.argv[1]), Path(sys.argv[2]))
