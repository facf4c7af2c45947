"""Mistakes that Snakemake answers with a traceback, before it reads the Snakefile.

`--configfile` takes all values that follow it, also a target: `snakemake --configfile mine.yaml results/report.html`.
And a profile or configuration that is missing, not UTF-8 or contains itself cannot be read. Snakemake imports all
executor plugins before it parses its command line, so these mistakes can be explained here.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

OPTIONS = ("--configfile", "--configfiles")


def explain_mistakes(command: Sequence[str]) -> None:
    """End the process with one line if ``command`` is Snakemake's and its configurations cannot be read.

    Args:
        command: ``sys.argv``: the program, and its arguments.
    """
    if not _is_snakemake(command):
        return
    explain_targets_among_configurations(command)
    explain_settings_without_value(command)
    paths, files = list(configurations(command)), list(profiles(command))
    if not paths and not files:
        return
    with _library_of_this_project():
        from feyntune.config.files import read_yaml
        from feyntune.core.errors import FeynTuneError
    try:
        named = [path for file in files for path in configurations_of_profile(file, read_yaml(file))]
        for path in paths or named:  # the command line replaces what profiles name
            read_yaml(path)
    except FeynTuneError as error:
        sys.exit(str(error))


def _is_snakemake(command: Sequence[str]) -> bool:
    program = Path(command[0]) if command else Path()
    return "snakemake" in (program.name, program.parent.name)


@contextlib.contextmanager
def _library_of_this_project() -> Iterator[None]:
    """Import from `scripts/` in the block only: the Snakefile may be another copy's, and imports its own library."""
    folder = str(Path(__file__).resolve().parents[3] / "scripts")
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name in [name for name in sys.modules if name.split(".")[0] == "feyntune" and name not in before]:
            del sys.modules[name]


def configurations(command: Sequence[str]) -> Iterator[str]:
    """The values of ``--configfile``."""
    for values in _values(command):
        yield from values


def profiles(command: Sequence[str]) -> Iterator[Path]:
    """Files of the profiles that exist: the values of ``--profile`` or its variable, then the workflow's profile."""
    named = _single_values(command, "--profile")
    named = named or os.environ.get("SNAKEMAKE_PROFILE", "").split()
    users = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "snakemake"
    places = [[Path(name), users / name] for name in named if name != "none"]
    workflows = _single_values(command, "--workflow-profile") or ["default"]
    places.append([Path(workflows[-1]), Path("profiles") / workflows[-1]])
    for candidates in places:
        yield from list(filter(None, map(_profile_file, candidates)))[:1]


def _profile_file(place: Path) -> Path | None:
    """The file of a profile: itself, or ``profile.yaml`` or ``config.yaml`` in its folder, the latest version."""
    if not place.is_dir():
        return place if place.is_file() else None
    versions = {path: re.fullmatch(r"(?:profile|config)(?:\.v(\d+)\+)?\.yaml", path.name) for path in place.iterdir()}
    found = {path: int(match[1] or 0) for path, match in versions.items() if match}
    return max(found, key=lambda path: found[path], default=None)


def configurations_of_profile(file: Path, content: dict[str, Any]) -> list[str]:
    """The configurations that a profile names; a single one may be relative to the profile's folder.

    Args:
        file: the profile's file.
        content: what it contains.
    """
    value: Any = next((content[key] for key in ("configfile", "configfiles") if content.get(key) is not None), [])
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        sys.exit(f"config: {file}: configfile is neither a path nor a list of paths; correct it")
    if isinstance(value, list):
        return values
    path = Path(os.path.expandvars(value)).expanduser()
    return [str(file.parent / path if (file.parent / path).exists() else path)]


def _single_values(command: Sequence[str], option: str) -> list[str]:
    """The values of an option that takes one; what follows it are targets."""
    return [value for values in _values(command, (option,)) for value in values[:1]]


def _values(command: Sequence[str], options: Sequence[str] = OPTIONS) -> list[list[str]]:
    """The values of each of these options: all that follow it, or the one behind its equals sign."""
    found: list[list[str]] = []
    follow = False
    for argument in command:
        if argument.startswith("-"):
            option, _, value = argument.partition("=")
            follow = argument in options
            if option in options:
                found.append([value] if value else [])
        elif follow:
            found[-1].append(argument)
    return found


def explain_targets_among_configurations(command: Sequence[str]) -> None:
    """End the process with one line if ``command`` is Snakemake's and names a target among its configurations.

    Args:
        command: ``sys.argv``: the program, and its arguments.
    """
    target = next(targets_among_configurations(command), None) if _is_snakemake(command) else None
    if target is not None:
        sys.exit(
            f"--configfile takes all values that follow it, so {target!r} would be a configuration;"
            " put targets first, or type --configfile=FILE"
        )


def explain_settings_without_value(command: Sequence[str]) -> None:
    """End the process with one line if a value of ``--config`` is no setting, such as a target behind it.

    Args:
        command: ``sys.argv``: the program, and its arguments.
    """
    values = [value for each in _values(command, ("--config", "-C")) for value in each]
    wrong = next((value for value in values if not re.match(r"[A-Za-z_][\w-]*\w=", value)), None)
    if wrong is not None:
        sys.exit(
            f"--config takes all values that follow it, and {ascii(wrong)[:80]} is not of the form KEY=VALUE;"
            " write seed=1, and put targets first"
        )


def targets_among_configurations(command: Sequence[str]) -> Iterator[str]:
    """The values of ``--configfile`` after the first that name no configuration.

    Those are YAML files, and existing files of another ending (JSON) that are no results.
    """
    for values in _values(command):
        for value in values[1:]:
            path = Path(value)
            is_yaml, is_result = path.suffix in (".yaml", ".yml"), path.parts[:1] == ("results",)
            if not is_yaml and (is_result or not path.is_file()):
                yield value
