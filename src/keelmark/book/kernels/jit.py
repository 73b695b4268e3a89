"""The one way the book's kernels are compiled.

Cached, IEEE arithmetic, no exceptions on division, and without numba's runtime: kernels allocate
nothing, and counting references to arrays between helpers costs more than the helpers (a fill takes
twice as long with it).
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])

OPTIONS: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "fastmath": False,
    "_nrt": False,
}


def njit(function: Kernel) -> Kernel:
    """Compile `function` with the project's options; its type stays what it was."""
    return cast("Kernel", numba.njit(**OPTIONS)(function))


def njit_unlocked(function: Kernel) -> Kernel:
    """Compile as `njit`, without the interpreter's lock: for calls on several threads."""
    return cast("Kernel", numba.njit(**OPTIONS, nogil=True)(function))


def inlined(function: Kernel) -> Kernel:
    """Compile a helper into each caller: handing it seven words an array costs more than its work.

    A fill takes half as long as with calls. For helpers with one or two callers.
    """
    return cast("Kernel", numba.njit(**OPTIONS, forceinline=True)(function))


def plain(kernel: Kernel) -> Kernel:
    """Return the Python function behind a kernel, its helpers interpreted too.

    `py_func` alone would call compiled helpers with boxed numbers, whose types differ.
    """
    function = cast("FunctionType", getattr(kernel, "py_func", kernel))
    names = {
        name: plain(value) if hasattr(value, "py_func") else value
        for name, value in function.__globals__.items()
        if name in function.__code__.co_names
    }
    return cast("Kernel", FunctionType(function.__code__, names, function.__name__))
