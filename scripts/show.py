"""Print the resolved settings of runs: all keys, with defaults and overrides, as the stages get them.

python scripts/show.py                                          names of all runs
python scripts/show.py tiny_hep-th_all                          one run's settings
python scripts/show.py --configfile config/paper.yaml --config seed=7 llama-3.1-8b_hep-th_all

RUN may come first or last. Options are those of Snakemake.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.core.cli import launch
from feyntune.core.errors import FeynTuneError, shorten

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run

DEFAULT = Path(__file__).resolve().parents[1] / "config/config.yaml"


ENDINGS = (".yaml", ".yml", ".json")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "%(prog)s [RUN] [--configfile FILE ...] [--config KEY=VALUE ...] [RUN]"
    parser.add_argument("run", nargs="?", metavar="RUN", help="name of a run; without it, the names of all runs")
    parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, help="as for snakemake", metavar="FILE")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")


def main(options: argparse.Namespace) -> None:
    """Print a run, or the names of all."""
    from feyntune.config.load import did_you_mean, parse_configuration
    from feyntune.config.runs import resolve_runs

    files, pairs, run = sort_arguments(options.configfile, options.config, options.run)
    configuration = parse_configuration(as_snakemake_reads(files, pairs))
    runs = resolve_runs(configuration)
    if run is None:
        print("\n".join(runs))
    elif run in runs:
        print_run(configuration, runs[run])
    else:
        raise FeynTuneError(f"no run {shorten(run)}{did_you_mean(run, runs)}")


def sort_arguments(
    files: Sequence[Path] | None, pairs: Sequence[str], run: str | None
) -> tuple[list[Path], list[str], str | None]:
    """Take RUN from the end of a list of values, where argparse counts it among them.

    Args:
        files: values of ``--configfile``, or None.
        pairs: values of ``--config``.
        run: RUN, if argparse found it.

    Returns:
        Files, pairs and RUN.

    Raises:
        FeynTuneError: a value of ``--config`` has no ``=`` and is not RUN.
    """
    files, pairs = list(files or []), list(pairs)
    if run is None and pairs and "=" not in pairs[-1]:
        run = pairs.pop()
    elif run is None and len(files) > 1 and not files[-1].exists() and files[-1].suffix not in ENDINGS:
        run = str(files.pop())
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise FeynTuneError(f"--config: {shorten(wrong[0])} is not of the form KEY=VALUE; write key=value")
    return files or [DEFAULT], pairs, run


def as_snakemake_reads(files: Sequence[Path], pairs: Sequence[str]) -> dict[str, Any]:
    """The configuration that Snakemake would make of ``--configfile`` and ``--config``."""
    from snakemake.cli import parse_config
    from snakemake.settings.types import ConfigSettings

    from feyntune.config.files import read_yaml

    for file in files:
        read_yaml(file)  # with errors of one line, which Snakemake does not have
    return ConfigSettings(configfiles=files, config=parse_config(pairs)).overwrite_config


def print_run(configuration: Configuration, run: Run) -> None:
    """Print the settings of a run by stage, as YAML."""
    import yaml

    from feyntune.config.stages import completion_stage, perplexity_stage, training_stage

    stages: dict[str, Any] = {
        "run": {"kind": run.kind, "model": run.model, "dataset": run.dataset, "layers": run.layers}
    }
    if run.kind == "trained":
        stages["train"] = training_stage(configuration, run).model_dump(mode="json")
    if run.kind != "imported":
        judged = {name: each for name, each in configuration.evaluation_sets.items() if run.is_judged_on(name)}
        for name, evaluation_set in judged.items():
            if evaluation_set.is_completed:
                stages[f"complete {name}"] = completion_stage(configuration, run, name).model_dump(mode="json")
            stages[f"perplexity {name}"] = perplexity_stage(configuration, run, name).model_dump(mode="json")
    print(yaml.safe_dump(stages, sort_keys=False), end="")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
