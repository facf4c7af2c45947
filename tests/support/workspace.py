"""Copies of the workflow in folders of their own: to plan in, to break, to run in."""

import os
import shutil
import sys
from pathlib import Path

from support import forked

PROJECT = Path(__file__).parents[2]
PLUGINS = PROJECT / "workflow/plugins"
# Snakemake finds our executor plugins on Python's path; `make setup` puts them there for users.
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(PLUGINS)}
PARTS = ("workflow", "scripts", "config", "profiles")


def run_snakemake(options, folder, environment=None, apart=False):
    """Run Snakemake in ``folder``; returns the finished process, with its errors in ``stdout`` unless ``apart``."""
    command = [sys.executable, "-m", "snakemake", *options]
    return forked.run(command, folder, environment or ENVIRONMENT, forked.SNAKEMAKE, apart)


class Workspace:
    """A copy of the project's workflow, or of another workspace with all its results, in a folder of its own."""

    def __init__(self, folder, original=None, environment=None):
        self.folder = Path(folder)
        self.environment = {**(original.environment if original else ENVIRONMENT), **(environment or {})}
        if original:
            shutil.copytree(original.folder, self.folder, symlinks=True)
            return
        for part in PARTS:
            shutil.copytree(PROJECT / part, self.folder / part, ignore=shutil.ignore_patterns("__pycache__"))

    def snakemake(self, *options, profile="profiles/local", apart=False):
        """Run Snakemake in the copy; returns the finished process, with its errors in ``stdout`` unless ``apart``."""
        return run_snakemake(["--profile", profile, *options], self.folder, self.environment, apart)

    def command(self, *options, profile="profiles/local"):
        """The command line of a Snakemake in a process of its own."""
        return [sys.executable, "-m", "snakemake", "--profile", profile, *options]

    def pretend_done(self, *options):
        """Create every output empty and let Snakemake record all as made by the code and settings of now."""
        for file in self.plan(*options):
            path = self.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        done = self.snakemake("--touch", "--forceall", *options)
        assert done.returncode == 0, done.stdout

    def plan(self, *options):
        """What Snakemake plans for each output: a dict from file to the last column of its summary."""
        done = self.snakemake("--summary", *options)
        assert done.returncode == 0, done.stdout
        rows = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("results/")]
        return {row[0]: row[-1] for row in rows}

    def stale(self, *options):
        """The outputs that would be made again, or for the first time."""
        return sorted(file for file, plan in self.plan(*options).items() if plan != "no update")

    def edit(self, file, old, new):
        """Replace a text in a file of the copy, where it stands first."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
