"""Memory that threads gave back, kept in few places."""

from __future__ import annotations

import contextlib
import ctypes
import platform

_HEAPS = 2
_M_ARENA_MAX = -8  # as malloc.h of glibc names it


def keep_few_heaps() -> None:
    """Let the C library of Linux give all threads of this process two heaps between them.

    It would give each a heap of its own, and what a thread frees stays in its heap, of no use to any other: after
    claims were read, hundreds of megabytes. Heaps that are there stay, so this comes before an engine, which makes
    many, is opened. Elsewhere nothing is done.
    """
    if platform.libc_ver()[0] == "glibc":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)
