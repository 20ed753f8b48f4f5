"""The claims tables of a run on its engine, and what is said when memory or disk are too small."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from riskstd.claims import Claims, read_claims
from riskstd.engines import AnyEngine, engine_of, open_engine
from riskstd.engines.scratch import ENGINE
from riskstd.engines.shortage import in_words
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
    except Exception as error:
        # What else is written at the same time says so itself.
        if isinstance(error, InputError) or (isinstance(error, OSError) and ENGINE not in str(error.filename)):
            raise
        raise in_words(
            error,
            doing="what the claims steps do",
            writing="what the claims steps keep",
            place=Path(tempfile.gettempdir()),
            memory=memory,
            hint="free space there, or name another folder in TMPDIR",
        ) from None
