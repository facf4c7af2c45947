"""Python programs for tests without the time of their imports: a process that has imported them forks for each call.

Imports take two thirds of a dry run of Snakemake, and most of a small training; tests make hundreds of both. A server
imports packages of others only: each call imports the library, the programs and the workflow's own plugins anew. Its
output, exit status and signals are those of a process of its own.
"""

import json
import os
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from functools import cache
from importlib import import_module
from pathlib import Path

# Not `snakemake.cli`: it imports all plugins, among them the workflow's own.
SNAKEMAKE = (
    "snakemake.persistence.file",
    "snakemake.report",
    "snakemake.jobs",
    "snakemake_executor_plugin_slurm",
    "pydantic",
    "smart_open",
)
TORCH = ("transformers.models.llama.modeling_llama", "transformers.trainer", "peft", "bitsandbytes", "pyarrow.parquet")


class Forked:
    """A running ``[python, program, …]`` or ``[python, "-m", module, …]``, with the methods of ``subprocess.Popen``.

    ``imports`` are the modules that its server has imported. Errors go to the output unless ``apart``.
    There is no standard input.
    """

    def __init__(self, command, folder, environment, imports, apart=False):
        self.command, self.returncode = list(map(str, command)), None
        self.folder = Path(tempfile.mkdtemp(prefix="forked-"))
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        os.mkfifo(self.folder / "state")
        streams = [str(self.folder / name) for name in ("output", "errors" if apart else "output")]
        request = {"command": self.command[1:], "cwd": str(folder), "environment": environment, "streams": streams}
        request["state"] = str(self.folder / "state")
        print(json.dumps(request), file=start_server(imports).stdin, flush=True)
        self.state = (self.folder / "state").open(encoding="ascii")
        self.pid = int(self.state.readline())

    def poll(self, timeout=0.0):
        """The exit status, or None while it runs; waits for ``timeout`` seconds, or without end where that is None."""
        if self.returncode is None and select.select([self.state], [], [], timeout)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(self.state.readline()))
            self.state.close()
        return self.returncode

    def communicate(self, timeout=None):
        """Wait for its end; returns the texts of its streams, with None for errors that went to the output."""
        if self.poll(timeout) is None:
            raise subprocess.TimeoutExpired(self.command, timeout)
        files = [self.folder / name for name in ("output", "errors")]
        return tuple(file.read_text(encoding="utf-8", errors="replace") if file.exists() else None for file in files)

    def send_signal(self, number):
        os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def run(command, folder, environment, imports, apart=False):
    """Run it to its end, and return the finished process."""
    process = Forked(command, folder, environment, imports, apart)
    return subprocess.CompletedProcess(process.command, process.poll(timeout=None), *process.communicate())


@cache
def start_server(imports):
    """The server of this process of pytest; it ends with its standard input."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, __file__, *imports], env=environment, stdin=subprocess.PIPE, text=True)


def serve(imports):
    """Fork for each request, and report its process and exit status; returns the request in the process for it."""
    for name in imports:
        import_module(name)
    assert not {"feyntune", "snakemake_executor_plugin_plan"} & set(sys.modules)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the processes that report are waited for by nobody
    for line in sys.stdin:
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request = json.loads(line)
        with Path(request["state"]).open("w", encoding="ascii") as state:
            child = os.fork()
            if not child:
                return request
            print(child, file=state, flush=True)
            print(os.waitpid(child, 0)[1], file=state)
        os._exit(0)
    return None


def become(request):
    """Make this process what Python would be for the request's command, and run its program."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, file in enumerate(request["streams"], 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[1:1] = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    if request["command"][0] == "-m":
        sys.path[0], sys.argv = request["cwd"], request["command"][1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = request["command"]
        sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    received = serve(sys.argv[1:])
    if received:
        become(received)
