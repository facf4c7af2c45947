"""Space for results: disks and quotas that are too small for the plan fail, with the remedy."""

import json

import pytest

from feyntune.check import space
from feyntune.check.space import Quota

GB = 10**9
LUSTRE = "     /lustre/scratch {used} {soft} {hard} {grace} {files} 0 {file_limit} -\n"
SYSTEM = """Disk quotas for user me (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
server:/home 1000 2000 3000 0 10 0 0 0
{source} {used}* {soft} {hard} 1764000000 {files} 0 {file_limit} 0
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """A function that puts a program into an otherwise empty PATH: it prints a text, and exits with a status."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    (tmp_path / "bin").mkdir()

    def put(name, text, status=0):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{text}END\nexit {status}\n")
        program.chmod(0o755)

    return put


@pytest.fixture
def results(tmp_path):
    """A folder of results with a plan of 50 GB, of which 10 are there, and 18 GB to fetch, of which 2 are fetched."""
    folder = tmp_path / "results"
    sizes = {"train/a": 20, "similarity/a": 30, "fetch_model/models/llama": 16, "fetch_adapter/s1": 2}
    jobs = {name: [{"disk_bytes": 1}, {"disk_bytes": size * GB}] for name, size in sizes.items()}
    (folder / "adapters/s1").mkdir(parents=True)
    (folder / "adapters/s1/fetched.json").write_text("{}")
    with open(folder / "matrix.pt", "wb") as file:
        file.truncate(10 * GB)  # a hole: it takes no space
    (folder / "link").symlink_to(folder / "matrix.pt")
    (folder / "kept").mkdir()
    (folder / "kept/matrix.pt").hardlink_to(folder / "matrix.pt")
    (folder / "plan.json").write_text(json.dumps({"jobs": jobs}))
    return folder


def lustre(used, soft, hard=0, files=10, file_limit=0):
    kilobytes = {name: int(value * GB / 1024) for name, value in {"used": used, "soft": soft, "hard": hard}.items()}
    text = LUSTRE.format(**kilobytes, grace="-", files=files, file_limit=file_limit)
    return text.replace(f"{kilobytes['used']} ", f"{kilobytes['used']}* ") if used > soft > 0 else text


def test_what_is_there_needs_no_more_space(results):
    made, fetched = space.planned_bytes(results)
    assert made == pytest.approx(40 * GB, rel=1e-3) and fetched == 16 * GB
    (results / "plan.json").unlink()
    assert space.planned_bytes(results) == (0, 0)


@pytest.mark.parametrize(
    ("free", "needed", "state"),
    [(100, 40, "pass"), (39, 40, "fail"), (100, 0, "pass"), (5, 0, "warn"), (0.5, 0, "fail"), (0.5, 0.1, "fail")],
)
def test_a_disk_must_have_the_space_of_the_plan(tmp_path, monkeypatch, free, needed, state):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free * GB}))
    found = space.disk_finding("disk", tmp_path, needed * GB, space.MOVE)
    assert found.state == state and bool(found.remedy) == (state != "pass")


@pytest.mark.parametrize(
    ("text", "state", "detail"),
    [
        (lustre(100, 500), "pass", "400 GB free, 40 GB planned, of 500 GB"),
        (lustre(100, 120, 500), "fail", "20 GB free, 40 GB planned, of 120 GB"),
        (lustre(100, 0, 500), "pass", "400 GB free"),
        (lustre(501, 500, 600), "fail", "0 GB free"),
        (lustre(100, 500, files=999_000, file_limit=1_000_000), "fail", "999,000 of 1,000,000 files"),
        (lustre(100, 0, files=10, file_limit=1_000_000), "pass", "10 of 1,000,000 files"),
        (lustre(100, 0), "skip", "neither lfs nor quota"),
        ("     /a/very/long/name/of/a/file/system\n      [5] 1 0 - 3 0 0 -\n", "fail", "0 GB free"),
        ("Permission denied.\n", "skip", "neither lfs nor quota"),
    ],
)
def test_quotas_of_lustre(results, stub, text, state, detail):
    stub("lfs", text)
    found = space.quota_finding("quota", results, 40 * GB, space.MOVE)
    assert found.state == state and detail in found.detail
    assert bool(found.remedy) == (state == "fail")


def test_the_group_may_have_less_left_than_the_user(results, stub):
    stub("lfs", "")
    (results.parent / "bin/lfs").write_text(
        f"#!/bin/sh\n[ $3 = -u ] && echo '{lustre(1, 500).strip()}' || echo '{lustre(495, 500).strip()}'\n"
    )
    assert "5 GB free" in space.quota_finding("quota", results, 0, space.MOVE).detail


def test_quotas_of_the_system_are_those_of_the_file_system_also_where_one_is_exceeded(results, stub, monkeypatch):
    mounts = results.parent / "mounts"
    places = {"/dev/root": "/", "/dev/sdb1": results.parent, "/dev/sdc1": results / "deeper"}
    mounts.write_text("".join(f"{source} {place} ext4 rw 0 0\n" for source, place in places.items()))
    monkeypatch.setattr(space, "MOUNTS", mounts)
    million = {"used": 10**6, "soft": 9 * 10**5, "hard": 2 * 10**6, "files": 7, "file_limit": 9_000_000}
    stub("quota", SYSTEM.format(source="/dev/sdb1", **million), status=1)
    assert space.quotas(results) == [Quota(1_024_000_000, 921_600_000, 7, 9_000_000)]
    assert space.quota_finding("quota", results, 0, space.MOVE).state == "fail"
    stub("quota", SYSTEM.format(source="/dev/sdc1", **million))
    assert space.quota_finding("quota", results, 0, space.MOVE).state == "skip"


def test_the_hubs_cache_is_checked_if_anything_is_to_be_fetched(results, stub, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 15 * GB}))
    found = {finding.name: finding for finding in space.space_findings(results, results / "no/such/folder")}
    assert found["disk"].state == "fail" and "--directory" in found["disk"].remedy
    assert found["disk of the hub's cache"].state == "fail" and "HF_HOME" in found["disk of the hub's cache"].remedy
    (results / "models/llama").mkdir(parents=True)
    (results / "models/llama/fetched.json").write_text("{}")
    assert len(list(space.space_findings(results, results))) == 2
