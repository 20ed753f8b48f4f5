"""Lines and diagnoses: the large tables, joined and sorted as numbers by ranges of persons."""

from __future__ import annotations

import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from riskstd.claims.collected import LINES, Collected
from riskstd.claims.ranges import Codes, PersonRanges
from riskstd.claims.rowgroups import RowGroups
from riskstd.claims.scan import in_order
from riskstd.claims.sorted_rows import sorted_range
from riskstd.engines.embedded import memory_limit
from riskstd.tables import DIAGNOSES

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.groups import PersonGroup
    from riskstd.claims.staging import Staged

LONG_TABLES = ("professional_lines", "outpatient_lines", "diagnoses")
_BYTES_OF_A_ROW = 64  # that sorting needs
_SHARE_OF_MEMORY = 0.2
_FEWEST_RANGES = 16  # of which a few are in work at a time


class LongTables:
    """The tables of lines and of diagnoses, written group by group of people in the order of their keys.

    Parameters
    ----------
    con : duckdb connection
    delivery : Delivery
        Files and layout.
    staged : Staged
        Where the cells of claims and lines lie.
    folder : Path
        Folder to write to; `staging` in it takes what does not fit in memory.
    threads : int
        Blocks to read at the same time.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, delivery: Delivery, staged: Staged, folder: Path, threads: int
    ) -> None:
        self._con, self._delivery, self._staged, self._threads = con, delivery, staged, threads
        self._scratch = folder / "staging" / "ranges"
        tables = (*LINES.values(), DIAGNOSES)
        self._writers = {table.name: RowGroups(table, folder / f"{table.name}.parquet") for table in tables}

    def add(self, people: PersonGroup) -> int:
        """Add the lines and diagnoses of some people; return the claims that have lines that are kept.

        The connection has their claims and lines, numbered and with their status; it has them no more afterwards.
        """
        ranges = _ranges(self._con, _rows_to_sort(self._con), people, self._scratch)
        collected = Collected(self._con, self._delivery, self._staged, ranges, self._threads, people)
        collected.collect_all()
        for table in (f"{setting}_{kind}" for setting in LINES for kind in ("staged", "claims", "unused_claims")):
            self._con.execute(f"DROP TABLE {table}")
        with_lines = self._write(collected)
        shutil.rmtree(self._scratch, ignore_errors=True)
        return with_lines

    def _write(self, collected: Collected) -> int:
        """Sort ranges and write them in their order, one while the next are sorted."""
        orders = defaultdict(Codes().in_order) | {name: codes.in_order() for name, codes in collected.codes.items()}
        tasks = (partial(sorted_range, collected, orders, number) for number in range(collected.ranges.count))
        with_lines = 0
        with ThreadPoolExecutor(len(self._writers) if self._threads > 1 else 1) as pool:
            for tables, claims_with_lines in in_order(tasks, self._threads):
                written = [pool.submit(self._writers[name].add, rows) for name, rows in tables.items()]
                with_lines += claims_with_lines
                for each in written:
                    each.result()
        return with_lines

    def close(self) -> dict[str, int]:
        """Finish the files; return the rows of each table."""
        return {name: writer.close() for name, writer in self._writers.items()}


def _rows_to_sort(con: duckdb.DuckDBPyConnection) -> int:
    views = [
        name
        for (name,) in con.execute("SELECT view_name FROM duckdb_views() WHERE view_name LIKE 'slots_%'").fetchall()
    ]
    counts = [con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in views]
    counts += [2 * con.execute(f"SELECT count(*) FROM {s}_staged").fetchall()[0][0] for s in LINES]
    return int(sum(counts))


def _ranges(con: duckdb.DuckDBPyConnection, rows: int, people: PersonGroup, folder: Path) -> PersonRanges:
    """As many ranges as memory asks for; in memory if that holds all of them."""
    room = int(_SHARE_OF_MEMORY * memory_limit(con))
    count = max(_FEWEST_RANGES, -(-rows * _BYTES_OF_A_ROW // room))
    kept = folder if rows * _BYTES_OF_A_ROW > 2 * room else None
    return PersonRanges(people.last_key - people.first_key + 1, count, kept, people.first_key)
