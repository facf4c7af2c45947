"""Errors that a user can fix: one line with the fault, the place and the remedy."""


class FeynTuneError(Exception):
    """A fault that the user can fix. Its text is one line; the terminal shows nothing else."""

    exit_code = 2


class StoppedInTime(FeynTuneError):
    """The job's time limit is near: its progress is saved, and the same command continues from there.

    The exit code is that of ``EX_TEMPFAIL`` in BSD's ``sysexits.h``: try again.
    """

    exit_code = 75


def printable(text: str) -> str:
    """A text for a terminal: control characters, such as escape sequences in a file of the user's, are escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def shorten(value: object, length: int = 80) -> str:
    """A value of the user's for a message: its ``repr`` (control characters escaped), cut to ``length`` characters."""
    text = repr(value) if not isinstance(value, str) or len(value) <= length else repr(value[:length])
    return text if len(text) <= length else f"{text[: length - 1]}…"
