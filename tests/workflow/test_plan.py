"""`snakemake --executor plan`: what is stale and why, under all of Snakemake's options; nothing runs."""

import json
import re
import subprocess
import sys

import pytest

from support.workspace import ENVIRONMENT, Workspace, run_snakemake

pytestmark = pytest.mark.workflow
PLAN = ("--executor", "plan")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A fresh checkout."""
    return Workspace(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def up_to_date(finished, tmp_path_factory):
    """A copy of the workspace in which everything is done, for plans that change nothing else in it."""
    return Workspace(tmp_path_factory.mktemp("up-to-date") / "workspace", original=finished)


def rows(shown):
    """First column to the whole line, of each line of a plan."""
    return {line.split()[0]: line for line in shown.splitlines() if line.strip()}


def test_a_bare_checkout_plans_without_cores_profile_network_or_torch(tmp_path):
    workspace = Workspace(tmp_path / "bare")
    command = [sys.executable, "-X", "importtime", "-m", "snakemake", *PLAN]
    done = subprocess.run(command, cwd=workspace.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "feyntune.planning.work" in imported
    assert not {"torch", "transformers", "datasets", "huggingface_hub"} & imported
    shown = rows(done.stdout)
    assert shown["train"].split()[1] == "4" and "not made yet" in shown["train"]
    assert "tiny_hep-th_all" in shown
    assert sorted(path.name for path in (workspace.folder / "results").iterdir()) == ["plan.json"]


def test_the_profile_of_sulis_plans_the_papers_twenty_runs_on_its_gpus(tmp_path):
    workspace = Workspace(tmp_path / "bare")
    done = workspace.snakemake(*PLAN, profile="profiles/sulis")
    assert done.returncode == 0, done.stdout
    shown = rows(done.stdout)
    assert shown["train"].split()[1] == "20" and shown["complete"].split()[1] == "62"
    assert "626 of 626 jobs" in done.stdout and "30 jobs at a time" in done.stdout
    assert "GPU: A100, 40 GB" in done.stdout
    kept = json.loads((workspace.folder / "results/plan.json").read_text())["jobs"]
    (run,) = kept["train/llama-3.1-8b_hep-th_all"]
    assert 40e6 < run["tokens"] < 50e6  # four epochs of 73,500 abstracts of about 150 tokens
    assert 1 < run["seconds"] / 3600 < 24
    assert 8e9 < run["peak_memory_bytes"] < 40e9


def test_a_changed_setting_is_named_and_a_target_bounds_the_plan(workspace):
    change = (*PLAN, "--config", "generation={temperature: 0.5}")
    done = workspace.snakemake(*change)
    assert done.returncode == 0, done.stdout
    shown = rows(done.stdout)
    assert "generation.temperature: 0.7 -> 0.5" in shown["complete"]
    assert "new results of complete" in shown["metric"]
    assert "train" not in shown and "perplexity" not in shown
    done = workspace.snakemake(*change, "--", "results/completions/hep-th/tiny_base.parquet")
    assert rows(done.stdout)["total"].split()[1] == "1"


def test_changed_code_is_named_and_nothing_runs(workspace):
    workspace.edit(
        "scripts/feyntune/evaluation/perplexity_batches.py", "import math", "import math\n\nA_NEW_CONSTANT = 1"
    )
    before = workspace.stale()
    done = workspace.snakemake(*PLAN)
    assert "its program's code changed" in rows(done.stdout)["perplexity"]
    assert workspace.stale() == before


def test_a_deleted_result_is_named_and_a_finished_workflow_is_up_to_date(workspace):
    assert "All 64 jobs are up to date: nothing would run." in workspace.snakemake(*PLAN).stdout
    (workspace.folder / "results/perplexity/hep-th/tiny_base.parquet").unlink()
    assert "deleted" in rows(workspace.snakemake(*PLAN).stdout)["perplexity"]


def test_a_plan_is_made_while_another_snakemake_runs(workspace):
    locks = workspace.folder / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/report.html\n")
    assert workspace.snakemake("--forceall").returncode != 0
    assert workspace.snakemake("--forceall", *PLAN).returncode == 0
    assert list(locks.iterdir()) == [locks / "0.output.lock"]


def test_time_limits_that_do_not_suffice_are_warned_of(workspace):
    limits = "resources={train: {runtime: 1, threads: 1, mem_mb: 200}}"
    shown = workspace.snakemake(*PLAN, "--forceall", "--config", limits).stdout
    assert "warning: train: 4 of 4 jobs may exceed the memory" in shown
    assert "resources.train.mem_mb" in shown


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--config", "seeed=1"), "config: $: unknown key 'seeed'; did you mean 'seed'?"),
        (("--config", "planning={gpu: best}"), "plan: config: $.planning.gpu: 'best' is not in the table"),
        (("results/nothing.txt",), "results/nothing.txt"),
    ],
)
def test_faults_end_the_plan(workspace, options, line):
    done = workspace.snakemake(*options, *PLAN)
    assert done.returncode != 0
    assert line in done.stdout and "Traceback" not in done.stdout
    assert not (workspace.folder / "results/plan.json").exists()


def number_of_jobs(workspace, *options):
    """How many jobs Snakemake's own dry run counts; `all` has nothing to run."""
    said = workspace.snakemake(*options, "--dry-run", "--quiet", "rules", "host").stdout
    if "Nothing to be done" in said:
        return 0
    counts = {line.split()[0]: int(line.split()[1]) for line in said.splitlines() if re.fullmatch(r"\w+ +\d+", line)}
    return counts["total"] - counts.get("all", 0)


@pytest.mark.parametrize(
    "options",
    [
        ("--until", "train"),
        ("--omit-from", "complete", "perplexity"),
        ("--forcerun", "train"),
        ("--forcerun", "train", "--until", "complete"),
        ("--forceall",),
        ("results/report.html", "--forceall", "--config", "grid={layer_sets: [all]}"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("state", ["bare", "up_to_date"])
def test_every_option_counts_as_in_a_dry_run(request, state, options):
    place = request.getfixturevalue(state)
    plan = place.snakemake(*options, *PLAN)
    assert plan.returncode == 0, plan.stdout
    shown = rows(plan.stdout)
    planned = int(shown["total"].split()[1]) if "total" in shown else 0
    assert planned == number_of_jobs(place, *options)


def test_a_plan_whose_reader_leaves_has_no_traceback(bare):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(bare.command(*PLAN), cwd=bare.folder, env=bare.environment, **streams)
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait() == 0 and "Traceback" not in said and "BrokenPipe" not in said


def test_a_plan_in_another_directory_counts_what_is_there(workspace, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    done = workspace.snakemake(*PLAN, "--directory", str(elsewhere), "--configfile", "config/config.yaml")
    assert done.returncode == 0, done.stdout
    assert "64 of 64 jobs" in done.stdout
    assert sorted(path.name for path in (elsewhere / "results").iterdir()) == ["plan.json"]
    assert not (workspace.folder / "results/plan.json").exists()


def test_only_the_plan_is_printed(workspace):
    done = workspace.snakemake(*PLAN, apart=True)
    assert done.stdout == "All 64 jobs are up to date: nothing would run.\n"
    done = workspace.snakemake(*PLAN, "--forceall", apart=True)
    assert done.stdout.startswith("stage ") and "\nassumed: times:" in done.stdout
    assert all(line.startswith(("Using profile", "Building DAG")) for line in done.stderr.splitlines())


@pytest.mark.parametrize(
    ("profile", "options", "limits"),
    [
        ("profiles/local", ("--cores", "3"), "3 cores, 1 GPU at a time"),
        ("profiles/slurm", ("--jobs", "7"), "7 jobs at a time"),
        ("profiles/slurm", ("--jobs", "7", "--cores", "50", "--resources", "gpu=2"), "7 jobs, 50 cores, 2 GPUs at"),
    ],
)
def test_what_runs_at_a_time_is_as_the_profile_means_it(bare, profile, options, limits):
    done = bare.snakemake(*options, *PLAN, "--configfile", "config/paper.yaml", profile=profile)
    assert limits in done.stdout
    largest = "at most 3 per job" if profile == "profiles/local" else "at most 14 per job"
    assert largest in done.stdout


def test_another_workflow_is_refused_in_one_line(tmp_path):
    (tmp_path / "Snakefile").write_text('rule one:\n    output: "one"\n    shell: "touch {output}"\n')
    done = run_snakemake(PLAN, tmp_path, apart=True)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("plan: this Snakefile is not FeynTune's")
    assert "Traceback" not in done.stderr
