"""A private SLURM on this machine: two nodes of three GPU slots each, free ports, nothing outside one folder.

    python tests/slurm/cluster.py        # start one, print what to export, stop it at the end of input

It needs the programs of SLURM and MUNGE (tests/slurm/install.sh), but no systemd, no /etc/slurm and no database.
"""

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
# SLURM tells GPUs apart by their device files, whatever they are; these three are on every machine.
DEVICES = "/dev/null,/dev/zero,/dev/full"

CONFIGURATION = """
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# A job over its memory is killed, as cgroups do it on real clusters.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
EnforcePartLimits={enforce}
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
SlurmdTimeout=10
ReturnToService=2
KillWait=5
MinJobAge={min_job_age}
GresTypes=gpu
NodeName=gpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} {machine}
NodeName=gpu2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} {machine}
PartitionName=gpu Nodes=ALL Default=YES DefaultTime=60 MaxTime=2-00:00:00 State=UP
"""
# A GPU node of Sulis: 128 cores with 3,850 MB each, three A100 of 40 GB.
MACHINE = (
    "CPUs=128 Boards=1 SocketsPerBoard=2 CoresPerSocket=64 ThreadsPerCore=1 RealMemory=500000 Gres=gpu:ampere_a100:3"
)


class Cluster:
    """A private SLURM in ``folder``; use as a context manager.

    Args:
        folder: an empty folder with a short path, for sockets lie in it.
        min_job_age: seconds for which the controller remembers jobs that have ended.
        enforce: ``EnforcePartLimits``: ALL, what a partition never grants is refused; NO, it waits for ever.
    """

    def __init__(self, folder, min_job_age=3600, enforce="ALL"):
        self.folder, self.daemons = Path(folder).resolve(), {}
        values = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "machine": MACHINE}
        values |= {"folder": self.folder, "min_job_age": min_job_age, "enforce": enforce}
        for name in ("state", "spool/gpu1", "spool/gpu2", "bin"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").mkdir(mode=0o700)
        self.folder.chmod(0o755)
        self.configuration = self.folder / "slurm.conf"
        self.configuration.write_text(CONFIGURATION.format(ports=_free_ports(3), **values))
        (self.folder / "gres.conf").write_text(f"NodeName=gpu[1-2] Name=gpu Type=ampere_a100 File={DEVICES}\n")
        self._write_srun()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**kept, "SLURM_CONF": str(self.configuration), "PATH": path}

    def __enter__(self):
        try:
            self._start_munge()
            self.start("slurmctld", "-i")
            for node in ("gpu1", "gpu2"):
                self.start("slurmd", "-N", node, name=node)
            self.wait(lambda: self.sinfo("idle") == 2, "two idle nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.SubprocessError):
            self.run("scancel", "--full", "--user", getpass.getuser(), check=False, timeout=10)
            self.wait(lambda: not self.run("squeue", "--noheader").strip(), "an empty queue", seconds=15)
        for name in list(self.daemons):
            self.stop(name)
        for step in _processes_with(str(self.folder)):
            os.kill(step, signal.SIGKILL)

    def start(self, program, *arguments, name=None):
        """Start a daemon in the foreground, as a child of this process."""
        with open(self.folder / f"{name or program}.out", "ab") as output:
            command = [_path(program), "-D", "-f", str(self.configuration), *arguments]
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            self.daemons[name or program] = subprocess.Popen(
                command, env=self.environment, start_new_session=True, **streams
            )

    def stop(self, name, sign=signal.SIGTERM):
        """Stop a daemon; its jobs go on."""
        daemon = self.daemons.pop(name)
        daemon.send_signal(sign)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def lose_power(self, node):
        """End a node at once, with all that runs on it, while the controller thinks it is there."""
        jobs = self.run("squeue", "--noheader", f"--nodelist={node}", "--format=%i").split()
        self.stop(node, signal.SIGKILL)
        mine = set(_processes_with(str(self.folder)))
        for job in jobs:
            for process in mine & {*_processes_with(f"SLURM_JOB_ID={job}"), *_processes_with(f"slurmstepd: [{job}.")}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def run(self, *command, check=True, timeout=60, environment=None):
        """Output of one of SLURM's programs."""
        done = subprocess.run(
            command, env=environment or self.environment, check=check, timeout=timeout, text=True, capture_output=True
        )
        return done.stdout

    def sinfo(self, state):
        """Number of nodes in a state."""
        return len(self.run("sinfo", "-h", "-N", "-t", state, check=False).split("\n")) - 1

    def jobs(self):
        """All jobs that the controller remembers: for each a dict of what ``scontrol show job`` says."""
        text = self.run("scontrol", "--oneliner", "show", "job", check=False)
        return [_fields(line) for line in text.splitlines() if line.startswith("JobId=")]

    def wait(self, condition, what, seconds=30):
        """Wait until ``condition()`` holds."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"no {what} within {seconds} s: see {self.folder}/*.log")
            time.sleep(0.1)

    def _start_munge(self):
        munge = self.folder / "munge"
        (munge / "key").write_bytes(os.urandom(128))
        (munge / "key").chmod(0o600)
        munge.chmod(0o711)
        options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        command = [_path("munged"), "--foreground", *(f"--{name}={munge / file}" for name, file in options.items())]
        with open(self.folder / "munged.out", "ab") as output:
            self.daemons["munged"] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.wait((munge / "socket").exists, "socket of munged")

    def _write_srun(self):
        """Snakemake takes SLURM_CONF away from srun, which then looks in /etc/slurm; here nothing is there."""
        wrapper = self.folder / "bin/srun"
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {_path("srun")} "$@"\n')
        wrapper.chmod(0o755)


def missing_programs():
    """The programs of SLURM and MUNGE that this machine lacks."""
    return [program for program in PROGRAMS if _path(program) is None]


def _path(program):
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _fields(line):
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def _processes_with(text):
    """Processes that have ``text`` in their environment or command line: what a daemon left behind."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            content = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if text.encode() in content and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def main():
    """Run a cluster until the end of standard input."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(folder) as cluster:
        for name in ("SLURM_CONF", "PATH"):
            print(f"export {name}={shlex.quote(cluster.environment[name])}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
