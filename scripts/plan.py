"""Tell what would run, why, and what it will cost: `snakemake plan` calls this. Snakemake's options stand behind --.

python scripts/plan.py -- --profile profiles/sulis --configfile config/paper.yaml
"""

import sys
from pathlib import Path

from feyntune.core.cli import launch
from feyntune.core.errors import FeynTuneError


def arguments(parser):
    parser.add_argument("--record", type=Path, default=Path("results/plan.json"), help="where predictions are kept")
    parser.add_argument("snakemake", nargs="*", help="options and targets of snakemake")


def main(options):
    from feyntune.planning.calibrate import keep
    from feyntune.planning.dag import read_jobs
    from feyntune.planning.plan import make_plan
    from feyntune.planning.render import render

    given = options.snakemake[:-1] if options.snakemake[-1:] == ["--"] else options.snakemake
    try:
        jobs, configuration, runs, offered = read_jobs(given)
        plan = make_plan(jobs, configuration, runs, offered)
    except FeynTuneError as error:  # all is on the terminal here, where a traceback would bury what it says
        sys.exit(f"plan: {error}")
    print("\n".join(render(plan)))
    keep(plan, set(jobs), options.record)


if __name__ == "__main__":
    launch(__doc__, arguments, main)
