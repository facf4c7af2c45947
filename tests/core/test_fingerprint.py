"""Fingerprints depend on the meaning of code, not on its wording, and include every imported module."""

import pytest

from feyntune.core import fingerprint


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A folder with a program, a module that it imports late, and one that it does not import."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/__init__.py").write_text("")
    (tmp_path / "ours/used.py").write_text('"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    return x + 1  # why\n')
    (tmp_path / "ours/unused.py").write_text("a = 1\n")
    (tmp_path / "program.py").write_text(
        "import json\n\n\ndef main():\n    from ours.used import f\n\n    print(f(1))\n"
    )
    monkeypatch.setattr(fingerprint, "SCRIPTS", tmp_path)
    return tmp_path


def anew():
    for cached in (fingerprint.code_fingerprint, fingerprint._read, fingerprint._imports, fingerprint._meaning):
        cached.cache_clear()
    return fingerprint.code_fingerprint("program.py")


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(("old", "new"), [("# why", "# because"), ("Doc.", "Words."), ("x + 1", "(x\n   + 1)")])
def test_wording_changes_nothing(scripts, old, new):
    before = anew()
    edit(scripts / "ours/used.py", old, new)
    assert anew() == before


def test_meaning_in_a_module_imported_late_changes_it(scripts):
    before = anew()
    edit(scripts / "ours/used.py", "x + 1", "x + 2")
    assert anew() != before


def test_the_packages_that_contain_a_module_count(scripts):
    before = anew()
    (scripts / "ours/__init__.py").write_text("b = 1\n")
    assert anew() != before


def test_data_beside_a_package_counts(scripts):
    before = anew()
    (scripts / "ours/page.css").write_text("p {}")
    assert anew() != before


def test_what_is_not_imported_does_not_count(scripts):
    before = anew()
    (scripts / "ours/unused.py").write_text("a = 2\n")
    assert anew() == before


def test_an_import_for_type_checkers_does_not_count(scripts):
    before = anew()
    edit(scripts / "program.py", "import json\n", "import json\nif TYPE_CHECKING:\n    from ours.unused import a\n")
    assert anew() == before
    edit(scripts / "ours/unused.py", "a = 1", "a = 2")
    assert anew() == before
    edit(scripts / "program.py", "unused import a\n", "unused import a\nelse:\n    from ours.unused import a\n")
    assert anew() != before


def test_descriptions_of_settings_are_wording(scripts):
    (scripts / "ours/used.py").write_text('class S:\n    r: int = 8\n    """Rank."""\n')
    before = anew()
    edit(scripts / "ours/used.py", "Rank.", "The rank.")
    assert anew() == before
    edit(scripts / "ours/used.py", "= 8", "= 9")
    assert anew() != before


def test_an_unknown_program_is_an_error(scripts):
    with pytest.raises(FileNotFoundError):
        fingerprint.code_fingerprint("none.py")


def test_an_annotation_of_a_function_does_not_count(scripts):
    (scripts / "ours/used.py").write_text("def f(x, *rest, y=1):\n    return x\n")
    before = anew()
    (scripts / "ours/used.py").write_text("def f(x: int, *rest: str, y: int = 1) -> int:\n    return x\n")
    assert anew() == before
    (scripts / "ours/used.py").write_text("def f(x: int, *rest: str, y: int = 2) -> int:\n    return x\n")
    assert anew() != before
