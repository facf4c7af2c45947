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
    program = Path(command[0]) if command else Path()
    if "snakemake" not in (program.name, program.parent.name):
        return
    explain_targets_among_configurations(command)
    with _library_of_this_project():
        from feyntune.config.files import read_yaml
        from feyntune.core.errors import FeynTuneError
    for path in configurations(command):
        try:
            read_yaml(path)
        except FeynTuneError as error:
            sys.exit(str(error))


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
    named = False
    for argument in command:
        if argument.startswith("-"):
            option, _, value = argument.partition("=")
            named = argument in OPTIONS
            if value and option in OPTIONS:
                yield value
        elif named:
            yield argument


def explain_targets_among_configurations(command: Sequence[str]) -> None:
    """End the process with one line if ``command`` is Snakemake's and names a target among its configurations.

    Args:
        command: ``sys.argv``: the program, and its arguments.
    """
    program = Path(command[0]) if command else Path()
    target = next(targets_among_configurations(command), None)
    if target is not None and "snakemake" in (program.name, program.parent.name):
        sys.exit(
            f"--configfile takes all values that follow it, so {target!r} would be a configuration;"
            " put targets first, or type --configfile=FILE"
        )


def targets_among_configurations(command: Sequence[str]) -> Iterator[str]:
    """The values of ``--configfile`` after the first that name no configuration.

    Those are YAML files, and existing files of another ending (JSON) that are no results.
    """
    previous: list[str] | None = None  # values of the option so far; None behind another option
    for argument in command:
        if argument.startswith("-"):
            previous = [] if argument in OPTIONS else None
        elif previous is not None:
            path = Path(argument)
            is_yaml, is_result = path.suffix in (".yaml", ".yml"), path.parts[:1] == ("results",)
            if previous and not is_yaml and (is_result or not path.is_file()):
                yield argument
            previous.append(argument)
