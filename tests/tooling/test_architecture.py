"""The rules of the package tree: who may import whom, typed functions, short functions, no command lines inside.

Imports count wherever they stand, also inside functions and for type checkers only.
"""

import ast

from support.workspace import PROJECT

SCRIPTS = PROJECT / "scripts"
FILES = sorted(SCRIPTS.rglob("*.py"))
LIBRARY = [path for path in FILES if path.is_relative_to(SCRIPTS / "feyntune")]

LAYERS = {
    "core": (),
    "evaluation.metrics": ("core",),
    "config": ("core", "evaluation.metrics"),
    "models": ("core", "config"),
    "data": ("core", "config"),
    "demo": ("core", "config", "data"),
    "training": ("core", "config", "models", "data"),
    "evaluation": ("core", "config", "models", "data", "evaluation.metrics"),
    "planning": ("core", "config", "models", "data", "evaluation", "training.fit"),
    "report": ("core", "config", "data", "evaluation.metrics", "planning.calibrate"),
    "hub": ("core", "config", "data", "evaluation", "report", "training.tracking"),
    "playground": ("core", "config", "models", "data", "evaluation", "report"),
    "check": ("core", "config", "models", "data", "evaluation", "planning"),
}
"""The packages and modules of ours that each package may import, besides itself."""
SNAKEMAKE = {"feyntune/planning/dag.py", "show.py"}
"""Files that may import Snakemake: the planner reads its graph; show.py reads configurations as it does."""
MOST_LINES = 60


def name_of(path):
    """Path of a file inside scripts/."""
    return path.relative_to(SCRIPTS).as_posix()


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Every module that a file imports, and for ``from a import b`` also ``a.b``."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package(module):
    """The package that a module of ours belongs to, such as ``core`` or ``evaluation.metrics``; None for others."""
    parts = module.split(".")
    if parts[0] != "feyntune" or len(parts) == 1 or parts[1] == "__init__":
        return None
    name = ".".join(parts[1:])
    known = sorted((each for each in LAYERS if name == each or name.startswith(f"{each}.")), key=len)
    return known[-1] if known else parts[1]


def module_of(path):
    return ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)


def dependencies():
    """For each import of another package of ours: file, package, imported package, imported module."""
    for path in LIBRARY:
        own = package(module_of(path))
        for module in imports(path):
            other = package(module)
            if own is not None and other not in (None, own):
                yield name_of(path), own, other, module.removeprefix("feyntune.")


def functions(path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_each_package_imports_only_what_its_layer_allows():
    wrong = {
        f"{file}: {module}"
        for file, own, other, module in dependencies()
        if not any(f"{module}.".startswith(f"{allowed}.") for allowed in LAYERS[own])
        # `from feyntune.planning import calibrate` names the package and the module
        and not any(allowed.startswith(f"{module}.") for allowed in LAYERS[own])
    }
    assert not wrong


def test_packages_have_no_import_cycles():
    edges = {(own, other) for _, own, other, _ in dependencies()}
    left = {package for edge in edges for package in edge}
    while left:
        free = {one for one in left if not any(own == one and other in left for own, other in edges)}
        assert free, f"a cycle among {sorted(left)}"
        left -= free


def test_only_the_planner_imports_snakemake():
    users = {name_of(path) for path in FILES if any(name.split(".")[0] == "snakemake" for name in imports(path))}
    assert users <= SNAKEMAKE


def test_the_library_knows_no_command_lines():
    names = {
        name_of(path)
        for path in LIBRARY
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr == "Namespace"
    }
    assert names <= {"feyntune/core/cli.py"}  # the frame of programs hands it from the parser to `main`


def test_every_function_is_annotated():
    missing = []
    for path in FILES:
        for function in functions(path):
            arguments = function.args
            all_arguments = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            all_arguments += [each for each in (arguments.vararg, arguments.kwarg) if each]
            bare = [each.arg for each in all_arguments if not each.annotation and each.arg not in ("self", "cls")]
            if bare or function.returns is None:
                missing.append(f"{name_of(path)}:{function.lineno} {function.name}")
    assert not missing


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in FILES
        for function in functions(path)
        if function.end_lineno - function.lineno + 1 > MOST_LINES
    ]
    assert not long


def test_every_package_has_a_layer():
    assert {package(module_of(path)) for path in LIBRARY} - {None} == LAYERS.keys()
