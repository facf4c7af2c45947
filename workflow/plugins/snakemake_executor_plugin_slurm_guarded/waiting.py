"""Wait on a compute node for the files that the driver sees: ``python waiting.py LIST SECONDS``.

LIST is a file with a JSON list of paths. Snakemake's own ``--wait-for-files`` ends with exit status 0 if they do not
come (``Workflow.execute`` returns False, and nobody looks at it): the driver then takes what an earlier run has left
for the results of the job.
"""

import json
import sys
import time
from pathlib import Path


def missing(listing: str) -> str | None:
    """The first file that is not there: the list, or one of those that it names."""
    if not Path(listing).exists():
        return listing
    return next((path for path in json.loads(Path(listing).read_text("utf-8")) if not Path(path).exists()), None)


def main() -> None:
    """Wait; end with one line if a file does not come."""
    listing, seconds = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    while path := missing(listing):
        if time.monotonic() > end:
            sys.exit(f"error: no {path!r} on this node after {seconds} s; was it deleted? else raise latency-wait")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
