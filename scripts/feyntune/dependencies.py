"""The packages that are installed beside this project: exact pins with the hashes of their files, and licences."""

import json
import re
import urllib.request
from importlib.metadata import distributions

TOOLS = frozenset({"pip"})
"""What every environment brings along."""
SYSTEMS = ("manylinux", "linux", "macosx", "any")
"""Beginnings of the platform tags of wheels that are of use here: ``make`` and file locks are not for Windows."""
OLDEST = (3, 11)
"""Oldest Python that the project runs on."""


def installed():
    """Distributions of the running environment by normalised name, sorted; tools left out."""
    found = {normalised(each.metadata["Name"]): each for each in distributions()}
    return {name: found[name] for name in sorted(found) if name not in TOOLS}


def normalised(name):
    """A package's name as indexes compare them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release_hashes(index, name, version):
    """SHA-256 of the files of a release that this project can use, sorted.

    Args:
        index: address of a package index that speaks JSON (PEP 691).
        name, version: of the release, without a local part.
    """
    request = urllib.request.Request(
        f"{index.rstrip('/')}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    return sorted(file["hashes"]["sha256"] for file in files if is_useful(file["filename"], version))


def is_useful(filename, version):
    """Whether a file of an index is the source or a wheel of this version for a system and a Python that we support."""
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    try:
        if not filename.endswith(".whl"):
            return str(parse_sdist_filename(filename)[1]) == version
        _, found, _, tags = parse_wheel_filename(filename)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return False
    return str(found) == version and any(_fits(tag) for tag in tags)


def _fits(tag):
    if not tag.platform.startswith(SYSTEMS) or "musl" in tag.platform:
        return False
    python = re.fullmatch(r"cp3(\d+)", tag.interpreter)
    if python:
        return tag.abi == "abi3" or (3, int(python[1])) >= OLDEST
    return tag.interpreter.startswith("py3")


def lock_lines(pins, hashes, marker=""):
    """The lines of a requirements file: exact pins, each with its hashes.

    Args:
        pins: versions by name.
        hashes: lists of SHA-256 by name.
        marker: for which environments they are.
    """
    digests = {name: [f"    --hash=sha256:{each}" for each in hashes[name]] for name in pins}
    return [" \\\n".join([f"{name}=={version}{marker}", *digests[name]]) for name, version in pins.items()]


def read_pins(text):
    """Versions by normalised name in a requirements file, with hashes or without; comments are passed over."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s\\;#]+)", text, re.MULTILINE)
    return {normalised(name): version for name, version in found}


def licence(distribution):
    """What a distribution says of its licence: its expression, its classifiers, or the first line of a text with it."""
    metadata = distribution.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    prefix = "License :: "
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith(prefix)]
    named = [line.split(" :: ")[-1] for line in classifiers if line != f"{prefix}OSI Approved"]
    return ", ".join(named) or _first_line(metadata.get("License") or _licence_file(distribution)) or "not told"


def _licence_file(distribution):
    names = [
        file for file in distribution.files or [] if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ]
    return distribution.locate_file(names[0]).read_text(encoding="utf-8") if names else ""


def _first_line(text):
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def licence_table(found):
    """Markdown lines of a table of distributions (by name) with versions and licences."""
    rows = [f"| {name} | {each.version.split('+')[0]} | {licence(each)} |" for name, each in found.items()]
    return ["| package | version | licence |", "|---|---|---|", *rows]
