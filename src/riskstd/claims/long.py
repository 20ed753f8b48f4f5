"""Lines and diagnoses: the large tables, joined and sorted as numbers by ranges of persons."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskstd.claims.blocks import ROWS_OF_A_BLOCK, flat
from riskstd.claims.build import FIRST_ICD10_DAY, LINE_TEXTS, SETTINGS, claims_in_use, kept_lines
from riskstd.claims.ranges import Codes, Columns, PersonRanges, RangePart, row_order, small
from riskstd.claims.rowgroups import MISSING, Coded, RowGroups
from riskstd.claims.scan import in_order
from riskstd.claims.staging import columns_present
from riskstd.engines.embedded import memory_limit
from riskstd.tables import DIAGNOSES, OUTPATIENT_LINES, PROFESSIONAL_LINES

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.groups import PersonGroup
    from riskstd.claims.staging import Staged

_LINES = {"professional": PROFESSIONAL_LINES, "outpatient": OUTPATIENT_LINES}
LONG_TABLES = ("professional_lines", "outpatient_lines", "diagnoses")
_CLAIM_TEXTS = {
    "professional": ("billing_npi",),
    "outpatient": ("bill_type", "provider_ccn", "facility_npi"),
    "inpatient": (),
}
_MODIFIERS = ("modifier_1", "modifier_2", "modifier_3", "modifier_4")
_ROLES = ("claim", "line", "principal")  # in the order of rows of a claim
_CLAIM, _LINE, _PRINCIPAL = range(3)
_FIRST_ICD10 = int(np.datetime64(FIRST_ICD10_DAY, "D").astype(int))
_BYTES_OF_A_ROW = 64  # that sorting needs
_SHARE_OF_MEMORY = 0.2
_FEWEST_RANGES = 16  # of which a few are in work at a time
_BATCH = 1 << 16


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
        tables = (*_LINES.values(), DIAGNOSES)
        self._writers = {table.name: RowGroups(table, folder / f"{table.name}.parquet") for table in tables}

    def add(self, people: PersonGroup) -> int:
        """Add the lines and diagnoses of some people; return the claims that have lines that are kept.

        The connection has their claims and lines, numbered and with their status; it has them no more afterwards.
        """
        ranges = _ranges(self._con, _rows_to_sort(self._con), people, self._scratch)
        collected = _Collected(self._con, self._delivery, self._staged, ranges, self._threads, people)
        collected.collect_all()
        for table in (f"{setting}_{kind}" for setting in _LINES for kind in ("staged", "claims", "unused_claims")):
            self._con.execute(f"DROP TABLE {table}")
        with_lines = self._write(collected)
        shutil.rmtree(self._scratch, ignore_errors=True)
        return with_lines

    def _write(self, collected: _Collected) -> int:
        """Sort ranges and write them in their order, one while the next are sorted."""
        orders = defaultdict(Codes().in_order) | {name: codes.in_order() for name, codes in collected.codes.items()}
        tasks = (partial(_sorted_range, collected, orders, number) for number in range(collected.ranges.count))
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
    counts += [2 * con.execute(f"SELECT count(*) FROM {s}_staged").fetchall()[0][0] for s in _LINES]
    return int(sum(counts))


def _ranges(con: duckdb.DuckDBPyConnection, rows: int, people: PersonGroup, folder: Path) -> PersonRanges:
    """As many ranges as memory asks for; in memory if that holds all of them."""
    room = int(_SHARE_OF_MEMORY * memory_limit(con))
    count = max(_FEWEST_RANGES, -(-rows * _BYTES_OF_A_ROW // room))
    kept = folder if rows * _BYTES_OF_A_ROW > 2 * room else None
    return PersonRanges(people.last_key - people.first_key + 1, count, kept, people.first_key)


def _rows(con: duckdb.DuckDBPyConnection, sql: str, table: str, key: str) -> Iterator[tuple[int, pa.Table]]:
    """Rows of a table by the number of their block, in its order."""
    last, parts = -1, []
    sort = "" if _in_order(con, table, key) else f" ORDER BY {key}"
    for batch in con.sql(sql + sort).to_arrow_reader(_BATCH):
        blocks = batch.column(key).to_numpy() // ROWS_OF_A_BLOCK
        starts = np.flatnonzero(np.diff(blocks, prepend=blocks[:1] - 1)) if len(blocks) else []
        for start, stop in zip(starts, [*starts[1:], len(blocks)], strict=True):
            if blocks[start] != last:
                if parts:
                    yield last, pa.Table.from_batches(parts)
                last, parts = int(blocks[start]), []
            parts.append(batch.slice(start, stop - start))
    if parts:
        yield last, pa.Table.from_batches(parts)


def _in_order(con: duckdb.DuckDBPyConnection, table: str, key: str) -> bool:
    last = -1
    for batch in con.sql(f"SELECT {key} FROM {table}").to_arrow_reader(1 << 20):
        rows = batch.column(0).to_numpy()
        if len(rows) and (rows[0] <= last or not (np.diff(rows) > 0).all()):
            return False
        last = int(rows[-1]) if len(rows) else last
    return True


def _whole(table: pa.Table, name: str) -> np.ndarray:
    column = flat(table.column(name))
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return column.fill_null(MISSING).to_numpy() if column.null_count else column.to_numpy()


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    cells = flat(column)
    return cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()


@dataclass
class _Collected:
    """Claims, lines and diagnoses as numbers, by ranges of persons."""

    con: duckdb.DuckDBPyConnection
    delivery: Delivery
    staged: Staged
    ranges: PersonRanges
    threads: int
    people: PersonGroup
    codes: dict[str, Codes] = field(default_factory=dict)
    width: int = 1

    def collect_all(self) -> None:
        """Collect all settings."""
        widths = " UNION ALL ".join(f"SELECT max(strlen(claim_id)) AS n FROM {s}_claims" for s in SETTINGS)
        self.width = int(self.con.execute(f"SELECT coalesce(max(n), 1) FROM ({widths})").fetchall()[0][0])
        for setting in SETTINGS:
            self._collect_claims(setting)
        for setting in _LINES:
            self._collect_lines(setting)
        self.con = None  # type: ignore[assignment]

    def code(self, name: str) -> Codes:
        """Return the numbers of the texts of a column."""
        return self.codes.setdefault(name, Codes())

    def _collect_claims(self, setting: str) -> None:
        mine = f" AND person_key BETWEEN {self.people.first_key} AND {self.people.last_key}"
        rows = _rows(self.con, claims_in_use(setting) + mine, f"{setting}_claims WHERE true{mine}", "row")
        own_principal = columns_present(self.delivery, f"{setting}_header", "principal_diagnosis")  # type: ignore[arg-type]
        tasks = (
            partial(self._claims_of_block, setting, number, claims, own_principal=own_principal)
            for number, claims in rows
        )
        for claims, diagnoses in in_order(tasks, self.threads):
            place = self.ranges.keep(f"{setting}_claims", claims)
            for part in diagnoses:
                part.columns["claim"] = place[part.columns["claim"]]
            self.ranges.keep(f"{setting}_diagnoses", diagnoses)

    def _claims_of_block(
        self, setting: str, number: int, claims: pa.Table, *, own_principal: bool
    ) -> tuple[list[RangePart], list[RangePart]]:
        """Claims of a block, and its diagnoses with the claim of each by its place in the block."""
        persons = _whole(claims, "person_key")
        texts = {name: self.code(name).number(_coded(claims.column(name))) for name in _CLAIM_TEXTS[setting]}
        about = {"person": persons.astype(np.int32), "row": _whole(claims, "row"), "day": _whole(claims, "day")}
        about["claim_id"] = _fixed_width(flat(claims.column("claim_id")), self.width)
        own = self.ranges.part(persons, about | texts)
        slots, claim = self._slots_of_block(setting, number, about["row"], about["day"])
        if slots is None:
            return own, []
        position = small(_whole(slots, "position"))
        cells = {
            "claim": claim,
            "role": np.where(position == 0, _PRINCIPAL, _CLAIM).astype(np.int8),
            "position": position,
            "code": self.code("code").number(_coded(slots.column("code"))),
            "version": _versions(_coded(slots.column("version"))),
        }
        diagnoses = self.ranges.part(persons[claim], cells)
        if not own_principal:
            first = position == 1
            again = {name: values[first] for name, values in cells.items()}
            again |= {"role": np.full_like(again["role"], _PRINCIPAL), "position": again["position"] * 0}
            diagnoses += self.ranges.part(persons[again["claim"]], again)
        return own, diagnoses

    def _slots_of_block(
        self, setting: str, number: int, rows: np.ndarray, days: np.ndarray
    ) -> tuple[pa.Table | None, np.ndarray]:
        """Filled slots of the dated claims of a block, and the claim of each; nothing if there is none."""
        path = self.staged.slots(f"{setting}_header", number)  # type: ignore[arg-type]
        if path is None:
            return None, np.empty(0, np.int64)
        slots = pq.read_table(path, read_dictionary=["code", "version"], use_threads=False)
        places = _whole(slots, "row") % ROWS_OF_A_BLOCK
        at, dated = rows % ROWS_OF_A_BLOCK, days != MISSING
        claim_at = np.full(1 + max(int(places.max(initial=0)), int(at.max(initial=0))), -1, np.int32)
        claim_at[at[dated]] = np.flatnonzero(dated)
        claim = claim_at[places]
        known = claim >= 0
        if not known.all():
            slots, claim = slots.filter(pa.array(known)), claim[known]
        return (slots if len(claim) else None), claim

    def _collect_lines(self, setting: str) -> None:
        rows = _rows(self.con, kept_lines(setting), f"{setting}_staged", "row")
        tasks = (partial(self._lines_of_block, setting, number, lines) for number, lines in rows)
        for lines, diagnoses in in_order(tasks, self.threads):
            self.ranges.keep(f"{setting}_lines", lines)
            self.ranges.keep("line_diagnoses", diagnoses)

    def _lines_of_block(self, setting: str, number: int, lines: pa.Table) -> tuple[list[RangePart], list[RangePart]]:
        """Kept lines of a block, and their diagnoses."""
        cells = self._cells_of_block(setting, number, _whole(lines, "row") % ROWS_OF_A_BLOCK)
        names = [n for n in LINE_TEXTS[setting] if n not in (*_MODIFIERS, "line_diagnosis", "line_version")]
        persons = _whole(lines, "person_key")
        about = {name: _whole(lines, name) for name in ("claim_row", "line_number", "day")}
        about["tie"] = small(_whole(lines, "tie"))
        columns = {name: self._numbers(cells, name) for name in names}
        columns["modifiers"] = self._modifiers(cells)
        diagnoses = self._line_diagnoses(persons, lines, cells, about) if setting == "professional" else []
        return self.ranges.part(persons, about | columns), diagnoses

    def _line_diagnoses(self, persons: np.ndarray, lines: pa.Table, cells: pa.Table, about: Columns) -> list[RangePart]:
        if "line_diagnosis" not in cells.column_names:
            return []
        numbers = self.code("code").number(_coded(cells.column("line_diagnosis")))
        filled = numbers >= 0
        versions = (
            _versions(_coded(cells.column("line_version")))
            if "line_version" in cells.column_names
            else np.zeros(len(numbers), np.int8)
        )
        position = small(np.where(about["line_number"] == MISSING, 0, about["line_number"]))
        columns = {
            "claim_row": about["claim_row"],
            "day": _whole(lines, "last_day"),
            "position": position,
            "code": numbers,
            "version": versions,
            "repeated": about["tie"] > 0,
        }
        return self.ranges.part(persons[filled], {name: values[filled] for name, values in columns.items()})

    def _cells_of_block(self, setting: str, number: int, rows: np.ndarray) -> pa.Table:
        """Cells of some rows of a block."""
        path = self.staged.block(f"{setting}_line", number)  # type: ignore[arg-type]
        have = pq.read_schema(path).names
        names = [name for name in LINE_TEXTS[setting] if name in have]
        cells = pq.read_table(path, columns=names, read_dictionary=names, use_threads=False)
        return cells.take(pa.array(rows)) if len(rows) < cells.num_rows else cells

    def _numbers(self, cells: pa.Table, name: str) -> np.ndarray:
        if name not in cells.column_names:
            return np.full(cells.num_rows, -1, np.int8)
        return self.code(name).number(_coded(cells.column(name)))

    def _modifiers(self, cells: pa.Table) -> np.ndarray:
        """Number of the modifiers of each line joined by blanks."""
        out = np.full(cells.num_rows, -1, np.int32)
        names = [name for name in _MODIFIERS if name in cells.column_names]
        own = [self.code("modifier").number(_coded(cells.column(name))) for name in names]
        some = np.flatnonzero(np.logical_or.reduce([numbers >= 0 for numbers in own])) if own else []
        if len(some):
            sets, which = np.unique(np.stack([numbers[some] for numbers in own], 1), axis=0, return_inverse=True)
            texts = self.code("modifier").texts()
            joined = [" ".join(texts[n] for n in numbers if n >= 0) for numbers in sets]
            out[some] = self.code("modifiers").number_texts(joined)[:-1][which.ravel()]
        return small(out)

    def sorted_claims(self, number: int) -> _Claims:
        """Claims of a range of all settings, with their place in order of person and claim identifier."""
        parts = {setting: self.ranges.load(f"{setting}_claims", number) for setting in SETTINGS}
        return _Claims(parts, self.width)


def _fixed_width(texts: pa.Array, width: int) -> np.ndarray:
    """Texts as bytes of a fixed width, which sort as the texts do."""
    if len(texts) and not texts.null_count:
        offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, 4 * texts.offset)
        if (np.diff(offsets) == width).all():
            return np.frombuffer(texts.buffers()[2], f"S{width}", len(texts), int(offsets[0]))
    return np.array([text.encode() for text in texts.to_pylist()], f"S{width}")


def _versions(cells: pa.DictionaryArray) -> np.ndarray:
    """Version of the code system that cells name; 0 if they name none, when the day tells."""
    known = {"0": 10, "10": 10, "9": 9}
    names = np.array([*(known.get(text, 0) for text in cells.dictionary.to_pylist()), 0], np.int8)
    indices = cells.indices
    return names.take(indices.fill_null(len(names) - 1).to_numpy() if indices.null_count else indices.to_numpy())


def _icd_version(version: np.ndarray, day: np.ndarray) -> np.ndarray:
    by_day = np.where(day >= _FIRST_ICD10, np.int8(10), np.int8(9))
    return np.where(version == 0, by_day, version)


class _Claims:
    """Claims of a range of persons."""

    def __init__(self, parts: dict[str, Columns], width: int) -> None:
        self.parts = parts
        some = [part for part in parts.values() if part]
        sizes = [len(part["row"]) if part else 0 for part in parts.values()]
        self.start = dict(zip(parts, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self.person = np.concatenate([part["person"] for part in some] or [np.empty(0, np.int32)])
        self.day = np.concatenate([part["day"] for part in some] or [np.empty(0, np.int32)])
        texts = np.concatenate([part["claim_id"] for part in some] or [np.empty(0, f"S{width}")])
        order = np.lexsort([*_words(texts)[::-1], self.person])
        persons, self.texts = self.person[order], texts[order]
        new = np.ones(len(order), bool)
        new[1:] = (persons[1:] != persons[:-1]) | (self.texts[1:] != self.texts[:-1])
        self.texts = self.texts[new]
        self.place = np.empty(len(order), np.int32)
        self.place[order] = np.cumsum(new) - 1
        starts = np.flatnonzero(np.diff(persons, prepend=-1))
        first = self.place[order[starts]]
        self.rank = np.empty(len(order), np.int32)
        self.rank[order] = self.place[order] - np.repeat(first, np.diff([*starts, len(order)]))

    def of_rows(self, setting: str, rows: np.ndarray) -> np.ndarray:
        """Number of the claim of a setting that has a row."""
        known = self.parts[setting]["row"]
        sorter = None if (np.diff(known) > 0).all() else np.argsort(known)
        found = np.searchsorted(known, rows, sorter=sorter)
        return (found if sorter is None else sorter[found]).astype(np.int32) + np.int32(self.start[setting])

    def text(self, claims: np.ndarray) -> np.ndarray:
        """Return the identifiers of claims."""
        return self.texts[self.place[claims]]


def _words(texts: np.ndarray) -> list[np.ndarray]:
    """Fixed-width bytes as whole numbers that sort as they do, the first first."""
    width = -(-texts.dtype.itemsize // 8) * 8
    raw = np.zeros((len(texts), width), np.uint8)
    raw[:, : texts.dtype.itemsize] = texts.view(np.uint8).reshape(len(texts), texts.dtype.itemsize)
    words = raw.view(">u8").astype(np.uint64)
    return [words[:, n] for n in range(words.shape[1])]


Orders = dict[str, tuple[np.ndarray, pa.Array]]
"""By column: the place of each number among the sorted texts, and these."""


def _sorted_range(
    collected: _Collected, orders: Orders, number: int
) -> tuple[dict[str, dict[str, np.ndarray | Coded]], int]:
    """Sorted rows of a range by table, and how many claims have lines; the range is forgotten."""
    claims = collected.sorted_claims(number)
    tables, with_lines = {}, 0
    for setting in _LINES:
        rows = collected.ranges.load(f"{setting}_lines", number)
        collected.ranges.forget(f"{setting}_lines", number)
        if rows:
            claim = claims.of_rows(setting, rows["claim_row"])
            with_lines += int(np.count_nonzero(np.bincount(claim)))
            tables[_LINES[setting].name] = _sorted_lines(setting, rows, claim, claims, orders)
    rows = _sorted_diagnoses(collected, number, claims)
    if rows:
        place, texts = orders["code"]
        tables[DIAGNOSES.name] = rows | {"code": Coded(place[rows["code"]], texts)}
    return tables, with_lines


def _sorted_lines(
    setting: str, rows: Columns, claim: np.ndarray, claims: _Claims, orders: Orders
) -> dict[str, np.ndarray | Coded]:
    numbers = rows["line_number"].astype(np.int64)
    numbers[numbers == MISSING] = 1 << 31
    order = row_order(claims.person[claim], rows["day"], claims.rank[claim], numbers, rows["tie"])
    claim = claim[order]
    own = claim - np.int32(claims.start[setting])
    texts = {name: claims.parts[setting][name][own] for name in _CLAIM_TEXTS[setting]}
    for name in _LINES[setting].names:
        if name in rows and name != "line_number":
            texts[name] = rows[name][order]
    return {
        "person_key": claims.person[claim],
        "claim_id": claims.text(claim),
        "line_number": rows["line_number"][order],
        "line_date": rows["day"][order],
        **{name: Coded(orders[name][0][numbers], orders[name][1]) for name, numbers in texts.items()},
    }


def _sorted_diagnoses(collected: _Collected, number: int, claims: _Claims) -> dict[str, np.ndarray | Coded]:
    parts = []
    for setting in SETTINGS:
        rows = collected.ranges.load(f"{setting}_diagnoses", number)
        collected.ranges.forget(f"{setting}_diagnoses", number)
        if rows:
            claim = rows["claim"] + np.int32(claims.start[setting])
            day = claims.day[claim]
            rows |= {"claim": claim, "day": day, "version": _icd_version(rows["version"], day)}
            parts.append(rows | {"setting": np.full(len(claim), sorted(SETTINGS).index(setting), np.int8)})
    rows = collected.ranges.load("line_diagnoses", number)
    collected.ranges.forget("line_diagnoses", number)
    if rows:
        parts.append(_line_diagnoses(rows, claims))
    if not parts:
        return {}
    names = ("claim", "day", "role", "position", "setting", "code", "version")
    rows = {name: np.concatenate([part.pop(name) for part in parts]) for name in names}
    tie = np.zeros(len(rows["claim"]), np.int32)
    repeated = parts[-1].get("repeated")
    if repeated is not None and repeated.any():
        places = np.flatnonzero(repeated) + len(tie) - len(repeated)
        _rank_repeated(rows, tie, places, collected.code("code").texts())
    claim = rows["claim"]
    order = row_order(
        claims.person[claim], rows["day"], claims.rank[claim], rows["role"], rows["position"], rows["setting"], tie
    )
    if tie.any():
        order = order[tie[order] >= 0]
    claim = claim[order]
    return {
        "person_key": claims.person[claim],
        "claim_id": claims.text(claim),
        "setting": Coded(rows["setting"][order].astype(np.int32), pa.array(sorted(SETTINGS)), fixed=True),
        "service_date": rows["day"][order],
        "role": Coded(rows["role"][order].astype(np.int32), pa.array(_ROLES), fixed=True),
        "position": rows["position"][order],
        "code": rows["code"][order],
        "icd_version": rows["version"][order],
    }


def _line_diagnoses(rows: Columns, claims: _Claims) -> Columns:
    claim = claims.of_rows("professional", rows.pop("claim_row"))
    return rows | {
        "claim": claim,
        "role": np.full(len(claim), _LINE, np.int8),
        "setting": np.full(len(claim), sorted(SETTINGS).index("professional"), np.int8),
        "version": _icd_version(rows["version"], rows["day"]),
    }


def _rank_repeated(rows: Columns, tie: np.ndarray, places: np.ndarray, codes: list[str]) -> None:
    """Order the diagnoses of lines that come more than once by their text; -1 for all but one of the same row."""
    code, version = rows["code"][places], rows["version"][places]
    texts = np.array([f"{codes[c]}{v}" for c, v in zip(code.tolist(), version.tolist(), strict=True)])
    tie[places] = np.unique(texts, return_inverse=True)[1] + 1
    whole = np.stack([*(rows[n][places].astype(np.int64) for n in ("claim", "day", "position", "code", "version"))], 1)
    once = np.zeros(len(places), bool)
    once[np.unique(whole, axis=0, return_index=True)[1]] = True
    tie[places[~once]] = -1
