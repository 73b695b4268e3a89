"""What every test run shares: compiled kernels, how hard Hypothesis tries, a database."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from scripts.numba_cache import cache_folder
from tests import postgres

os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))  # read once, when numba is imported

# deadline=None: the first call of a kernel compiles it.
settings.register_profile("check", max_examples=10, deadline=None)
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=40,
    deadline=None,
    derandomize=True,
    print_blob=True,
)
settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("KEELMARK_HYPOTHESIS", "dev"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server that may forget everything when its power fails."""
    if postgres.URL:
        yield postgres.URL
        return
    with postgres.cluster(is_durable=False) as server:
        yield server.url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of a schema of the test's own."""
    return postgres.new_schema(postgres_server)
