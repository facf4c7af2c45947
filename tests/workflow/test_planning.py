"""Plans: every shipped configuration, one-line errors for faults in it, targets that nobody makes."""

import re
import subprocess
import sys

import pytest

from support.workspace import PROJECT, Workspace, run_snakemake

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A fresh checkout."""
    return Workspace(tmp_path_factory.mktemp("bare"))


def test_the_embedded_default_is_five_runs_through_all_stages(bare):
    plan = bare.plan()
    assert len([file for file in plan if file.startswith("results/adapters/") and file.endswith(".safetensors")]) == 4
    for kind in ("completions", "perplexity", "similarity", "semscore", "jina", "rouge", "repetition"):
        per_run = [file for file in plan if file.startswith(f"results/{kind}/hep-th/") and not file.endswith(".json")]
        assert len(per_run) == 5, kind
        assert f"results/{kind}/all.parquet" in plan
    assert "results/report.html" in plan


def test_a_typo_in_a_target_says_no_rule(bare):
    done = bare.snakemake("--dry-run", "results/perplexity/hep-th/tiny_hepth_all.parquet")
    assert done.returncode != 0
    assert "No rule to produce results/perplexity/hep-th/tiny_hepth_all.parquet" in done.stdout


def test_a_wrong_key_is_one_line_with_the_likely_one(bare):
    done = bare.snakemake("--dry-run", "--config", "training={num_train_epoch: 3}")
    assert done.returncode != 0
    line = "config: $.training: unknown key 'num_train_epoch'; did you mean 'num_train_epochs'?"
    assert line in done.stdout.splitlines()
    assert "Traceback" not in done.stdout


def test_values_given_on_the_command_line_reach_the_stage(bare):
    done = bare.snakemake(
        "--dry-run", "--quiet", "host", "--printshellcmds", "--config", "training={optimizer: {learning_rate: 5e-4}}"
    )
    assert done.returncode == 0, done.stdout
    assert '"learning_rate": 0.0005' in done.stdout


def test_a_configuration_on_the_command_line_stands_alone(bare):
    (bare.folder / "alone.yaml").write_text(
        "snapshots: {demo: results/demo/snapshot.jsonl}\n"
        "datasets: {bio: {snapshot: demo, categories: [q-bio.*]}}\n"
        "models: {other: {path: results/demo/model}}\n"
        "grid: {models: [other]}\n"
        "evaluation_sets: {bio: {dataset: bio}}\n"
    )
    done = bare.snakemake("--dry-run", "--configfile", "alone.yaml", "--", "results/demo/snapshot.jsonl")
    assert done.returncode == 0, done.stdout
    done = bare.snakemake(
        "--dry-run", "--configfile", "alone.yaml", "--", "results/perplexity/hep-th/tiny_base.parquet"
    )
    assert "No rule to produce" in done.stdout


def test_seeds_and_varied_settings_multiply_the_trainings_and_not_the_data(bare):
    plain = bare.plan()
    grid = "grid={layer_sets: [qkv], seeds: [1, 2], vary: {lora.r: [4, 8]}}"
    plan = bare.plan("--config", grid)
    adapters = {file.split("/")[2] for file in plan if file.startswith("results/adapters/")}
    assert adapters == {
        f"tiny_{dataset}_qkv_r{rank}_s{seed}"
        for dataset in ("hep-th", "hep-ph_gr-qc") for rank in (4, 8) for seed in (1, 2)
    }  # fmt: skip
    data = ("results/datasets/", "results/evaluation_sets/", "results/snapshots/", "results/demo/")
    assert {"results/tables/seeds.csv", "results/tables/sweep.csv", "results/figures/sweep.svg"} <= set(plan) - set(
        plain
    )
    assert {file for file in plan if file.startswith(data)} == {file for file in plain if file.startswith(data)}
    done = bare.snakemake("--dry-run", "--config", grid, "--", "results/adapters/tiny_hep-th_qkv_r4/run.json")
    assert "No rule to produce results/adapters/tiny_hep-th_qkv_r4/run.json" in done.stdout


def test_a_fault_in_what_is_varied_is_one_line(bare):
    done = bare.snakemake("--dry-run", "--config", "grid={vary: {lora.rr: [4]}}")
    assert done.returncode != 0
    line = "config: $.grid.vary.lora: unknown key 'rr'; did you mean 'r'?"
    assert line in done.stdout.splitlines() and "Traceback" not in done.stdout


def test_publishing_is_no_part_of_any_other_plan(bare):
    assert not [file for file in bare.plan() if file.startswith("results/hub")]


def test_push_is_every_adapter_and_a_table_of_each_kind(bare):
    plan = bare.plan("--config", "hub={organisation: me}", "--", "push")
    files = [file for file in plan if file.startswith("results/hub/") and not file.startswith("results/hub/cards/")]
    receipts = [file for file in files if file.endswith(".json")]
    kinds = ("completions", "jina", "perplexity", "repetition", "rouge", "semscore")
    tables = [f"results/hub/tables/hep-th/{kind}.json" for kind in kinds]
    adapters = [file for file in receipts if file not in tables]
    assert sorted(set(receipts) - set(adapters)) == tables
    assert len(adapters) == 4 and not [file for file in adapters if "base" in file]


def test_push_without_an_organisation_is_one_line(bare):
    done = bare.snakemake("--dry-run", "push")
    assert done.returncode != 0
    line = "config: $.hub.organisation: empty; name the user or organisation on the hub to push to"
    assert line in done.stdout.splitlines() and "Traceback" not in done.stdout


@pytest.mark.parametrize("target", ["push", "results/hub/tables/hep-th/jina.json", "results/hub/tiny_hep-th_all.json"])
def test_two_tables_in_one_repository_are_one_line_for_every_push(bare, target):
    hub = 'hub={organisation: me, tables: "me/{set}"}'
    done = bare.snakemake("--dry-run", "--config", hub, "--", target)
    assert done.returncode != 0
    line = "config: $.hub.tables: completions of hep-th and perplexity of hep-th have the same repository me/hep-th;"
    assert any(each.startswith(line) for each in done.stdout.splitlines()) and "Traceback" not in done.stdout
    assert bare.snakemake("--dry-run", "--config", hub).returncode == 0


SETS = """
evaluation_sets: {gr-qc: {dataset: gr-qc, completions: false}, other: {dataset: hep-ph}}
runs: {mine: {model: tiny, dataset: hep-th, layers: qkv, sets: [other]}}
"""


def test_a_run_with_sets_has_results_on_these_only(bare):
    (bare.folder / "sets.yaml").write_text(SETS)
    plan = bare.plan("--configfile", "config/config.yaml", "sets.yaml")
    results = ("completions", "perplexity", "similarity", "semscore", "jina", "rouge", "repetition")
    made = {tuple(file.split("/")[1:3]) for file in plan if "/mine." in file and file.split("/")[1] in results}
    assert made == {(kind, "other") for kind in results}
    others = {file.split("/")[2] for file in plan if file.startswith("results/perplexity/") and "/tiny_base." in file}
    assert others == {"hep-th", "gr-qc", "other"}


def test_pooled_tables_hold_a_run_with_sets_for_these_only(bare):
    (bare.folder / "sets.yaml").write_text(SETS)
    shown = ("--dry-run", "--quiet", "host", "--printshellcmds", "--configfile", "config/config.yaml", "sets.yaml")
    for kind in ("completions", "perplexity", "semscore"):
        done = bare.snakemake(*shown, "--", f"results/{kind}/all.parquet")
        assert done.returncode == 0, done.stdout
        (pool,) = [line for line in done.stdout.splitlines() if "collect.py" in line]
        assert re.findall(rf"results/{kind}/(\S+)/mine\.parquet", pool) == ["other"]
        assert re.findall(r'"run": "mine", "set": "([^"]+)"', pool) == ["other"]


def test_a_set_that_is_not_held_out_is_no_input_of_mixtures(bare):
    shown = ("--dry-run", "--quiet", "host", "--printshellcmds", "--config")
    for held_out in ("true", "false"):
        sets = f"evaluation_sets={{other: {{dataset: hep-th, split: validation, held_out: {held_out}}}}}"
        done = bare.snakemake(*shown, sets, "--", "results/datasets/hep-ph_gr-qc/train.parquet")
        (mix,) = [line for line in done.stdout.splitlines() if "mix_dataset.py" in line]
        assert ("results/datasets/hep-th/validation.parquet" in mix) == (held_out == "true")


ELSEWHERE = """
runs:
  wide:
    completions: {hub: LLMsForHepth/infer_hep_th, revision: abc, model: s1}
    perplexity: {path: p.csv, model: s1}
    metrics: {semscore: {path: s.csv, model: s1}}
"""


def test_results_from_elsewhere_are_imported_and_the_others_computed(bare):
    (bare.folder / "elsewhere.yaml").write_text(ELSEWHERE)
    for name in ("p.csv", "s.csv"):
        (bare.folder / name).touch()
    files = ("--configfile", "config/config.yaml", "elsewhere.yaml")
    done = bare.snakemake("--dry-run", "--quiet", "host", "--printshellcmds", *files)
    assert done.returncode == 0, done.stdout
    commands = [line for line in done.stdout.splitlines() if "$FEYNTUNE_SCRIPTS/" in line]

    def program_that_makes(file):
        (command,) = [command for command in commands if f"--output {file} " in command]
        programs = re.findall(r"\$FEYNTUNE_SCRIPTS/(\w+\.py)", command)
        return next(program for program in programs if program != "on_gpus.py")

    made = {f"results/{kind}/hep-th/wide.parquet": program for kind, program in (
        ("completions", "import_completions.py"), ("perplexity", "import_values.py"),
        ("semscore", "import_values.py"), ("jina", "metric.py"),
    )}  # fmt: skip
    assert {file: program_that_makes(file) for file in made} == made
    assert "results/imports/wide/completions/fetched.json" in done.stdout


@pytest.mark.parametrize("profile", sorted(path.name for path in (PROJECT / "profiles").iterdir()))
def test_every_profile_plans(bare, profile):
    done = bare.snakemake("--dry-run", profile=f"profiles/{profile}")
    assert done.returncode == 0, done.stdout
    assert ("fetch_model" in done.stdout) == (profile == "sulis"), "it has the paper's configuration"


def test_a_configuration_on_the_command_line_replaces_that_of_a_profile(bare):
    done = bare.snakemake("--dry-run", "--configfile", "config/config.yaml", profile="profiles/sulis")
    assert done.returncode == 0, done.stdout
    assert "demo_model" in done.stdout and "fetch_model" not in done.stdout


CONFIGURATIONS = sorted(path.name for path in (PROJECT / "config").glob("*.yaml"))


def test_the_shipped_configurations_are_these():
    assert CONFIGURATIONS == ["config.yaml", "paper.yaml"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_shipped_configuration_plans_offline(bare, name):
    done = bare.snakemake("--dry-run", "--configfile", f"config/{name}")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("mode", "given", "declared"),
    [
        ("online", {"WANDB_API_KEY": "key"}, "['WANDB_API_KEY']"),
        ("online", {}, "[]"),
        ("offline", {"WANDB_API_KEY": "key"}, "[]"),
    ],
)
def test_only_trainings_that_are_tracked_online_get_the_key_of_wandb(bare, tmp_path, mode, given, declared):
    snakefile = bare.folder / "workflow/declared.smk"
    snakefile.write_text('include: "Snakefile"\nprint("declared:", sorted(workflow.envvars))\n')
    options = ["--snakefile", str(snakefile), "--dry-run", "--config", f"tracking={{wandb: {mode}}}"]
    kept = {name: value for name, value in bare.environment.items() if name != "WANDB_API_KEY"}
    done = run_snakemake(["--profile", "profiles/local", *options], bare.folder, {**kept, **given})
    assert done.returncode == 0, done.stdout
    assert f"declared: {declared}" in done.stdout


def test_no_rule_is_run_in_a_way_that_shows_declared_variables_on_a_command_line():
    rules = [line.strip() for path in (PROJECT / "workflow/rules").glob("*.smk") for line in path.open()]
    assert "shell:" in rules and not {"run:", "shadow:", "template_engine:"} & set(rules)


NEWER = """
import sys
import snakemake
from snakemake.cli import main
snakemake.__version__ = "10.0.0"
main(sys.argv[1:])
"""


def test_a_newer_snakemake_is_refused_in_one_line(bare):
    command = [sys.executable, "-c", NEWER, "--dry-run"]
    done = subprocess.run(command, cwd=bare.folder, env=bare.environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == ("Snakemake 10.0.0 is too new: type `pip install 'snakemake>=9.27,<10'`")
    assert "Traceback" not in done.stderr
