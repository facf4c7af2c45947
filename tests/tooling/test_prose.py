"""The pages for users can be read in an editor: lines of prose are short. Tables and code may be wider."""

import re

import pytest

from support.workspace import PROJECT

PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "CHANGELOG.md",
    *(PROJECT / "config").glob("*.md"),
]
MOST_COLUMNS = 120
FENCED = re.compile(r"^\s*```.*?^\s*```", re.DOTALL | re.MULTILINE)


def blank(found):
    """As many line breaks as the text that is left out has, so that lines keep their numbers."""
    return "\n" * found[0].count("\n")


def wide_lines(text):
    """Numbers of lines of prose with too many columns."""
    lines = enumerate(FENCED.sub(blank, text).splitlines(), start=1)
    return [number for number, line in lines if len(line) > MOST_COLUMNS and not line.startswith(("|", "    "))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_of_prose_are_short(page):
    assert wide_lines(page.read_text(encoding="utf-8")) == []


def test_tables_and_code_may_be_wide():
    wide = "word " * 30
    assert wide_lines(f"{wide}\n| {wide} |\n    {wide}\n```\n{wide}\n```\n* {wide}\n") == [1, 7]
