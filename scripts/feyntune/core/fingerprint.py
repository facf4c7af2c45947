"""Fingerprints of the *meaning* of code: a program and every module of ours that it imports, without comments.

Snakemake compares them as parameters, because it does not look into imported modules: an edit that changes what a
program does makes its results stale; an edit of a comment, docstring, layout or import for types only does not.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]


@functools.cache
def code_fingerprint(*roots: str) -> str:
    """Fingerprint of files under ``scripts/`` and of all modules under ``scripts/`` that they import, also indirectly.

    Args:
        roots: a program, and modules that it imports by a name that only its settings hold, such as a kind of metric.

    Nothing is imported or run. Raises FileNotFoundError if there is no such file.
    """
    meanings = {name: _meaning(name) for name in sorted(_closure(roots))}
    joined = "\n".join(f"{name} {meaning}" for name, meaning in meanings.items())
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def _closure(roots: tuple[str, ...]) -> set[str]:
    found, left = set(), list(roots)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _imports(name)
    return found


@functools.cache
def _imports(name: str) -> list[str]:
    """Files under ``scripts/`` that a file imports."""
    return sorted(file for module in _read(name)[0] for file in _files(module))


@functools.cache
def _read(name: str) -> tuple[set[str], str]:
    """The modules that a file imports anywhere, also inside functions; and its code without docstrings."""
    tree = _OnlyMeaning().visit(ast.parse((SCRIPTS / name).read_text(encoding="utf-8")))
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "no file has relative imports"
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules, ast.unparse(tree)


def _files(module: str) -> list[str]:
    """The module's own file, and the ``__init__`` of each package that contains it, which Python runs first."""
    parts = module.split(".")
    packages = ["/".join([*parts[: depth + 1], "__init__.py"]) for depth in range(len(parts))]
    candidates = ["/".join(parts) + ".py", *packages]
    return [file for file in candidates if (SCRIPTS / file).is_file()]


@functools.cache
def _meaning(name: str) -> str:
    """Digest of a file's code; for a package also of its data files, such as style sheets."""
    digest = hashlib.sha256(_read(name)[1].encode())
    for data in _data_files(name):
        digest.update(data.name.encode() + data.read_bytes())
    return digest.hexdigest()


def _data_files(name: str) -> list[Path]:
    path = SCRIPTS / name
    beside = sorted(path.parent.iterdir()) if path.name == "__init__.py" else []
    return [file for file in beside if file.is_file() and file.suffix != ".py"]


class _OnlyMeaning(ast.NodeTransformer):
    """Removes what never changes a result: docstrings, annotations of functions, imports for type checkers."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if checking else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self.generic_visit(node)
