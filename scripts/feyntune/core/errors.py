"""What a user is told when something is wrong: one line with the fault, the place and the remedy."""


class FeynTuneError(Exception):
    """A fault that the user can mend; its text is one line and is all that the terminal shows."""

    exit_code = 2


class StoppedInTime(FeynTuneError):
    """The job's time limit is near: its progress is saved, and the same command goes on from there.

    The exit code is that of ``EX_TEMPFAIL`` in BSD's ``sysexits.h``: try again.
    """

    exit_code = 75
