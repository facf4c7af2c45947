"""Drive the whole job on a cluster without any network, and write down what SLURM did.

    unshare --net python tests/slurm/whole_job.py FOLDER [OPTION ...]

FOLDER holds a copy of the workflow; OPTIONs go to Snakemake. Writes FOLDER/jobs.json, jobs as ``scontrol`` shows them.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster import Cluster

LIMIT = 1500  # seconds
SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8914, 0x8916, 1


def main():
    """Run the job."""
    folder, *options = sys.argv[1:]
    raise_loopback()
    with tempfile.TemporaryDirectory(prefix="slurm-") as place, Cluster(place) as cluster:
        command = [sys.executable, "-m", "snakemake", "--profile", "profiles/sulis", *options]
        environment = {**cluster.environment, "SBATCH_ACCOUNT": "su123"}
        done = subprocess.run(command, cwd=folder, env=environment, timeout=LIMIT, check=False)
        Path(folder, "jobs.json").write_text(json.dumps(cluster.jobs()))
        Path(folder, "routes").write_text(Path("/proc/net/route").read_text())
    sys.exit(done.returncode)


def raise_loopback():
    """Bring up the loopback of this network namespace, by which SLURM's daemons talk.

    They look up no name where every address is 127.0.0.1; a second one, of those that documents use, leads nowhere.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        address = struct.pack("hH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"))
        fcntl.ioctl(control, SIOCSIFADDR, struct.pack("16s16s", b"lo:1", address))


if __name__ == "__main__":
    main()
