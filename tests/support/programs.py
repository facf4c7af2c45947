"""The programs in ``scripts/``, imported under names of their own so that they shadow no other module."""

import argparse
import importlib.util
import sys

from feyntune.core.fingerprint import SCRIPTS


def load_program(name):
    """Import ``scripts/{name}.py`` as the module ``program_{name}``, once per process."""
    module_name = f"program_{name}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, SCRIPTS / f"{name}.py")
        sys.modules[module_name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module_name])
    return sys.modules[module_name]


def call(name, *arguments):
    """Run a program's ``main`` in this process with these arguments of its command line."""
    program, parser = load_program(name), argparse.ArgumentParser()
    program.arguments(parser)
    program.main(parser.parse_args(list(map(str, arguments))))
