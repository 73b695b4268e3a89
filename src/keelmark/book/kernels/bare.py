"""Compile kernels that allocate nothing: without the runtime that counts references.

A kernel that passes bundles of arrays to small kernels spends most of its time counting references
to them (a full pass takes 2.6 times as long). Without the runtime there is nothing to count, and a
kernel that tries to allocate does not compile.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def njit_bare(function: Kernel) -> Kernel:
    """Compile `function` with the project's options and no allocation; its type stays."""
    compiled = numba.njit(cache=True, error_model="numpy", fastmath=False, _nrt=False)(function)
    return cast("Kernel", compiled)


def inlined_bare(function: Kernel) -> Kernel:
    """Compile a helper into each caller: handing over a table costs more than the helper's work."""
    compiled = numba.njit(
        cache=True,
        error_model="numpy",
        fastmath=False,
        _nrt=False,
        forceinline=True,
    )(function)
    return cast("Kernel", compiled)
