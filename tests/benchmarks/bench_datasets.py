"""Measure the way from a snapshot to all single-category sets against the reference's: json, one frame, filters.

    python tests/benchmarks/bench_datasets.py --rows 500000 --folder /tmp/bench

Both ways start from the same generated snapshot and end in parquet files of the paper's five single-category sets.
First their papers are compared, id by id and word by word, then time and peak memory of whole processes are told.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SETS = {"cs": "cs.*", "hep-th": "hep-th", "hep-ph": "hep-ph", "gr-qc": "gr-qc", "q-bio": "q-bio.*"}
SAMPLED = {"cs": 0.08}
"""The paper samples 200,000 papers of cs, a twelfth of its snapshot."""
PRIMARIES = {"hep-th": 4, "hep-ph": 5, "gr-qc": 3, "q-bio.PE": 1, "cs.LG": 20, "math.AG": 20, "cond-mat.str-el": 15,
             "astro-ph": 15, "quant-ph": 7, "physics.optics": 10}  # fmt: skip
"""Primary categories with their shares in percent, about those of arXiv."""


def generate(path, rows, seed=0):
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


def reference(snapshot, folder):
    """The reference's way: every line by ``json`` into one frame, which is filtered for each set."""
    import re

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


def ours(snapshot, folder, cores):
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


def check_equal(folder):
    """Compare the papers of both ways; how they are split is no part of the reference's."""
    import pyarrow
    from pyarrow.parquet import read_table

    columns = ["id", "abstract", "orig_abstract", "authors", "title", "categories", "versions", "authors_parsed"]
    for name in SETS:
        splits = [read_table(folder / "ours" / name / f"{split}.parquet") for split in ("train", "test", "validation")]
        papers = pyarrow.concat_tables(splits).select(columns).sort_by("id")
        expected = read_table(folder / "reference" / f"{name}.parquet").select(columns).sort_by("id")
        if papers.to_pylist() != expected.to_pylist():
            raise SystemExit(f"{name}: the two ways differ")
        print(f"{name}: {papers.num_rows:,} papers, equal")


def measured(way, options):
    """Run one way in a process of its own: seconds, processor seconds, peak memory in MB of its largest process."""
    folder = options.folder / way
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    start = time.perf_counter()
    command = [sys.executable, __file__, "--folder", str(options.folder), "--cores", str(options.cores), "--way", way]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return time.perf_counter() - start, *json.loads(output.splitlines()[-1])


def run_way(way, options):
    """Run one way in this process; print processor seconds and peak memory in MB, of it and of its children."""
    import resource

    snapshot, folder = options.folder / "snapshot.jsonl", options.folder / way
    if way == "reference":
        reference(snapshot, folder)
    else:
        ours(snapshot, folder, options.cores)
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print([sum(usage.ru_utime + usage.ru_stime for usage in usages), max(usage.ru_maxrss for usage in usages) / 1024])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, required=True, help="for the snapshot and the results; 3 kB a row")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=1, help="the ways take turns; the fastest counts")
    parser.add_argument("--way", choices=["reference", "ours"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_way(options.way, options)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    generate(options.folder / "snapshot.jsonl", options.rows)
    size = (options.folder / "snapshot.jsonl").stat().st_size / 1e6
    print(f"{size:,.0f} MB, {options.rows:,} rows, {options.cores} cores", flush=True)
    runs = {"reference": [], "ours": []}
    for _ in range(options.repeats):
        for way, results in runs.items():
            results.append(measured(way, options))
            seconds, processor, peak = results[-1]
            print(f"{way}: {seconds:.1f} s, {processor:.1f} s of processors, peak {peak:,.0f} MB", flush=True)
    check_equal(options.folder)
    fastest = {way: [min(each) for each in zip(*results, strict=True)] for way, results in runs.items()}
    seconds, processor = (fastest["reference"][kind] / fastest["ours"][kind] for kind in (0, 1))
    print(f"ratio of the fastest runs: {seconds:.2f} in time, {processor:.2f} in processor time")


if __name__ == "__main__":
    main()
