"""Mistakes that Snakemake answers with a traceback, before it reads the Snakefile.

`--configfile` takes all values that follow it, also a target: `snakemake --configfile mine.yaml results/report.html`.
And a configuration that is missing, not UTF-8 or contains itself cannot be read. Snakemake imports all executor plugins
before it parses its command line, so these mistakes can be explained here.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

OPTIONS = ("--configfile", "--configfiles")


def explain_mistakes(command: Sequence[str]) -> None:
    """End the process with one line if ``command`` is Snakemake's and its configurations cannot be read.

    Args:
        command: ``sys.argv``: the program, and its arguments.
    """
    explain_targets_among_configurations(command)
    paths = list(configurations(command)) if _is_snakemake(command) else []
    if not paths:
        return
    with _library_of_this_project():
        from feyntune.config.files import read_yaml
        from feyntune.core.errors import FeynTuneError
    for path in paths:
        try:
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


def _values(command: Sequence[str]) -> list[list[str]]:
    """The values of each ``--configfile``: all that follow it, or the one behind its equals sign."""
    found: list[list[str]] = []
    follow = False
    for argument in command:
        if argument.startswith("-"):
            option, _, value = argument.partition("=")
            follow = argument in OPTIONS
            if option in OPTIONS:
                found.append([value] if value else [])
        elif follow:
            found[-1].append(argument)
    return found


def explain_targets_among_configurations(command: Sequence[str]) -> None:
    """End the process with one line if ``command`` is Snakemake's and names a target among its configurations.

    Args:
        command: ``sys.argv``: the program, and its arguments.
    """
    target = next(targets_among_configurations(command), None)
    if target is not None and _is_snakemake(command):
        sys.exit(
            f"--configfile takes all values that follow it, so {target!r} would be a configuration;"
            " put targets first, or type --configfile=FILE"
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
