import pytest
from small_data import write_data


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A folder for HEBBSTREAM_DATA with every data set, small."""
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder
