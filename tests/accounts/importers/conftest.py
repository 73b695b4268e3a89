from pathlib import Path

import pytest

from keelmark.market.datasets import find_data


@pytest.fixture(scope="session")
def samples() -> Path:
    """Sample answers of venues in their own formats; tests that need them skip without."""
    folder = find_data()
    if folder is None or not (folder / "samples" / "venue_payloads").is_dir():
        pytest.skip("no sample answers here: set KEELMARK_DATA to the folder of recorded data")
    return folder / "samples" / "venue_payloads"
