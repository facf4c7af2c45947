"""Dependencies are pinned exactly, with hashes; the licences that are listed are those of what is installed."""

import re
from pathlib import Path

import pytest
import yaml

from feyntune import dependencies
from list_licences import HEAD

ROOT = Path(__file__).parents[2]
LISTS = ("requirements.txt", "requirements-cuda.txt")


@pytest.mark.parametrize("name", LISTS)
def test_every_package_is_pinned_exactly_and_has_hashes(name):
    text = (ROOT / name).read_text()
    entries = re.sub(r" \\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    assert len(entries) > 10
    for entry in entries:
        assert re.fullmatch(
            r"[a-z0-9-]+==[^\s;]+( ; platform_system == \"Linux\")?( --hash=sha256:[0-9a-f]{64})+", entry
        )


def test_what_we_ask_for_is_in_the_list_with_the_same_versions():
    asked = dependencies.read_pins((ROOT / "requirements.in").read_text())
    listed = dependencies.read_pins((ROOT / "requirements.txt").read_text())
    assert len(asked) > 20 and asked.items() <= listed.items()


def test_the_list_is_what_is_installed_and_needs_nothing_else():
    listed = dependencies.read_pins((ROOT / "requirements.txt").read_text())
    cuda = dependencies.read_pins((ROOT / "requirements-cuda.txt").read_text())
    installed = {name: each.version.split("+")[0] for name, each in dependencies.installed().items()}
    assert {name: version for name, version in installed.items() if name not in cuda} == listed


def test_conda_users_get_the_same_lists():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["dependencies"][-1]["pip"] == [f"-r {name}" for name in LISTS]


def test_the_licences_are_those_of_what_is_installed():
    lines = dependencies.licence_table(dependencies.installed())
    cuda = dependencies.read_pins((ROOT / "requirements-cuda.txt").read_text())
    shown = [line for line in lines if line.split(" | ")[0].removeprefix("| ") not in cuda]
    assert (ROOT / ".ci/licences.md").read_text() == HEAD + "\n".join(shown) + "\n"


def test_every_licence_is_told():
    assert "not told" not in (ROOT / ".ci/licences.md").read_text()


@pytest.mark.parametrize(
    ("filename", "useful"),
    [
        ("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("torch-2.13.0-cp314-cp314t-macosx_14_0_arm64.whl", True),
        ("torch-2.13.0-cp310-cp310-manylinux_2_28_x86_64.whl", False),
        ("torch-2.13.0-cp311-cp311-win_amd64.whl", False),
        ("torch-2.13.1-cp311-cp311-manylinux_2_28_x86_64.whl", False),
        ("hf_xet-2.13.0-cp37-abi3-manylinux_2_17_x86_64.whl", True),
        ("six-2.13.0-py2.py3-none-any.whl", True),
        ("six-2.13.0-cp311-cp311-musllinux_1_2_x86_64.whl", False),
        ("six-2.13.0.tar.gz", True),
        ("six-2.13.0.exe", False),
    ],
)
def test_files_for_systems_that_we_support_are_listed(filename, useful):
    assert dependencies.is_useful(filename, "2.13.0") is useful
