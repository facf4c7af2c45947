# What jobs had made before a run is put back where a job of the run fails; it is as stale as it was before.

import copy

from feyntune.core import earlier

# Snakemake's records of the outputs that can be put back, by path. It replaces a record when a job ends, also when it
# fails: with the new one, what is put back would be taken for the result of the new settings.
EARLIER_RECORDS = {}


def save_earlier_results():
    """Save the outputs of all jobs that will run; without them the run goes on."""
    jobs = [job for job in workflow.dag.jobs if workflow.dag.needrun(job)]
    outputs = {Path(file): file for job in jobs for file in job.output}
    below = [path for path in outputs if path.is_relative_to("results")]
    try:
        saved, too_large = earlier.save(Path("results"), below)
        for path in saved:
            record = workflow.persistence.metadata(outputs[path])
            EARLIER_RECORDS[path] = outputs[path], copy.deepcopy(record)
        if too_large:
            names = ", ".join(map(str, too_large[:3]))
            print(
                f"warning: too large to be put back if their jobs fail: {names}; make room on the disk to keep them"
            )
    except OSError as error:
        print(
            f"warning: {error.strerror}: failed jobs of this run lose their earlier results"
        )


def put_back_earlier_results():
    """Put back what failed and interrupted jobs had made before, with Snakemake's records of it."""
    try:
        back = earlier.put_back(Path("results"))
    except OSError as error:
        print(
            f"warning: earlier results stay in results/{earlier.FOLDER}: {error.strerror}"
        )
        return
    for path in back:
        file, record = EARLIER_RECORDS.get(path, (None, None))
        if record:
            workflow.persistence._write_record(str(file), record)
        elif file:
            workflow.persistence.cleanup_metadata(file)
    if back:
        names = ", ".join(sorted({str(path.parent) for path in back})[:3])
        print(
            f"{len(back)} results of failed jobs are as before this run, and still stale: in {names}"
        )
