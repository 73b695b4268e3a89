"""Loads and stores of one word that compilers and processors keep in order.

A word here is an int64 that one process writes and others read. `load_word` is an acquire: what is
read after it is not read before. `store_word` is a release: what was written before it is seen by
whoever sees the word. `fence` keeps both kinds on their side. On x86 the words cost nothing: there
the fences stop the compiler alone.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from numba.core import cgutils, types
from numba.extending import intrinsic

Words = npt.NDArray[np.int64]
Primitive = TypeVar("Primitive", bound=Callable[..., object])

WORD_BYTES = 8


def _compiled(definition: Callable[..., Any]) -> Callable[[Primitive], Primitive]:
    """Give a Python function the code of `definition` inside kernels.

    Interpreted kernels (`plain`, and where nothing is compiled) call the function itself.
    """

    def decorate(function: Primitive) -> Primitive:
        if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            return function
        definition.__name__ = function.__name__
        primitive: Any = intrinsic(definition)
        primitive.py_func = function
        return cast("Primitive", primitive)

    return decorate


def _place(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:  # noqa: ANN401 LLVM
    """Return the address of a word of an array."""
    structure = context.make_array(kind)(context, builder, array)
    pointer: Any = cgutils.get_item_pointer
    return pointer(context, builder, kind, structure, [row], wraparound=False)


def _load(typing: Any, words: Any, row: Any) -> Any:  # noqa: ANN401, ARG001 numba's types
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        place = _place(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(place, "acquire", WORD_BYTES)

    return types.int64(words, types.intp), code


def _store(typing: Any, words: Any, row: Any, word: Any) -> Any:  # noqa: ANN401, ARG001 as above
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        array, place, value = arguments
        builder.store_atomic(
            value, _place(context, builder, signature.args[0], array, place), "release", WORD_BYTES
        )
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), code


def _fence(typing: Any) -> Any:  # noqa: ANN401, ARG001 as above
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001
        builder.fence("acq_rel")
        return context.get_dummy_value()

    return types.void(), code


@_compiled(_load)
def load_word(words: Words, row: int) -> int:
    """Return the word at a row, before anything that follows is read."""
    return int(words[row])


@_compiled(_store)
def store_word(words: Words, row: int, word: int) -> None:
    """Write the word at a row, after everything before it has been written."""
    words[row] = word


@_compiled(_fence)
def fence() -> None:
    """Let no load or store pass, either way, that could be seen by another process."""
