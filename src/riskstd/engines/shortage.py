"""Too little memory, or no room on a disk: recognised in whatever says so, and said in one way."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import duckdb

from riskstd.engines.scratch import ENGINE
from riskstd.errors import InputError

Shortage = Literal["memory", "spill", "disk"]

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_NO_ROOM_WORDS = tuple(os.strerror(number) for number in _NO_ROOM)


def shortage_of(error: BaseException) -> Shortage | None:
    """Tell what the machine lacked by an error of an engine, of the system or of a library that writes files.

    Returns
    -------
    {'memory', 'spill', 'disk'} or None
        `spill`: the engine may put no more on disk in place of memory. None: the error is another one.

    Examples
    --------
    >>> shortage_of(OSError(28, "No space left on device"))
    'disk'
    >>> shortage_of(OSError("Out of Memory Error: failed to pin block"))
    'memory'
    """
    said, module = str(error), type(error).__module__
    if isinstance(error, OSError) and error.errno is None and "Out of Memory" in said:
        return "memory"  # of DuckDB, while it hands rows to Arrow
    if isinstance(error, OSError):
        return "disk" if error.errno in _NO_ROOM else None
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, duckdb.OutOfMemoryException):
        return "spill" if "max_temp_directory_size" in said or "disk space" in said else "memory"
    if isinstance(error, duckdb.Error):
        return "disk" if any(words in said for words in _NO_ROOM_WORDS) else None
    if module.startswith(("pyspark.", "py4j.")):
        if any(words in said for words in _NO_ROOM_WORDS):
            return "disk"
        # Java that is out of memory ends tasks, or altogether, so that nobody answers any more.
        ended = type(error).__name__ == "Py4JNetworkError"
        return "memory" if ended or "OutOfMemoryError" in said or "Not enough memory" in said else None
    return None


def full_disk_in(error: BaseException) -> bool:
    """Tell whether an error, or one that it came from, says that a disk other than that of the engine is full."""
    return any(
        isinstance(one, OSError) and shortage_of(one) == "disk" and ENGINE not in str(one.filename)
        for one in _chain(error)
    )


def in_words(
    error: BaseException,
    *,
    doing: str,
    writing: str,
    place: Path,
    memory: str | None = None,
    hint: str = "free space there, or name another folder",
    kind: type[InputError] = InputError,
) -> BaseException:
    """Return an error that says what the machine lacked and what to do; any other error stays as it is.

    Parameters
    ----------
    error : BaseException
        What was raised, perhaps in place of another error.
    doing, writing : str
        What needs the memory, and what is written to the disk.
    place : Path
        Folder on the disk.
    memory : str, optional
        Limit that was set.
    hint : str
        What to do about a full disk.
    kind : type
        Class of the error that is returned.

    Examples
    --------
    >>> full = OSError(28, "No space left on device")
    >>> print(in_words(full, doing="reading", writing="claims tables", place=Path("runs")))
    there is no room left to write claims tables in runs: the disk is full
      what to do: free space there, or name another folder
    """
    found = next((short for one in _chain(error) if (short := shortage_of(one))), None)
    if found == "memory":
        return kind(
            f"{doing} would need more memory than {f'the {memory} it' if memory else 'it'} may use",
            expected=f"more than {memory}, and at least 1GB for a large delivery" if memory else "more memory",
            hint="give more with --memory",
        )
    if found == "spill":
        return kind(
            f"{doing} would spill more to disk than there is room for", expected=f"free space in {place}", hint=hint
        )
    if found == "disk":
        return kind(f"there is no room left to write {writing} in {place}: the disk is full", hint=hint)
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised in place of."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__
