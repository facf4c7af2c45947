"""When papers were first submitted."""

import datetime
import re

import pyarrow
import pyarrow.compute as pc

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
