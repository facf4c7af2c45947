"""A target that Snakemake would take for a configuration, and one that it cannot read, are explained in one line."""

import sys
from pathlib import Path

import pytest

from snakemake_executor_plugin_plan.arguments import (
    configurations,
    explain_mistakes,
    explain_targets_among_configurations,
    profiles,
    targets_among_configurations,
)
from support.workspace import PROJECT, run_snakemake

TARGET = "results/semscore/all.parquet"


@pytest.mark.parametrize(
    ("arguments", "targets"),
    [
        (["--configfile", "a.yaml", TARGET], [TARGET]),
        (["--configfiles", "a.yaml", "b.yml", "fetch", "push"], ["fetch", "push"]),
        (["--configfile", "a.yaml", "results/hub/run.json"], ["results/hub/run.json"]),
        (["--configfile", "a.yaml", "missing.yaml"], []),
        (["--configfile=a.yaml", TARGET], []),
        (["--configfile", "a.yaml", "--", TARGET], []),
        (["--configfile", "a.yaml", "--config", "seed=3", TARGET], []),
        ([TARGET, "--configfile", "a.yaml", "-n"], []),
        (["--configfile", "other.json", "more.json"], []),
    ],
)
def test_targets_are_known_among_configurations(tmp_path, monkeypatch, arguments, targets):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.json").write_text("{}")
    (tmp_path / "results/hub").mkdir(parents=True)
    (tmp_path / "results/hub/run.json").write_text("{}")
    assert list(targets_among_configurations(["snakemake", *arguments])) == targets


def test_other_programs_may_have_options_of_the_same_name():
    explain_targets_among_configurations(["scripts/show.py", "--configfile", "a.yaml", "tiny_base"])
    explain_targets_among_configurations([])


def test_snakemake_prints_one_line():
    done = run_snakemake(["-n", "--configfile", "config/paper.yaml", TARGET], PROJECT, apart=True)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"--configfile takes all values that follow it, so {TARGET!r}") and len(line) <= 200


@pytest.mark.parametrize("values", [["seed"], ["seed=1", TARGET], ["=1"], ["3x=1"], ["\x1b[31m"]])
def test_a_setting_without_a_value_is_one_line(values):
    done = run_snakemake(["-n", "--config", *values], PROJECT, apart=True)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("--config takes all values that follow it, and ") and line.isprintable()


def test_settings_with_a_value_pass():
    explain_mistakes(["snakemake", TARGET, "-C", "seed=1", "generation={temperature: 0.5}", "--config=max-x=", "-n"])


def test_configurations_are_found_in_both_forms():
    command = ["snakemake", "-n", "--configfile", "a.yaml", "b.yaml", "--config", "seed=1", "--configfiles=c.yaml"]
    assert list(configurations(command)) == ["a.yaml", "b.yaml", "c.yaml"]


UNREADABLE = {
    "no such file": None,
    "not a text in UTF-8": "seed: 1 # ü".encode("latin-1"),
    "an anchor contains itself": b"models: &a {m: {path: x}, n: *a}",
    "not valid YAML": b"seed: 2024-99-99",
    "no keys at the top level": b"",
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_configuration_that_snakemake_cannot_read_is_one_line(tmp_path, fault):
    path, content = tmp_path / "mine.yaml", UNREADABLE[fault]
    if content is not None:
        path.write_bytes(content)
    loaded = set(sys.modules)
    with pytest.raises(SystemExit) as caught:
        explain_mistakes(["/usr/bin/snakemake", "--configfile", str(path)])
    assert str(caught.value).startswith(f"config: {path}: ") and fault in str(caught.value)
    assert set(sys.modules) >= loaded  # the tests' own library stays


def test_snakemake_itself_prints_one_line(tmp_path):
    done = run_snakemake(["-n", "--configfile", tmp_path / "none.yaml"], PROJECT, apart=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"config: {tmp_path}/none.yaml: no such file; check the path\n"


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A function that writes a profile of this content into the working folder; returns its file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "users"))
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)

    def write(content, folder="profiles/mine", name="config.yaml"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_bytes(content)
        return Path(folder) / name

    return write


def refused(*arguments):
    with pytest.raises(SystemExit) as caught:
        explain_mistakes(["/usr/bin/snakemake", "-n", *arguments])
    return str(caught.value)


BROKEN = {
    b"configfile: none.yaml": "none.yaml: no such file",
    b"configfile: [a.yaml, none.yaml]": "none.yaml: no such file",
    b"configfile: {a: 1}": "profiles/mine/config.yaml: configfile is neither a path nor a list of paths",
    b"configfile: [5]": "profiles/mine/config.yaml: configfile is neither a path nor a list of paths",
    b"cores: [1": "profiles/mine/config.yaml: line 1: not valid YAML",
    b"[1]": "profiles/mine/config.yaml: no keys",
    b"": "profiles/mine/config.yaml: no keys",
    "cores: ü".encode("latin-1"): "profiles/mine/config.yaml: not a text in UTF-8",
}


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_profile_or_its_broken_configuration_is_one_line(profile, content):
    Path("a.yaml").write_text("seed: 1")
    profile(content)
    line = refused("--profile", "profiles/mine")
    assert line.startswith(f"config: {BROKEN[content]}") and len(line.splitlines()) == 1


def test_a_configuration_may_be_relative_to_its_profile(profile):
    profile(b"configfile: ../../mine.yaml")
    Path("mine.yaml").write_text("seed: [")
    assert refused("--profile=profiles/mine").startswith(
        "config: profiles/mine/../../mine.yaml: line 1: not valid YAML"
    )
    Path("mine.yaml").write_text("seed: 1")
    explain_mistakes(["/usr/bin/snakemake", "-n", "--profile", "profiles/mine"])


def test_a_configuration_of_the_command_line_replaces_that_of_a_profile(profile):
    profile(b"configfile: none.yaml")
    Path("mine.yaml").write_text("seed: 1")
    explain_mistakes(["/usr/bin/snakemake", "--profile", "profiles/mine", "--configfile", "mine.yaml"])


def test_profiles_are_found_where_snakemake_finds_them(profile, monkeypatch):
    files = [
        profile(b"cores: 1", "one"),
        profile(b"cores: 1", "users/snakemake/two", "config.v8+.yaml"),
        profile(b"cores: 1", "profiles/three", "profile.yaml"),
    ]
    profile(b"cores: 1", "users/snakemake/two")
    command = [
        "snakemake",
        "--profile",
        "one",
        "results/report.html",
        "--profile",
        "two",
        "--workflow-profile",
        "three",
    ]
    profile(b"", "results", "report.html")  # a target that exists
    assert [path.resolve() for path in profiles(command)] == [path.resolve() for path in files]
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "one two")
    assert [path.resolve() for path in profiles(["snakemake"])] == [path.resolve() for path in files[:2]]
    assert (
        list(profiles(["snakemake", "--profile", "none"]))
        == list(profiles(["snakemake", "--profile", "missing"]))
        == []
    )


def test_every_profile_of_the_project_passes(monkeypatch):
    monkeypatch.chdir(PROJECT)
    for folder in Path("profiles").iterdir():
        explain_mistakes(["/usr/bin/snakemake", "-n", "--profile", str(folder)])
