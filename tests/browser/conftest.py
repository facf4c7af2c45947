"""One Chromium for all tests of pages."""

import pytest

from support.chromium import chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A session of Chromium."""
    with chromium(tmp_path_factory.mktemp("profile")) as session:
        yield session
