"""Groups of people whose claims fit in memory together, so that room is needed for one group at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from riskstd.engines.embedded import memory_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.staging import Staged

_BYTES_OF_A_ROW = 150
"""Of a claim or line while it is joined."""
_SHARE_OF_MEMORY = 0.6
_MOST_GROUPS = 1000
_FEWEST, _MOST = 0.5, 1.2
"""Of the wanted size, what a group may have to end where blocks end."""


@dataclass(frozen=True)
class PersonGroup:
    """People whose claims are put together at a time: those from one identifier to another, and their keys.

    Parameters
    ----------
    first_key, last_key : int
        Person keys.
    first_id : str, optional
        The first identifier; rows without any belong to the group that has none.
    next_id : str, optional
        The first identifier after the group; all that follow belong to it if left out.
    """

    first_key: int
    last_key: int
    first_id: str | None = None
    next_id: str | None = None

    def holds(self, low: str, high: str) -> bool:
        """Tell whether one of its people may be among those from one identifier to another."""
        return (self.first_id is None or high >= self.first_id) and (self.next_id is None or low < self.next_id)

    def condition(self) -> str:
        """SQL of its people by `person_id`; nothing if all are in it.

        The identifiers are variables of the connection, so that no message can show them.
        """
        if self.first_id is None and self.next_id is None:
            return ""
        if self.first_id is None:
            return " WHERE (person_id < getvariable('next_id') OR person_id IS NULL)"
        after = " AND person_id < getvariable('next_id')" if self.next_id is not None else ""
        return f" WHERE person_id >= getvariable('first_id'){after}"


def people_in_groups(con: duckdb.DuckDBPyConnection, delivery: Delivery, staged: Staged) -> list[PersonGroup]:
    """Cut the people of a delivery, in the order of their keys, into as many groups as memory asks for.

    Groups end where blocks of rows end, as far as they can: a block that two groups share is read for both.

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
    free = _keys_of(con, cuts_between(staged.people_of_blocks())) if count > 1 else []
    first = first_keys(people, count, free)
    keys = ", ".join(map(str, first[1:]))
    later = con.execute(
        f"SELECT person_id FROM every_person_key WHERE person_key IN ({keys or 'NULL'}) ORDER BY person_key"
    ).fetchall()
    ids = [None, *(person_id for (person_id,) in later), None]
    ends = [*(key - 1 for key in first[1:]), people]
    return [PersonGroup(*group) for group in zip(first, ends, ids[:-1], ids[1:], strict=True)]


def first_keys(people: int, count: int, free: Sequence[int]) -> list[int]:
    """Return the first key of each group: about `count` groups, cut at free keys where one is near.

    Parameters
    ----------
    people : int
        Number of keys, from 1 on.
    count : int
        Groups that memory asks for.
    free : sequence of int
        Keys, ascending, before which a cut costs nothing.

    Examples
    --------
    >>> first_keys(100, 4, [])
    [1, 26, 51, 76]
    >>> first_keys(100, 4, [29, 40, 56])
    [1, 29, 56, 79]
    """
    first = [1]
    while True:
        rest = people - first[-1] + 1
        groups = max(count + 1 - len(first), -(-rest * count // max(1, people)))
        if groups <= 1:
            return first
        size = -(-rest // groups)
        low = bisect_left(free, first[-1] + max(1, int(_FEWEST * size)))
        high = bisect_right(free, first[-1] + int(_MOST * size))
        first.append(free[high - 1] if low < high else first[-1] + size)


def cuts_between(spans: Iterable[tuple[str, str]]) -> list[str]:
    """Return the first values of spans before which all spans that began have ended.

    Examples
    --------
    >>> cuts_between([("d", "f"), ("a", "b"), ("b", "c"), ("g", "g")])
    ['d', 'g']
    """
    cuts, reach = [], None
    for low, high in sorted(spans):
        if reach is not None and low > reach:
            cuts.append(low)
        reach = high if reach is None else max(reach, high)
    return cuts


def _keys_of(con: duckdb.DuckDBPyConnection, person_ids: list[str]) -> list[int]:
    con.register("cut_ids", pa.table({"person_id": pa.array(person_ids, pa.string())}))
    found = con.execute("SELECT person_key FROM every_person_key JOIN cut_ids USING (person_id) ORDER BY 1").fetchall()
    con.unregister("cut_ids")
    return [int(key) for (key,) in found]
