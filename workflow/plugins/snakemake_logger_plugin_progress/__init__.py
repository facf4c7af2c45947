"""Logger plugin ``progress``: a line when a stage is done or some seconds have passed, instead of three lines a job.

Warnings, errors and unknown messages are shown as Snakemake shows them. With ``--printshellcmds`` or ``--verbose``, and
in dry runs, everything is. Snakemake's own log in ``.snakemake/log`` always has everything.
"""

from .handler import LogHandler

__all__ = ["LogHandler"]
