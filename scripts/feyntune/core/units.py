"""Numbers with units, as people read them."""

MISSING = "-"
_TIMES = (("d", 86400), ("h", 3600), ("min", 60))


def duration(seconds: float) -> str:
    """Format seconds as ``3.4 h``, in the largest unit that gives at least 1."""
    unit, length = next(((unit, length) for unit, length in _TIMES if seconds >= length), ("s", 1))
    return f"{seconds / length:.1f} {unit}" if length > 1 else f"{seconds:.0f} s"


def count(number: float) -> str:
    """Format a number as ``1.9 G``, ``310 M`` or ``42 k``; a dash for zero."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}" if number else MISSING


def gigabytes(size: float) -> str:
    """Format bytes as ``12.0 GB``, or in MB below 0.1 GB; a dash below 1 MB."""
    if size < 1e6:
        return MISSING
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
