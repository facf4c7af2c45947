"""Benchmarks against other programs that do the same work, in ``.venv-peers``."""

from support.workspace import PROJECT

PYTHON = PROJECT / ".venv-peers/bin/python"
