"""Checks of SLURM with stub programs that answer like a real cluster."""

import os
import stat

import pytest

from feyntune.check.cluster import cluster_findings
from support.check_stage import SULIS, check_stage

SINFO = {"--partition=gpu": "gpu|gpu:ampere_a100:3(S:0-1)|2-00:00:00|512000\n", "%R": "compute\ngpu\n"}


def sulis(**changes):
    wanted = {"slurm": SULIS, "gpu": 3, "mem_mb": 100000, "runtime": 2880, **changes}
    return check_stage(**{**wanted, "slurm": {**SULIS, **changes.get("slurm", {})}})


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Stub programs of SLURM, first on the path."""

    def add(name, body):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)

    add("scontrol", "exit 0")
    add("sacctmgr", "printf 'su123\\nsu456\\n'")
    add("sinfo", f'case "$*" in *--partition=gpu*) printf "{SINFO["--partition=gpu"]}";;'
        ' *partition*) ;; *) printf "compute\\ngpu\\n";; esac')  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SBATCH_ACCOUNT", "su123")
    return add


def states(**changes):
    return {finding.name: (finding.state, finding.detail) for finding in cluster_findings(sulis(**changes))}


def test_a_cluster_that_fits_passes(programs):
    assert {state for state, _ in states().values()} == {"pass"}


def test_jobs_of_this_machine_need_no_cluster():
    without = check_stage()
    assert [finding.state for finding in cluster_findings(without)] == ["skip"]


def test_an_account_that_is_not_set_or_not_yours_fails(programs, monkeypatch):
    monkeypatch.setenv("SBATCH_ACCOUNT", "other")
    assert states()["account"] == ("fail", "other is not yours")
    monkeypatch.delenv("SBATCH_ACCOUNT")
    assert states()["account"] == ("fail", "$SBATCH_ACCOUNT is not set")


def test_without_an_accounting_database_the_account_is_not_checked(programs):
    programs("sacctmgr", "exit 1")
    assert states()["account"][0] == "skip"


@pytest.mark.parametrize(
    ("changes", "name", "detail"),
    [
        ({"slurm": {"gpu_model": "h100"}}, "GPU type", "wanted h100:3, offered ampere_a100:3"),
        ({"gpu": 4}, "GPU type", "wanted ampere_a100:4, offered ampere_a100:3"),
        ({"runtime": 5000}, "time limit", "5000 min asked, 2880 min allowed"),
        ({"mem_mb": 600000}, "memory", "600000 MB asked, 512000 MB on the largest node"),
        ({"slurm": {"partition": "nope"}}, "partition", "no partition nope"),
    ],
)
def test_what_the_partition_cannot_give_fails(programs, changes, name, detail):
    assert states(**changes)[name] == ("fail", detail)


def test_a_controller_that_does_not_answer_is_said(programs):
    programs("scontrol", "exit 1")
    assert states()["SLURM"] == ("fail", "the controller does not answer")
