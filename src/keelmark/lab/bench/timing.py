"""Clocks: warm calls, compiling, and resident memory."""

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Self

import numpy as np
from numba.core import event

from keelmark.lab.bench.values import Timings


@dataclass(slots=True)
class Stopwatch:
    """Times every `with` block it is entered with, on the wall and in processor time.

    Attributes:
        wall: Seconds of each block.
        cpu: Seconds of processor each block took, on all threads; what others take is not in it.
        cold: Blocks at the beginning that found nothing in memory, and are told apart.
    """

    cold: int = 0
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    _start: tuple[float, float] = (0.0, 0.0)

    def __enter__(self) -> Self:
        self._start = (perf_counter(), process_time())
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._start
        self.cpu.append(process_time() - cpu)
        self.wall.append(perf_counter() - wall)

    @property
    def total(self) -> float:
        """Seconds of all warm blocks together."""
        return sum(self.wall[self.cold :])

    @property
    def median(self) -> float:
        """Median warm block, seconds."""
        return float(np.median(self.wall[self.cold :]))

    def timings(self, scale: float, *, count: int = 1, of: str = "") -> Timings:
        """Return the blocks in another unit.

        Args:
            scale: Units a second.
            count: Things a block does; figures are of one of them.
            of: What a block is.
        """
        warm = np.array(self.wall[self.cold :]) * (scale / count)
        return Timings(
            cold=self.wall[0] * scale / count if self.cold else None,
            median=float(np.median(warm)),
            p99=float(np.quantile(warm, 0.99)),
            cpu=float(np.mean(self.cpu[self.cold :])) * scale / count,
            runs=len(warm),
            of=of,
        )


def timed(call: Callable[[], object], runs: int) -> Stopwatch:
    """Call once cold and `runs` times warm."""
    watch = Stopwatch(cold=1)
    for _ in range(runs + 1):
        with watch:
            call()
    return watch


@dataclass(slots=True)
class Compiling:
    """Time that numba spends compiling; kernels read from its cache cost nothing here."""

    durations: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds so far; a kernel that compiles another counts once."""
        return sum(self.durations)


@contextmanager
def compiling() -> Iterator[Compiling]:
    """Measure what is compiled inside the block."""
    found = Compiling()
    with event.install_timer("numba:compile", found.durations.append):
        yield found


def resident_bytes() -> int:
    """Return the memory the process holds now; where the system does not say, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """Return the largest memory the process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
