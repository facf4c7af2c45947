"""Identifiers of abstracts: checks that they are unique, and examples of them for messages."""

from feyntune.core.errors import FeynTuneError


def check_unique(ids, place):
    """Raise FeynTuneError if an id is there twice; ``place`` says where the ids stand."""
    seen = set()
    twice = [name for name in ids if name in seen or seen.add(name)]
    if twice:
        raise FeynTuneError(f"{place}: {examples(twice)} there more than once; each abstract may be there once")


def examples(ids, limit=3):
    """A few ids for a message: ``2401.00001, 2401.00002, 2401.00003 and 7 more``."""
    more = f" and {len(ids) - limit:,} more" if len(ids) > limit else ""
    return ", ".join(ids[:limit]) + more
