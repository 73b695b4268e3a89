"""How much memory this process has used at most."""

import sys
from importlib import import_module
from typing import Any

KILOBYTE = 1024


def peak_memory_bytes() -> int | None:
    """Return the largest resident size so far; `None` where the system does not tell."""
    try:
        resource: Any = import_module("resource")
    except ModuleNotFoundError:
        return None
    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * KILOBYTE
