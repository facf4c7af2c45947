"""Cards: a job sees its own and no other's, in each way of asking that the profiles show."""

import pytest

pytestmark = pytest.mark.slurm

SEES = """
rule all:
    input: "on-a", "on-b", "on-c", "none"
rule train:
    output: "on-{name}"
    wildcard_constraints: name="[abc]"
    resources: mem_mb=1000, runtime=10, gpu=lambda wildcards: 2 if wildcards.name == "c" else 1
    threads: lambda wildcards: 4 if wildcards.name == "c" else 2
    shell: "echo $SLURM_JOB_ID $CUDA_VISIBLE_DEVICES > {output}; until [ -e release ]; do sleep 0.2; done"
rule cpu:
    output: "none"
    resources: mem_mb=1000, runtime=10
    shell: "echo $SLURM_JOB_ID ${{CUDA_VISIBLE_DEVICES-none}} > {output}; until [ -e release ]; do sleep 0.2; done"
"""
STYLES = {
    "--gpus=MODEL:N": (),
    "--gres=gpu:MODEL:N": ("--set-resources", "train:gpu=0", "train:gpu_model=''", "train:gres='gpu:ampere_a100:1'"),
}


@pytest.mark.parametrize("style", STYLES)
def test_jobs_that_run_together_hold_different_gpus(drive, jobs, tmp_path, style):
    driver = drive(SEES, *STYLES[style])
    files = [tmp_path / name for name in ("on-a", "on-b", "on-c", "none")]
    driver.until(lambda: all(file.exists() and file.read_text() for file in files), "jobs side by side")
    (tmp_path / "release").touch()
    code, said = driver.wait()
    assert code == 0, said
    nodes = {job["JobId"]: job["NodeList"] for job in jobs()}
    held = []
    for name, count in (("on-a", 1), ("on-b", 1), ("on-c", 1 if STYLES[style] else 2)):
        number, devices = (tmp_path / name).read_text().split()
        assert len(devices.split(",")) == count
        held += [(nodes[number], device) for device in devices.split(",")]
    assert len(held) == len(set(held))
    assert (tmp_path / "none").read_text().split()[1] == "none"
    cores = {job["Comment"].split("_")[-1]: job["NumCPUs"] for job in jobs()}
    assert (cores["a"], cores["c"]) == ("2", "4")
