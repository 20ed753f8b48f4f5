"""The claims tables of a run on its engine, and what is said when memory or disk are too small."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from riskstd.claims import Claims, read_claims
from riskstd.engines import AnyEngine, engine_of, open_engine
from riskstd.errors import InputError, OptionError

if TYPE_CHECKING:
    from riskstd.pipeline.progress import Progress


def claims_for_run(
    claims: str | Path | Claims,
    *,
    layout: str,
    memory: str | None,
    engine: AnyEngine | None = None,
    progress: Progress | None = None,
) -> Claims:
    """Return claims tables on an engine; claims given as such keep their connection if nothing else is asked for.

    Raises
    ------
    OptionError
        When the engine cannot be had, or a limit is asked for claims that lie in memory.
    """
    if not isinstance(claims, Claims):
        connection = open_engine("duckdb" if engine is None else engine, memory=memory).connection
        return read_claims(claims, layout=layout, memory=memory, progress=progress).on(connection)
    if engine is None and memory is None:
        return claims
    if engine is None and claims.folder is None:
        raise OptionError(
            "memory cannot be limited for claims that lie in memory",
            expected="claims read into a folder",
            hint="give the folder, or leave out memory",
        )
    own = engine_of(claims.connection).name
    return claims.on(open_engine(own if engine is None else engine, memory=memory).connection)


@contextmanager
def memory_errors(memory: str | None) -> Iterator[None]:
    """Turn what an engine says of too little memory or disk into an error that says what to do.

    Raises
    ------
    InputError
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        spilled = "max_temp_directory_size" in str(error) or "disk space" in str(error)
        raise (_no_room() if spilled else _no_memory(memory)) from None
    except duckdb.IOException as error:
        if "No space left" not in str(error):
            raise
        raise _disk_full() from None
    except Exception as error:
        if not type(error).__module__.startswith(("pyspark.", "py4j.")):
            raise
        if "No space left on device" in str(error):
            raise _disk_full() from None
        # Java that is out of memory ends tasks, or altogether, so that nobody answers any more.
        said = any(words in str(error) for words in ("OutOfMemoryError", "Not enough memory"))
        if said or type(error).__name__ == "Py4JNetworkError":
            raise _no_memory(memory) from None
        raise


def _no_room() -> InputError:
    return InputError(
        "the claims steps spill more to disk than there is room for",
        expected=f"free space in {tempfile.gettempdir()}",
        hint="free space, or name another folder in TMPDIR",
    )


def _no_memory(memory: str | None) -> InputError:
    return InputError(
        "the claims steps need more memory than they may use",
        expected=f"more than {memory}" if memory else "more than the engine has by itself",
        hint="give more with --memory",
    )


def _disk_full() -> InputError:
    return InputError(
        f"the disk is full while the claims steps write to {tempfile.gettempdir()}",
        hint="free space, or name another folder in TMPDIR",
    )
