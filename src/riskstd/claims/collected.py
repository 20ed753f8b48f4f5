"""Rows of lines and diagnoses as numbers, block by block, filed by ranges of persons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskstd.claims.blocks import ROWS_OF_A_BLOCK, flat
from riskstd.claims.build import LINE_TEXTS, SETTINGS, claims_in_use, kept_lines
from riskstd.claims.ranges import Codes, Columns, PersonRanges, RangePart, small
from riskstd.claims.rowgroups import MISSING
from riskstd.claims.scan import in_order
from riskstd.claims.staging import columns_present
from riskstd.tables import OUTPATIENT_LINES, PROFESSIONAL_LINES

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.groups import PersonGroup
    from riskstd.claims.staging import Staged

LINES = {"professional": PROFESSIONAL_LINES, "outpatient": OUTPATIENT_LINES}
CLAIM_TEXTS = {
    "professional": ("billing_npi",),
    "outpatient": ("bill_type", "provider_ccn", "facility_npi"),
    "inpatient": (),
}
_MODIFIERS = ("modifier_1", "modifier_2", "modifier_3", "modifier_4")
ROLES = ("claim", "line", "principal")  # in the order of rows of a claim
_CLAIM, LINE, _PRINCIPAL = range(3)
_BATCH = 1 << 16


@dataclass
class Collected:
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
        for setting in LINES:
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
        texts = {name: self.code(name).number(_coded(claims.column(name))) for name in CLAIM_TEXTS[setting]}
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
