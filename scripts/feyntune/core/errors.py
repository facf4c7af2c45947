"""Errors that a user can fix: one line with the fault, the place and the remedy."""

from collections.abc import Iterable


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


def listed(names: Iterable[object], length: int = 60) -> str:
    """Names for a message: as many as fit into ``length`` characters, and how many there are besides."""
    texts = [printable(str(name)) for name in names]
    shown = [text for place, text in enumerate(texts) if len(", ".join(texts[: place + 1])) <= length]
    more = len(texts) - len(shown)
    if not shown and texts:
        return f"{texts[0][: length - 1]}…" + (f" and {more - 1:,} more" if more > 1 else "")
    return ", ".join(shown) + (f" and {more:,} more" if more else "") or "none"


def shorten(value: object, length: int = 80) -> str:
    """A value of the user's for a message: its ``repr`` (control characters escaped), cut to ``length`` characters."""
    text = repr(value) if not isinstance(value, str) or len(value) <= length else repr(value[:length])
    return text if len(text) <= length else f"{text[: length - 1]}…"
