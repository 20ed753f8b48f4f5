"""Raw files as tables with canonical columns: every file read once, every cell in its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from riskstd.claims.blocks import BlockFolder, slot_columns
from riskstd.claims.cells import Cleaner, kind_of, sql_type
from riskstd.claims.filing import UnreadableCells, read_into_blocks

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.groups import PersonGroup
    from riskstd.claims.layouts import Layout, Role

_HEADER = (
    "person_id",
    "claim_id",
    "claim_type",
    "final_action",
    "from_date",
    "thru_date",
    "code_system",
    "claim_birth_date",
)
_BIRTH = "claim_birth_date"
_DIAGNOSES = ("principal_diagnosis", "principal_version", "diagnosis_{25}", "version_{25}")
_INSTITUTION = (
    "provider_ccn",
    "facility_type",
    "service_class",
    "frequency",
    "bill_type",
    "nonpayment",
    "facility_npi",
)
_LINE = ("person_id", "claim_id", "line_number")
_MODIFIERS = ("modifier_1", "modifier_2", "modifier_3", "modifier_4")


def _expand(columns: Iterable[str]) -> tuple[str, ...]:
    out: list[str] = []
    for column in columns:
        slots = re.fullmatch(r"(\w+)_\{(\d+)\}", column)
        out += [f"{slots[1]}_{n}" for n in range(1, int(slots[2]) + 1)] if slots else [column]
    return tuple(out)


ROLE_COLUMNS: dict[Role, tuple[str, ...]] = {
    "beneficiary": _expand(("person_id", "year", "birth_date", "age", "death_date", "sex", "buy_in_{12}", "hmo_{12}")),
    "span": ("person_id", "birth_date", "death_date", "sex", "span_start", "span_end", "payer"),
    "professional_header": _expand((*_HEADER, _BIRTH, "denial", "billing_npi", *_DIAGNOSES)),
    "professional_line": (
        *_LINE,
        "hcpcs",
        *_MODIFIERS,
        "type_of_service",
        "specialty",
        "place_of_service",
        "first_date",
        "last_date",
        "processing",
        "performing_npi",
        "organization_npi",
        "line_diagnosis",
        "line_version",
    ),
    "outpatient_header": _expand((*_HEADER, _BIRTH, *_INSTITUTION, *_DIAGNOSES)),
    "outpatient_line": (*_LINE, "revenue_code", "line_date", "hcpcs", *_MODIFIERS),
    "inpatient_header": _expand(
        (
            *_HEADER,
            _BIRTH,
            *_INSTITUTION,
            "admission_date",
            "discharge_date",
            "discharge_status",
            "admission_source",
            *_DIAGNOSES,
            "procedure_{25}",
            "procedure_day_{25}",
        )
    ),
    "inpatient_line": (*_LINE, "revenue_code"),
}

READ_BY_GROUPS = ("professional", "outpatient")
"""Settings whose claims and lines are joined group by group of people."""

# In a layout with all kinds of claims in one file, kind and bill type tell the settings apart.
_INPATIENT_BILLS = "('11', '41')"
_OTHER_BILLS = "('18', '21', '28', '32', '33', '34', '81', '82')"
_SETTING = f"""CASE WHEN claim_kind = 'professional' THEN 'professional'
  WHEN claim_kind = 'institutional' THEN CASE
    WHEN left(bill_type, 2) IN {_INPATIENT_BILLS} THEN 'inpatient'
    WHEN coalesce(left(bill_type, 2), '') NOT IN {_OTHER_BILLS} THEN 'outpatient' END END"""


@dataclass
class Staged:
    """What was read: rows by file, and cells that cannot be read."""

    rows: dict[str, int] = field(default_factory=dict)
    of_other_settings: int = 0
    unreadable: list[UnreadableCells] = field(default_factory=list)
    blocks: dict[Role, BlockFolder] = field(default_factory=dict)

    def block(self, role: Role, number: int) -> Path:
        """Return where the cells of a block of rows lie."""
        return self.blocks[role].path(number)

    def slots(self, role: Role, number: int) -> Path | None:
        """Return where the diagnosis slots of a block of rows lie, if its files have any."""
        blocks = self.blocks[role]
        return blocks.slot_path(number) if blocks.slots else None

    def people_of_blocks(self) -> list[tuple[str, str]]:
        """Return the first and last identifier of every block that is read by groups of people."""
        grouped = {id(b): b for role, b in self.blocks.items() if role.startswith(READ_BY_GROUPS)}
        return [ends for blocks in grouped.values() for ends in blocks.ends_of_people()]


def stage_files(
    con: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    folder: Path,
    threads: int,
    read: Callable[[str, int], None],
) -> Staged:
    """Read every file once into Parquet, and create view `raw_<role>` for every role.

    Parameters
    ----------
    con : duckdb connection
    delivery : Delivery
        Files and layout.
    folder : Path
        Folder for the Parquet files, which need a fraction of the room of the delivery.
    threads : int
        Blocks of a file to work on at the same time.
    read : callable
        Called with the name of a file and the bytes read of it.

    Raises
    ------
    ClaimsError
        When a file has rows that do not fit its header.
    """
    staged = Staged()
    cleaner = Cleaner()
    layout = delivery.layout
    for kind in layout.files:
        files = delivery.of_kind([kind])
        wanted = kind_columns(layout, kind)
        present = [n for n in wanted if any(layout.source_column(n, list(file.header)) for file in files)]
        blocks = BlockFolder(folder / kind, present, only_slots=_needs_only_slots(layout, kind))
        for found in read_into_blocks(files, layout, cleaner, blocks, threads, read):
            staged.rows[found.file] = found.rows
            staged.unreadable += found.unreadable
        _create_views(con, layout, kind, blocks)
        _create_people_views(con, layout, kind, blocks)
        staged.blocks |= dict.fromkeys(layout.files[kind].provides, blocks)
        if is_mixed(layout, kind):
            kept = con.execute(f"SELECT count(*) FROM read_{kind} WHERE setting IS NOT NULL").fetchall()[0][0]
            staged.of_other_settings += sum(staged.rows[file.name] for file in files) - int(kept)
    for role in set(ROLE_COLUMNS) - {role for about in layout.files.values() for role in about.provides}:
        columns = ", ".join(f"{_null(name)} AS {name}" for name in ROLE_COLUMNS[role])
        con.execute(f"CREATE OR REPLACE TEMP VIEW raw_{role} AS SELECT {columns}, 0 AS row WHERE false")
        con.execute(f"CREATE OR REPLACE TEMP VIEW people_{role} AS SELECT person_id FROM raw_{role}")
    return staged


def limit_to_people(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, staged: Staged, people: PersonGroup | None
) -> None:
    """Let the views of claims and lines show the rows of some people, or of all."""
    if people is not None:
        con.execute("SET VARIABLE first_id = ?", [people.first_id])
        con.execute("SET VARIABLE next_id = ?", [people.next_id])
    for kind, about in delivery.layout.files.items():
        if any(role.endswith(("_header", "_line")) for role in about.provides):
            _create_views(con, delivery.layout, kind, staged.blocks[about.provides[0]], people)


def _create_views(
    con: duckdb.DuckDBPyConnection, layout: Layout, kind: str, blocks: BlockFolder, people: PersonGroup | None = None
) -> None:
    wanted = kind_columns(layout, kind)
    mine = people.condition() if people is not None else ""
    numbers = None if not mine or people is None else blocks.with_people(people)
    cells = {name: name if name in blocks.kept else f"{_null(name)} AS {name}" for name in wanted}
    if "claim_id" in cells and layout.claim_key:
        cells["claim_id"] = f"{_joined_key(layout)} AS claim_id"
    if is_mixed(layout, kind):
        cells["setting"] = f"{_SETTING} AS setting"
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW read_{kind} AS SELECT {', '.join(cells.values())}, row "
        f"FROM read_parquet({blocks.sources(numbers)}){mine}"
    )
    if blocks.slots:
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW slots_{kind} AS SELECT * FROM read_parquet({blocks.slot_sources(numbers)})"
        )
    for role in layout.files[kind].provides:
        mine = f" WHERE setting = '{role.split('_')[0]}'" if is_mixed(layout, kind) else ""
        own = ", ".join(ROLE_COLUMNS[role])
        if role.endswith("_header"):
            con.execute(f"CREATE OR REPLACE TEMP VIEW raw_{role}_slots AS SELECT * FROM slots_{kind}")
        con.execute(f"CREATE OR REPLACE TEMP VIEW raw_{role} AS SELECT {own}, row FROM read_{kind}{mine}")


def _create_people_views(con: duckdb.DuckDBPyConnection, layout: Layout, kind: str, blocks: BlockFolder) -> None:
    """View `people_<role>`: every identifier of a role at least once, from the few rows that blocks keep of them."""
    for role in layout.files[kind].provides:
        rows = f"raw_{role}" if is_mixed(layout, kind) else f"read_parquet({blocks.people_sources()})"
        con.execute(f"CREATE OR REPLACE TEMP VIEW people_{role} AS SELECT person_id FROM {rows}")


def _null(column: str) -> str:
    return f"CAST(NULL AS {sql_type(kind_of(column))})"


def kind_columns(layout: Layout, kind: str) -> list[str]:
    """Return the canonical columns that a kind of file is read for."""
    columns = [name for role in layout.files[kind].provides for name in ROLE_COLUMNS[role]]
    if any(role.endswith(("_header", "_line")) for role in layout.files[kind].provides):
        columns += layout.claim_key
    if is_mixed(layout, kind):
        columns += ["claim_kind", "bill_type", "setting"]
    return list(dict.fromkeys(columns))


def is_mixed(layout: Layout, kind: str) -> bool:
    """Tell whether a kind of file holds claims of all settings, told apart by their own column."""
    return "claim_kind" in layout.columns and any(role.endswith("_line") for role in layout.files[kind].provides)


def _needs_only_slots(layout: Layout, kind: str) -> bool:
    """Tell whether diagnoses of a kind of file are needed slot by slot alone; those of stays are part of a claim."""
    return not any(role.startswith("inpatient") for role in layout.files[kind].provides)


def columns_in_slots(delivery: Delivery, role: Role) -> dict[str, str]:
    """Return the columns of a role that are kept as slots alone, each as SQL of the slots of a row."""
    kind = next(kind for kind, about in delivery.layout.files.items() if role in about.provides)
    if not _needs_only_slots(delivery.layout, kind):
        return {}
    columns = {}
    present = [name for name in ROLE_COLUMNS[role] if columns_present(delivery, role, name)]
    for position, (code, version) in slot_columns(present).items():
        columns[code] = f"max(code) FILTER (position = {position})"
        if version not in (None, "code_system"):
            columns[version] = f"max(version) FILTER (position = {position})"
    return columns


def columns_present(delivery: Delivery, role: Role, canonical: str) -> bool:
    """Tell whether any file of a role has a column."""
    layout = delivery.layout
    files = delivery.of_role(role)
    return any(layout.source_column(canonical, list(file.header)) for file in files)


def files_without(delivery: Delivery, role: Role, canonical: str) -> list[str]:
    """Return the names of the files of a role that lack a column."""
    layout = delivery.layout
    files = delivery.of_role(role)
    return [file.name for file in files if layout.source_column(canonical, list(file.header)) is None]


def _joined_key(layout: Layout) -> str:
    """A claim number that returns in other years and types of claims, made unique by them."""
    parts = [f"CAST(year({name}) AS VARCHAR)" if kind_of(name) == "date" else name for name in layout.claim_key]
    return " || '-' || ".join(parts)
