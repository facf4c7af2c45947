"""Print the resolved settings of runs: every key, with defaults and overrides in place, as the stages are given them.

python scripts/show.py                                          names of all runs
python scripts/show.py tiny_hep-th_all                          one run's settings
python scripts/show.py --configfile config/paper.yaml --config seed=7 llama-3.1-8b_hep-th_all
"""

from pathlib import Path

from feyntune.core.cli import launch


def arguments(parser):
    parser.add_argument("run", nargs="?", help="name of a run; without it, the names of all runs")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[Path("config/config.yaml")])
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")


def main(options):
    from feyntune.config.load import did_you_mean, parse_configuration
    from feyntune.config.runs import resolve_runs
    from feyntune.core.errors import FeynTuneError

    configuration = parse_configuration(as_snakemake_reads(options.configfile, options.config))
    runs = resolve_runs(configuration)
    if options.run is None:
        print("\n".join(runs))
    elif options.run in runs:
        print_run(configuration, runs[options.run])
    else:
        raise FeynTuneError(f"no run {options.run!r}{did_you_mean(options.run, runs)}")


def as_snakemake_reads(files, pairs):
    """The configuration that Snakemake would make of ``--configfile`` and ``--config``."""
    from snakemake.cli import parse_config
    from snakemake.settings.types import ConfigSettings

    return ConfigSettings(configfiles=files, config=parse_config(pairs)).overwrite_config


def print_run(configuration, run):
    """Print the settings of a run by stage, as YAML."""
    import yaml

    from feyntune.config import runs

    stages = {"run": {"kind": run.kind, "model": run.model, "dataset": run.dataset, "layers": run.layers}}
    if run.kind == "trained":
        stages["train"] = runs.training_stage(configuration, run).model_dump(mode="json")
    if run.kind != "imported":
        for name in configuration.evaluation_sets:
            stages[f"complete {name}"] = runs.completion_stage(configuration, run, name).model_dump(mode="json")
            stages[f"score {name}"] = runs.perplexity_stage(configuration, run, name).model_dump(mode="json")
    print(yaml.safe_dump(stages, sort_keys=False), end="")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
