"""A workspace in which everything is done, and copies of it to break."""

import pytest

from support.workspace import Workspace


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace in which everything is done."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    workspace.pretend_done()
    return workspace


@pytest.fixture
def workspace(finished, tmp_path):
    """A copy of it to break."""
    return Workspace(tmp_path / "workspace", original=finished)
