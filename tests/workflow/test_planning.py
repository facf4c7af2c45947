"""Plans: every shipped configuration, faults in it told in one line, targets that nobody makes."""

import pytest
from house import PROJECT, House

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A fresh checkout."""
    return House(tmp_path_factory.mktemp("bare"))


def test_the_embedded_default_is_five_runs_through_all_stages(bare):
    plan = bare.plan()
    assert len([file for file in plan if file.startswith("results/adapters/") and file.endswith(".safetensors")]) == 4
    for kind in ("completions", "perplexity", "similarity", "semscore", "jina"):
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
    (bare.folder / "alone.yaml").write_text("models: {other: {path: results/demo/model}}\n")
    done = bare.snakemake("--dry-run", "--configfile", "alone.yaml", "--", "results/demo/snapshot.jsonl")
    assert done.returncode == 0, done.stdout
    done = bare.snakemake(
        "--dry-run", "--configfile", "alone.yaml", "--", "results/perplexity/hep-th/tiny_base.parquet"
    )
    assert "No rule to produce" in done.stdout


@pytest.mark.parametrize("profile", sorted(path.name for path in (PROJECT / "profiles").iterdir()))
def test_every_profile_plans(bare, profile):
    done = bare.snakemake("--dry-run", profile=f"profiles/{profile}")
    assert done.returncode == 0, done.stdout


CONFIGURATIONS = sorted(path.name for path in (PROJECT / "config").glob("*.yaml"))


def test_the_shipped_configurations_are_these():
    assert CONFIGURATIONS == ["config.yaml", "paper.yaml"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_shipped_configuration_plans_offline(bare, name):
    done = bare.snakemake("--dry-run", "--configfile", f"config/{name}")
    assert done.returncode == 0, done.stdout
