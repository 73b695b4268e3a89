"""The machine a figure was measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numba import get_num_threads

PACKAGES = ("keelmark", "numba", "numpy", "polars", "msgspec")

NOISE = (
    "wall-clock time on a machine that may be shared: compare ratios, which are measured in the "
    "same run, before figures; a load average above the number of cores means that others ran too"
)


def machine(date: str) -> dict[str, Any]:
    """Return what a reader needs to know about the machine.

    Args:
        date: When it was measured, YYYY-MM-DD, told by the caller.
    """
    return {
        "date": date,
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": get_num_threads(),
        "memory_gb": round(memory_bytes() / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "noise": NOISE,
    }


def cpu_model() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory_bytes() -> int:
    """Return the memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
