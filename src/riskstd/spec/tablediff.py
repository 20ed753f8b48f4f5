"""Codes that two code tables list differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from riskstd.codes import CodeSet
from riskstd.errors import SpecError
from riskstd.spec.codetables import CodeTable
from riskstd.spec.definition import Measure
from riskstd.spec.years import Years

EVERY_YEAR = "every year"


@dataclass(frozen=True)
class CodeChange:
    """What changed in one group of codes: a role, a category, or a list of the planned admission algorithm.

    Attributes
    ----------
    tables : tuple of str
        Names of the table before and after.
    group : str
        The role, category or list.
    added, removed : tuple of str
        Codes (a prefix ends in `*`), sorted.
    changed : tuple of (code, before, after)
        Codes on both sides with other years of validity, or another value.
    """

    tables: tuple[str, str]
    group: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...] = ()


def diff_tables(
    before: Measure | CodeTable,
    after: Measure | CodeTable,
    *,
    roles: tuple[frozenset[str] | None, frozenset[str] | None] = (None, None),
) -> Iterator[CodeChange]:
    """Yield what changed from one table to another, by group.

    Parameters
    ----------
    before, after : CodeTable
        Two tables of one kind.
    roles : pair of frozenset of str, optional
        Roles to look at on either side, all if left out; one role on each side is compared under both names.

    Raises
    ------
    SpecError
        When the tables are not of one kind, or one side is not a table.

    Examples
    --------
    >>> from riskstd.spec import load_code_table
    >>> a, b = (load_code_table(f"planned_admission_ry{year}") for year in (2021, 2024))
    >>> [(c.group, len(c.added), len(c.removed)) for c in diff_tables(a, b)]
    [('PA4 diagnosis_category', 2, 0), ('PA4 diagnosis_code', 0, 1148)]
    """
    if not isinstance(before, CodeTable) or not isinstance(after, CodeTable):
        raise SpecError("a measure and a code table cannot be compared", expected="two measures or two code tables")
    if before.provenance.kind != after.provenance.kind:
        raise SpecError(
            f"{before.name} is a {before.provenance.kind} and {after.name} a {after.provenance.kind}",
            expected="two code tables of one kind",
        )
    if before.sha256 == after.sha256 and roles[0] == roles[1]:
        return
    old, new = _groups(before, roles[0]), _groups(after, roles[1])
    if roles != (None, None) and len(old) == len(new) == 1 and set(old) != set(new):
        label = f"{next(iter(old))} -> {next(iter(new))}"
        old, new = {label: next(iter(old.values()))}, {label: next(iter(new.values()))}
    for group in dict.fromkeys((*old, *new)):
        yield from _group_change((before.name, after.name), group, old.get(group, {}), new.get(group, {}))


def _group_change(names: tuple[str, str], group: str, old: dict[str, str], new: dict[str, str]) -> Iterator[CodeChange]:
    added = tuple(sorted(set(new) - set(old)))
    removed = tuple(sorted(set(old) - set(new)))
    both = sorted(set(old) & set(new))
    changed = tuple((code, old[code], new[code]) for code in both if old[code] != new[code])
    if added or removed or changed:
        yield CodeChange(names, group, added, removed, changed)


def _groups(table: CodeTable, roles: frozenset[str] | None) -> dict[str, dict[str, str]]:
    """Codes with their years or value, by group."""
    groups: dict[str, dict[str, list[str]]] = {}
    for row in table.rows:
        group, codes, said = _row(table, row)
        if roles is not None and row.get("role") not in roles:
            continue
        for code in codes:
            groups.setdefault(group, {}).setdefault(code, []).append(said)
    return {group: {code: _together(said) for code, said in codes.items()} for group, codes in groups.items()}


def _row(table: CodeTable, row: dict[str, str]) -> tuple[str, list[str], str]:
    match table.provenance.kind:
        case "code_list":
            return row["role"], written(row["codes"]), row["years"] or EVERY_YEAR
        case "category_map":
            return f"category {row['category']}", written(row["codes"]), ""
        case "planned_admission":
            return f"{row['part']} {row['kind']}", written(row["codes"]), ""
        case "clause_values":
            return f"{row['clause']} {row['key']}", row["values"].split(), ""
        case kind:
            return kind, [row["code"]], f"{row[kind]} ({row['years'] or EVERY_YEAR})"


def written(codes: str) -> list[str]:
    """Return codes as written in a cell one by one, ranges expanded, prefixes with `*`.

    Examples
    --------
    >>> written("K50* G0380..G0382")
    ['G0380', 'G0381', 'G0382', 'K50*']
    """
    listed = CodeSet.of(codes.split())
    return [*sorted(listed.exact), *(f"{prefix}*" for prefix in sorted(listed.prefixes))]


def _together(said: list[str]) -> str:
    """Years or values of a code that stands in several rows, in order."""
    if EVERY_YEAR in said:
        return EVERY_YEAR
    try:
        return " ".join(sorted({text for text in said if text}, key=lambda text: (Years.of(text).spans, text)))
    except SpecError:
        return ", ".join(sorted(set(said)))
