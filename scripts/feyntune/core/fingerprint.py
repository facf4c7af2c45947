"""Fingerprints of the *meaning* of code: a program and every module of ours that it imports, without comments.

Snakemake compares them as parameters (it cannot see imported helpers itself): an edit that changes what a program does
makes its results stale, a better comment, docstring or layout does not.
"""

import ast
import functools
import hashlib
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]


@functools.cache
def code_fingerprint(program):
    """Fingerprint of ``scripts/{program}`` and of all modules under ``scripts/`` that it imports, however deep.

    Nothing is imported or run. Raises FileNotFoundError if there is no such program.
    """
    meanings = {name: _meaning(name) for name in sorted(_closure(program))}
    joined = "\n".join(f"{name} {meaning}" for name, meaning in meanings.items())
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def _closure(program):
    found, left = set(), [program]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _imports(name)
    return found


@functools.cache
def _imports(name):
    """Files under ``scripts/`` that a file imports."""
    return sorted(file for module in _read(name)[0] for file in _files(module))


@functools.cache
def _read(name):
    """The modules that a file imports anywhere in it, also late, inside functions; and its code without docstrings.

    Imports under ``if TYPE_CHECKING:`` never run, so they do not count.
    """
    modules = set()
    tree = _WithoutDocstrings().visit(ast.parse((SCRIPTS / name).read_text(encoding="utf-8")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules, ast.unparse(tree)


def _files(module):
    """The module's own file, and the packages' ``__init__`` that Python runs on the way to it."""
    parts = module.split(".")
    packages = ["/".join([*parts[: depth + 1], "__init__.py"]) for depth in range(len(parts))]
    candidates = ["/".join(parts) + ".py", *packages]
    return [file for file in candidates if (SCRIPTS / file).is_file()]


@functools.cache
def _meaning(name):
    """Digest of a file's code, and for a package of the style sheets and the like that lie in it."""
    digest = hashlib.sha256(_read(name)[1].encode())
    for data in _data_files(name):
        digest.update(data.name.encode() + data.read_bytes())
    return digest.hexdigest()


def _data_files(name):
    path = SCRIPTS / name
    beside = sorted(path.parent.iterdir()) if path.name == "__init__.py" else []
    return [file for file in beside if file.is_file() and file.suffix != ".py"]


class _WithoutDocstrings(ast.NodeTransformer):
    """Drops docstrings, the descriptions under settings, and what only a type checker reads."""

    def visit_If(self, node):
        self.generic_visit(node)
        checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if checking else node

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
