"""A mistake on Snakemake's command line that Snakemake answers with a traceback, before it reads the Snakefile.

`--configfile` takes all values that follow it, also a target: `snakemake --configfile mine.yaml results/report.html`.
Snakemake imports all executor plugins before it parses its command line, so the mistake can be explained here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

OPTIONS = ("--configfile", "--configfiles")


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
