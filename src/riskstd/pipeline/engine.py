"""The engine of the claims steps: a DuckDB of its own, with a memory limit that it keeps by spilling to disk."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import ibis

from riskstd.claims import Claims, read_claims
from riskstd.errors import InputError, OptionError

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

    from riskstd.pipeline.progress import Progress


# The name of the machine, since several may share a folder for temporary files.
_PREFIX = f"riskstd-engine-{platform.node().replace('-', '_')}-"


def open_engine(memory: str | None = None) -> Backend:
    """Connect to a DuckDB whose tables lie in a scratch folder that goes when the connection does.

    Parameters
    ----------
    memory : str, optional
        Limit, for example `1GB`; four fifths of the machine if left out.

    Raises
    ------
    OptionError
        When the limit cannot be read.

    Notes
    -----
    The scratch folder is in the folder for temporary files (`TMPDIR`) and readable by its owner only.

    Examples
    --------
    >>> engine = open_engine("500MB")
    >>> engine.raw_sql("SELECT current_setting('memory_limit')").fetchone()
    ('476.8 MiB',)
    """
    _remove_abandoned()
    scratch = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    engine = ibis.duckdb.connect(scratch / "work.duckdb", temp_directory=str(scratch / "spill"))
    weakref.finalize(engine, shutil.rmtree, scratch, ignore_errors=True)
    if memory is not None:
        try:
            engine.raw_sql("SET memory_limit = " + "'" + memory.replace("'", "") + "'")
        except duckdb.Error:
            raise OptionError(f"memory {memory!r} cannot be read", expected="for example 4GB") from None
    return engine


def _remove_abandoned() -> None:
    """Remove scratch folders of processes of this machine that were killed: they hold rows of claims."""
    if os.name != "posix":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def claims_for_run(
    claims: str | Path | Claims, *, layout: str, memory: str | None, progress: Progress | None = None
) -> Claims:
    """Return claims tables on an engine with the memory limit; claims given as such keep their connection without one.

    Raises
    ------
    OptionError
        When a limit is asked for claims that lie in memory.
    """
    if isinstance(claims, Claims):
        if memory is None:
            return claims
        if claims.folder is None:
            raise OptionError(
                "memory cannot be limited for claims that lie in memory",
                expected="claims read into a folder",
                hint="give the folder, or leave out memory",
            )
        return on_engine(claims, open_engine(memory))
    engine = open_engine(memory)
    return on_engine(read_claims(claims, layout=layout, memory=memory, progress=progress), engine)


def on_engine(claims: Claims, engine: Backend) -> Claims:
    """Open claims tables that lie in a folder on another connection."""
    if claims.folder is None:
        return claims
    opened = Claims.from_folder(claims.folder, engine)
    # Tables in a temporary folder go with the connection that read them, which so lives as long as the engine.
    weakref.finalize(engine, _let_go, claims)
    return opened


def _let_go(_claims: Claims) -> None:
    """Hold claims until called."""


@contextmanager
def memory_errors(memory: str | None) -> Iterator[None]:
    """Turn what the engine says of too little memory or disk into an error that says what to do.

    Raises
    ------
    InputError
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        if "max_temp_directory_size" in str(error) or "disk space" in str(error):
            raise InputError(
                "the claims steps spill more to disk than there is room for",
                expected=f"free space in {tempfile.gettempdir()}",
                hint="free space, or name another folder in TMPDIR",
            ) from None
        raise InputError(
            "the claims steps need more memory than they may use",
            expected=f"more than {memory}" if memory else "more than four fifths of the memory of this machine",
            hint="give more with --memory; 1GB serves 5 million people on 2 cores",
        ) from None
    except duckdb.IOException as error:
        if "No space left" not in str(error):
            raise
        raise InputError(
            f"the disk is full while the claims steps write to {tempfile.gettempdir()}",
            hint="free space, or name another folder in TMPDIR",
        ) from None
