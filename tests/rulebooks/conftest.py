from pathlib import Path

import pytest

from keelmark.market.datasets import find_data


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recorded market data; tests that need it skip where there is none."""
    folder = find_data()
    if folder is None:
        pytest.skip("no recorded market data here: set KEELMARK_DATA to its folder")
    return folder
