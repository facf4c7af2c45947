# What every rule needs: the checked configuration, the runs that it declares, and fingerprints of settings and of code.

import functools
import itertools
import json
import math
import os
import re
import sys

sys.path.insert(0, str(PROJECT / "scripts"))

from feyntune.config import reported, stages
from feyntune.config.files import read_yaml
from feyntune.config.grid import name_axes
from feyntune.config.load import parse_configuration
from feyntune.config.names import check_names, result_folders
from feyntune.config.runs import resolve_runs
from feyntune.core.secrets import WANDB
from feyntune.core.dates import date_now
from feyntune.core.errors import FeynTuneError
from feyntune.core.fingerprint import code_fingerprint as code

# Programs run under the Python that runs Snakemake, and never ask a network that compute nodes do not have. Rules name
# them by a variable of the shell, because a path in a parameter or in the text of a command would make all results stale
# when the project is moved, and Snakemake does not show the Python variables of a module to its commands.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)
os.environ.update(
    FEYNTUNE_SCRIPTS=str(PROJECT / "scripts"),
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    PYTHONUNBUFFERED="1",
)

try:
    for file in [] if IS_MODULE else workflow.configfiles:
        read_yaml(file)  # Snakemake accepts duplicate keys in silence
    CONFIG = parse_configuration(config)
    RUNS = resolve_runs(CONFIG)
    check_names(CONFIG, result_folders(PROJECT))
except FeynTuneError as error:
    sys.exit(str(error))

# The executor `slurm-guarded` withholds every secret from jobs, except the variables that are declared here. Snakemake
# writes their values into the command lines of `run:` rules: so there is none.
if CONFIG.tracking.wandb == "online":

    envvars:
        *[name for name in WANDB if name in os.environ],


TRAINED = [run.name for run in RUNS.values() if run.kind == "trained"]
FULL = [run.name for run in RUNS.values() if run.is_full]
ADAPTED = [run for run in TRAINED if run not in FULL]
PUBLISHED = [run.name for run in RUNS.values() if run.kind == "published"]
IMPORTED = [run.name for run in RUNS.values() if run.kind == "imported"]
WITH_MODEL = [run.name for run in RUNS.values() if run.kind != "imported"]
COMPLETED = [name for name, each in CONFIG.evaluation_sets.items() if each.is_completed]


def judged_on(evaluation_set, runs):
    """Those of the runs that are evaluated on a set."""
    return [run for run in runs if RUNS[run].is_judged_on(evaluation_set)]


def one_of(names):
    """A regular expression that matches these names only; nothing, where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def one_of_runs(names):
    """The same for runs. Snakemake parses a pattern again for each job and file: the grid is written as a product."""
    axes = name_axes(CONFIG.grid)
    of_grid = {"_".join(parts) for parts in itertools.product(*axes)}
    if not of_grid.issubset(names) or not of_grid:
        return one_of(names)
    product = "_".join(f"(?:{one_of(axis)})" for axis in axes)
    return "|".join([product, one_of(name for name in names if name not in of_grid)])


wildcard_constraints:
    run=one_of_runs(RUNS),
    set=one_of(CONFIG.evaluation_sets),
    dataset=one_of(CONFIG.datasets),
    snapshot=one_of(CONFIG.snapshots),
    metric=one_of(CONFIG.metrics),
    model=one_of(CONFIG.models),


def settings(section):
    """One canonical text for the settings that a stage uses: Snakemake compares parameters by value, without names."""
    values = (
        section
        if isinstance(section, (dict, list))
        else section.model_dump(mode="json")
    )
    return json.dumps(values, sort_keys=True)


def stage_settings(make, *values):
    """The settings that `make` returns for the configuration and these values; its errors end the plan in one line."""
    try:
        return settings(make(CONFIG, *values))
    except FeynTuneError as error:
        sys.exit(str(error))


def date_results_now():
    """Correct dates in the future: Snakemake deletes a result that is older than its input when it is finished."""
    if count := date_now(Path("results")):
        print(f"{count} results were dated in the future; they are dated now")


def most(resource):
    """The most that a job may ask for, by the profile: ``max_mem_mb`` and ``max_runtime`` under default-resources."""
    limit = (workflow.resource_settings.default_resources or {}).get(f"max_{resource}")
    return math.inf if limit is None else int(limit.value)


def request(stage, cards=lambda wildcards: 1):
    """What a stage asks of the machine, as the values of ``resources:``; a retry asks for more memory and time.

    ``cards(wildcards)`` multiplies the memory.
    """
    asked = getattr(CONFIG.resources, stage)
    return {
        "mem_mb": lambda wildcards, attempt: min(
            asked.mem_mb * cards(wildcards) * attempt, most("mem_mb")
        ),
        "runtime": lambda wildcards, attempt: min(
            asked.runtime * attempt, most("runtime")
        ),
        "gpu": asked.gpu,
    }


def threads_of(stage):
    """Processor cores that a stage asks for."""
    return getattr(CONFIG.resources, stage).threads


def split_of(evaluation_set):
    """The file with the abstracts of an evaluation set."""
    entry = CONFIG.evaluation_sets[evaluation_set]
    if entry.text:
        return f"results/texts/{evaluation_set}.parquet"
    if entry.is_dated:
        return f"results/dated/{evaluation_set}.parquet"
    return f"results/datasets/{entry.dataset}/{entry.split}.parquet"
