"""Compile kernels that allocate nothing: without the runtime that counts references.

A kernel that passes bundles of arrays to small kernels spends most of its time counting references
to them (a full pass takes 2.6 times as long). Without the runtime there is nothing to count, and a
kernel that tries to allocate does not compile.
"""

from keelmark.book.kernels.jit import njit

njit_bare = njit
"""The project's options have no runtime; the name says that a kernel relies on it."""
