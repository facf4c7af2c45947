"""The data of the small training, written once for each module of tests."""

import pytest

from support.small_training import write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder of the small training's data."""
    return write_data(tmp_path_factory.mktemp("data"))
