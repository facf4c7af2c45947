"""A metric is one file and one line of configuration: everything that is made of metrics then has it."""

import csv
import json

import pyarrow.parquet
import pytest

from feyntune.core.files import write_json
from support import made_results
from support.workspace import Workspace

pytestmark = pytest.mark.workflow

FILE = "scripts/feyntune/evaluation/metrics/length_ratio.py"
KIND = '''
"""Length of the continuation relative to the true one."""

from feyntune.evaluation.metrics.base import Column, Metric


class LengthRatio(Metric):
    """Words of the continuation, by the words of the true one."""

    columns = (
        Column(
            name="ratio", title="Relative length", direction="higher", headline=True,
            description="Words of the continuation by those of the true one.",
        ),
    )

    def score(self, completions, reference):
        pairs = zip(completions.y_true, completions.predictions, strict=True)
        return {"ratio": [len(prediction.split()) / max(len(true.split()), 1) for true, prediction in pairs]}
'''
RUNS = [
    {"set": "hep-th", "run": f"tiny_{name}", "model": "tiny", "dataset": dataset, "layers": layers}
    for name, dataset, layers in [
        ("base", None, "base"),
        ("hep-th_all", "hep-th", "all"),
        ("hep-th_qkv", "hep-th", "qkv"),
        ("hep-ph_gr-qc_all", "hep-ph_gr-qc", "all"),
        ("hep-ph_gr-qc_qkv", "hep-ph_gr-qc", "qkv"),
    ]
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace in which all is done, with made-up results of everything that a model would compute."""
    workspace = Workspace(tmp_path_factory.mktemp("made"))
    workspace.pretend_done()
    results = workspace.folder / "results"
    made_results.make_results(results, metrics=("jina", "rouge", "repetition"), runs=RUNS)
    made_results.make_adapters(results, RUNS[1:])
    made_results.make_matrices(results, runs=RUNS)
    ids = pyarrow.parquet.read_table(results / f"completions/hep-th/{RUNS[0]['run']}.parquet", columns=["id"])
    pyarrow.parquet.write_table(ids, results / "evaluation_sets/hep-th.parquet")
    for dataset in ("hep-th", "hep-ph_gr-qc"):
        rows = {"train": 700, "test": 150, "validation": 150}
        summary = {"rows": rows, "words": {"median": 120.0}, "categories": {"hep-th": 990}}
        write_json(results / f"datasets/{dataset}/summary.json", summary)
    done = workspace.snakemake("--touch", "--forceall")
    assert done.returncode == 0, done.stdout
    return workspace


@pytest.fixture(scope="module")
def added(workspace):
    """What was stale after the metric was added, and the workspace in which it has run."""
    (workspace.folder / FILE).write_text(KIND)
    workspace.edit("config/config.yaml", "  repetition: {}\n", "  repetition: {}\n  length_ratio: {}\n")
    stale = workspace.stale()
    plan = workspace.snakemake("--executor", "plan") if (workspace.folder / "workflow/plugins").exists() else None
    plan = plan if plan and plan.returncode == 0 else workspace.snakemake("plan")
    done = workspace.snakemake("--config", "report={uncertainty: {resamples: 199}}")
    assert done.returncode == 0, done.stdout
    return workspace.folder / "results", stale, plan.stdout


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_only_the_new_metric_and_what_is_made_of_all_metrics_is_stale(added):
    _, stale, _ = added
    kinds = {path.split("/")[1] for path in stale}
    assert kinds == {"length_ratio", "tables", "figures", "explore", "report.html", "metrics_complete.json"}
    assert f"results/length_ratio/hep-th/{RUNS[1]['run']}.parquet" in stale


def test_the_plan_has_its_jobs(added):
    _, _, plan = added
    (line,) = [line for line in plan.splitlines() if line.startswith("cpu_metric")]
    assert line.split()[1] == "5"


def test_the_tables_have_its_column(added):
    results, _, _ = added
    summary = rows(results / "tables/summary.csv")
    assert [float(row["length_ratio_ratio"]) for row in summary] == [pytest.approx(3 / 4)] * 5
    compared = {row["quantity"] for row in rows(results / "tables/comparisons.csv")}
    assert {"length_ratio_ratio", "semscore_continuation", "rougeL", "repetition_rep_4"} <= compared
    (described,) = [row for row in rows(results / "tables/quantities.csv") if row["quantity"] == "length_ratio_ratio"]
    assert described["description"] == "Words of the continuation by those of the true one."


def test_figures_and_report_show_it(added):
    results, _, _ = added
    page = (results / "report.html").read_text()
    assert page.count("Relative length") > 5
    for name in ("intervals", "differences", "distributions"):
        assert "<!-- Relative length -->" in (results / f"figures/{name}.svg").read_text()


def test_the_run_is_complete(added):
    results, _, _ = added
    names = json.loads((results / "metrics_complete.json").read_text())["metrics"]
    assert names == ["semscore", "jina", "rouge", "repetition", "length_ratio"]
