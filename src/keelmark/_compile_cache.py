"""Where compiled kernels are kept: one folder for each state of the source.

Numba's own cache looks at the file of a kernel alone and would serve a kernel whose helper in
another file has changed. The folder is therefore named by every source file's size and time, under
the user's cache folder; a NUMBA_CACHE_DIR that is already set is left as it is.
"""

import hashlib
import os
import sys
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def use_own_folder() -> None:
    """Name the folder for this process and those it starts, before numba is imported."""
    if VARIABLE in os.environ or "numba" in sys.modules:
        return
    os.environ[VARIABLE] = str(_user_folder() / "keelmark" / _state_of_the_source())


def _state_of_the_source() -> str:
    state = hashlib.blake2b(digest_size=12)
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        facts = path.stat()
        state.update(f"{path.relative_to(root)}:{facts.st_size}:{facts.st_mtime_ns};".encode())
    return state.hexdigest()


def _user_folder() -> Path:
    named = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(named) if named else Path.home() / ".cache"
