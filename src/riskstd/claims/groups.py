"""Groups of people whose claims fit in memory together, so that room is needed for one group at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.claims.staging import PersonGroup

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.staging import Staged

_BYTES_OF_A_ROW = 150
"""Of a claim or line while it is joined."""
_SHARE_OF_MEMORY = 0.6
_MOST_GROUPS = 1000


def people_in_groups(con: duckdb.DuckDBPyConnection, delivery: Delivery, staged: Staged) -> list[PersonGroup]:
    """Cut the people of a delivery, in the order of their keys, into as many groups as memory asks for.

    Parameters
    ----------
    con : duckdb connection
        With `every_person_key`.
    delivery : Delivery
        Files and layout.
    staged : Staged
        Rows of every file.

    Returns
    -------
    list of PersonGroup
        At least one; the first also takes the rows without an identifier.
    """
    people = int(con.execute("SELECT count(*) FROM every_person_key").fetchall()[0][0])
    rows = sum(staged.rows[file.name] for file in delivery.files)
    wanted = -(-rows * _BYTES_OF_A_ROW // int(_SHARE_OF_MEMORY * memory_limit(con)))
    count = max(1, min(wanted, people, _MOST_GROUPS))
    first = [1 + people * number // count for number in range(count)]
    keys = ", ".join(map(str, first[1:]))
    later = con.execute(
        f"SELECT person_id FROM every_person_key WHERE person_key IN ({keys or 'NULL'}) ORDER BY person_key"
    ).fetchall()
    ids = [None, *(person_id for (person_id,) in later), None]
    ends = [*(key - 1 for key in first[1:]), people]
    return [PersonGroup(*group) for group in zip(first, ends, ids[:-1], ids[1:], strict=True)]


def memory_limit(con: duckdb.DuckDBPyConnection) -> float:
    """Return the memory limit of a connection in bytes."""
    number, unit = con.execute("SELECT current_setting('memory_limit')").fetchall()[0][0].split()
    return float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
