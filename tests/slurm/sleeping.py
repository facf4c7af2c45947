"""Jobs that sleep for as long as a table says and leave empty results, submitted and polled like real jobs."""

import json
import shlex
from pathlib import Path

from snakemake_executor_plugin_slurm_guarded import Executor

TABLE = "seconds.json"


def put_to_sleep():
    """Replace what the jobs of this driver do; their requests, their order and their queue stay what they are."""
    seconds = json.loads(Path(TABLE).read_text())

    def format_job_exec(self, job):
        """What a job runs, as a line of shell."""
        results = [*map(str, job.output), *([str(job.benchmark)] if job.benchmark else [])]
        folders = sorted({str(Path(result).parent) for result in results})
        asleep = seconds["/".join([job.name, *job.wildcards])]
        return f"sleep {asleep}; mkdir -p {shlex.join(folders)}; touch {shlex.join(results)}"

    Executor.format_job_exec = format_job_exec
