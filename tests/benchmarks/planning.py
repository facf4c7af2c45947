"""How long a plan takes: ``snakemake -n`` on so many runs, and beside it on as many jobs of the barest of rules."""

import json
import os
import subprocess
import sys

from benchmarks.comparison import OURS, Benchmark, Case
from support.workspace import PROJECT


def prepare(runs, folder):
    """A configuration of so many runs on ten datasets, with a model and a metric of the hub, as the paper's are."""
    datasets = {f"set{number}": {"snapshot": "arxiv", "categories": ["hep-th"]} for number in range(10)}
    layer_sets = {f"layers{number}": ["q_proj"] for number in range(runs // 10)}
    configuration = {
        "snapshots": {"arxiv": "snapshot.json"},
        "datasets": datasets,
        "models": {"llama": {"hub": "meta-llama/Llama-3.1-8B", "revision": "0" * 40}},
        "layer_sets": layer_sets,
        "grid": {"models": ["llama"], "datasets": list(datasets), "layer_sets": list(layer_sets)},
        "evaluation_sets": {"set0": {"dataset": "set0", "split": "test"}},
        "metrics": {"semscore": {"hub": "sentence-transformers/all-mpnet-base-v2", "revision": "0" * 40}},
    }
    path = folder / "config.json"
    path.write_text(json.dumps(configuration))
    bare = folder / "Snakefile"
    bare.write_text(_bare_rules(runs))
    workspace = ["--configfile", str(path), "--snakefile", str(PROJECT / "workflow" / "Snakefile")]
    ways = {OURS: lambda: _plan(workspace, folder), "bare rules": lambda: _plan(["--snakefile", str(bare)], folder)}
    return Case(runs, ways)


def _bare_rules(runs):
    """A workflow of five rules in a row for each run, with one input and one output each, and nothing else."""
    rules = [f'rule all:\n    input: ["4/" + str(run) for run in range({runs})]']
    for number in range(5):
        source = f'    input: "{number - 1}/{{run}}"\n' if number else ""
        rules.append(f'rule r{number}:\n{source}    output: "{number}/{{run}}"\n    shell: "touch {{output}}"')
    return "\n".join(rules)


def _plan(options, folder):
    """The number of jobs that a dry run tells, in an empty folder."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--cores", "1", *options]
    command += ["--directory", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    return int(next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("total")))


def check(results):
    """There is something to do."""
    assert results[OURS] > 0
    return f"{results[OURS]:,} jobs, {results['bare rules']:,} of bare rules"


BENCHMARKS = [
    Benchmark(
        name="planning",
        title="dry run",
        unit="runs",
        sizes=(20, 200, 2000),
        prepare=prepare,
        check=check,
        with_memory=False,
        most_seconds={20: 2, 200: 4, 2000: 25},
    )
]
