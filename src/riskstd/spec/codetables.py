"""The project's code tables: read, checked and kept with their provenance."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from riskstd.codes import CodeMap, CodeSet
from riskstd.errors import SpecError
from riskstd.spec.clauses import Closed, Grade, Origin
from riskstd.spec.years import Years

DATA = Path(__file__).parent / "data"
INDEX = DATA / "tables" / "index.toml"
CONDITION_CATEGORY_MODELS = frozenset({"V22", "V21"})

TABLE_COLUMNS = {
    "code_list": ("role", "system", "codes", "years", "origin", "grade", "source"),
    "category_map": ("category", "label", "model", "codes", "origin", "grade", "source"),
    "planned_admission": ("part", "kind", "codes", "origin", "grade", "source"),
    "work_rvu": ("code", "years", "work_rvu"),
    "global_days": ("code", "years", "global_days"),
    "clause_values": ("clause", "key", "values", "origin", "grade", "source"),
}


class Provenance(Closed):
    """What a table is, where it comes from, and how its codes are written.

    The keys from `stands_for` on are those of a user's tables: the table of the project whose place it takes, the
    service years it holds for, the measure it belongs to, the hash of the table, and the imported file with its hash.
    """

    file: str
    kind: Literal["code_list", "category_map", "planned_admission", "work_rvu", "global_days", "clause_values"]
    system: str
    version: str
    says: str
    source: str
    origin: Origin
    grade: Grade
    note: str = ""
    stands_for: str = ""
    years: str = ""
    measure: str = ""
    sha256: str = ""
    source_file: str = ""
    source_sha256: str = ""
    imported: str = ""


@dataclass(frozen=True, eq=False)
class CodeTable:
    """One code table: provenance, rows as text, the hash of its file, and the imports it was put together from."""

    name: str
    provenance: Provenance
    rows: tuple[dict[str, str], ...]
    sha256: str
    imports: tuple[Provenance, ...] = ()

    def origins(self, *, roles: Iterable[str] | None = None) -> dict[str, int]:
        """Count rows by origin."""
        counts: dict[str, int] = {}
        for row in self._rows_of(roles):
            origin = row.get("origin") or self.provenance.origin
            counts[origin] = counts.get(origin, 0) + 1
        return dict(sorted(counts.items()))

    def codes(self, role: str, *, year: int | None = None, system: str | None = None) -> CodeSet:
        """Return the codes of a role, valid in a service year, in a code system."""
        patterns: list[str] = []
        for row in self._rows_of([role]):
            in_year = year is None or year in Years.of(row["years"])
            if in_year and (system is None or row["system"] == system):
                patterns.extend(row["codes"].split())
        return CodeSet.of(patterns)

    def roles(self) -> list[str]:
        """Return the roles of a code list, sorted."""
        return sorted({row["role"] for row in self.rows})

    def category_map(self) -> CodeMap:
        """Return the table as a map from codes to categories."""
        return _category_map(self)

    def planned_part(self, part: str, kind: str) -> CodeSet:
        """Return one list of the planned admission algorithm, for example `PA3`, `procedure_category`."""
        patterns = [
            code for row in self.rows if row["part"] == part and row["kind"] == kind for code in row["codes"].split()
        ]
        return CodeSet.of(patterns)

    def work_rvu(self, code: str, year: int) -> tuple[float, int] | None:
        """Return work RVU of a code and the year it is from: the year itself, else nearest earlier, else later."""
        return _work_rvu_by_year(self).get((code, year)) or _nearest_rvu(self, code, year)

    def _rows_of(self, roles: Iterable[str] | None) -> Iterator[dict[str, str]]:
        wanted = None if roles is None else set(roles)
        return (row for row in self.rows if wanted is None or row["role"] in wanted)


@cache
def load_code_table(name: str) -> CodeTable:
    """Read one code table by its name in the index.

    Raises
    ------
    SpecError
        When the name is not in the index, the file is missing, or its columns or rows are not as declared.
    """
    entries = _index()
    if name not in entries:
        raise SpecError(
            f"code table {name!r} is not in tables/index.toml",
            expected=f"one of {', '.join(sorted(entries))}",
            hint="add the table to the index with its source and origin",
        )
    return read_table(name, entries[name], INDEX.parent)


def read_table(name: str, provenance: Provenance, folder: Path) -> CodeTable:
    """Read and check the file of a table in a folder of tables.

    Raises
    ------
    SpecError
        When the file is missing or was changed since its import, or its columns or rows are not as declared.
    """
    path = folder / provenance.file
    if not path.is_file():
        raise SpecError(f"code table {name!r}: file {folder.name}/{provenance.file} is missing")
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if provenance.sha256 not in {"", sha256}:
        raise SpecError(
            f"code table {name!r}: {path} is not the file that the import wrote (SHA-256 {sha256[:12]}...)",
            expected=f"SHA-256 {provenance.sha256[:12]}..., as in index.toml",
            hint="import the source file again with --replace; a table of your own is an entry without `source_file`",
        )
    reader = csv.DictReader(content.decode("utf-8").splitlines())
    _require_columns(name, provenance, reader.fieldnames or [])
    rows = tuple(dict(row) for row in reader)
    table = CodeTable(name, provenance, rows, sha256)
    _check_rows(table)
    return table


def code_table_names() -> list[str]:
    """Return the names of all code tables of the project."""
    return sorted(_index())


@cache
def _index() -> dict[str, Provenance]:
    return read_index(INDEX)


def read_index(path: Path) -> dict[str, Provenance]:
    """Read the index of a folder of tables: provenance by name.

    Raises
    ------
    SpecError
        When the file is not valid TOML, or an entry has a key that is unknown, missing or wrong.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not valid TOML: {error}") from None
    entries: dict[str, Provenance] = {}
    for name, entry in raw.items():
        try:
            entries[name] = Provenance.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise SpecError(f"tables/index.toml, table {name!r}, key {key!r}: {first['msg']}") from None
    return entries


def _require_columns(name: str, provenance: Provenance, found: Iterable[str]) -> None:
    expected = TABLE_COLUMNS[provenance.kind]
    if tuple(found) != expected:
        raise SpecError(
            f"code table {name!r} (tables/{provenance.file}) has columns {', '.join(found)}",
            expected=", ".join(expected),
        )


def _check_rows(table: CodeTable) -> None:
    for position, row in enumerate(table.rows, start=2):
        if None in row or None in row.values():
            raise SpecError(f"code table {table.name!r}, line {position}: wrong number of cells")
        if "source" in row and not row["source"].strip():
            raise SpecError(f"code table {table.name!r}, line {position}: a row without a source")
        if "model" in row:
            refuse_model(table.name, position, row["model"])
        if "years" in row:
            Years.of(row["years"])


def refuse_model(table: str, position: int, model: str) -> None:
    """Refuse a condition-category row of another model: V23, V24 and V28 give the same numbers other meanings."""
    if model in {"", *CONDITION_CATEGORY_MODELS}:
        return
    raise SpecError(
        f"code table {table!r}, line {position}: categories numbered by model {model!r}",
        expected="V22 (V21 shares its numbers)",
        hint="never fill V22 categories by number from V23, V24 or V28: they mean other conditions there",
    )


@cache
def _category_map(table: CodeTable) -> CodeMap:
    patterns: dict[str, list[str]] = {}
    for row in table.rows:
        patterns.setdefault(row["category"], []).extend(row["codes"].split())
    return CodeMap.of(patterns)


@cache
def _rvu_rows(table: CodeTable) -> dict[str, list[tuple[Years, float]]]:
    rows: dict[str, list[tuple[Years, float]]] = {}
    for row in table.rows:
        rows.setdefault(row["code"], []).append((Years.of(row["years"]), float(row["work_rvu"])))
    return rows


@cache
def _work_rvu_by_year(table: CodeTable) -> dict[tuple[str, int], tuple[float, int]]:
    return {
        (code, year): (value, year)
        for code, entries in _rvu_rows(table).items()
        for years, value in entries
        for first, last in years.spans
        for year in range(first, last + 1)
    }


def _nearest_rvu(table: CodeTable, code: str, year: int) -> tuple[float, int] | None:
    known = sorted(y for c, y in _work_rvu_by_year(table) if c == code)
    if not known:
        return None
    earlier = [y for y in known if y < year]
    nearest = earlier[-1] if earlier else known[0]
    return _work_rvu_by_year(table)[(code, nearest)]
