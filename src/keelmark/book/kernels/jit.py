"""The one way kernels are compiled: cached, IEEE arithmetic, no exceptions on division."""

from collections.abc import Callable
from types import FunctionType
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def njit(function: Kernel) -> Kernel:
    """Compile `function` with the project's options; its type stays what it was."""
    compiled = numba.njit(cache=True, error_model="numpy", fastmath=False)(function)
    return cast("Kernel", compiled)


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
