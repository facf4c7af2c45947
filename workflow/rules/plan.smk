# `snakemake plan [TARGET ...]` tells what would run, why, and what it will cost. It takes all of Snakemake's options,
# needs no cores, no lock and no cluster, and runs nothing: a program plans, and this process ends before any rule.

import os
import subprocess
import sys

if "plan" in sys.argv[1:]:
    if workflow.overwrite_workdir:
        sys.exit("plan: start it in the project's folder, without --directory")
    planned = [argument for argument in sys.argv[1:] if argument != "plan"]
    program = os.path.join(workflow.basedir, "../scripts/plan.py")
    sys.exit(subprocess.call([sys.executable, program, "--", *planned]))
