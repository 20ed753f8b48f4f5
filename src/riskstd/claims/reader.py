"""Read claim files of any layout into the claims tables."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import duckdb
import ibis

from riskstd.claims import build
from riskstd.claims.absence import absence_statements, absent_columns
from riskstd.claims.checks import refuse_unreadable_dates
from riskstd.claims.claims import KEY_FILE, MANIFEST, Claims
from riskstd.claims.counts import add_counts, count_inpatient, count_joined, count_reading
from riskstd.claims.files import Delivery, find_delivery, fingerprint_beside
from riskstd.claims.groups import PersonGroup, people_in_groups
from riskstd.claims.long import LONG_TABLES, LongTables
from riskstd.claims.scan import quoted_path
from riskstd.claims.staging import Staged, limit_to_people, stage_files
from riskstd.claims.stays import join_stays, summarize_stays
from riskstd.engines.embedded import limit_memory
from riskstd.engines.heaps import keep_few_heaps
from riskstd.engines.scratch import new_scratch
from riskstd.engines.shortage import in_words
from riskstd.errors import ClaimsError, OptionError
from riskstd.tables import CLAIMS_TABLES, PERSON_KEYS, Table

Progress = Callable[[int, int, str], None]

READER = "4"
"""Changes with every change of the reader that could change a table."""

_MOST_READERS = 8  # each holds a block of rows in memory, which the limit of the engine does not see

_SHARE_OF_READING = 0.5
"""Of the time that all takes, what goes into reading files."""


def read_claims(
    path: str | Path,
    *,
    layout: str = "auto",
    out: str | Path | None = None,
    bad_rows: Literal["error", "set_aside"] = "error",
    memory: str | None = None,
    progress: Progress | None = None,
) -> Claims:
    """Read claim files into claims tables, or open tables that were written before.

    Parameters
    ----------
    path : str or Path
        Folder of claim files, or of claims tables.
    layout : str
        `auto` detects it from the headers; else its name, such as `ccw`, `flat`, `tuva`.
    out : str or Path, optional
        Folder to write the claims tables to; a temporary one, removed with the result, if left out.
    bad_rows : {'error', 'set_aside'}
        What to do with dates that cannot be read.
    memory : str, optional
        Memory for reading, for example `4GB`, most of it the engine's; larger data spill to disk.
    progress : callable, optional
        Called with steps done, steps in all, and what is being done.

    Returns
    -------
    Claims
        Lazy tables, and what was read, set aside and absent.

    Raises
    ------
    ClaimsError
        When files are missing, empty, of no known layout, or hold rows that cannot be read.
    OptionError
        When the layout or `bad_rows` is not known.
    """
    source = Path(path)
    if bad_rows not in ("error", "set_aside"):
        raise OptionError(f"bad_rows cannot be {bad_rows!r}", expected="error or set_aside")
    if (source / MANIFEST).is_file():
        return Claims.from_folder(source)
    delivery = find_delivery(source, layout)
    tell = progress or (lambda *_: None)
    if out is not None:
        _write_tables(delivery, Path(out), bad_rows, memory, tell)
        return Claims.from_folder(Path(out))
    folder = new_scratch("riskstd-claims")
    try:
        _write_tables(delivery, folder / "claims", bad_rows, memory, tell)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    claims = Claims.from_folder(folder / "claims")
    weakref.finalize(claims.connection, shutil.rmtree, folder, ignore_errors=True)
    return claims


def how_read(bad_rows: str) -> dict[str, str]:
    """Return what claims tables depend on besides the files: handling of bad rows, and version of the reader."""
    return {"bad_rows": bad_rows, "riskstd": version("riskstd"), "reader": READER}


def _write_tables(delivery: Delivery, target: Path, bad_rows: str, memory: str | None, progress: Progress) -> None:
    if target.exists() and any(target.iterdir()):
        raise ClaimsError(f"folder {target} is not empty", hint="name another folder, or remove what is in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = new_scratch(f".{target.name}-read", target.parent)
    if memory is not None:
        keep_few_heaps()
    con = duckdb.connect()
    try:
        _configure(con, partial, memory)
        about = _read(con, delivery, partial, bad_rows, progress)
        con.close()
        for scratch in ("spill", "staging"):
            shutil.rmtree(partial / scratch, ignore_errors=True)
        (partial / MANIFEST).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", "utf-8")
        if target.exists():
            target.rmdir()
        partial.replace(target)
    except BaseException as error:
        con.close()
        shutil.rmtree(partial, ignore_errors=True)
        raise no_room_for_tables(error, target, memory) from None


def no_room_for_tables(error: BaseException, target: Path, memory: str | None) -> BaseException:
    """Say what the machine lacked to write claims tables: memory or room; any other error stays as it is."""
    return in_words(
        error,
        doing="reading",
        writing="claims tables",
        place=target.parent,
        memory=memory,
        hint="free space there, of about the size of the delivery, or write to another disk",
        kind=ClaimsError,
    )


def _configure(con: duckdb.DuckDBPyConnection, folder: Path, memory: str | None) -> None:
    con.execute(f"SET temp_directory = {quoted_path(folder / 'spill')}")
    con.execute("SET preserve_insertion_order = true")
    # Sizes of files are guessed from the first, which is empty: the engine would take millions of claims for none and
    # gather them to look people up in. The right side of every join here is the one to gather.
    con.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    limit_memory(con, memory)


def _read(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, folder: Path, bad_rows: str, progress: Progress
) -> dict[str, Any]:
    total = max(1, sum(file.path.stat().st_size for file in delivery.files))
    read = 0

    def tell(share: float, what: str) -> None:
        progress(round(share * 1000), 1000, what)

    def count_bytes(file: str, size: int) -> None:
        nonlocal read
        read += size
        tell(_SHARE_OF_READING * read / total, f"reading {file}")

    threads = min(_MOST_READERS, int(con.execute("SELECT current_setting('threads')").fetchall()[0][0]))
    with fingerprint_beside(delivery) as inputs:
        staged = stage_files(con, delivery, folder / "staging", threads, count_bytes)
    unreadable = refuse_unreadable_dates(delivery, staged.unreadable, set_aside=bad_rows == "set_aside")
    tell(_SHARE_OF_READING, "numbering people")
    build.build_person_keys(con)
    build.build_people(con)
    build.build_enrollment(con, delivery)
    tell(0.55, "joining stays")
    build.build_claims(con, delivery, "inpatient")
    build.build_inpatient_claims(con)
    _build_stays(con)
    build.build_procedures(con, delivery)
    short = [table for table in CLAIMS_TABLES if table.name not in LONG_TABLES]
    kept = {table.name: _write_sorted(con, table, folder / f"{table.name}.parquet") for table in short}
    _write_keys(con, folder)
    long = LongTables(con, delivery, staged, folder, threads)
    joined, with_lines = count_inpatient(con), 0
    groups = people_in_groups(con, delivery, staged)
    for place, people in enumerate(groups):
        tell(0.6 + 0.39 * place / len(groups), "lines and diagnoses")
        _join_lines(con, delivery, staged, people)
        joined = add_counts(joined, count_joined(con))
        with_lines += long.add(people)
    _limit(con, delivery, staged, None)
    kept |= long.close()
    for name in kept:
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW written_{name} AS SELECT * FROM {quoted_path(folder / f'{name}.parquet')}"
        )
    counts = count_reading(con, delivery, staged, kept, joined, with_lines, unreadable)
    tell(1, "claims tables written")
    return {
        "inputs": inputs.result(),
        "reading": how_read(bad_rows),
        "layout": delivery.layout.name,
        "absent": sorted(absent_columns(delivery)),
        "statements": [*delivery.layout.statements, *absence_statements(delivery), *build.birth_statements(con)],
        "counts": counts,
    }


def _join_lines(con: duckdb.DuckDBPyConnection, delivery: Delivery, staged: Staged, people: PersonGroup) -> None:
    """Claims and lines of some people, numbered and with their status."""
    _limit(con, delivery, staged, people)
    for setting in ("professional", "outpatient"):
        build.build_claims(con, delivery, setting)
        build.build_lines(con, setting)


def _limit(con: duckdb.DuckDBPyConnection, delivery: Delivery, staged: Staged, people: PersonGroup | None) -> None:
    limit_to_people(con, delivery, staged, people)
    build.limit_person_keys(con, people)


def _build_stays(con: duckdb.DuckDBPyConnection) -> None:
    engine = ibis.duckdb.from_connection(con)
    numbered = join_stays(engine.table("inpatient_kept"))
    con.execute(f"CREATE OR REPLACE TEMP TABLE inpatient_numbered AS {ibis.to_sql(numbered, dialect='duckdb')}")
    stays = summarize_stays(engine.table("inpatient_numbered"))
    con.execute(f"CREATE OR REPLACE TEMP TABLE stays AS {ibis.to_sql(stays, dialect='duckdb')}")


def _write_sorted(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> int:
    source = "inpatient_numbered" if table.name == "inpatient_claims" else table.name
    columns = ", ".join(f"CAST({c.name} AS {c.duckdb_type}) AS {c.name}" for c in table.columns)
    order = ", ".join(dict.fromkeys([*table.sorted_by, *table.names])) if table.name != "enrollment" else ""
    rows = f"SELECT {columns} FROM {source}" + (f" ORDER BY {order}" if order else "")
    written = con.execute(f"COPY ({rows}) TO {quoted_path(path)} (FORMAT parquet, COMPRESSION zstd)").fetchall()
    return int(written[0][0])


def _write_keys(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the map to identifiers into a folder that only its owner can read."""
    path = folder / KEY_FILE
    path.parent.mkdir(mode=0o700)
    _write_sorted(con, PERSON_KEYS, path)
    path.chmod(0o600)
    folder.chmod(0o700)
