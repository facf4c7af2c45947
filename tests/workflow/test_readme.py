"""Every command of README.md and of the pages that it links is one that works: planned, parsed, or a target of make."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from support.programs import load_program
from support.workspace import PROJECT, Workspace, run_snakemake

PAGES = ("README.md", "config/SHARING.md", "config/CLUSTER.md")
EXAMPLE = "config/examples/one_run.yaml"


def commands() -> list[str]:
    """The lines of indented blocks, without comments, one for each command."""
    text = "\n".join((PROJECT / page).read_text(encoding="utf-8") for page in PAGES)
    lines = re.findall(r"^ {4,}(\S.*)$", text, flags=re.MULTILINE)
    return [part.strip() for line in lines for part in line.split("  #")[0].split(" && ")]


def of(program: str) -> list[list[str]]:
    """The arguments of all commands of a program."""
    return [shlex.split(line)[1:] for line in dict.fromkeys(commands()) if line.split()[0] == program]


def test_there_are_commands_to_check():
    assert len(of("snakemake")) > 12 and len(of("make")) > 5 and len(of("python")) > 6


@pytest.mark.parametrize("arguments", of("make"), ids=" ".join)
def test_make_has_the_target(arguments):
    targets = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE)
    assert arguments[0] in targets


@pytest.mark.parametrize("arguments", [each for each in of("python") if each[0].startswith("scripts/")], ids=" ".join)
def test_a_program_takes_the_options(arguments):
    program, parser = load_program(arguments[0].removeprefix("scripts/").removesuffix(".py")), argparse.ArgumentParser()
    program.arguments(parser)
    parser.parse_args(arguments[1:])


def planned() -> dict[tuple[str, ...], list[str]]:
    """The targets of Snakemake's commands, by their options: one plan serves all targets of the same options."""
    found: dict[tuple[str, ...], list[str]] = {}
    for arguments in of("snakemake"):
        parser = argparse.ArgumentParser()
        for option in ("--profile", "--executor", "--configfile"):
            parser.add_argument(option)
        parser.add_argument("--unlock", action="store_true")
        parser.add_argument("-n", action="store_true")
        parser.add_argument("targets", nargs="*")
        given = parser.parse_args(arguments)
        options = [given.profile or "profiles/local"]
        options += [f"--configfile={EXAMPLE}"] if given.configfile else []
        found.setdefault(tuple(options), []).extend(given.targets or ["all"])
    return found


@pytest.mark.parametrize(("options", "targets"), planned().items(), ids=str)
def test_snakemake_plans_the_targets(tmp_path, options, targets):
    workspace = Workspace(tmp_path)
    (workspace.folder / "data").mkdir()
    (workspace.folder / "data/arxiv-metadata-oai-snapshot.json").touch()
    profile, *others = options
    asked = ["--dry-run", "--quiet", "all", *others, "--config", "hub={organisation: us}", "--"]
    environment = {**workspace.environment, "SBATCH_ACCOUNT": "su123", "HF_TOKEN": "hf_x"}
    done = run_snakemake(["--profile", profile, *asked, *dict.fromkeys(targets)], tmp_path, environment)
    assert done.returncode == 0, done.stdout
