"""What every test run shares: where compiled kernels are kept, and how hard Hypothesis tries."""

import os

from hypothesis import settings

from scripts.numba_cache import cache_folder

os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))  # read once, when numba is imported

# deadline=None: the first call of a kernel compiles it.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    print_blob=True,
)
settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("KEELMARK_HYPOTHESIS", "dev"))
