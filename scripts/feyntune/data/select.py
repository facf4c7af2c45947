"""Which papers of a store a dataset takes: by category, date, and a sample of them."""

import datetime
import re

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from feyntune.core.errors import FeynTuneError

_MONTH_IN_ID = re.compile(r"^(?:[A-Za-z.-]+/)?(\d\d)(\d\d)")
_CREATED = "%a, %d %b %Y %H:%M:%S GMT"


def first_days(papers):
    """The day on which each paper was first submitted.

    Args:
        papers: a table with ``id`` and ``versions``.

    Returns:
        An array of dates: the first version's; else the first of the month in the id; null where neither tells.
    """
    first_versions = pc.list_slice(papers["versions"].combine_chunks(), 0, 1, return_fixed_size_list=True)
    created = pc.struct_field(pc.list_element(first_versions, 0), "created")
    days = pc.strptime(created, format=_CREATED, unit="s", error_is_null=True).cast(pyarrow.date32())
    unknown = days.is_null()
    months = [month_in_id(identifier) for identifier in papers["id"].filter(unknown).to_pylist()]
    return pc.replace_with_mask(days, unknown, pyarrow.array(months, pyarrow.date32()))


def month_in_id(identifier):
    """The first day of the month that an arXiv id names (``hep-th/9901001``, ``0704.0001``), or None."""
    found = _MONTH_IN_ID.match(identifier)
    if not found or not 1 <= int(found[2]) <= 12:
        return None
    year = int(found[1])
    return datetime.date(year + (1900 if year >= 91 else 2000), int(found[2]), 1)


def select(store, dataset, control_papers):
    """The rows of a store that a dataset takes, before withdrawn papers are dropped.

    Args:
        store: parquet file written by ``read_snapshot``.
        dataset: ``settings.data.Dataset`` of kind ``snapshot``.
        control_papers: ids that are left out.

    Returns:
        Row numbers as an array. Which papers they are does not depend on their order in the snapshot.

    Raises:
        FeynTuneError: no paper is left.
    """
    columns = ["id", "categories", *(["versions"] if dataset.since or dataset.until else [])]
    papers = pyarrow.parquet.ParquetFile(store).read(columns=columns)
    wanted = wanted_category(papers["categories"], dataset.categories, dataset.match)
    if not pc.any(wanted).as_py():
        raise FeynTuneError(_none_wanted(papers["categories"], dataset))
    control = pc.is_in(papers["id"], value_set=pyarrow.array(control_papers, "string"))
    rows = np.flatnonzero(pc.and_(wanted, pc.invert(control)))
    papers = papers.take(rows)
    if dataset.since or dataset.until:
        within = _within(first_days(papers), dataset.since, dataset.until)
        rows, papers = rows[within], papers.filter(pyarrow.array(within))
    if not len(rows):
        raise FeynTuneError(f"no paper of {', '.join(dataset.categories)} from {dataset.since} until {dataset.until}")
    if dataset.sample is None or dataset.sample >= len(rows):
        return rows
    by_id = rows[pc.sort_indices(papers["id"]).to_numpy()]
    return np.random.default_rng(dataset.seed).permutation(by_id)[: dataset.sample]


def wanted_category(categories, patterns, match):
    """Whether papers are of wanted categories.

    Args:
        categories: column of categories separated by blanks, the primary one first.
        patterns: categories (``hep-th``), archives (``cs.*``, which means ``cs`` too), or ``*``.
        match: ``primary`` or ``any``.
    """
    either = "|".join(map(_expression, patterns))
    before = r"^\s*" if match == "primary" else r"(^|\s)"
    return pc.match_substring_regex(categories, rf"{before}({either})(\s|$)")


def _expression(pattern):
    if pattern == "*":
        return r"\S+"
    return re.escape(pattern[:-2]) + r"(\.\S+)?" if pattern.endswith(".*") else re.escape(pattern)


def primary(categories):
    """The primary category of each paper: the first word."""
    return pc.list_element(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(categories)), 0)


def _within(days, since, until):
    after = pc.greater_equal(days, since or datetime.date.min)
    before = pc.less_equal(days, until or datetime.date.max)
    return np.asarray(pc.fill_null(pc.and_(after, before), False), dtype=bool)


def _none_wanted(categories, dataset):
    counts = pc.value_counts(primary(categories)).to_pylist()
    known = sorted(counts, key=lambda each: (-each["counts"], each["values"]))
    shown = ", ".join(f"{each['values']} ({each['counts']:,})" for each in known[:12])
    which = "primary category is" if dataset.match == "primary" else "categories have"
    return f"no paper whose {which} {' or '.join(dataset.categories)}; the snapshot's most frequent are {shown}"
