"""Every error that a user may see names the fault and the remedy, and fits on one line of 200 characters."""

import ast

import pytest

from feyntune.core.errors import listed, shorten
from support.workspace import PROJECT

ERRORS = {"FeynTuneError", "StoppedInTime"}
LONGEST = 200
TYPICAL = 11
"""Characters that stand for a value. Paths do not count: no message can be shorter than what it names."""
PATHS = {
    "path", "folder", "base", "file", "record", "completions", "key", "sheet", "place", "config", "target", "tables",
    "cached", "files", "split", "self", "place or 'request'",
}  # fmt: skip
REMEDIES = (
    "MADE_AGAIN", "SAVE_AGAIN", "REFUSED", "REMEDIES", "remedy", "_remedy", "did_you_mean", "hint", "fault", "_message",
    "wrong_type", "answer", "found", "_first_fault", "faults", "error", "_no_such_category",
)  # fmt: skip
"""Names whose values say what to do; the texts themselves are made elsewhere, and are tested there."""
INTERNAL = {"feyntune/core/kept.py": "was changed", "feyntune/core/shards.py": "no such file"}
"""Errors that are caught where they are raised, and never shown."""


def raised():
    """Each error's file, line, and the parts of its text: literals, and the sources of values."""
    for path in [*(PROJECT / "scripts").rglob("*.py"), *(PROJECT / "workflow/plugins").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ERRORS:
                (text,) = node.args
                name = path.relative_to(PROJECT / "scripts" if "scripts" in path.parts else PROJECT).as_posix()
                yield pytest.param(name, list(parts(text)), id=f"{name}:{node.lineno}")


def parts(node):
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from parts(value)
    elif isinstance(node, ast.Constant):
        yield "literal", node.value
    elif isinstance(node, ast.IfExp):
        yield from parts(node.body)
    else:
        yield "value", ast.unparse(node.value if isinstance(node, ast.FormattedValue) else node)


def is_path(source):
    return source.split(".")[0].split(" /")[0].removeprefix("(") in PATHS or source.startswith("Path(")


@pytest.mark.parametrize(("file", "text"), raised())
def test_an_error_names_its_remedy_on_one_line(file, text):
    literals = "".join(each for kind, each in text if kind == "literal")
    values = [each for kind, each in text if kind == "value"]
    assert literals.isprintable(), "line breaks and control characters belong into no literal"
    if literals.strip() and INTERNAL.get(file, "-") not in literals:
        assert ";" in literals or any(name in value for value in values for name in REMEDIES), f"no remedy: {literals}"
    assert text[-1][0] == "value" or not text[-1][1].rstrip().endswith((".", ";")), "no full stop at the end"
    assert len(literals) + TYPICAL * sum(not is_path(value) for value in values) <= LONGEST


def test_values_are_cut_and_escaped():
    assert shorten("x" * 500).startswith("'xxx") and len(shorten("x" * 500)) == 80
    assert shorten("a\x1b[31m\nb") == r"'a\x1b[31m\nb'"
    assert len(shorten(["x" * 500])) == 80


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "none"),
        (["a", "b"], "a, b"),
        ([f"column{number}" for number in range(50)],
         "column0, column1, column2, column3, column4, column5 and 44 more"),
        (["x" * 90, "y"], "x" * 59 + "… and 1 more"),
        (["a\nb\x1b"], r"a\nb\x1b"),
    ],
)  # fmt: skip
def test_lists_of_names_are_cut_and_escaped(names, text):
    assert listed(names) == text


def test_the_search_finds_the_errors():
    files = {param.values[0].split("/")[0] for param in raised()}
    assert {"feyntune", "show.py", "workflow"} <= files and len(list(raised())) > 200
