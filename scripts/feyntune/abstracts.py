"""The abstracts of an evaluation set, with their names."""

from feyntune.errors import FeynTuneError
from feyntune.files import read_table


def read_abstracts(path, column, limit):
    """Read the ids and texts of an evaluation set: the first ``limit`` rows (None: all) of a dataset's split.

    Raises:
        FeynTuneError: no rows, an id that is there twice, or a text that is missing.
    """
    table = read_table(path, columns=["id", column]).slice(0, limit)
    ids, texts = table["id"].to_pylist(), table[column].to_pylist()
    if not ids:
        raise FeynTuneError(f"{path}: no rows; an evaluation set needs at least one abstract")
    check_unique(ids, path)
    missing = [name for name, text in zip(ids, texts, strict=True) if text is None]
    if missing:
        raise FeynTuneError(f"{path}: no {column!r} for {examples(missing)}; choose another column")
    return ids, texts


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
