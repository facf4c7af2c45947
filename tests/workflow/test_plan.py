"""`snakemake plan`: what is stale and why, under all of Snakemake's options; it runs nothing, and needs no model."""

import json
import subprocess
import sys

import pytest

from support.workspace import ENVIRONMENT, Workspace

pytestmark = pytest.mark.workflow


def rows(told):
    """First column to the whole line, of each line of a plan."""
    return {line.split()[0]: line for line in told.splitlines() if line.strip()}


def test_a_bare_checkout_plans_without_cores_profile_network_or_torch(tmp_path):
    workspace = Workspace(tmp_path / "bare")
    command = [sys.executable, "-X", "importtime", "scripts/plan.py", "--"]
    done = subprocess.run(command, cwd=workspace.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "feyntune.planning.work" in imported
    assert not {"torch", "transformers", "datasets", "huggingface_hub"} & imported
    told = rows(done.stdout)
    assert told["train"].split()[1] == "4" and "not made yet" in told["train"]
    assert "tiny_hep-th_all" in told
    assert sorted(path.name for path in (workspace.folder / "results").iterdir()) == ["plan.json"]


def test_the_papers_twenty_runs_are_planned_on_the_profiles_gpus(tmp_path):
    workspace = Workspace(tmp_path / "bare")
    done = workspace.snakemake("--configfile", "config/paper.yaml", "--", "plan", profile="profiles/sulis")
    assert done.returncode == 0, done.stdout
    told = rows(done.stdout)
    assert told["train"].split()[1] == "20" and told["complete"].split()[1] == "41"
    assert "274 of 274 jobs" in done.stdout and "30 jobs at a time" in done.stdout
    assert "GPU: A100, 40 GB" in done.stdout
    kept = json.loads((workspace.folder / "results/plan.json").read_text())["jobs"]
    (run,) = kept["train/llama-3.1-8b_hep-th_all"]
    assert 40e6 < run["tokens"] < 50e6  # four epochs of 73,500 abstracts of about 150 tokens
    assert 1 < run["seconds"] / 3600 < 24
    assert 8e9 < run["peak_memory_bytes"] < 40e9


def test_a_changed_setting_is_named_and_a_target_bounds_the_plan(workspace):
    change = ("--config", "generation={temperature: 0.5}", "--")
    done = workspace.snakemake(*change, "plan")
    assert done.returncode == 0, done.stdout
    told = rows(done.stdout)
    assert "generation.temperature: 0.7 -> 0.5" in told["complete"]
    assert "new results of complete" in told["semscore"]
    assert "train" not in told and "perplexity" not in told
    done = workspace.snakemake(*change, "results/completions/hep-th/tiny_base.parquet", "plan")
    assert rows(done.stdout)["total"].split()[1] == "1"


def test_changed_code_is_named_and_nothing_runs(workspace):
    workspace.edit("scripts/feyntune/evaluation/perplexity.py", "import math", "import math\n\nA_NEW_CONSTANT = 1")
    before = workspace.stale()
    done = workspace.snakemake("plan")
    assert "its program's code changed" in rows(done.stdout)["perplexity"]
    assert workspace.stale() == before


def test_a_deleted_result_and_a_finished_house_are_told(workspace):
    assert "All 49 jobs are up to date: nothing would run." in workspace.snakemake("plan").stdout
    (workspace.folder / "results/perplexity/hep-th/tiny_base.parquet").unlink()
    assert "deleted" in rows(workspace.snakemake("plan").stdout)["perplexity"]


def test_a_plan_is_made_while_another_snakemake_runs(workspace):
    locks = workspace.folder / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/report.html\n")
    assert workspace.snakemake("--forceall").returncode != 0
    assert workspace.snakemake("--forceall", "--", "plan").returncode == 0


def test_time_limits_that_do_not_suffice_are_warned_of(workspace):
    limits = "resources={train: {runtime: 1, threads: 1, mem_mb: 200}}"
    told = workspace.snakemake("--config", limits, "--forceall", "--", "plan").stdout
    assert "warning: train: 4 of 4 jobs may exceed the memory" in told
    assert "resources.train.mem_mb" in told


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--config", "seeed=1", "--", "plan"), "config: $: unknown key 'seeed'; did you mean 'seed'?"),
        (("--", "plan", "results/nothing.txt"), "results/nothing.txt"),
        (("--directory", ".", "--", "plan"), "plan: start it in the project's folder, without --directory"),
    ],
)
def test_faults_end_the_plan(workspace, options, line):
    done = workspace.snakemake(*options)
    assert done.returncode != 0
    assert line in done.stdout
    assert not (workspace.folder / "results/plan.json").exists()
