"""From a snapshot to the paper's datasets: one streaming pass, then a process for each, against ``json`` and pandas.

Both methods start from the same synthetic snapshot and give the same rows in the same parquet files: five
single-category sets, split, and nine mixtures of them. In the comparison ours looks for equal ids and equal words in
training and other splits, but not for near-duplicates. A third method includes that search.
"""

from __future__ import annotations

import functools
import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from benchmarks.comparison import OURS, REFERENCE, Benchmark, Case
from feyntune.data.schema import SPLITS
from support.workspace import PROJECT

if TYPE_CHECKING:
    import pandas

    from feyntune.config.schema.data import Dataset

SINGLE = {"hep-th": "hep-th", "hep-ph": "hep-ph", "gr-qc": "gr-qc", "q-bio": "q-bio", "cs": "cs"}
"""The single sets, each with the prefix of its primary categories."""
SEARCH = "with near-duplicates"
CS = 0.08
"""The paper samples 200,000 papers of cs: this fraction of its snapshot."""
PRIMARIES = {"hep-th": 4, "hep-ph": 5, "gr-qc": 3, "q-bio.PE": 1, "cs.LG": 20, "math.AG": 20, "cond-mat.str-el": 15,
             "astro-ph": 15, "quant-ph": 7, "physics.optics": 10}  # fmt: skip
"""Primary categories in percent, about as frequent as in arXiv."""
VOCABULARY = 40_000


def _generate(path: Path, rows: int, seed: int = 0) -> None:
    """Write a snapshot of synthetic papers, on average as long as arXiv's: about 1.6 kB a line.

    Word frequencies follow Zipf's distribution, so that abstracts share as few words as real ones.
    """
    draw, numbers = random.Random(seed), np.random.default_rng(seed)
    words = ["".join(draw.choices("aeioubcdfghlmnprstvyz", k=draw.randint(2, 11))) for _ in range(VOCABULARY)]
    distribution = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    primaries = draw.choices(list(PRIMARIES), weights=PRIMARIES.values(), k=rows)
    with open(path, "w", encoding="utf-8") as file:
        for number in range(rows):
            drawn = np.searchsorted(distribution / distribution[-1], numbers.random(draw.randint(40, 250))).tolist()
            lines = [
                " ".join([words[word] for word in drawn[start : start + 11]]) for start in range(0, len(drawn), 11)
            ]
            file.write(json.dumps(_record(draw, number, lines, primaries[number])) + "\n")


def _record(draw: random.Random, number: int, lines: list[str], primary: str) -> dict:
    authors = [["Müller", "A. B.", ""]] * draw.randint(1, 5)
    created = "Mon, 2 Apr 2007 19:18:42 GMT"
    versions = [{"version": f"v{each}", "created": created} for each in range(1, draw.randint(2, 4))]
    return {
        "id": f"{number // 50000 + 1001}.{number % 50000:05d}",
        "submitter": "A. Müller",
        "authors": ", ".join('A. B. M\\"uller' for _ in authors),
        "title": lines[0],
        "comments": "withdrawn by the author" if draw.random() < 0.01 else "12 pages, 3 figures",
        "journal-ref": None,
        "doi": f"10.1103/PhysRevD.76.{number}",
        "report-no": None,
        "categories": primary + draw.choice(["", " hep-th", " math.MP math-ph"]),
        "license": "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
        "abstract": "  " + "\n".join(lines) + "\n",
        "versions": versions,
        "update_date": "2008-11-26",
        "authors_parsed": authors,
    }


def _reference(snapshot: Path, folder: Path, mixtures: bool) -> None:
    """The reference's method: parse every line with ``json`` into one frame, filter, split, and mix each split."""
    import pandas

    with open(snapshot, encoding="utf-8") as lines:
        frame = pandas.DataFrame([json.loads(line) for line in lines])
    primary = frame["categories"].str.split().str[0]
    papers = {name: frame[primary.str.startswith(begins)] for name, begins in SINGLE.items()}
    papers["cs"] = _drawn(papers["cs"].sort_values("id"), int(CS * len(frame)))
    splits = {name: _split(_cleaned(papers[name])) for name in SINGLE}
    for split in SPLITS:
        made = {name: splits[name][split] for name in SINGLE}
        if mixtures:
            made |= _mixtures(**{name.replace("-", ""): papers for name, papers in made.items()})
        for name, papers in made.items():
            (folder / name).mkdir(exist_ok=True)
            papers.to_parquet(folder / name / f"{split}.parquet", index=False)


def _drawn(frame: pandas.DataFrame, count: int) -> pandas.DataFrame:
    return frame.iloc[np.random.default_rng(42).permutation(len(frame))[:count]]


def _cleaned(papers: pandas.DataFrame) -> pandas.DataFrame:
    withdrawn = papers["comments"].str.contains("withdrawn", case=False, na=False)
    withdrawn |= papers["abstract"].str.contains("Withdrawn|withdrawn")
    papers = papers[~withdrawn].copy()
    papers["orig_abstract"] = papers["abstract"]
    papers["abstract"] = [re.sub(r"\n\s*", " ", text).strip() for text in papers["abstract"]]
    return papers


def _split(papers: pandas.DataFrame) -> dict[str, pandas.DataFrame]:
    """70% for training, the rest halved; both held-out sizes are rounded up."""
    shuffled = _all(papers.sort_values("id"))
    held_out = -(-3 * len(shuffled) // 10)
    rest = _drawn(shuffled[:held_out], held_out)
    half = -(-held_out // 2)
    return {"train": shuffled[held_out:], "test": rest[:half], "validation": rest[half:]}


def _mixtures(
    hepth: pandas.DataFrame,
    hepph: pandas.DataFrame,
    grqc: pandas.DataFrame,
    qbio: pandas.DataFrame,
    cs: pandas.DataFrame,
) -> dict[str, pandas.DataFrame]:
    """The paper's mixtures of one split; like ours, they shuffle a part before they take rows of it."""
    some, drawn = int(0.15 * len(hepth)), {"hepth": _all(hepth), "hepph": _all(hepph), "grqc": _all(grqc)}
    both = _mixed(drawn["hepph"], drawn["grqc"])
    relativity = int(len(hepth) * len(grqc) / (len(grqc) + len(hepph)))
    few, front = {name: drawn[name][:some] for name in ("hepph", "grqc")}, hepth[: len(hepth) - some]
    return {
        "hep-ph_gr-qc": both,
        "hep-th_hep-ph_gr-qc": _mixed(drawn["hepth"], _all(both)),
        "hep-th_gr-qc": _mixed(drawn["hepth"], drawn["grqc"]),
        "hep-th_hep-ph": _mixed(drawn["hepth"], drawn["hepph"]),
        "gr-qc_hep-ph_small": _mixed(drawn["grqc"][:relativity], drawn["hepph"][: len(hepth) - relativity]),
        "hep-th_85_gr-qc_15": _mixed(front, few["grqc"]),
        "hep-th_85_hep-ph_15": _mixed(front, few["hepph"]),
        "hep-th_70_gr-qc_15_hep-ph_15": _mixed(hepth[: len(hepth) - 2 * some], few["grqc"], few["hepph"]),
        "hep-th_qbio_cs": _mixed(drawn["hepth"], _all(qbio), _drawn(cs, len(grqc) + len(hepph) - len(qbio))),
    }


def _mixed(*parts: pandas.DataFrame) -> pandas.DataFrame:
    import pandas

    return _all(pandas.concat(parts))


def _all(frame: pandas.DataFrame) -> pandas.DataFrame:
    return _drawn(frame, len(frame))


def _ours(snapshot: Path, folder: Path, cores: int, mixtures: bool, leaks: dict) -> Path:
    """This project's method, as the workflow runs it: one pass to a store, then one process for each set."""
    store, report = folder / "store.parquet", folder / "store.json"
    _run("read_snapshot.py", "--snapshot", snapshot, "--store", store, "--report", report, "--threads", cores)
    datasets, begun = _datasets(json.loads(report.read_text())["papers"]), {}
    with ThreadPoolExecutor(cores) as pool:
        for name in sorted(datasets, key=lambda name: (_depth(name, datasets), name != "cs")):  # the longest one first
            if mixtures or not datasets[name].mix:
                begun[name] = pool.submit(_make, name, datasets, folder, leaks, dict(begun))
    for future in begun.values():
        future.result()
    return folder


def _depth(name: str, datasets: dict[str, Dataset]) -> int:
    return 1 + max((_depth(part.dataset, datasets) for part in datasets[name].mix or []), default=0)


def _datasets(rows: int) -> dict[str, Dataset]:
    """The paper's datasets, with a sample of cs in proportion to the snapshot."""
    from feyntune.config.schema.data import Dataset

    datasets = yaml.safe_load((PROJECT / "config/paper.yaml").read_text())["datasets"]
    datasets["cs"]["sample"] = int(CS * rows)
    return {name: Dataset(**dataset) for name, dataset in datasets.items() if "hub" not in dataset}


def _make(name: str, datasets: dict[str, Dataset], folder: Path, leaks: dict, begun: dict[str, Future]) -> None:
    from feyntune.config.references import held_out, mentioned

    for other in mentioned(datasets[name]):
        begun[other].result()
    settings = {"dataset": datasets[name].model_dump(mode="json", exclude_defaults=True), "leaks": leaks}
    where = ["--folder", folder / name]
    if datasets[name].mix:
        pairs = held_out(datasets, name, [])
        where += ["--datasets", folder, "--held-out", *(folder / other / f"{split}.parquet" for other, split in pairs)]
        _run("mix_dataset.py", *where, "--settings", json.dumps(settings))
    else:
        where += ["--store", folder / "store.parquet", "--report", folder / "store.json"]
        _run("build_dataset.py", *where, "--settings", json.dumps({**settings, "control_papers": []}))


def _run(program: str, *arguments: object) -> None:
    """Run a program of the project; its peak memory counts as that of a child of this process."""
    subprocess.run([sys.executable, str(PROJECT / "scripts" / program), *map(str, arguments)], check=True)


def prepare(mixtures: bool, rows: int, folder: Path) -> Case:
    """A benchmark case: a snapshot of ``rows`` papers, from which the single sets and perhaps the mixtures are made."""
    snapshot = folder.parent / f"snapshot-{rows}.jsonl"
    if not snapshot.is_file():
        _generate(snapshot, rows)
    for way in (REFERENCE, OURS, SEARCH):
        (folder / way).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.datasets", str(snapshot), str(folder / REFERENCE)]
    command += ["mixtures"] if mixtures else []
    ours = functools.partial(_ours, snapshot, cores=os.cpu_count(), mixtures=mixtures)
    ways = {
        REFERENCE: lambda: subprocess.run(command, check=True) and folder / REFERENCE,
        OURS: lambda: ours(folder / OURS, leaks={"threshold": None}),
        SEARCH: lambda: ours(folder / SEARCH, leaks={}),
    }
    return Case(rows, ways)


def check(results: dict[str, Path]) -> str:
    """Assert that both methods give the same papers in the same order in every split of every set."""
    from pyarrow.parquet import read_table

    columns, rows = ["id", "abstract", "orig_abstract", "authors", "title", "categories", "versions"], {}
    for file in sorted(results[REFERENCE].rglob("*/*.parquet")):
        name = file.relative_to(results[REFERENCE])
        ours, expected = (read_table(results[way] / name).select(columns) for way in (OURS, REFERENCE))
        assert ours.to_pylist() == expected.to_pylist(), f"{name}: the two methods differ"
        rows[name.parent.name] = rows.get(name.parent.name, 0) + ours.num_rows
    return f"the same papers in the same order: {', '.join(f'{count:,} {name}' for name, count in rows.items())}"


BENCHMARKS = [
    Benchmark(
        name=name,
        title=f"from a snapshot, {what}",
        unit="papers",
        sizes=(125_000, 250_000, 500_000),
        prepare=functools.partial(prepare, mixtures),
        check=check,
        least_ratio=3.0,
        most_memory=lambda rows: 2000,
    )
    for name, what, mixtures in (
        ("single-sets", "five single sets", False),
        ("datasets", "five single sets and nine mixtures", True),
    )
]

if __name__ == "__main__":
    _reference(Path(sys.argv[1]), Path(sys.argv[2]), mixtures=len(sys.argv) > 3)
